// Lines that both versions have exactly once are where they were, unless they changed places. So a long text falls apart into short
// stretches between them (“patience diff”), however much was put in or taken out, and what takes long is done on those alone.

import type { Token } from "./tokens.ts";

/** Positions in both versions, growing in both. */
export type Anchor = [old: number, young: number];

export function anchorsOf(old: Token[], young: Token[]): Anchor[] {
  const [once, other] = [positionsOnce(old), positionsOnce(young)];
  const common: Anchor[] = [];
  for (const [key, at] of once) {
    const there = other.get(key);
    if (there !== undefined) common.push([at, there]);
  }
  return longestGrowing(common);
}

/** Where each line is that is there once, in order. Blank lines are no landmarks. */
function positionsOnce(lines: Token[]): Map<string, number> {
  const seen = new Map<string, number>();
  const often = new Set<string>([""]);
  for (const [at, { key }] of lines.entries()) {
    if (seen.has(key)) often.add(key);
    else seen.set(key, at);
  }
  for (const key of often) seen.delete(key);
  return seen;
}

/** The most of them that grow in the second position, too; they come sorted by the first. */
function longestGrowing(common: Anchor[]): Anchor[] {
  // The last one of the best row of each length, and before each one the one that it follows in such a row.
  const lasts: number[] = [];
  const follows: (number | undefined)[] = [];
  for (const [index, [, young]] of common.entries()) {
    let [low, high] = [0, lasts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((common[lasts[middle] ?? 0]?.[1] ?? 0) < young) low = middle + 1;
      else high = middle;
    }
    follows[index] = lasts[low - 1];
    lasts[low] = index;
  }
  const row: Anchor[] = [];
  for (let at = lasts.at(-1); at !== undefined; at = follows[at]) row.push(common[at] as Anchor);
  return row.reverse();
}
