// The fields of a form that a JSON Schema describes, and what has been typed into them.
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import type { JsonSchema } from "@/api/types";
import { INPUT } from "./field";
import { fieldsOf, initialText, readAll, readText } from "./schema-form";
import type { FormField } from "./schema-form";

export interface SchemaForm {
  fields: FormField[];
  texts: Record<string, string>;
  /** Whether the form was sent once: before, nobody is told what is missing. */
  tried: boolean;
  change: (name: string, text: string) => void;
  /** The values, or null while something is missing or wrong, which the fields then say. */
  read: () => Record<string, unknown> | null;
}

export function useSchemaForm(schema: JsonSchema | null | undefined): SchemaForm {
  const fields = fieldsOf(schema);
  const [texts, setTexts] = useState<Record<string, string>>(() => Object.fromEntries(fields.map((field) => [field.name, initialText(field)])));
  const [tried, setTried] = useState(false);
  return {
    fields, texts, tried,
    change: (name, text) => setTexts({ ...texts, [name]: text }),
    read: () => {
      setTried(true);
      return readAll(fields, texts);
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
    const text = form.texts[field.name] ?? "";
    const result = readText(field, text);
    const error = form.tried && "error" in result ? (result.error === "json" ? t("form.bad_json", { reason: result.reason }) : t("form.required")) : undefined;
    return <Input key={field.name} field={field} named={named} text={text} error={error} onChange={(next) => form.change(field.name, next)} />;
  });
}

interface InputProps {
  field: FormField;
  named: boolean;
  text: string;
  error: string | undefined;
  onChange: (text: string) => void;
}

function Input({ field, named, text, error, onChange }: InputProps) {
  const { t } = useTranslation();
  const id = useId();
  const shared = { id, "aria-invalid": error ? true : undefined, "aria-describedby": `${id}-about`, "aria-required": field.required };
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 flex items-baseline gap-2 text-sm font-medium">
        {field.label}
        {named && field.label !== field.name && <span className="font-mono text-xs font-normal text-faint">{field.name}</span>}
        {!field.required && field.kind !== "boolean" && <span className="text-xs font-normal text-faint">{t("common.optional")}</span>}
      </label>
      {field.kind === "choice" ? (
        <select {...shared} className={INPUT} value={text} onChange={(event) => onChange(event.target.value)}>
          <option value="">{t("form.choose")}</option>
          {field.choices.map((choice) => {
            const value = typeof choice === "string" ? choice : JSON.stringify(choice);
            return <option key={value} value={value}>{value}</option>;
          })}
        </select>
      ) : field.kind === "boolean" ? (
        <label className="flex min-h-10 items-center gap-3"><input {...shared} type="checkbox" className="size-4 accent-lacquer" checked={text === "true"} onChange={(event) => onChange(String(event.target.checked))} />{t("form.yes")}</label>
      ) : field.kind === "json" || field.kind === "long_text" ? (
        <textarea {...shared} rows={4} className={`${INPUT} py-2 ${field.kind === "json" ? "font-mono text-sm" : ""}`} placeholder={field.kind === "json" ? t("form.json") : undefined}
          value={text} onChange={(event) => onChange(event.target.value)} />
      ) : (
        <input {...shared} className={INPUT} type={field.kind} value={text} onChange={(event) => onChange(event.target.value)}
          {...(field.kind === "number" ? { step: field.schema.type === "integer" ? 1 : "any", min: field.schema.minimum, max: field.schema.maximum, inputMode: "decimal" as const } : {})} />
      )}
      <p id={`${id}-about`} className={`mt-1 text-sm ${error ? "text-seal" : "text-faint"}`}>{error ?? field.description ?? ""}</p>
    </div>
  );
}
