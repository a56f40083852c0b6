// Between the fields of the limits form, which are texts, and what the server takes: whole numbers from 1 to its own.

export type Typed = Record<string, string>;

export function typedOf(most: Record<string, number>, limits: Record<string, number>): Typed {
  return Object.fromEntries(Object.keys(most).map((name) => [name, limits[name] === undefined ? "" : String(limits[name])]));
}

/** What is filled in, and which fields hold something else than a limit. */
export function limitsOf(most: Record<string, number>, typed: Typed): { limits: Record<string, number>; wrong: Set<string> } {
  const limits: Record<string, number> = {};
  const wrong = new Set<string>();
  for (const [name, limit] of Object.entries(most)) {
    // As the placeholder writes it: 67,108,864.
    const text = (typed[name] ?? "").replace(/[\s,，]/g, "");
    if (text === "") continue;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= 1 && value <= limit) limits[name] = value;
    else wrong.add(name);
  }
  return { limits, wrong };
}
