// Documents in rows that can be chosen, by mouse or by key, and what is done with those that are.
import { useRef, useState } from "react";
import type { KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import type { KnowledgeDocument } from "@/api/knowledge";
import { BulkBar } from "./bulk-bar";
import { DocumentRow } from "./document-row";
import { chosenOf, everything, NOTHING, stretched, toggled } from "./selection";
import { useBulk } from "./use-bulk";

export function DocumentList({ base, documents }: { base: string; documents: KnowledgeDocument[] }) {
  const { t } = useTranslation();
  const [selection, setSelection] = useState(NOTHING);
  const list = useRef<HTMLUListElement>(null);
  const ids = documents.map((document) => document.id);
  const chosen = chosenOf(selection, documents);
  const bulk = useBulk(base, (failed) => setSelection(everything(failed)));
  /** The row that had the focus goes away; whoever works by keyboard goes on in the list. */
  const keepPlace = () => list.current?.focus({ preventScroll: true });
  const remove = () => {
    keepPlace();
    setSelection(NOTHING);
    bulk.remove(chosen);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>, id: string) => {
    const { key } = event;
    const next = ids[ids.indexOf(id) + (key === "ArrowDown" ? 1 : -1)];
    if (key === "ArrowDown" || key === "ArrowUp") {
      if (next === undefined) return;
      if (event.shiftKey) setSelection(stretched(selection, ids, id, next));
      list.current?.querySelector<HTMLElement>(`[data-choose="${CSS.escape(next)}"]`)?.focus();
    } else if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "a") setSelection(everything(ids));
    else if (key === "Escape" && chosen.length > 0) setSelection(NOTHING);
    else if (key === "Delete" && chosen.length > 0) remove();
    else return;
    event.preventDefault();
  };
  return (
    <div className="overflow-clip rounded-2xl border border-line bg-raised shadow-desk">
      {/* Below the head of the page, so that it is at hand in a long list. */}
      <div className="sticky top-14 z-10 border-b border-line bg-raised">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1 py-1.5 pe-4 ps-2 sm:pe-5 sm:ps-3">
          <label className="flex min-h-9 cursor-pointer items-center gap-2.5 text-sm text-quiet select-none sm:gap-3">
            <span className="flex w-7 justify-center">
              <input type="checkbox" className="size-4 accent-lacquer" data-testid="choose-all" checked={chosen.length > 0 && chosen.length === documents.length}
                ref={(box) => { if (box) box.indeterminate = chosen.length > 0 && chosen.length < documents.length; }}
                onChange={() => setSelection(chosen.length === documents.length ? NOTHING : everything(ids))} />
            </span>
            {chosen.length > 0 ? <span role="status" className="text-ink">{t("knowledge.chosen", { count: chosen.length })}</span> : t("knowledge.choose_all")}
          </label>
          {chosen.length > 0 && <BulkBar documents={chosen} bulk={bulk} onDelete={remove} />}
        </div>
        {bulk.parts}
      </div>
      <ul ref={list} tabIndex={-1} aria-label={t("knowledge.documents")} aria-describedby="choose-keys" className="divide-y divide-line outline-none">
        {documents.map((document) => (
          <li key={document.id}>
            <DocumentRow base={base} document={document} chosen={selection.chosen.has(document.id)} onDelete={keepPlace}
              onChoose={(range) => setSelection(toggled(selection, ids, document.id, range))} onKeyDown={(event) => onKeyDown(event, document.id)} />
          </li>
        ))}
      </ul>
      <p id="choose-keys" className="sr-only">{t("knowledge.choose_keys")}</p>
    </div>
  );
}
