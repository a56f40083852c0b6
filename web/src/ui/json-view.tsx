// Any JSON value, readable: short values in line, long ones folded, and the whole to be copied. The values come from
// runs, so they are shown as text and nothing else.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "./copy-button";
import { Chevron } from "./icons";

/** Objects and arrays are open to this depth at first. */
const OPEN_DEPTH = 1;
/** Entries shown at once, so that ten thousand records do not stop the page. */
const SHOWN = 50;
/** Characters of a string shown before it is folded. */
const LONG_TEXT = 400;

export function JsonView({ value, label }: { value: unknown; label: string }) {
  const { t } = useTranslation();
  if (value === undefined || value === null) return <p className="text-sm text-faint">{t("runs.nothing")}</p>;
  return (
    <div className="relative overflow-hidden rounded-lg border border-line bg-wall">
      <div role="group" aria-label={label} tabIndex={0} className="max-h-96 overflow-auto px-3 py-2 pe-11 font-mono text-[0.8rem] leading-6">
        <Value value={value} depth={0} />
      </div>
      <CopyButton text={JSON.stringify(value, null, 2)} label={t("runs.copy_json")} className="absolute end-1 top-1 !size-8 bg-wall" />
    </div>
  );
}

function Value({ value, depth }: { value: unknown; depth: number }) {
  if (typeof value === "string") return <Text value={value} />;
  if (typeof value === "number") return <span className="text-brass-ink">{String(value)}</span>;
  if (typeof value !== "object" || value === null) return <span className="text-quiet italic">{String(value)}</span>;
  return <Folder value={value} depth={depth} />;
}

function Text({ value }: { value: string }) {
  const { t } = useTranslation();
  const [whole, setWhole] = useState(false);
  const folded = !whole && value.length > LONG_TEXT;
  return (
    <span className="break-words whitespace-pre-wrap text-ink">
      {folded ? `${value.slice(0, LONG_TEXT)}…` : value || "\u201c\u201d"}
      {folded && <button type="button" className="ms-1 text-quiet underline" onClick={() => setWhole(true)}>{t("runs.expand")}</button>}
    </span>
  );
}

function Folder({ value, depth }: { value: object; depth: number }) {
  const { t } = useTranslation();
  const entries = Object.entries(value);
  const list = Array.isArray(value);
  const [open, setOpen] = useState(depth < OPEN_DEPTH || entries.length === 0);
  const [shown, setShown] = useState(SHOWN);
  if (entries.length === 0) return <span className="text-faint">{list ? "[ ]" : "{ }"}</span>;
  if (!open) {
    return (
      <button type="button" aria-expanded={false} className="text-start text-quiet hover:text-ink" onClick={() => setOpen(true)}>
        <Chevron className="me-1 inline size-3" />
        {list ? `[${t("runs.items", { count: entries.length })}]` : `{${glimpse(entries)}}`}
      </button>
    );
  }
  return (
    <div>
      {depth > 0 && (
        <button type="button" aria-expanded={true} aria-label={t("runs.collapse")} className="text-quiet hover:text-ink" onClick={() => setOpen(false)}>
          <Chevron className="me-1 inline size-3 rotate-90" />
        </button>
      )}
      <ul className={depth > 0 ? "border-s border-line ps-3" : ""}>
        {entries.slice(0, shown).map(([key, entry]) => (
          <li key={key} className="break-words"><span className="text-quiet">{key}</span><span className="text-faint">: </span><Value value={entry} depth={depth + 1} /></li>
        ))}
      </ul>
      {entries.length > shown && (
        <button type="button" className="text-quiet underline" onClick={() => setShown(shown + 200)}>{t("common.more")} ({entries.length - shown})</button>
      )}
    </div>
  );
}

function glimpse(entries: [string, unknown][]): string {
  const named = entries.find(([key]) => key === "name" || key === "title" || key === "id");
  if (named && (typeof named[1] === "string" || typeof named[1] === "number")) return ` ${named[0]}: ${named[1]}, … `;
  const keys = entries.slice(0, 4).map(([key]) => key).join(", ");
  return ` ${keys}${entries.length > 4 ? ", …" : ""} `;
}
