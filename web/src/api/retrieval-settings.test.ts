import { describe, expect, it } from "vitest";
import { bodyOf, DEFAULTS, readSearch, searchOf, settingsOf } from "./retrieval-settings";

describe("the address of a retrieval test", () => {
  it("says nothing of what is as usual", () => {
    expect(searchOf("退货", DEFAULTS)).toEqual({ q: "退货" });
    expect(searchOf("", DEFAULTS)).toEqual({});
  });

  it("brings the settings back as they were", () => {
    const settings = { mode: "hybrid", topK: 20, minScore: 0, dense: 2, lexical: 0.5, rerank: true, expand: "none", groups: ["sales"], filter: { price: { lte: 30 } } };
    expect(settingsOf(readSearch(searchOf("x", settings) as Record<string, unknown>))).toEqual(settings);
  });

  it("leaves out what somebody wrote wrongly", () => {
    expect(readSearch({ q: 7, mode: "magic", k: 900, min: "much", expand: ["a"], groups: ["a", 3], filter: [1], rerank: "yes" })).toEqual({ q: "7", groups: ["a"] });
    expect(readSearch({ q: { a: 1 }, k: 0 })).toEqual({});
  });
});

describe("what the server is asked", () => {
  it("has weights only where lists are fused", () => {
    expect(bodyOf(DEFAULTS)).toEqual({ mode: "hybrid", top_k: 8 });
    expect(bodyOf({ ...DEFAULTS, lexical: 0.3 })).toMatchObject({ weights: { dense: 1, lexical: 0.3 } });
    expect(bodyOf({ ...DEFAULTS, mode: "dense", lexical: 0.3 })).toEqual({ mode: "dense", top_k: 8 });
  });

  it("knows nobody's groups from everybody's", () => {
    expect(bodyOf({ ...DEFAULTS, groups: [] })).toMatchObject({ groups: [] });
    expect(bodyOf({ ...DEFAULTS, minScore: 0, filter: { a: 1 }, rerank: true, expand: "neighbours" })).toEqual({ mode: "hybrid", top_k: 8, min_score: 0, filter: { a: 1 }, rerank: true, expand: "neighbours" });
  });
});
