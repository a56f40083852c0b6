// Pure text work for markdown that is still being written: cutting it into blocks that no longer change, so that only the
// last one is parsed again per token, and closing what is open at its end, so that half a `**bold**` does not flicker.

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const LIST_ITEM = /^ {0,3}([-*+]|\d{1,9}[.)])(\s|$)/;
/** Definitions and footnotes reach across blocks; such a text is kept whole. */
const DEFINITION = /^ {0,3}\[[^\]]+\]:/m;

/** Top-level blocks; joined by blank lines they are the text again. */
export function splitBlocks(text: string): string[] {
  if (DEFINITION.test(text)) return [text];
  const blocks: string[] = [];
  let block: string[] = [];
  let fence: string | null = null;
  let blank = false;
  for (const line of text.split("\n")) {
    if (fence === null && line.trim() === "") {
      blank = true;
      continue;
    }
    if (fence === null && blank && block.length > 0) {
      if (startsBlock(line, block[0] ?? "")) {
        blocks.push(block.join("\n"));
        block = [];
      } else block.push("");
    }
    blank = false;
    const mark = FENCE.exec(line)?.[1];
    if (mark !== undefined) {
      if (fence === null) fence = mark;
      else if (mark[0] === fence[0] && mark.length >= fence.length && line.trim() === mark) fence = null;
    }
    block.push(line);
  }
  if (block.length > 0) blocks.push(block.join("\n"));
  return blocks;
}

/** Whether a line after a blank one begins a new block: not when it may continue the list before it. */
function startsBlock(line: string, first: string): boolean {
  if (/^( {2,}|\t)/.test(line)) return false;
  return !(LIST_ITEM.test(line) && LIST_ITEM.test(first));
}

/** The last block of a growing text, as it should be shown now. */
export function settleTail(block: string): string {
  if (insideFence(block)) return block;
  const lines = block.split("\n");
  if (lines.every((line) => /^\s*\|/.test(line)) && !lines.some((line) => /^\s*\|?[\s:|-]*-{2,}[\s:|-]*$/.test(line))) {
    // A table's head before its rule would first show as a line of bars.
    return "";
  }
  let last = lines.pop() ?? "";
  last = last.replace(/!?\[([^\]]*)\]\([^)]*$/, "$1").replace(/(^|\s)!?\[([^\]]*)$/, "$1$2");
  last = last.replace(/(\*{1,3}|_{1,2}|`|~{1,2})$/, (mark, _all, at: number) => (isOpen(last.slice(0, at), mark) ? mark : ""));
  const prose = last.replace(/`[^`]*`/g, "");
  if (count(prose, "`") % 2 === 1) last += "`";
  else if (count(prose, "**") % 2 === 1) last += "**";
  return [...lines, last].join("\n");
}

function insideFence(block: string): boolean {
  let fence: string | null = null;
  for (const line of block.split("\n")) {
    const mark = FENCE.exec(line)?.[1];
    if (mark === undefined) continue;
    if (fence === null) fence = mark;
    else if (mark[0] === fence[0] && mark.length >= fence.length) fence = null;
  }
  return fence !== null;
}

function isOpen(before: string, mark: string): boolean {
  return count(before, mark) % 2 === 1;
}

function count(text: string, mark: string): number {
  return text.split(mark).length - 1;
}
