// Every sentence that the server can send has its Chinese, with the same values.
import { describe, expect, it } from "vitest";
import chinese from "./notices.zh-CN.json";
import { sayNotice } from "./notices";

const knowledge = Object.values(import.meta.glob<string>("../../../server/crates/knowledge/src/**/*.rs", { query: "?raw", import: "default", eager: true }));
const server = Object.values(import.meta.glob<string>("../../../server/src/**/*.rs", { query: "?raw", import: "default", eager: true }));

/** Code and English sentence, from `notice!("code", "sentence"…`. */
function sentences(): [string, string][] {
  const found = knowledge.flatMap((text) => [...text.matchAll(/notice!\(\s*"(\w+)",\s*"((?:[^"\\]|\\[^])*)"/g)]);
  return found.map(([, code = "", sentence = ""]) => [code, sentence]);
}

describe("the sentences", () => {
  const said: Record<string, string> = chinese;
  it("are all there, with values that they have", () => {
    const all = sentences();
    expect(all.length).toBeGreaterThan(60);
    for (const [code, english] of all) {
      const values = [...english.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
      expect(said[code], code).toBeTruthy();
      // What is left out of an archive is told by its own error, which names it.
      for (const [, name] of (said[code] ?? "").matchAll(/\{\{(\w+)\}\}/g)) expect([...values, "member"], code).toContain(name);
    }
  });

  it("are none that nobody sends", () => {
    const source = [...knowledge, ...server].join("\n");
    for (const code of Object.keys(said)) expect(source.includes(`"${code}"`), code).toBe(true);
  });
});

describe("sayNotice", () => {
  it("fills in values, and notices within notices", () => {
    const inner = { code: "not_a_number", message: "“贵” is not a number", values: { cell: "贵" } };
    const notice = { code: "in_member", message: "`a.csv`: “贵” is not a number", values: { member: "a.csv", what: inner } };
    expect(sayNotice("zh-CN", notice)).toBe("`a.csv`：“贵”不是数字");
    expect(sayNotice("en", notice)).toBe("`a.csv`: “贵” is not a number");
  });

  it("keeps the server's words for what it does not know", () => {
    expect(sayNotice("zh-CN", { code: "on_strike", message: "it is on strike" })).toBe("it is on strike");
  });
});
