import { describe, expect, it } from "vitest";
import { splitAt, splitHighlights } from "./highlights";
import { rangesOf } from "./needle";

const marked = (text: string, ranges: [number, number][]) => splitHighlights(text, ranges).map((piece) => (piece.marked ? `[${piece.text}]` : piece.text)).join("");

describe("splitHighlights", () => {
  it("marks what the ranges name, in any order", () => {
    expect(marked("the spicy chicken", [[10, 17], [4, 9]])).toBe("the [spicy] [chicken]");
  });

  it("counts characters as the server does, not halves of them", () => {
    expect(marked("🌶️🐔 麻辣𠮷鸡", [[4, 6]])).toBe("🌶️🐔 [麻辣]𠮷鸡");
    expect(marked("𠮷野家", [[0, 1]])).toBe("[𠮷]野家");
  });

  it("joins what overlaps or touches and forgives ranges beyond the text", () => {
    expect(marked("abcdef", [[0, 3], [2, 4], [4, 5]])).toBe("[abcde]f");
    expect(marked("abc", [[2, 99], [5, 7], [1, 1], [-3, 1]])).toBe("[a]b[c]");
  });

  it("leaves a text without marks whole", () => {
    expect(splitHighlights("abc", [])).toEqual([{ text: "abc", marked: false }]);
    expect(splitHighlights("", [])).toEqual([]);
  });
});

describe("splitAt", () => {
  it("cuts between characters", () => {
    expect(splitAt("😀😀x", 1)).toEqual(["😀", "😀x"]);
    expect(splitAt("abc", 0)).toEqual(["", "abc"]);
  });
});

describe("rangesOf", () => {
  it("finds words whatever their case, as ranges that splitHighlights takes", () => {
    const text = "İx Wifi 🌶️ WIFI";
    expect(marked(text, rangesOf(text, "wifi"))).toBe("İx [Wifi] 🌶️ [WIFI]");
    expect(rangesOf("aaa", "aa")).toEqual([[0, 2]]);
    expect(rangesOf("abc", "")).toEqual([]);
  });
});
