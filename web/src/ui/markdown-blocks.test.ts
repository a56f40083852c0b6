// Cutting growing markdown into blocks that stay as they are.
import { describe, expect, it } from "vitest";
import { settleTail, splitBlocks } from "./markdown-blocks";

describe("splitBlocks", () => {
  it("cuts at blank lines but not inside code, lists or definitions", () => {
    expect(splitBlocks("one\n\ntwo\n\n\nthree")).toEqual(["one", "two", "three"]);
    expect(splitBlocks("```\na\n\nb\n```\n\nafter")).toEqual(["```\na\n\nb\n```", "after"]);
    expect(splitBlocks("1. a\n\n2. b\n\n   more\n\nend")).toEqual(["1. a\n\n2. b\n\n   more", "end"]);
    expect(splitBlocks("a [x]\n\n[x]: https://example.com")).toEqual(["a [x]\n\n[x]: https://example.com"]);
    expect(splitBlocks("")).toEqual([]);
  });

  it("never changes a block that another has followed", () => {
    const text = "# t\n\nintro **b**\n\n- a\n- b\n\n  c\n\n```py\nx = 1\n\ny\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> q\n\nend";
    let before: string[] = [];
    for (let length = 1; length <= text.length; length++) {
      const now = splitBlocks(text.slice(0, length));
      if (now.length > before.length && before.length > 1) expect(now.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
      before = now;
    }
    expect(before).toEqual(splitBlocks(text));
  });
});

describe("settleTail", () => {
  it("closes what is open and hides half a mark", () => {
    expect(settleTail("a **b")).toBe("a **b**");
    expect(settleTail("a **b*")).toBe("a **b**");
    expect(settleTail("a `b")).toBe("a `b`");
    expect(settleTail("a **b** c")).toBe("a **b** c");
    expect(settleTail("a *")).toBe("a ");
    expect(settleTail("2 * 3")).toBe("2 * 3");
  });

  it("keeps a table back until its rule is there, and leaves code alone", () => {
    expect(settleTail("| a | b |")).toBe("");
    expect(settleTail("| a | b |\n|---|---|")).toBe("| a | b |\n|---|---|");
    expect(settleTail("```\na **b")).toBe("```\na **b");
  });
});
