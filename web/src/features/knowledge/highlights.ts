// A text in pieces, with the marked ones apart. The server counts Unicode characters; JavaScript's strings count halves of
// those outside the first plane, so that an emoji or a rare Chinese character before a mark would shift it.

export interface Piece {
  text: string;
  marked: boolean;
}

export function splitHighlights(text: string, ranges: readonly (readonly [number, number])[]): Piece[] {
  const characters = [...text];
  const wanted = ranges
    .map(([start, end]) => [Math.max(0, start), Math.min(characters.length, end)] as const)
    .filter(([start, end]) => start < end)
    .sort((a, b) => a[0] - b[0]);
  const pieces: Piece[] = [];
  const take = (start: number, end: number, marked: boolean) => {
    if (start >= end) return;
    const piece = characters.slice(start, end).join("");
    const last = pieces.at(-1);
    if (last && last.marked === marked) last.text += piece;
    else pieces.push({ text: piece, marked });
  };
  let at = 0;
  for (const [start, end] of wanted) {
    take(at, start, false);
    take(Math.max(at, start), end, true);
    at = Math.max(at, end);
  }
  take(at, characters.length, false);
  return pieces;
}

/** The first so many characters and the rest. */
export function splitAt(text: string, count: number): [string, string] {
  const characters = [...text];
  return [characters.slice(0, count).join(""), characters.slice(count).join("")];
}
