// What may be a word of a base's own. Pure; the server has the last word.

/** More than this slow every question down. */
export const MOST_WORDS = 5000;

/** A single character is found as such already, and a sentence is no name. */
export function isWord(text: string): boolean {
  const { length } = [...text.trim()];
  return length >= 2 && length <= 64;
}
