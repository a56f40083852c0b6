// From a JSON Schema to form fields, and from what was typed back to JSON. Pure, so that the rules for each
// type are tested without a browser.
import type { JsonSchema, LocalText } from "@/api/types";
import { local } from "@/i18n";

export type FieldKind = "text" | "long_text" | "number" | "boolean" | "choice" | "date" | "lines" | "json" | "secret";

export interface Choice {
  value: unknown;
  /** What is typed for it: a text as it is, anything else as JSON. */
  text: string;
  about: string | undefined;
}

export interface FormField {
  name: string;
  label: string;
  description: string | undefined;
  required: boolean;
  kind: FieldKind;
  /** Without references and without the "or null" around it. */
  schema: JsonSchema;
  choices: Choice[];
}

/** What stands in the fields; null takes away a value that the server keeps and does not show. */
export type Texts = Record<string, string | null>;

/** A text longer than this is written in a box of several lines. */
const LONG = 200;
/** References inside references; more than anybody writes, and an end for a schema that refers to itself. */
const DEPTH = 8;

export function fieldsOf(schema: JsonSchema | null | undefined, language = "en"): FormField[] {
  const required = new Set(schema?.required ?? []);
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => {
    const { plain, nullable } = simplify(property, schema ?? {}, DEPTH);
    const said = (key: "title" | "description") => local(translated(plain[key], plain[`x-${key}`]), language) || undefined;
    return {
      name, label: said("title") ?? name, description: said("description"), required: required.has(name) && plain.default === undefined,
      kind: kindOf(plain, nullable), schema: plain, choices: choicesOf(plain, nullable, language),
    };
  });
}

/** The text of a schema with its translations beside it: `description` and `x-description: {zh: …}`. */
function translated(text: string | undefined, others: unknown): LocalText {
  return { en: text ?? null, ...(typeof others === "object" ? (others as LocalText & object) : {}) };
}

interface Simple {
  plain: JsonSchema;
  nullable: boolean;
}

/** Looks through references, "or null", and lists of constants, which are ways of saying something simple. */
function simplify(schema: JsonSchema | boolean, root: JsonSchema, depth: number): Simple {
  if (typeof schema === "boolean") return { plain: {}, nullable: false };
  const nullable = Array.isArray(schema.type) && schema.type.includes("null");
  if (depth === 0) return { plain: schema, nullable };
  const { $ref, anyOf, oneOf, allOf, ...own } = schema as JsonSchema & Record<"anyOf" | "oneOf" | "allOf", JsonSchema[] | undefined> & { $ref?: string };
  const within = (inner: JsonSchema): Simple => {
    const simple = simplify(inner, root, depth - 1);
    return { plain: { ...simple.plain, ...own }, nullable: simple.nullable || nullable };
  };
  const target = $ref?.startsWith("#/") ? $ref.slice(2).split("/").reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], root) : undefined;
  if (target) return within(target as JsonSchema);
  const variants = anyOf ?? oneOf ?? allOf;
  if (!variants) return { plain: schema, nullable };
  const real = variants.filter((one) => one.type !== "null");
  const [only] = real;
  if (only && real.length === 1) {
    const simple = within(only);
    return { ...simple, nullable: simple.nullable || real.length < variants.length };
  }
  const constants = real.map((one) => simplify(one, root, depth - 1).plain);
  if (allOf || !constants.every((one) => one.enum || "const" in one)) return { plain: schema, nullable };
  const about = Object.fromEntries(constants.flatMap((one) => ("const" in one ? [[choiceText(one["const"]), translated(one.description ?? one.title, one["x-description"] ?? one["x-title"])]] : [])));
  return { plain: { ...own, enum: constants.flatMap((one) => one.enum ?? [one["const"]]), about }, nullable: nullable || real.length < variants.length };
}

function choiceText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function choicesOf(schema: JsonSchema, nullable: boolean, language: string): Choice[] {
  const about = (schema["about"] ?? {}) as Record<string, LocalText>;
  const values = schema.enum ?? (kindOf(schema, nullable) === "choice" ? [true, false] : []);
  return values.filter((value) => value !== null).map((value) => ({ value, text: choiceText(value), about: local(about[choiceText(value)], language) || undefined }));
}

function typeOf(schema: JsonSchema): string | undefined {
  const types = (Array.isArray(schema.type) ? schema.type : [schema.type]).filter((type) => type !== "null");
  return types.length === 1 ? types[0] : undefined;
}

function kindOf(schema: JsonSchema, nullable: boolean): FieldKind {
  if (schema["secret"] === true) return "secret";
  if (schema.enum) return "choice";
  const type = typeOf(schema);
  // Neither yes nor no is a third answer that a box to tick cannot give.
  if (type === "boolean") return nullable ? "choice" : "boolean";
  if (type === "integer" || type === "number") return "number";
  const items = schema["items"] as JsonSchema | undefined;
  if (type === "array" && items?.type === "string" && !items.enum) return "lines";
  if (type !== "string") return "json";
  if (schema.format === "date") return "date";
  return schema.format === "textarea" || (schema.maxLength ?? 0) > LONG ? "long_text" : "text";
}

/** What a field holds at first, as text. */
export function initialText(field: FormField): string {
  return textOf(field, field.schema.default);
}

/** A value as it stands in its field. */
export function textOf(field: FormField, value: unknown): string {
  if (value === undefined || value === null) return field.kind === "boolean" ? "false" : "";
  if (field.kind === "json") return JSON.stringify(value, null, 2);
  if (field.kind === "lines" && Array.isArray(value)) return value.join("\n");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The texts of a form with these values in it; what they leave out is as at first. */
export function textsOf(fields: FormField[], values: Record<string, unknown> = {}): Texts {
  return Object.fromEntries(fields.map((field) => {
    const value = values[field.name];
    // Of a secret the server tells only that there is one.
    return [field.name, field.kind === "secret" ? "" : value === undefined ? initialText(field) : textOf(field, value)];
  }));
}

export type Read = { value: unknown } | { error: "required" } | { error: "json"; reason: string };

/** The JSON value of what was typed; `undefined` leaves the input out. `filled`: the server has a value that it does not show. */
export function readText(field: FormField, text: string | null, filled = false): Read {
  if (text === null) return field.required ? { error: "required" } : { value: null };
  if (field.kind === "boolean") return { value: text === "true" };
  if (field.kind === "lines") {
    const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    // No line at all is an empty list where there has to be one.
    return { value: lines.length > 0 || field.required ? lines : undefined };
  }
  if (text.trim() === "") return field.required && !filled ? { error: "required" } : { value: undefined };
  const type = typeOf(field.schema);
  if (field.kind === "number" || (field.kind === "secret" && (type === "integer" || type === "number"))) return { value: Number(text) };
  if (field.kind === "choice") return { value: field.choices.find((choice) => choice.text === text)?.value };
  if (field.kind !== "json") return { value: text };
  return readJson(text);
}

export function readJson(text: string): { value: unknown } | { error: "json"; reason: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { error: "json", reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The values of all fields, or null while one of them is missing or wrong. */
export function readAll(fields: FormField[], texts: Texts, filled: ReadonlySet<string> = new Set()): Record<string, unknown> | null {
  const values: Record<string, unknown> = {};
  for (const field of fields) {
    const text = texts[field.name];
    const read = readText(field, text === undefined ? "" : text, filled.has(field.name));
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
