// What a search gave, drawn and remembered.
import { describe, expect, it } from "vitest";
import type { SearchHit } from "@/api/knowledge";
import { directionOf } from "./compare";
import { expectationOf, isExpected, ordinalOf } from "./expected";
import { barsOf, placeBetween } from "./stage-scores";

const hit = (more: Partial<SearchHit>): SearchHit => ({ id: "d1:12", document: "manual.pdf", document_id: "d1", text: "", fields: {}, position: {}, score: 1, stages: {}, ...more });

describe("barsOf", () => {
  it("compares within a stage, between its lowest and highest", () => {
    const hits = [hit({ stages: { dense: { score: 0.86, rank: 1 }, fused: 1 } }), hit({ stages: { dense: { score: 0.82, rank: 2 }, lexical: { score: 7, rank: 1 }, fused: 0.5 } })];
    const [first, second] = hits.map((one) => barsOf(one, hits));
    expect(first?.map((bar) => [bar.stage, bar.rank, bar.part])).toEqual([["dense", 1, 1], ["fused", null, 1]]);
    expect(second?.map((bar) => bar.stage)).toEqual(["dense", "lexical", "fused"]);
    expect(second?.[0]?.part).toBeCloseTo(0.12);
    expect(second?.[1]?.part).toBe(1);
    expect(placeBetween(5, [5, 5])).toBe(1);
  });
});

describe("expectations", () => {
  it("name a passage by its words around the first that matched", () => {
    const text = "前言。\n退货请在七天内申请。运费由商家承担！";
    const at = [...text].join("").indexOf("七天");
    expect(expectationOf(hit({ text, highlights: [[at, at + 2]] }))).toEqual({ document: "manual.pdf", contains: "退货请在七天内申请。运费由商家承担！" });
    expect(expectationOf(hit({ text: "🌶️ hot. Very mild soup", highlights: [[13, 17]] }))).toEqual({ document: "manual.pdf", contains: "Very mild soup" });
    expect(expectationOf(hit({ text: "" }))).toEqual({ document: "manual.pdf", ordinal: 12 });
    expect([...(expectationOf(hit({ text: "字".repeat(200) })).contains ?? "")].length).toBe(60);
  });

  it("are met by words, by number or by the document alone", () => {
    const found = hit({ text: "seven days", merged: [11, 12] });
    expect(isExpected(found, [expectationOf(found)])).toBe(true);
    expect(isExpected(found, [{ document: "manual.pdf", ordinal: 11 }])).toBe(true);
    expect(isExpected(found, [{ document: "manual.pdf" }])).toBe(true);
    expect(isExpected(found, [{ document: "other.pdf", contains: "seven" }, { document: "manual.pdf", ordinal: 3 }])).toBe(false);
  });

  it("read the number from a hit's id", () => {
    expect(ordinalOf({ id: "0190-ab:7" })).toBe(7);
    expect(ordinalOf({ id: "x" })).toBeNull();
  });
});

describe("directionOf", () => {
  it("sees no change where the figures look the same", () => {
    expect(directionOf(0.8, 0.75, 3)).toBe("better");
    expect(directionOf(0.7, 0.75, 3)).toBe("worse");
    expect(directionOf(0.75, 0.7501, 3)).toBe("same");
  });
});
