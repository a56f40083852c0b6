// Where words that are looked for stand in a text, as ranges of Unicode characters. Pure.

export function rangesOf(text: string, needle: string): [number, number][] {
  if (needle === "") return [];
  // Small letters one by one: some take more room than the large one, and the ranges are of the text as it is.
  const characters = [...text].map((character) => character.toLowerCase());
  const wanted = [...needle.toLowerCase()];
  const ranges: [number, number][] = [];
  for (let at = 0; at + wanted.length <= characters.length; at += 1) {
    if (!wanted.every((character, offset) => characters[at + offset] === character)) continue;
    ranges.push([at, at + wanted.length]);
    at += wanted.length - 1;
  }
  return ranges;
}
