// Limits between what is typed and what the server takes.
import { describe, expect, it } from "vitest";
import { readLimits, textsOf } from "./limits";

const server = { max_steps: 10_000, max_parallel: 16, max_tokens: null, max_cost: 5, max_time_ms: 3_600_000, max_depth: 8 };
const none = { max_steps: null, max_parallel: null, max_tokens: null, max_cost: null, max_time_ms: null, max_depth: null };

describe("limits", () => {
  it("are typed in seconds, and empty where the server decides", () => {
    const texts = textsOf({ ...none, max_time_ms: 90_000, max_cost: 0.5 });
    expect([texts.max_time_ms, texts.max_cost, texts.max_steps]).toEqual(["90", "0.5", ""]);
    expect(readLimits(texts, server)).toEqual({ limits: { ...none, max_time_ms: 90_000, max_cost: 0.5 } });
  });

  it("name what is no count and what is above the server's", () => {
    const texts = { ...textsOf(none), max_steps: "1.5", max_parallel: "17", max_cost: "-1", max_depth: "deep", max_tokens: "900000000" };
    expect(readLimits(texts, server)).toEqual({ errors: { max_steps: "whole", max_parallel: "ceiling", max_cost: "number", max_depth: "number" } });
  });
});
