// The filter of a search: rows of field, comparison and value, or JSON for what rows cannot say.
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import type { KnowledgeFields } from "@/api/knowledge";
import { Button, IconButton } from "@/ui/button";
import { INPUT } from "@/ui/field";
import { Cross, Plus } from "@/ui/icons";
import { readJson } from "@/ui/schema-form";
import { comparisonsOf, filterOf, rowsOfFilter } from "./filter-rows";
import type { FilterRow } from "./filter-rows";

interface FilterEditorProps {
  fields: KnowledgeFields;
  filter: Record<string, unknown> | null;
  onCommit: (filter: Record<string, unknown> | null) => void;
}

export function FilterEditor({ fields, filter, onCommit }: FilterEditorProps) {
  const { t } = useTranslation();
  const usable = Object.entries(fields).filter(([, field]) => field.filter).map(([name]) => name);
  const [rows, setRows] = useState<FilterRow[] | null>(() => rowsOfFilter(filter));
  // Another filter than the rows say comes from outside, by the way back or by the usual settings.
  const given = JSON.stringify(filter ?? {});
  const [seen, setSeen] = useState(given);
  if (given !== seen) {
    setSeen(given);
    if (rows === null || given !== JSON.stringify(filterOf(rows, fields))) setRows(rowsOfFilter(filter));
  }
  if (usable.length === 0 && !filter) return null;
  if (rows === null) return <JsonFilter filter={filter} onCommit={onCommit} />;
  const take = (next: FilterRow[]) => {
    setRows(next);
    if (next.length === 0) return filter ? onCommit(null) : undefined;
    const read = filterOf(next, fields);
    // A row that is not filled in yet does not take the others away.
    if (read && JSON.stringify(read) !== JSON.stringify(filter)) onCommit(read);
  };
  const rowOf = (field: string): FilterRow => ({ field, comparison: comparisonsOf(fields[field]?.type ?? "text")[0] ?? "eq", text: fields[field]?.type === "boolean" ? "true" : "" });
  const first = usable[0];
  return (
    <fieldset data-testid="filter">
      <legend className="mb-1 text-sm text-quiet">{t("knowledge.filter")}</legend>
      <ul className="space-y-2">
        {rows.map((row, index) => <li key={`${index} ${row.field}`}><Row row={row} fields={fields} usable={usable} onChange={(next) => take(rows.map((one) => (one === row ? next : one)))} onField={(field) => setRows(rows.map((one) => (one === row ? rowOf(field) : one)))} onRemove={() => take(rows.filter((one) => one !== row))} /></li>)}
      </ul>
      {first !== undefined && <Button weight="bare" className="mt-1 -ms-2" onClick={() => setRows([...rows, rowOf(first)])}><Plus />{t("knowledge.filter_add")}</Button>}
    </fieldset>
  );
}

interface RowProps {
  row: FilterRow;
  fields: KnowledgeFields;
  usable: string[];
  onChange: (row: FilterRow) => void;
  onField: (field: string) => void;
  onRemove: () => void;
}

function Row({ row, fields, usable, onChange, onField, onRemove }: RowProps) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(row.text);
  const [from, setFrom] = useState(row.text);
  if (row.text !== from) {
    setFrom(row.text);
    setTyped(row.text);
  }
  const type = fields[row.field]?.type ?? "text";
  const comparisons = comparisonsOf(type);
  const commit = () => { if (typed !== row.text) onChange({ ...row, text: typed }); };
  return (
    <div className="rounded-lg border border-line bg-paper p-2">
      <div className="flex gap-1">
        <select aria-label={t("knowledge.filter_field")} className={`${INPUT} !min-h-9 min-w-0 !px-2 text-sm`} value={row.field} onChange={(event) => onField(event.target.value)}>
          {[...new Set([...usable, row.field])].map((name) => <option key={name} value={name}>{fields[name]?.title || name}</option>)}
        </select>
        <IconButton label={t("knowledge.filter_remove")} onClick={onRemove}><Cross /></IconButton>
      </div>
      <div className="mt-1 flex gap-1">
        <select aria-label={t("knowledge.filter_comparison")} className={`${INPUT} !min-h-9 !w-auto shrink-0 !px-2 text-sm`} value={row.comparison} onChange={(event) => onChange({ ...row, comparison: event.target.value, text: typed })}>
          {[...new Set([...comparisons, row.comparison])].map((one) => <option key={one} value={one}>{t(`knowledge.is_${one as "eq"}`, { defaultValue: one })}</option>)}
        </select>
        {type === "boolean" ? (
          <select aria-label={t("knowledge.filter_value")} className={`${INPUT} !min-h-9 min-w-0 !px-2 text-sm`} value={row.text} onChange={(event) => onChange({ ...row, text: event.target.value })}>
            <option value="true">{t("form.yes")}</option><option value="false">{t("form.no")}</option>
          </select>
        ) : (
          <input aria-label={t("knowledge.filter_value")} type={type === "date" ? "date" : "text"} inputMode={type === "number" ? "decimal" : undefined} className={`${INPUT} !min-h-9 min-w-0 !px-2 text-sm`} value={typed}
            onChange={(event) => setTyped(event.target.value)} onBlur={commit} onKeyDown={(event) => { if (event.key === "Enter") commit(); }} />
        )}
      </div>
    </div>
  );
}

function JsonFilter({ filter, onCommit }: Omit<FilterEditorProps, "fields">) {
  const { t } = useTranslation();
  const id = useId();
  const [typed, setTyped] = useState(() => JSON.stringify(filter, null, 2));
  const [wrong, setWrong] = useState("");
  const commit = () => {
    if (typed.trim() === "") return onCommit(null);
    const read = readJson(typed);
    if ("error" in read) return setWrong(t("form.bad_json", { reason: read.reason }));
    setWrong("");
    onCommit(typeof read.value === "object" ? (read.value as Record<string, unknown> | null) : null);
  };
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-sm text-quiet">{t("knowledge.filter_json")}</label>
      <textarea id={id} rows={5} spellCheck={false} className={`${INPUT} py-2 font-mono text-xs`} value={typed} onChange={(event) => setTyped(event.target.value)} onBlur={commit} />
      {wrong && <p className="mt-1 text-sm text-seal">{wrong}</p>}
      <Button weight="bare" className="-ms-2" onClick={() => onCommit(null)}>{t("knowledge.filter_clear")}</Button>
    </div>
  );
}
