// From JSON Schema to fields and back to JSON.
import { describe, expect, it } from "vitest";
import { fieldsOf, initialText, readAll, readText, sayFields, textsOf } from "./schema-form";
import type { FormField } from "./schema-form";

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

describe("schemas that take a detour", () => {
  const plugin = fieldsOf({
    type: "object", $defs: { Mode: { oneOf: [{ const: "fast", description: "Quick" }, { enum: ["exact", "both"] }] } },
    properties: {
      mode: { anyOf: [{ $ref: "#/$defs/Mode" }, { type: "null" }], description: "How to look" }, limit: { anyOf: [{ type: "integer" }, { type: "null" }] },
      fresh: { type: ["boolean", "null"] }, city: { type: "string", title: "City", "x-title": { zh: "城市" }, description: "Which", "x-description": { zh: "哪个" } },
      loop: { $ref: "#/properties/loop" }, either: { anyOf: [{ type: "string" }, { type: "object" }] }, filter: true as never,
    },
  }, "zh-CN");
  const one = (name: string) => plugin.find((field) => field.name === name)!;

  it("are looked through", () => {
    expect(plugin.map((field) => [field.name, field.kind])).toEqual([
      ["mode", "choice"], ["limit", "number"], ["fresh", "choice"], ["city", "text"], ["loop", "json"], ["either", "json"], ["filter", "json"],
    ]);
    expect(one("mode").choices).toMatchObject([{ text: "fast", about: "Quick" }, { text: "exact", about: undefined }, { text: "both" }]);
    expect(one("mode").description).toBe("How to look");
  });

  it("are said in the reader's language", () => {
    expect(one("city")).toMatchObject({ label: "城市", description: "哪个" });
    expect(fieldsOf({ properties: { city: { title: "City", "x-title": { zh: "城市" } } } }, "en")[0]!.label).toBe("City");
  });

  it("can leave a yes or no open", () => {
    expect(readText(one("fresh"), "")).toEqual({ value: undefined });
    expect(readText(one("fresh"), "false")).toEqual({ value: false });
  });
});

describe("lists of texts", () => {
  const [days, needed] = fieldsOf({ required: ["needed"], properties: { days: { type: "array", items: { type: "string" } as never }, needed: { type: "array", items: { type: "string" } as never } } }) as [FormField, FormField];

  it("are written one in a line", () => {
    expect([days.kind, textsOf([days], { days: ["2026-10-01", "2026-10-02"] })["days"]]).toEqual(["lines", "2026-10-01\n2026-10-02"]);
    expect(readText(days, " 2026-10-01 \n\n2026-10-02")).toEqual({ value: ["2026-10-01", "2026-10-02"] });
    expect([readText(days, " "), readText(needed, "")]).toEqual([{ value: undefined }, { value: [] }]);
  });
});

describe("secrets", () => {
  const [key, token, pin] = fieldsOf({ required: ["key"], properties: { key: { type: "string", secret: true }, token: { type: "string", secret: true }, pin: { type: "integer", secret: true } } }) as [FormField, FormField, FormField];

  it("stay when nothing is typed, and are taken away only on purpose", () => {
    expect(key.kind).toBe("secret");
    expect(readText(key, "")).toEqual({ error: "required" });
    expect(readText(key, "", true)).toEqual({ value: undefined });
    expect(readText(key, null, true)).toEqual({ error: "required" });
    expect(readText(token, null, true)).toEqual({ value: null });
    expect(readText(pin, "1234")).toEqual({ value: 1234 });
    expect(readAll([key, token], { key: "", token: null }, new Set(["key", "token"]))).toEqual({ token: null });
  });

  it("are never put into a field, whatever the server sends", () => {
    expect(textsOf([key, token], { key: { set: true }, token: "leaked" })).toEqual({ key: "", token: "" });
  });
});

describe("textsOf", () => {
  it("puts values into fields so that they read back the same", () => {
    const values = { question: "辣的", top_k: 3, vegetarian: true, period: 7, filter: { a: [1] } };
    expect(readAll(fields, textsOf(fields, values))).toEqual(values);
    expect(textsOf(fields, {})["top_k"]).toBe("8");
  });
});

describe("sayFields", () => {
  it("writes what was filled in as one would in a message", () => {
    const schema = { type: "object", properties: { people: { type: "integer", title: "人数" }, window: { type: "boolean" }, note: { type: "string" } } };
    expect(sayFields(schema, { people: 4, window: true, other: 1 }, { yes: "是", no: "否", separator: "：" })).toBe("人数：4\nwindow：是");
  });
});
