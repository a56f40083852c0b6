// One document in the list: what it is, how far it is, why it failed, and what can be done with it.
import { Link } from "@tanstack/react-router";
import type { KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { isWorkedOn } from "@/api/knowledge";
import type { KnowledgeDocument } from "@/api/knowledge";
import { millis } from "@/api/run-progress";
import { Button } from "@/ui/button";
import { Retry, Stop } from "@/ui/icons";
import { formatBytes } from "@/ui/size";
import { formatMoment } from "@/ui/time";
import { useDocumentActs } from "./document-acts";
import { DocumentMenu } from "./document-menu";
import { SourceLink, StateTag, Work } from "./document-work";

interface DocumentProps {
  base: string;
  document: KnowledgeDocument;
  chosen: boolean;
  /** With `range`, everything from the row that was touched last. */
  onChoose: (range: boolean) => void;
  onKeyDown: (event: KeyboardEvent<HTMLInputElement>) => void;
  /** The row is about to go, and the focus in it. */
  onDelete: () => void;
}

const NOW = "col-start-1 row-start-2 mt-1 -ms-2 justify-self-start sm:col-start-2 sm:row-start-1 sm:mt-0 sm:ms-0";

export function DocumentRow({ base, document, chosen, onChoose, onKeyDown, onDelete }: DocumentProps) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => value.toLocaleString(i18n.language);
  const acts = useDocumentActs(base, document, onDelete);
  const size = document.size_bytes ? formatBytes(document.size_bytes, i18n.language) : "";
  return (
    <article data-testid="document" data-document={document.name} data-state={document.state} className={`flex gap-2.5 py-3.5 pe-4 ps-2 sm:gap-3 sm:pe-5 sm:ps-3 ${chosen ? "bg-brass-wash/60" : ""}`}>
      {/* With shift held the browser would mark the text between two clicks. */}
      <label className="-my-1 flex h-9 w-7 shrink-0 cursor-pointer items-center justify-center select-none" onMouseDown={(event) => { if (event.shiftKey) event.preventDefault(); }}>
        <input type="checkbox" className="size-4 accent-lacquer" data-choose={document.id} aria-label={t("knowledge.choose", { name: document.name })} checked={chosen}
          onChange={(event) => onChoose((event.nativeEvent as MouseEvent).shiftKey)} onKeyDown={onKeyDown} />
      </label>
      <div className="min-w-0 flex-1">
      {/* On a phone what may be done now stands below, where it takes no room from the reason. */}
      <div className="grid grid-cols-[minmax(0,1fr)_auto] items-start gap-x-3 sm:grid-cols-[minmax(0,1fr)_auto_auto]">
        <div>
          <p className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5">
            <Link to="/knowledge/$name/documents/$document" params={{ name: base, document: document.id }} className="min-w-0 font-medium wrap-anywhere underline-offset-4 hover:underline">{document.name}</Link>
            <StateTag state={document.state} />
          </p>
          <p className="mt-0.5 flex flex-wrap gap-x-3 gap-y-0.5 text-sm text-faint tabular-nums">
            {document.records > 0 && <span>{t("knowledge.records_count", { count: document.records, number: number(document.records) })}</span>}
            {size && <span>{size}</span>}
            {document.version > 1 && <span>{t("knowledge.version", { version: document.version })}</span>}
            {document.updated_at && <span>{formatMoment(millis(document.updated_at), i18n.language)}</span>}
            <SourceLink document={document} />
          </p>
          {document.groups.length > 0 && (
            <p className="mt-1.5 flex flex-wrap gap-1.5">
              <span className="sr-only">{t("knowledge.groups")}</span>
              {document.groups.map((group) => <span key={group} className="rounded-full border border-line px-2 text-xs leading-5 text-quiet">{group}</span>)}
            </p>
          )}
          <Work document={document} />
        </div>
        {isWorkedOn(document) && <Button weight="bare" className={NOW} disabled={acts.act.isPending} onClick={() => acts.act.mutate("cancel")}><Stop />{t("common.cancel")}</Button>}
        {(document.state === "failed" || document.state === "cancelled") && <Button weight="bare" className={NOW} disabled={acts.act.isPending} onClick={() => acts.act.mutate("retry")}><Retry />{t("common.retry")}</Button>}
        <div className="col-start-2 row-start-1 sm:col-start-3"><DocumentMenu base={base} document={document} onReplace={acts.replace} onAbout={acts.askAbout} onReadAgain={() => acts.act.mutate("retry")} onDelete={acts.remove} /></div>
      </div>
      {acts.parts}
      </div>
    </article>
  );
}
