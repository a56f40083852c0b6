// Words in a list between what is typed or pasted and what is kept. Pure.

/** What stands between two words: a comma of either language, a semicolon, a new line, a tab. A space may be part of one. */
const BETWEEN = /[,，、;；\n\r\t]+/;

export function splitTags(text: string): string[] {
  return text.split(BETWEEN).map((tag) => tag.trim().replace(/\s+/g, " ")).filter((tag) => tag !== "");
}

export function endsTag(text: string): boolean {
  return BETWEEN.test(text);
}

/** Large and small letters, full and half width are the same word. */
const keyOf = (tag: string) => tag.normalize("NFKC").toLowerCase();

/** The list with the words of `text` behind it, each of them once; and those that were there already. */
export function addTags(tags: readonly string[], text: string): { tags: string[]; twice: string[] } {
  const keys = new Set(tags.map(keyOf));
  const next = [...tags];
  const twice: string[] = [];
  for (const tag of splitTags(text)) {
    if (keys.has(keyOf(tag))) twice.push(tag);
    else next.push(tag);
    keys.add(keyOf(tag));
  }
  return { tags: next, twice };
}

/** Few enough to be read. */
export function someOf(tags: readonly string[]): string {
  return tags.slice(0, 5).join(" · ") + (tags.length > 5 ? " …" : "");
}
