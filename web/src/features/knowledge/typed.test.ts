// What people type into the knowledge pages, and what becomes of it.
import { describe, expect, it } from "vitest";
import { addressOf, looksLikeSitemap } from "./addresses";
import { chunkOf, windowBefore } from "./chunk-window";
import { fieldsOf, isFieldName, problemOf, rowsOf, textOfValue, usualField, valueOfText } from "./field-types";
import { filterOf, rowsOfFilter } from "./filter-rows";
import { groupsOf, metadataOf, pairsOf } from "./metadata";
import { nameFrom } from "./names";
import { splittingOf, textsOf } from "./splitting";

describe("addresses", () => {
  it("are completed, and refused when they are none", () => {
    expect(addressOf(" example.com/help ")).toBe("https://example.com/help");
    expect(addressOf("http://例子.中国/")).toMatch(/^http:\/\/xn--/);
    for (const wrong of ["", "two words", "ftp://example.com/", "javascript:alert(1)", "manual"]) expect(addressOf(wrong), wrong).toBeNull();
    expect(looksLikeSitemap("https://example.com/sitemap_index.xml")).toBe(true);
    expect(looksLikeSitemap("https://example.com/about")).toBe(false);
  });
});

describe("names of bases", () => {
  const noon = new Date(2026, 10, 7, 12, 5);
  it("follow the title where it has Latin letters, else the date", () => {
    expect(nameFrom("Product manuals 2026!", noon)).toBe("product_manuals_2026");
    expect(nameFrom("Été à Paris", noon)).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(nameFrom("产品手册", noon)).toBe("kb_1107_1205");
    expect(nameFrom("3D 打印", noon)).toBe("kb_1107_1205");
    expect(nameFrom("", noon)).toBe("");
  });
});

describe("fields", () => {
  it("are what they were after a way through the table", () => {
    const fields = { price: { ...usualField("number"), title: "价格" }, dish: usualField("text") };
    expect(fieldsOf(rowsOf(fields))).toEqual(fields);
  });

  it("have names that are checked", () => {
    expect(isFieldName("spice_level")).toBe(true);
    for (const wrong of ["", "Price", "价格", "1st", "a-b", "a".repeat(64)]) expect(isFieldName(wrong), wrong).toBe(false);
    expect(problemOf("a", ["a", "a"])).toBe("twice");
  });

  it("have values of their type", () => {
    expect(valueOfText("1,280", "number")).toBe(1280);
    expect(valueOfText("much", "number")).toBeUndefined();
    expect(valueOfText(" ", "number")).toBeNull();
    expect(valueOfText("花生、鱼，蛋", "list")).toEqual(["花生", "鱼", "蛋"]);
    expect(textOfValue(["花生", "鱼"])).toBe("花生, 鱼");
    expect(valueOfText("false", "boolean")).toBe(false);
  });
});

describe("filters", () => {
  const fields = { price: usualField("number"), category: usualField("keyword"), allergens: usualField("list"), hot: usualField("boolean") };
  it("go from rows to the server's language and back", () => {
    const rows = [{ field: "price", comparison: "gte", text: "10" }, { field: "price", comparison: "lte", text: "30" }, { field: "category", comparison: "eq", text: "热菜" }, { field: "allergens", comparison: "contains", text: "鱼" }];
    const filter = filterOf(rows, fields);
    expect(filter).toEqual({ price: { gte: 10, lte: 30 }, category: { eq: "热菜" }, allergens: { contains: "鱼" } });
    expect(rowsOfFilter(filter ?? null)).toEqual(rows);
  });

  it("keep two tests of one kind", () => {
    const rows = [{ field: "category", comparison: "ne", text: "a" }, { field: "category", comparison: "ne", text: "b" }];
    const filter = filterOf(rows, fields);
    expect(filter).toEqual({ category: { ne: "a" }, all: [{ category: { ne: "b" } }] });
    expect(rowsOfFilter(filter ?? null)).toEqual(rows);
  });

  it("are nothing while a value is missing or wrong, and stay JSON where rows cannot say them", () => {
    expect(filterOf([{ field: "price", comparison: "eq", text: "" }], fields)).toBeUndefined();
    expect(filterOf([{ field: "price", comparison: "eq", text: "cheap" }], fields)).toBeUndefined();
    expect(rowsOfFilter({ any: [{ price: 1 }] })).toBeNull();
    expect(rowsOfFilter({ price: { in: [1, 2] } })).toBeNull();
    expect(rowsOfFilter({ category: "热菜" })).toEqual([{ field: "category", comparison: "eq", text: "热菜" }]);
    expect(rowsOfFilter(null)).toEqual([]);
  });
});

describe("groups and metadata", () => {
  it("are read with any comma", () => {
    expect(groupsOf("sales，hr、 sales,")).toEqual(["sales", "hr"]);
  });

  it("keep the types of what was not touched", () => {
    const before = { year: 2026, code: "007", tags: ["a"], note: "42" };
    const pairs = pairsOf(before);
    expect(metadataOf(pairs, before)).toEqual(before);
    expect(metadataOf([...pairs, { key: 9, name: "price", text: "12.5" }, { key: 10, name: "id", text: "0071" }, { key: 11, name: " ", text: "x" }], before)).toEqual({ ...before, price: 12.5, id: "0071" });
  });
});

describe("splitting", () => {
  it("says the overlap in per cent and back", () => {
    const splitting = { tokens: 400, overlap: 0.15000000596, parent: null };
    expect(textsOf(splitting)).toEqual({ tokens: "400", overlap: "15", parent: "" });
    expect(splittingOf(textsOf(splitting))).toEqual({ splitting: { tokens: 400, overlap: 0.15, parent: null } });
    expect(splittingOf({ tokens: "400", overlap: "0%", parent: "1200" })).toEqual({ splitting: { tokens: 400, overlap: 0, parent: 1200 } });
  });

  it("names every field that is wrong", () => {
    expect(splittingOf({ tokens: "0", overlap: "51", parent: "x" })).toEqual({ errors: new Set(["tokens", "overlap", "parent"]) });
    expect(splittingOf({ tokens: "400", overlap: "", parent: "300" })).toEqual({ errors: new Set(["overlap", "parent"]) });
  });
});

describe("an address of a passage", () => {
  it("names its number, and the list begins a little before", () => {
    expect(chunkOf("chunk-12")).toBe(12);
    expect(chunkOf("chunk-x")).toBeNull();
    expect(chunkOf("")).toBeNull();
    expect(windowBefore(12)).toBe(6);
    expect(windowBefore(3)).toBe(-1);
    expect(windowBefore(null)).toBe(-1);
  });
});
