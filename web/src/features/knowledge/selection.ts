// Which rows of a list are chosen, and what a click, a click with shift or a key makes of that. Pure. What is chosen and no
// longer shown does not count: nobody deletes what they do not see.

export interface Selection {
  chosen: ReadonlySet<string>;
  /** Where a range begins: the row that was touched last. */
  anchor: string | null;
}

export const NOTHING: Selection = { chosen: new Set(), anchor: null };

/** Of the rows that are shown, those that are chosen. */
export function chosenOf<T extends { id: string }>({ chosen }: Selection, shown: readonly T[]): T[] {
  return shown.filter((one) => chosen.has(one.id));
}

/** Chooses a row or lets go of it; with `range` everything from the row that was touched last becomes what this one becomes. */
export function toggled(selection: Selection, shown: readonly string[], id: string, range: boolean): Selection {
  const on = !selection.chosen.has(id);
  const touched = range ? between(shown, selection.anchor, id) : [id];
  return { chosen: changed(selection.chosen, touched, on), anchor: id };
}

/** Chooses everything from where the range begins to `to`; what the range had before and has no longer is let go. */
export function stretched(selection: Selection, shown: readonly string[], from: string, to: string): Selection {
  const anchor = selection.anchor !== null && shown.includes(selection.anchor) ? selection.anchor : from;
  const without = changed(selection.chosen, between(shown, anchor, from), false);
  return { chosen: changed(without, between(shown, anchor, to), true), anchor };
}

export function everything(shown: readonly string[]): Selection {
  return { chosen: new Set(shown), anchor: null };
}

function between(shown: readonly string[], anchor: string | null, id: string): readonly string[] {
  const [from, to] = [shown.indexOf(anchor ?? id), shown.indexOf(id)];
  return from < 0 || to < 0 ? [id] : shown.slice(Math.min(from, to), Math.max(from, to) + 1);
}

function changed(chosen: ReadonlySet<string>, ids: readonly string[], on: boolean): ReadonlySet<string> {
  const next = new Set(chosen);
  for (const id of ids) {
    if (on) next.add(id);
    else next.delete(id);
  }
  return next;
}
