// A document's groups and metadata between what is typed and what is sent. Pure.

export interface MetadataPair {
  key: number;
  name: string;
  text: string;
}

export function groupsOf(typed: string): string[] {
  return [...new Set(typed.split(/[,，、\n]/).map((group) => group.trim()).filter((group) => group !== ""))];
}

const sayValue = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

export function pairsOf(metadata: Record<string, unknown>): MetadataPair[] {
  return Object.entries(metadata).map(([name, value], key) => ({ key, name, text: sayValue(value) }));
}

/** A value that was not touched keeps its type; of a new one, numbers and yes or no are what they look like. */
export function metadataOf(pairs: readonly MetadataPair[], before: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(pairs.flatMap(({ name, text }) => {
    const key = name.trim();
    if (key === "") return [];
    if (key in before && sayValue(before[key]) === text) return [[key, before[key]]];
    return [[key, read(text.trim())]];
  }));
}

function read(text: string): unknown {
  // `007` is a code and no number, and so is what is too long to be exact.
  if (/^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(text)) return Number(text);
  if (text === "true" || text === "false") return text === "true";
  if (!/^[[{]/.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
