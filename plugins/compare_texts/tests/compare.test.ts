import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeHost } from "parlour-plugin/testing";

import plugin from "../src/plugin.ts";

async function compare(before: string, after: string, options: Record<string, unknown> = {}) {
  return new FakeHost().call(plugin, "compare", { before, after, ...options });
}

/** Changes in short: `~` changed, `+` added, `-` removed, with the lines. */
async function changesOf(before: string, after: string, options: Record<string, unknown> = {}): Promise<string[]> {
  const { changes } = await compare(before, after, options);
  return changes.map((it) => {
    const mark = { changed: "~", added: "+", removed: "-" }[it.kind];
    const inner = it.pieces?.map(
      ({ kind, text }) => ({ same: text, removed: `[-${text}-]`, added: `[+${text}+]` })[kind],
    );
    return `${mark}${it.line_before}:${it.line_after} ${inner?.join("") ?? it.after ?? it.before}`;
  });
}

test("the examples are true", async () => {
  await new FakeHost().checkExamples(plugin);
});

test("texts that are the same", async () => {
  const same = { same: true, similarity: 1, added: 0, removed: 0, changed: 0, changes: [], truncated: false };
  assert.deepEqual(await compare("a\nb", "a\nb\n"), { ...same, markdown: "The two texts are the same." });
  assert.deepEqual(await compare("", "", { language: "zh" }), { ...same, markdown: "两段文字相同。" });
  assert.equal((await compare("a\r\nb", "a\nb")).same, true);
});

test("lines that are new, gone and changed are told with their places", async () => {
  assert.deepEqual(await changesOf("one\ntwo\nthree", "one\nthree\nfour"), ["-2:1 two", "+3:3 four"]);
  assert.deepEqual(await changesOf("Fee: 10 yuan\nend", "start\nFee: 12 yuan\nend"), [
    "+0:1 start",
    "~1:2 Fee: [-10-][+12+] yuan",
  ]);
  assert.deepEqual(await changesOf("", "all new"), ["+0:1 all new"]);
  assert.deepEqual(await changesOf("gone", ""), ["-1:0 gone"]);
  // Nothing in common, so one did not become the other.
  assert.deepEqual(await changesOf("apples", "penguins"), ["-1:0 apples", "+1:1 penguins"]);
});

test("a long block that is new moves nothing else", async () => {
  const clause = (line: number) => `Clause ${line}: the parties agree on point ${line * 7}.`;
  const before = Array.from({ length: 400 }, (_, line) => clause(line));
  const block = Array.from({ length: 300 }, (_, line) => `Annex ${line}`);
  const after = [...before.slice(0, 200), ...block, ...before.slice(200)]
    .join("\n")
    .replace("point 2100", "point 2101");
  const { added, removed, changed, changes, similarity } = await compare(before.join("\n"), after, {
    max_changes: 1000,
  });
  assert.deepEqual([added, removed, changed], [300, 0, 1]);
  assert.deepEqual([changes[0]?.line_before, changes[0]?.line_after], [200, 201]);
  assert.deepEqual([changes.at(-1)?.line_before, changes.at(-1)?.line_after], [301, 601]);
  assert.ok(similarity > 0.9, String(similarity));
  // What changed places is gone there and new here.
  assert.deepEqual(await changesOf("a\nb\nc\nd", "b\nc\nd\na"), ["-1:0 a", "+4:4 a"]);
});

test("numbers, dates and Chinese are compared as people read them", async () => {
  assert.deepEqual(await changesOf("总价 1,280.00 元", "总价 1,380.00 元"), ["~1:1 总价 [-1,280.00-][+1,380.00+] 元"]);
  assert.deepEqual(await changesOf("due 2026-11-27 at noon", "due 2026-12-01 at noon"), [
    "~1:1 due [-2026-11-27-][+2026-12-01+] at noon",
  ]);
  assert.deepEqual(await changesOf("押金为一个月租金。", "押金为两个月租金。"), ["~1:1 押金为[-一-][+两+]个月租金。"]);
  assert.deepEqual(await changesOf("pay in the next two weeks", "pay in the following ten weeks"), [
    "~1:1 pay in the [-next two-][+following ten+] weeks",
  ]);
});

test("what may be ignored is", async () => {
  assert.equal((await compare("Total  5", "total 5 ")).same, false);
  assert.equal((await compare("Total  5", "total 5 ", { ignore_case: true, ignore_whitespace: true })).same, true);
  assert.equal((await compare("１，０００", "1,000", { ignore_width: true })).same, true);
  assert.deepEqual(await changesOf("a  b c", "a b d", { ignore_whitespace: true }), ["~1:1 a b [-c-][+d+]"]);
});

test("the similarity is that of the characters, and never 1 where something differs", async () => {
  assert.equal((await compare("abcd", "wxyz")).similarity, 0);
  const { similarity } = await compare("一二三四五六七八九十", "一二三四五六七八九百");
  assert.equal(similarity, 0.9);
  const long = Array.from({ length: 5000 }, (_, line) => `line ${line} of many`).join("\n");
  const nearly = await compare(long, long.replace("line 2500 of", "line 2501 of"));
  assert.ok(nearly.similarity < 1 && nearly.similarity > 0.999, String(nearly.similarity));
  assert.match(nearly.markdown, /99\.9 % is the same/);
});

test("a long list is cut, but all of it is counted", async () => {
  const before = Array.from({ length: 50 }, (_, line) => `item ${line}: 10`).join("\n");
  const answer = await compare(before, before.replaceAll(": 10", ": 11"), { max_changes: 5 });
  assert.deepEqual([answer.changed, answer.changes.length, answer.truncated], [50, 5, true]);
  assert.match(answer.markdown, /… and 45 more$/);
});

test("the summary is Markdown, and the texts are not", async () => {
  const { markdown } = await compare("a *b* [c](d) 1", "a *b* [c](d) 2");
  assert.match(markdown, /- Line 1: a \\\*b\\\* \\\[c\\\]\(d\) ~~1~~\*\*2\*\*$/);
  assert.match((await compare("x", "x\n\n   \ny")).markdown, /Line 2, added: \(empty line\)/);
});

test("lines that differ are compared word by word up to a limit, and further ones told as lines", async () => {
  const lines = (count: number, price: number) =>
    Array.from({ length: count }, (_, line) => `dish ${line}: ${price} yuan, with rice and soup`).join("\n");
  const few = await compare(lines(300, 10), lines(300, 12));
  assert.deepEqual([few.changed, few.added, few.removed], [300, 0, 0]);
  const many = await compare(lines(2000, 10), lines(2000, 12));
  assert.deepEqual([many.changed, many.added, many.removed], [0, 2000, 2000]);
  // What stands between lines that stayed is a stretch of its own, so a change elsewhere is still told by its words.
  const mixed = await compare(`price 10\nstays\n${lines(2000, 10)}`, `price 11\nstays\n${lines(2000, 12)}`);
  assert.deepEqual([mixed.changed, mixed.added, mixed.removed], [1, 2000, 2000]);
});
