// From a JSON Schema to form fields, and from what was typed back to JSON. Pure, so that the rules for each
// type are tested without a browser.
import type { JsonSchema } from "@/api/types";

export type FieldKind = "text" | "long_text" | "number" | "boolean" | "choice" | "date" | "json";

export interface FormField {
  name: string;
  label: string;
  description: string | undefined;
  required: boolean;
  kind: FieldKind;
  schema: JsonSchema;
  choices: unknown[];
}

/** A text longer than this is written in a box of several lines. */
const LONG = 200;

export function fieldsOf(schema: JsonSchema | null | undefined): FormField[] {
  const required = new Set(schema?.required ?? []);
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => ({
    name, label: property.title ?? name, description: property.description, required: required.has(name) && property.default === undefined,
    kind: kindOf(property), schema: property, choices: property.enum ?? [],
  }));
}

function kindOf(schema: JsonSchema): FieldKind {
  if (schema.enum) return "choice";
  const types = (Array.isArray(schema.type) ? schema.type : [schema.type]).filter((type) => type !== "null");
  const type = types.length === 1 ? types[0] : undefined;
  if (type === "boolean") return "boolean";
  if (type === "integer" || type === "number") return "number";
  if (type !== "string") return "json";
  if (schema.format === "date") return "date";
  return schema.format === "textarea" || (schema.maxLength ?? 0) > LONG ? "long_text" : "text";
}

/** What a field holds at first, as text. */
export function initialText(field: FormField): string {
  const value = field.schema.default;
  if (value === undefined || value === null) return field.kind === "boolean" ? "false" : "";
  return typeof value === "string" && field.kind !== "json" ? value : JSON.stringify(value);
}

export type Read = { value: unknown } | { error: "required" } | { error: "json"; reason: string };

/** The JSON value of what was typed; `undefined` leaves the input out. */
export function readText(field: FormField, text: string): Read {
  if (field.kind === "boolean") return { value: text === "true" };
  if (text.trim() === "") return field.required ? { error: "required" } : { value: undefined };
  if (field.kind === "number") return { value: Number(text) };
  if (field.kind === "choice") return { value: field.choices.find((choice) => JSON.stringify(choice) === text || choice === text) };
  if (field.kind !== "json") return { value: text };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { error: "json", reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The values of all fields, or null while one of them is missing or wrong. */
export function readAll(fields: FormField[], texts: Record<string, string>): Record<string, unknown> | null {
  const values: Record<string, unknown> = {};
  for (const field of fields) {
    const read = readText(field, texts[field.name] ?? "");
    if ("error" in read) return null;
    if (read.value !== undefined) values[field.name] = read.value;
  }
  return values;
}

export interface FieldWords {
  yes: string;
  no: string;
  /** Between a field's name and its value. */
  separator: string;
}

/** Filled-in fields as somebody would write them in a message: a line each. */
export function sayFields(schema: JsonSchema | null | undefined, values: Record<string, unknown>, words: FieldWords): string {
  return fieldsOf(schema)
    .flatMap((field) => {
      const value = values[field.name];
      if (value === undefined) return [];
      const said = typeof value === "boolean" ? (value ? words.yes : words.no) : typeof value === "string" ? value : JSON.stringify(value);
      return [`${field.label}${words.separator}${said}`];
    })
    .join("\n");
}
