// The types that a field may have in `knowledge.yaml`, and values of them between what is typed and what is sent. Pure.
import type { TFunction } from "i18next";
import type { KnowledgeField, KnowledgeFields } from "@/api/knowledge";

export const FIELD_TYPES = ["text", "keyword", "number", "boolean", "date", "list"] as const;

export function sayType(t: TFunction, type: string): string {
  return t(`knowledge.type_${type as "text"}`, { defaultValue: type });
}

/** As the server reads a field of which only the type is written. */
export function usualField(type: string): Omit<KnowledgeField, "title"> {
  return { type, embed: type === "text" || type === "keyword", filter: type !== "text", show: true };
}

/** As a name may be in a filter and in a template; the server has the last word. */
export function isFieldName(name: string): boolean {
  return /^[a-z][a-z0-9_]{0,62}$/.test(name);
}

export interface FieldRow extends KnowledgeField {
  /** Keeps the row's place while its name is typed. */
  key: number;
  name: string;
  title: string;
}

let nextKey = 0;

export function rowsOf(fields: KnowledgeFields): FieldRow[] {
  return Object.entries(fields).map(([name, field]) => ({ ...field, name, title: field.title ?? "", key: nextKey++ }));
}

export function emptyRow(): FieldRow {
  return { ...usualField("text"), name: "", title: "", key: nextKey++ };
}

export type FieldProblem = "name" | "twice";

export function problemOf(name: string, names: readonly string[]): FieldProblem | null {
  if (!isFieldName(name)) return "name";
  return names.filter((one) => one === name).length > 1 ? "twice" : null;
}

export function fieldsOf(rows: readonly FieldRow[]): KnowledgeFields {
  return Object.fromEntries(rows.map(({ name, type, embed, filter, show, title }) => [name, { type, embed, filter, show, ...(title.trim() ? { title: title.trim() } : {}) }]));
}

export function textOfValue(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(String).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What was typed as the field's type takes it; null empties it, undefined is wrong. */
export function valueOfText(text: string, type: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  if (type === "number") {
    const value = Number(trimmed.replace(/[,，\s]/g, ""));
    return Number.isFinite(value) ? value : undefined;
  }
  if (type === "boolean") return trimmed === "true";
  if (type === "list") return trimmed.split(/[,，、\n]/).map((one) => one.trim()).filter((one) => one !== "");
  return trimmed;
}
