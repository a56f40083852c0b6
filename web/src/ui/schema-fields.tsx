// The fields of a form that a JSON Schema describes, and what has been typed into them.
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import type { JsonSchema } from "@/api/types";
import { Button } from "./button";
import { INPUT } from "./field";
import { Check } from "./icons";
import { fieldsOf, readAll, readText, textsOf } from "./schema-form";
import type { FormField, Texts } from "./schema-form";
import { Words } from "./words";

export interface SchemaForm {
  fields: FormField[];
  texts: Texts;
  /** Secrets that the server has already. */
  filled: ReadonlySet<string>;
  /** Whether the form was sent once: before, nobody is told what is missing. */
  tried: boolean;
  change: (name: string, text: string | null) => void;
  /** Puts other values in, in place of all that stand there. */
  fill: (values: Record<string, unknown>) => void;
  /** The values, or null while something is missing or wrong, which the fields then say. */
  read: () => Record<string, unknown> | null;
}

interface Known {
  values: Record<string, unknown>;
  filled: ReadonlySet<string>;
}

const NOTHING_KNOWN: Known = { values: {}, filled: new Set() };

export function useSchemaForm(schema: JsonSchema | null | undefined, known: Known = NOTHING_KNOWN): SchemaForm {
  const { i18n } = useTranslation();
  const fields = fieldsOf(schema, i18n.language);
  const [texts, setTexts] = useState<Texts>(() => textsOf(fields, known.values));
  const [tried, setTried] = useState(false);
  return {
    fields, texts, tried, filled: known.filled,
    change: (name, text) => setTexts({ ...texts, [name]: text }),
    fill: (values) => { setTried(false); setTexts(textsOf(fields, values)); },
    read: () => {
      setTried(true);
      return readAll(fields, texts, known.filled);
    },
  };
}

interface SchemaFieldsProps {
  form: SchemaForm;
  /** Beside a field's title also its name in the document, for those who write documents. */
  named?: boolean;
}

export function SchemaFields({ form, named = false }: SchemaFieldsProps) {
  const { t } = useTranslation();
  return form.fields.map((field) => {
    const text = form.texts[field.name] === undefined ? "" : (form.texts[field.name] as string | null);
    const filled = form.filled.has(field.name);
    const result = readText(field, text, filled);
    const error = form.tried && "error" in result ? (result.error === "json" ? t("form.bad_json", { reason: result.reason }) : t("form.required")) : undefined;
    return <Input key={field.name} field={field} named={named} text={text} filled={filled} error={error} onChange={(next) => form.change(field.name, next)} />;
  });
}

interface InputProps {
  field: FormField;
  named: boolean;
  text: string | null;
  filled: boolean;
  error: string | undefined;
  onChange: (text: string | null) => void;
}

function Input({ field, named, text, filled, error, onChange }: InputProps) {
  const { t } = useTranslation();
  const id = useId();
  const shared = { id, "aria-invalid": error ? true : undefined, "aria-describedby": `${id}-about`, "aria-required": field.required };
  const value = text ?? "";
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 flex flex-wrap items-baseline gap-x-2 text-sm font-medium">
        {field.label}
        {named && field.label !== field.name && <span className="font-mono text-xs font-normal text-faint">{field.name}</span>}
        {!field.required && field.kind !== "boolean" && <span className="text-xs font-normal text-faint">{t("common.optional")}</span>}
      </label>
      {field.kind === "choice" ? (
        <select {...shared} className={INPUT} value={value} onChange={(event) => onChange(event.target.value)}>
          <option value="">{t("form.choose")}</option>
          {field.choices.map((choice) => {
            const said = choice.value === true ? t("form.yes") : choice.value === false ? t("form.no") : choice.text;
            return <option key={choice.text} value={choice.text}>{choice.about ? `${said} · ${choice.about}` : said}</option>;
          })}
        </select>
      ) : field.kind === "boolean" ? (
        <label className="flex min-h-10 items-center gap-3"><input {...shared} type="checkbox" className="size-4 accent-lacquer" checked={value === "true"} onChange={(event) => onChange(String(event.target.checked))} />{t("form.yes")}</label>
      ) : field.kind === "json" || field.kind === "long_text" || field.kind === "lines" ? (
        <textarea {...shared} rows={4} className={`${INPUT} py-2 ${field.kind === "json" ? "font-mono text-sm" : ""}`} placeholder={field.kind === "json" ? t("form.json") : field.kind === "lines" ? t("form.lines") : undefined}
          value={value} onChange={(event) => onChange(event.target.value)} />
      ) : field.kind === "secret" ? (
        <Secret shared={shared} label={field.label} text={text} filled={filled} onChange={onChange} />
      ) : (
        <input {...shared} className={INPUT} type={field.kind} value={value} onChange={(event) => onChange(event.target.value)}
          {...(field.kind === "number" ? { step: field.schema.type === "integer" ? 1 : "any", min: field.schema.minimum, max: field.schema.maximum, inputMode: "decimal" as const } : {})} />
      )}
      <p id={`${id}-about`} className={`mt-1 text-sm ${error ? "text-seal" : "text-faint"}`}><Words text={error ?? field.description ?? ""} /></p>
    </div>
  );
}

interface SecretProps {
  shared: { id: string; "aria-describedby": string };
  label: string;
  text: string | null;
  filled: boolean;
  onChange: (text: string | null) => void;
}

/** A value that goes in and never comes out: only whether there is one is shown. */
function Secret({ shared, label, text, filled, onChange }: SecretProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const keep = () => { setOpen(false); onChange(""); };
  if (!filled || (open && text !== null)) {
    return (
      <div className="flex items-center gap-2">
        <input {...shared} className={INPUT} type="password" autoComplete="new-password" autoFocus={open} value={text ?? ""} onChange={(event) => onChange(event.target.value)} />
        {filled && <Button weight="bare" onClick={keep}>{t("common.cancel")}</Button>}
      </div>
    );
  }
  return (
    <div role="group" aria-label={label} aria-describedby={shared["aria-describedby"]} className="flex min-h-10 flex-wrap items-center gap-x-3 gap-y-1 rounded-lg border border-line bg-wall px-3 py-0.5">
      {text === null ? (
        <>
          <span className="text-sm text-seal">{t("form.secret_taken")}</span>
          <Button weight="bare" className="ms-auto" onClick={keep}>{t("form.secret_keep")}</Button>
        </>
      ) : (
        <>
          <span className="inline-flex items-center gap-1.5 text-sm text-quiet"><span className="text-lacquer dark:text-on-lacquer"><Check /></span>{t("form.secret_filled")}</span>
          <span className="ms-auto flex">
            <Button weight="bare" aria-label={t("form.secret_replace_named", { name: label })} onClick={() => setOpen(true)}>{t("form.secret_replace")}</Button>
            <Button weight="bare" aria-label={t("form.secret_take_named", { name: label })} onClick={() => onChange(null)}>{t("form.secret_take")}</Button>
          </span>
        </>
      )}
    </div>
  );
}
