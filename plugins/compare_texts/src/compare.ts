// What has changed between two texts: first by lines, then by words within the lines that have changed. So a long contract with a
// few changed clauses costs little, and a change is told where it is.

import { diffArrays } from "diff";

import { type Anchor, anchorsOf } from "./anchors.ts";
import { type Ignored, linesOf, type Token, wordsOf } from "./tokens.ts";

/**
 * With more differences than this between two lines that are alike, what is between is only looked for near the places where it
 * was: the time that it takes to find the fewest grows with their square.
 */
const MOST_LINE_EDITS = 150;
/** The same for two lines; with more, nothing of one is told to be the same as in the other. */
const MOST_WORD_EDITS = 140;
/** And for all lines together. Where it is used up, changed lines are told as wholes. */
const MOST_WORD_STEPS = 20_000;
/**
 * Lines that differ are looked at word by word as long as they have no more characters than this together; further ones are
 * removed and added. Counting the words of more would take most of a call's time.
 */
const MOST_WORD_CHARACTERS = 40_000;
/** Two lines that share fewer of their words than this are two lines, not one that has changed. */
const LEAST_SHARED = 0.3;
/** Among how many lines the partner of a changed one is looked for, and how many pairs of one stretch are looked at in all. */
const MOST_PARTNERS = 12;
const MOST_PAIRS = 1000;

/** A stretch of a changed line: as it was, as it is, or both. */
export interface Piece {
  kind: "same" | "removed" | "added";
  text: string;
}

export interface Change {
  kind: "added" | "removed" | "changed";
  /** 1-based; where a line was added, the one after which it was, and the same for one that was removed. */
  lineBefore: number;
  lineAfter: number;
  before?: string;
  after?: string;
  /** Of a changed line. */
  pieces?: Piece[];
}

export interface Comparison {
  changes: Change[];
  /** From 0 to 1: twice the characters that both have, of those of both. */
  similarity: number;
}

export function compare(before: string, after: string, ignored: Ignored): Comparison {
  const [old, young] = [linesOf(before, ignored), linesOf(after, ignored)];
  const words = new WordComparer(ignored);
  const changes: Change[] = [];
  let [lineBefore, lineAfter, shared] = [0, 0, 0];
  for (const { removed, added, same } of lineHunks(old, young)) {
    for (const { one, other } of pairs(removed, added, words)) {
      if (one !== undefined) lineBefore += 1;
      if (other !== undefined) lineAfter += 1;
      const place = { lineBefore, lineAfter };
      if (one === undefined || other === undefined) {
        if (one !== undefined) changes.push({ kind: "removed", ...place, before: one.text });
        if (other !== undefined) changes.push({ kind: "added", ...place, after: other.text });
      } else if (one.key === other.key) {
        shared += one.key.length;
      } else {
        const { pieces, length } = words.compare(one, other);
        changes.push({ kind: "changed", ...place, before: one.text, after: other.text, pieces });
        shared += length;
      }
    }
    lineBefore += same.length;
    lineAfter += same.length;
    shared += lengthOf(same);
  }
  const whole = lengthOf(old) + lengthOf(young);
  return { changes, similarity: whole === 0 ? 1 : (2 * shared) / whole };
}

interface Hunk {
  removed: Token[];
  added: Token[];
  /** What both have after it. */
  same: Token[];
}

/** Between the lines that both have once, and those themselves. */
function lineHunks(old: Token[], young: Token[]): Hunk[] {
  const all: Hunk[] = [];
  let [from, there] = [0, 0];
  for (const [at, other] of [...anchorsOf(old, young), [old.length, young.length] as Anchor]) {
    all.push(...hunks(old.slice(from, at), young.slice(there, other), MOST_LINE_EDITS));
    all.push({ removed: [], added: [], same: young.slice(other, other + 1) });
    [from, there] = [at + 1, other + 1];
  }
  return all;
}

/** What differs and what follows on it, in order. */
function hunks(old: Token[], young: Token[], mostEdits: number): Hunk[] {
  const isSame = (one: Token | undefined, other: Token | undefined) => one?.key === other?.key;
  // Two versions mostly begin and end alike, and that much costs nothing.
  const shorter = Math.min(old.length, young.length);
  let start = 0;
  while (start < shorter && isSame(old[start], young[start])) start += 1;
  let end = 0;
  while (end < shorter - start && isSame(old.at(-1 - end), young.at(-1 - end))) end += 1;
  const inner = [old, young].map((it) => it.slice(start, it.length - end)) as [Token[], Token[]];

  const all: Hunk[] = [{ removed: [], added: [], same: young.slice(0, start) }];
  let hunk: Hunk = { removed: [], added: [], same: [] };
  for (const { value, added, removed } of differences(...inner, mostEdits)) {
    if (!added && !removed) {
      hunk.same = value;
      all.push(hunk);
      hunk = { removed: [], added: [], same: [] };
    } else {
      hunk[added ? "added" : "removed"].push(...value);
    }
  }
  all.push({ ...hunk, same: young.slice(young.length - end) });
  return all;
}

function differences(old: Token[], young: Token[], mostEdits: number) {
  const comparator = (one: Token, other: Token) => one.key === other.key;
  return (
    diffArrays(old, young, { comparator, maxEditLength: mostEdits }) ?? [
      { value: old, removed: true, added: false },
      { value: young, removed: false, added: true },
    ]
  );
}

interface Pair {
  one?: Token;
  other?: Token;
}

/** Which of the new lines is which of the old ones, in order; a line that has no partner stands alone. */
function pairs(removed: Token[], added: Token[], words: WordComparer): Pair[] {
  if (removed.length === 0 || !words.has(removed, added)) {
    return [...removed.map((one) => ({ one })), ...added.map((other) => ({ other }))];
  }
  const counted = (lines: Token[]) => lines.map((line) => countsOf(words.of(line)));
  const [old, young] = [counted(removed), counted(added)];
  const partners = Math.max(1, Math.min(MOST_PARTNERS, Math.floor(MOST_PAIRS / removed.length)));
  const made: Pair[] = [];
  let next = 0;
  for (const [index, one] of removed.entries()) {
    const shares = young.slice(next, next + partners).map((other) => sharedPart(old[index] as Counts, other));
    const best = shares.reduce((at, share, candidate) => (share > (shares[at] ?? 0) ? candidate : at), 0);
    if ((shares[best] ?? 0) < LEAST_SHARED) {
      made.push({ one });
      continue;
    }
    for (const other of added.slice(next, next + best)) made.push({ other });
    made.push({ one, other: added[next + best] as Token });
    next += best + 1;
  }
  return [...made, ...added.slice(next).map((other) => ({ other }))];
}

/** How often a line has each of its words. */
interface Counts {
  words: Map<string, number>;
  all: number;
}

function countsOf(line: Token[]): Counts {
  const words = new Map<string, number>();
  let all = 0;
  for (const { key } of line) {
    if (key.trim() === "") continue;
    words.set(key, (words.get(key) ?? 0) + 1);
    all += 1;
  }
  return { words, all };
}

/** How many of their words two lines share, wherever they stand: quick, and enough to find partners. */
function sharedPart(one: Counts, other: Counts): number {
  let shared = 0;
  for (const [word, count] of one.words) shared += Math.min(count, other.words.get(word) ?? 0);
  const all = one.all + other.all;
  return all === 0 ? 0 : (2 * shared) / all;
}

/** Compares lines word by word, as long as there is time for it. */
class WordComparer {
  readonly #ignored: Ignored;
  readonly #words = new Map<Token, Token[]>();
  #steps = MOST_WORD_STEPS;
  #characters = MOST_WORD_CHARACTERS;

  constructor(ignored: Ignored) {
    this.#ignored = ignored;
  }

  /** Whether there is time left for these lines; it is then taken. */
  has(...stretches: Token[][]): boolean {
    const characters = stretches.flat().reduce((sum, it) => sum + it.text.length, 0);
    if (characters > this.#characters) return false;
    this.#characters -= characters;
    return true;
  }

  /** The words of a line. */
  of(line: Token): Token[] {
    let words = this.#words.get(line);
    if (words === undefined) {
      words = wordsOf(line.text, this.#ignored);
      this.#words.set(line, words);
    }
    return words;
  }

  /** The pieces of both lines, and the length of what they share. */
  compare(before: Token, after: Token): { pieces: Piece[]; length: number } {
    const most = Math.min(MOST_WORD_EDITS, Math.floor(Math.sqrt(this.#steps)));
    const all = hunks(this.of(before), this.of(after), most);
    const edits = all.reduce((sum, { removed, added }) => sum + removed.length + added.length, 0);
    this.#steps -= Math.min(edits, most) ** 2;
    return { pieces: piecesOf(all), length: all.reduce((sum, { same }) => sum + lengthOf(same), 0) };
  }
}

function piecesOf(all: Hunk[]): Piece[] {
  const pieces: Piece[] = [];
  for (const { removed, added, same } of joined(all)) {
    const kinds = [
      ["removed", removed],
      ["added", added],
      ["same", same],
    ] as const;
    for (const [kind, tokens] of kinds) {
      const text = tokens.map((it) => it.text).join("");
      if (text !== "") pieces.push({ kind, text });
    }
  }
  return pieces;
}

/** Changes with nothing but a space between them are one: “two new words” and not “two”, “new”, “words”. */
function joined(all: Hunk[]): Hunk[] {
  const made: Hunk[] = [];
  for (const hunk of all) {
    const last = made.at(-1);
    const isChanged = hunk.removed.length > 0 || hunk.added.length > 0;
    const isBlank = last !== undefined && last.same.length > 0 && last.same.every((it) => it.text.trim() === "");
    const wasChanged = last !== undefined && (last.removed.length > 0 || last.added.length > 0);
    if (last !== undefined && isChanged && isBlank && wasChanged) {
      last.removed = [...last.removed, ...last.same, ...hunk.removed];
      last.added = [...last.added, ...last.same, ...hunk.added];
      last.same = hunk.same;
    } else {
      made.push({ ...hunk });
    }
  }
  return made;
}

function lengthOf(tokens: Token[]): number {
  return tokens.reduce((sum, it) => sum + it.key.length, 0);
}
