// The changes in words, in both languages. Markdown, because a chat shows it and a model reads it.

import type { Change, Piece } from "./compare.ts";

/** A quoted line is cut here: the reader looks for the change, not for the paragraph around it. */
const MOST_QUOTED = 400;
/** How much of what is the same is left on both sides of a change in a long line. */
const AROUND = 40;

type Language = "en" | "zh";

export interface Counts {
  added: number;
  removed: number;
  changed: number;
}

const WORDS = {
  en: {
    same: "The two texts are the same.",
    head: ({ added, removed, changed }: Counts, percent: string) =>
      `**${changed} changed, ${added} added, ${removed} removed**; ${percent} % is the same.`,
    added: (line: number) => `Line ${line}, added: `,
    removed: (line: number) => `Line ${line}, removed: `,
    changed: (before: number, after: number) => (before === after ? `Line ${before}: ` : `Line ${before}, now ${after}: `),
    more: (count: number) => `… and ${count} more`,
    empty: "(empty line)",
  },
  zh: {
    same: "两段文字相同。",
    head: ({ added, removed, changed }: Counts, percent: string) =>
      `**修改 ${changed} 处，新增 ${added} 处，删除 ${removed} 处**；相同部分占 ${percent}%。`,
    added: (line: number) => `第 ${line} 行，新增：`,
    removed: (line: number) => `第 ${line} 行，删除：`,
    changed: (before: number, after: number) => (before === after ? `第 ${before} 行：` : `第 ${before} 行（现第 ${after} 行）：`),
    more: (count: number) => `……另有 ${count} 处`,
    empty: "（空行）",
  },
};

export function summary(language: Language, changes: Change[], counts: Counts, similarity: number): string {
  const words = WORDS[language];
  const all = counts.added + counts.removed + counts.changed;
  if (all === 0) return words.same;
  const lines = changes.map((change) => `- ${told(change, language)}`);
  const more = all - changes.length;
  if (more > 0) lines.push(`- ${words.more(more)}`);
  return [words.head(counts, percent(similarity)), "", ...lines].join("\n");
}

/** Down, so that 100 % is said of nothing that differs. */
function percent(similarity: number): string {
  return `${Math.floor(similarity * 1000) / 10}`;
}

function told(change: Change, language: Language): string {
  const words = WORDS[language];
  const { kind, lineBefore, lineAfter, before = "", after = "", pieces = [] } = change;
  switch (kind) {
    case "added":
      return words.added(lineAfter) + marked("**", after, words.empty);
    case "removed":
      return words.removed(lineBefore) + marked("~~", before, words.empty);
    case "changed":
      return words.changed(lineBefore, lineAfter) + pieces.map((piece, index) => shown(piece, index, pieces.length)).join("");
  }
}

function shown({ kind, text }: Piece, index: number, count: number): string {
  if (kind === "removed") return marked("~~", text, "");
  if (kind === "added") return marked("**", text, "");
  const characters = [...text];
  if (characters.length <= 2 * AROUND) return escaped(text);
  const start = index === 0 ? "" : characters.slice(0, AROUND).join("");
  const end = index === count - 1 ? "" : characters.slice(-AROUND).join("");
  return `${escaped(start)}…${escaped(end)}`;
}

/** Marks end where words end: `** bold**` is no emphasis. */
function marked(mark: string, text: string, empty: string): string {
  const [, start = "", inner = "", end = ""] = /^(\s*)(.*?)(\s*)$/su.exec(cut(text)) ?? [];
  return inner === "" ? empty || text : `${start}${mark}${escaped(inner)}${mark}${end}`;
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= MOST_QUOTED ? text : `${characters.slice(0, MOST_QUOTED).join("")}…`;
}

/** What would be Markdown is text here. */
function escaped(text: string): string {
  return text.replace(/[\\`*_~[\]<>|#]/g, "\\$&");
}
