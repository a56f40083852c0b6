// A text in the parts that are compared: lines, and the words of a line.

/** What is taken as the same although it is written differently. */
export interface Ignored {
  case: boolean;
  whitespace: boolean;
  width: boolean;
}

/** A part of a text as it stands there, and as it is compared. */
export interface Token {
  text: string;
  key: string;
}

export function linesOf(text: string, ignored: Ignored): Token[] {
  if (text === "") return [];
  const lines = text.split(/\r\n|\r|\n/);
  // The end of the last line is no line of its own.
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => ({ text: line, key: keyOf(line, ignored) }));
}

// A number with its separators is one word: “1,280.00” changes as a whole, and so do dates and versions.
const WORD = /\d+(?:[.,:/-]\d+)*%?|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{M}\p{N}_']+|\s+|[^]/gu;

/** Words of letters, numbers, and single Chinese characters, because no space says where their words end. */
export function wordsOf(line: string, ignored: Ignored): Token[] {
  return Array.from(line.matchAll(WORD), ([text]) => ({ text, key: keyOf(text, ignored, " ") }));
}

/** `blank` is what a text of spaces alone is compared as. */
function keyOf(text: string, ignored: Ignored, blank = ""): string {
  let key = text;
  if (ignored.width) key = key.normalize("NFKC");
  if (ignored.case) key = key.toLowerCase();
  if (ignored.whitespace) key = key.trim().replace(/\s+/g, " ") || (text === "" ? "" : blank);
  return key;
}
