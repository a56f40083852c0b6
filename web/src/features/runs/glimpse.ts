// A value in a few words, to tell the items of a list apart.

/** Characters that fit in a row. */
const LONG = 60;
/** What things are usually called by. */
const NAMES = ["name", "title", "label", "id", "text", "名称", "标题"];

export function glimpseOf(value: unknown): string {
  if (typeof value === "string") return shorten(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "";
  const record = value as Record<string, unknown>;
  const name = NAMES.map((key) => record[key]).find((one) => (typeof one === "string" && one !== "") || typeof one === "number");
  return name === undefined ? "" : shorten(String(name));
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return [...line].length > LONG ? `${[...line].slice(0, LONG - 1).join("")}…` : line;
}
