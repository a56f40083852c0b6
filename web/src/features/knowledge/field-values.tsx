// The values of a record, under the names that people give its fields; those that readers do not see are set back.
import { useTranslation } from "react-i18next";
import type { KnowledgeFields } from "@/api/knowledge";
import { textOfValue } from "./field-types";

interface FieldValuesProps {
  fields: KnowledgeFields;
  values: Record<string, unknown>;
  /** The record's text: what it says already is not said again. */
  text: string;
}

export function FieldValues({ fields, values, text }: FieldValuesProps) {
  const { t } = useTranslation();
  const names = [...Object.keys(fields).filter((name) => name in values), ...Object.keys(values).filter((name) => !(name in fields))];
  const filled = names.filter((name) => textOfValue(values[name]) !== "" && !(fields[name]?.embed && text.includes(textOfValue(values[name]))));
  if (filled.length === 0) return null;
  const say = (value: unknown) => (typeof value === "boolean" ? t(value ? "form.yes" : "form.no") : textOfValue(value));
  return (
    <dl className="mt-2 flex flex-wrap gap-x-5 gap-y-0.5 text-sm">
      {filled.map((name) => (
        <div key={name} className={`flex min-w-0 gap-1.5 ${fields[name]?.show === false ? "opacity-60" : ""}`}>
          <dt className="shrink-0 text-faint">{fields[name]?.title || name}</dt>
          <dd className="min-w-0 break-words">{say(values[name])}</dd>
        </div>
      ))}
    </dl>
  );
}
