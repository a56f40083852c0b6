// What a saved test expects, made from a hit and compared with one. Pure.
import type { Expected, SearchHit } from "@/api/knowledge";
import { splitHighlights } from "./highlights";

/** Characters of a passage that stand for it in a test. */
const SNIPPET = 60;

/** A hit's id is `<document id>:<ordinal>`. */
export function ordinalOf(hit: Pick<SearchHit, "id">): number | null {
  const text = hit.id.slice(hit.id.lastIndexOf(":") + 1);
  return /^\d+$/.test(text) ? Number(text) : null;
}

/**
 * The passage is named by its words and not by its number: a test is there to compare before and after, and splitting
 * differently gives every passage another number.
 */
export function expectationOf(hit: SearchHit): Expected {
  const words = snippetOf(hit);
  if (words) return { document: hit.document, contains: words };
  const ordinal = ordinalOf(hit);
  return { document: hit.document, ...(ordinal === null ? {} : { ordinal }) };
}

/** The line with the first highlighted word, from that word's sentence on, at most so long. */
function snippetOf(hit: SearchHit): string {
  const pieces = splitHighlights(hit.text, hit.highlights ?? []);
  const marked = pieces.findIndex((piece) => piece.marked);
  const before = marked < 0 ? "" : pieces.slice(0, marked).map((piece) => piece.text).join("");
  const lineStart = before.lastIndexOf("\n") + 1;
  const sentence = Math.max(lineStart, ...["。", "！", "？", "；", ". ", "! ", "? "].map((end) => { const at = before.lastIndexOf(end); return at < 0 ? 0 : at + end.length; }));
  const line = hit.text.slice(sentence).trimStart().split("\n")[0] ?? "";
  return [...line].slice(0, SNIPPET).join("").trim();
}

export function isExpected(hit: SearchHit, expected: readonly Expected[]): boolean {
  return expected.some((one) => {
    if (one.document !== hit.document && one.document !== hit.document_id) return false;
    if (one.contains) return hit.text.includes(one.contains);
    const own = ordinalOf(hit);
    return one.ordinal === null || one.ordinal === undefined || one.ordinal === own || (hit.merged ?? []).includes(one.ordinal);
  });
}
