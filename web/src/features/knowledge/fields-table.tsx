// The fields of a base as rows: name, type, what people call it, and what it is used for. On a phone each row is a card.
import { useTranslation } from "react-i18next";
import { Button, IconButton } from "@/ui/button";
import { INPUT } from "@/ui/field";
import { Plus, Trash } from "@/ui/icons";
import { emptyRow, FIELD_TYPES, problemOf, sayType, usualField } from "./field-types";
import type { FieldRow } from "./field-types";

interface FieldsTableProps {
  rows: FieldRow[];
  onChange: (rows: FieldRow[]) => void;
  /** Whether the form was sent once: before, an empty name is not called wrong. */
  tried: boolean;
}

const USES = ["embed", "filter", "show"] as const;

export function FieldsTable({ rows, onChange, tried }: FieldsTableProps) {
  const { t } = useTranslation();
  const names = rows.map((row) => row.name);
  const change = (key: number, next: Partial<FieldRow>) => onChange(rows.map((row) => (row.key === key ? { ...row, ...next } : row)));
  return (
    <div className="space-y-3">
      {rows.length > 0 && (
        <div aria-hidden="true" className="!mb-1.5 hidden grid-cols-[1fr_1fr_9rem_2.25rem] gap-2 px-3 text-xs text-faint sm:grid"><span>{t("knowledge.field_name")}</span><span>{t("knowledge.field_title")}</span><span>{t("knowledge.field_type")}</span></div>
      )}
      <ul className="space-y-3" data-testid="fields">
        {rows.map((row) => {
          const problem = tried || row.name !== "" ? problemOf(row.name, names) : null;
          const called = row.title || row.name || t("knowledge.field_new");
          return (
            <li key={row.key} role="group" aria-label={called} className="rounded-xl border border-line bg-paper p-3">
              <div className="grid grid-cols-[1fr_auto] gap-2 sm:grid-cols-[1fr_1fr_9rem_auto]">
                <input aria-label={t("knowledge.field_name")} placeholder={t("knowledge.field_name")} spellCheck={false} autoCapitalize="none" className={`${INPUT} col-start-1 font-mono text-sm`} aria-invalid={problem ? true : undefined}
                  value={row.name} onChange={(event) => change(row.key, { name: event.target.value })} />
                <input aria-label={t("knowledge.field_title")} placeholder={t("knowledge.field_title")} className={`${INPUT} col-start-1 sm:col-start-2`} value={row.title} onChange={(event) => change(row.key, { title: event.target.value })} />
                <TypeChoice type={row.type} className="col-start-1 sm:col-start-3" onChange={(type) => change(row.key, usualField(type))} />
                <IconButton label={t("knowledge.field_remove", { name: called })} className="col-start-2 row-start-1 sm:col-start-4" onClick={() => onChange(rows.filter((one) => one !== row))}><Trash /></IconButton>
              </div>
              {problem && <p className="mt-1.5 text-sm text-seal">{t(`knowledge.field_problem_${problem}`)}</p>}
              <div className="mt-2 flex flex-wrap gap-x-5">
                {USES.map((use) => (
                  <label key={use} className="flex min-h-9 items-center gap-2 text-sm" title={t(`knowledge.use_${use}_text`)}>
                    <input type="checkbox" className="size-4 accent-lacquer" checked={row[use]} onChange={(event) => change(row.key, { [use]: event.target.checked } as Partial<FieldRow>)} />
                    {t(`knowledge.use_${use}`)}
                  </label>
                ))}
              </div>
            </li>
          );
        })}
      </ul>
      <Button onClick={() => onChange([...rows, emptyRow()])}><Plus />{t("knowledge.field_add")}</Button>
    </div>
  );
}

interface TypeChoiceProps {
  type: string;
  className?: string;
  disabled?: boolean;
  onChange: (type: string) => void;
}

export function TypeChoice({ type, className = "", disabled = false, onChange }: TypeChoiceProps) {
  const { t } = useTranslation();
  // A type that only the server knows stays what it is.
  const types = (FIELD_TYPES as readonly string[]).includes(type) ? FIELD_TYPES : [...FIELD_TYPES, type];
  return (
    <select aria-label={t("knowledge.field_type")} disabled={disabled} className={`${INPUT} ${className}`} value={type} onChange={(event) => onChange(event.target.value)}>
      {types.map((one) => <option key={one} value={one}>{sayType(t, one)}</option>)}
    </select>
  );
}
