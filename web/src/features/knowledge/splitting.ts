// How documents are split, between the fields of the form, which are texts, and what the server takes. Pure.
import type { Splitting } from "@/api/knowledge";

/** The overlap is typed in per cent. */
export type SplittingTexts = Record<"tokens" | "overlap" | "parent", string>;

export function textsOf(splitting: Splitting): SplittingTexts {
  // A share such as 0.15 may come as 0.15000000596, from a number of half the length.
  return { tokens: String(splitting.tokens), overlap: String(Math.round(splitting.overlap * 1000) / 10), parent: splitting.parent === null || splitting.parent === undefined ? "" : String(splitting.parent) };
}

export function splittingOf(texts: SplittingTexts): { splitting: Splitting } | { errors: ReadonlySet<keyof SplittingTexts> } {
  const errors = new Set<keyof SplittingTexts>();
  const whole = (text: string) => (/^\d+$/.test(text.trim()) ? Number(text) : NaN);
  const tokens = whole(texts.tokens);
  const overlap = Number(texts.overlap.trim().replace(/\s*[%％]$/, "") || NaN);
  const parent = texts.parent.trim() === "" ? null : whole(texts.parent);
  if (!(tokens >= 1)) errors.add("tokens");
  // Half of a passage: with more, the pieces grow without end.
  if (!(overlap >= 0 && overlap <= 50)) errors.add("overlap");
  // A larger passage that is not larger than the passage is none.
  if (parent !== null && !(parent > tokens)) errors.add("parent");
  return errors.size > 0 ? { errors } : { splitting: { tokens, overlap: overlap / 100, parent } };
}
