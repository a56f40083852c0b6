import type { TFunction } from "i18next";
import { describe, expect, it } from "vitest";
import zh from "@/i18n/zh-CN.json";
import { sayFailure } from "./failure";

/** Looks up and fills in as the page does. */
const t = ((key: string, values: Record<string, unknown>) => {
  const found = key.split(".").reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], zh);
  return typeof found === "string" ? found.replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(values[name])) : values["defaultValue"];
}) as unknown as TFunction;

describe("sayFailure", () => {
  it("says a known code in the reader's language, and the server's words below", () => {
    const reason = "`a.pdf` cannot be read: it is protected by a password";
    const said = sayFailure(t, "zh-CN", { reason, hint: "open it with the password", errors: [{ code: "protected_document", message: reason }] });
    expect(said.title).toMatch(/密码/);
    expect(said.hint).toMatch(/上传/);
    expect(said).toMatchObject({ detail: reason, points: [] });
  });

  it("leaves what it has no words for to the server", () => {
    const said = sayFailure(t, "zh-CN", { reason: "`a.xyz` is on strike", hint: "wait", errors: [{ code: "strike", message: "`a.xyz` is on strike" }] });
    expect(said).toEqual({ title: "`a.xyz` is on strike", hint: "wait", detail: "", points: [] });
    expect(sayFailure(t, "zh-CN", { reason: null, hint: null, errors: null }).title).toBe(zh.errors.unknown_text);
  });

  it("names the place of each thing that is wrong", () => {
    const said = sayFailure(t, "zh-CN", { reason: "`a.csv` has 2 problems: …", hint: null, errors: [{ code: "not_a_number", message: "“贵” is not a number", values: { cell: "贵" }, line: 3, path: "价格" }, { code: "new_to_this_page", message: "is empty", line: 7 }] });
    expect(said.title).toBe(zh.knowledge.failure.invalid_rows);
    expect(said.points).toEqual(["第 3 行“价格”列：“贵”不是数字", "第 7 行：is empty"]);
    expect(said.detail).toBe("");
  });

  it("says what is wrong with a file as a whole", () => {
    const said = sayFailure(t, "zh-CN", { reason: "`a.csv` has 1 problem: it has no records", hint: null, errors: [{ code: "no_records", message: "it has no records" }] });
    expect(said).toMatchObject({ title: zh.knowledge.failure.invalid_rows, points: ["里面没有任何记录"], detail: "" });
  });
});
