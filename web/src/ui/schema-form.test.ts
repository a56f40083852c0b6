// From JSON Schema to fields and back to JSON.
import { describe, expect, it } from "vitest";
import { fieldsOf, initialText, readAll, readText, sayFields } from "./schema-form";

const fields = fieldsOf({
  type: "object", required: ["question", "top_k"],
  properties: {
    question: { type: "string", title: "问题" }, top_k: { type: "integer", default: 8 }, vegetarian: { type: "boolean" }, day: { type: "string", format: "date" },
    period: { enum: ["today", "all", 7] }, filter: { type: "object" }, note: { type: ["string", "null"], maxLength: 5000 }, anything: {},
  },
});
const field = (name: string) => fields.find((one) => one.name === name)!;

describe("fieldsOf", () => {
  it("draws each type in its own way", () => {
    expect(fields.map((one) => [one.name, one.kind, one.required])).toEqual([
      ["question", "text", true], ["top_k", "number", false], ["vegetarian", "boolean", false], ["day", "date", false],
      ["period", "choice", false], ["filter", "json", false], ["note", "long_text", false], ["anything", "json", false],
    ]);
    expect(initialText(field("top_k"))).toBe("8");
    expect(fieldsOf(null)).toEqual([]);
  });
});

describe("readText", () => {
  it("gives typed values and names what is wrong", () => {
    expect(readText(field("question"), " ")).toEqual({ error: "required" });
    expect(readText(field("top_k"), "12")).toEqual({ value: 12 });
    expect(readText(field("vegetarian"), "true")).toEqual({ value: true });
    expect(readText(field("period"), "7")).toEqual({ value: 7 });
    expect(readText(field("period"), "all")).toEqual({ value: "all" });
    expect(readText(field("filter"), '{"a":1}')).toEqual({ value: { a: 1 } });
    expect(readText(field("filter"), "{a}")).toMatchObject({ error: "json" });
    expect(readText(field("day"), "")).toEqual({ value: undefined });
  });
});

describe("readAll", () => {
  it("gives all values, without those left out, or nothing while one is wrong", () => {
    const texts = { question: "辣的", top_k: "8", vegetarian: "false", filter: "" };
    expect(readAll(fields, texts)).toEqual({ question: "辣的", top_k: 8, vegetarian: false });
    expect(readAll(fields, { ...texts, question: "" })).toBeNull();
    expect(readAll(fields, { ...texts, filter: "{" })).toBeNull();
  });
});

describe("sayFields", () => {
  it("writes what was filled in as one would in a message", () => {
    const schema = { type: "object", properties: { people: { type: "integer", title: "人数" }, window: { type: "boolean" }, note: { type: "string" } } };
    expect(sayFields(schema, { people: 4, window: true, other: 1 }, { yes: "是", no: "否", separator: "：" })).toBe("人数：4\nwindow：是");
  });
});
