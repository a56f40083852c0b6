import { describe, expect, it } from "vitest";
import type { Columns } from "@/api/knowledge";
import { draftsOf, looksLikeTable, planOf, problemsOf } from "./columns";
import { usualField } from "./field-types";

const found: Columns = {
  kind: "table",
  columns: [
    { header: "菜名", samples: ["麻辣黄焖鸡"], field: "dish", suggestion: { ...usualField("text"), name: "dish" } },
    { header: "价格", samples: [32, 48], field: null, suggestion: { ...usualField("number"), name: "price", title: "价格" } },
    { header: "内部编号", samples: ["A1"], field: null, suggestion: { ...usualField("keyword"), name: "column_3" } },
  ],
};
const fields = { dish: { ...usualField("keyword"), title: "菜品" } };

describe("draftsOf", () => {
  it("begins with the base's field where a column fills one, else with what the server suggests", () => {
    const drafts = draftsOf(found, fields);
    expect(drafts.map(({ name, type, title }) => [name, type, title])).toEqual([["dish", "keyword", "菜品"], ["price", "number", "价格"], ["column_3", "keyword", "内部编号"]]);
    expect(drafts[1]?.samples).toEqual(["32", "48"]);
  });
});

describe("planOf", () => {
  it("gives the fields, and every header its field or none", () => {
    const drafts = draftsOf(found, fields).map((draft) => (draft.header === "内部编号" ? { ...draft, leftOut: true } : draft));
    const plan = planOf(drafts, { stock: usualField("number") });
    expect(plan.columns).toEqual({ 菜名: "dish", 价格: "price", 内部编号: "" });
    expect(Object.keys(plan.fields)).toEqual(["stock", "dish", "price"]);
    expect(plan.fields["price"]).toEqual({ type: "number", embed: false, filter: true, show: true, title: "价格" });
  });
});

describe("problemsOf", () => {
  it("finds names that are wrong or taken twice, and a table with nothing to search", () => {
    const [first, second, third] = draftsOf(found, fields) as [ReturnType<typeof draftsOf>[number], ReturnType<typeof draftsOf>[number], ReturnType<typeof draftsOf>[number]];
    expect(problemsOf([first, second, third])).toEqual({ of: new Map(), all: null });
    expect([...problemsOf([{ ...first, name: "价格" }, { ...second, name: "x" }, { ...third, name: "x" }]).of.values()]).toEqual(["name", "twice", "twice"]);
    expect(problemsOf([{ ...first, embed: false }, second]).all).toBe("nothing_embedded");
    expect(problemsOf([{ ...first, leftOut: true }]).all).toBe("nothing_left");
    // What is left out needs no good name.
    expect(problemsOf([first, { ...second, name: "", leftOut: true }]).of.size).toBe(0);
  });
});

describe("looksLikeTable", () => {
  it("goes by what the browser says and by the name", () => {
    expect(looksLikeTable({ name: "menu", type: "text/csv" })).toBe(true);
    expect(looksLikeTable({ name: "价目表.XLSX", type: "" })).toBe(true);
    expect(looksLikeTable({ name: "manual.pdf", type: "application/pdf" })).toBe(false);
  });
});
