// Chinese and English are equal: the same keys, the same values to fill in, and nothing left empty.
import { describe, expect, it } from "vitest";
import en from "./en.json";
import zh from "./zh-CN.json";
import { chooseLanguage, local } from "./index";

function flat(value: unknown, path = ""): [string, string][] {
  if (typeof value === "string") return [[path, value]];
  return Object.entries(value as object).flatMap(([key, entry]) => flat(entry, path ? `${path}.${key}` : key));
}
const english = new Map(flat(en));
const chinese = new Map(flat(zh));
const gaps = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort();

describe("the language files", () => {
  it("have the same keys", () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort());
    expect(english.size).toBeGreaterThan(150);
  });

  it("fill in the same values and leave nothing empty", () => {
    for (const [key, text] of english) {
      expect(gaps(chinese.get(key) ?? ""), key).toEqual(gaps(text));
      expect(text.trim(), key).not.toBe("");
      expect(chinese.get(key)?.trim(), key).not.toBe("");
    }
  });

  it("are each in their own language", () => {
    for (const [key, text] of english) expect(/[\u3400-\u9fff]/.test(text), key).toBe(false);
    const sameWord = new Set(["form.json", "form.separator"]);
    for (const [key, text] of chinese) if (!sameWord.has(key)) expect(/[\u3400-\u9fff]/.test(text) || /^\{\{\w+\}\}…$/.test(text), key).toBe(true);
  });
});

describe("chooseLanguage", () => {
  it("takes the remembered one, then the browser's first that we speak", () => {
    expect(chooseLanguage("en", ["zh-CN"])).toBe("en");
    expect(chooseLanguage(null, ["fr", "zh-TW", "en"])).toBe("zh-CN");
    expect(chooseLanguage(null, ["en-GB", "zh"])).toBe("en");
    expect(chooseLanguage("klingon", [])).toBe("en");
  });
});

describe("local", () => {
  it("prefers the reader's language and falls back to the other", () => {
    expect(local({ en: "Menu", zh: "菜单" }, "zh-CN")).toBe("菜单");
    expect(local({ en: "Menu" }, "zh-CN")).toBe("Menu");
    expect(local("店", "en")).toBe("店");
    expect(local(null, "en")).toBe("");
  });
});
