import type { TFunction } from "i18next";
import { describe, expect, it } from "vitest";
import { partDone, sayProgress } from "./progress";

/** Says the key and the figures. */
const t = ((key: string, values: Record<string, string>) => [key, ...Object.values(values)].join(" ")) as unknown as TFunction;
const say = (work: { state: string; done?: number | null; total?: number | null; unit?: string | null }) => sayProgress(t, "en", { done: null, total: null, unit: null, ...work });

describe("partDone", () => {
  it("is a share, or nothing while nobody can tell", () => {
    expect(partDone({ done: 5, total: 20 })).toBe(0.25);
    expect(partDone({ done: 30, total: 20 })).toBe(1);
    expect(partDone({ done: 0, total: 20 })).toBe(0);
    expect(partDone({ done: 5, total: 0 })).toBeNull();
    expect(partDone({ done: null, total: 9 })).toBeNull();
  });
});

describe("sayProgress", () => {
  it("says what is counted", () => {
    expect(say({ state: "parsing", done: 1024, total: 2048, unit: "bytes" })).toBe("knowledge.done_of 1 KiB 2 KiB");
    expect(say({ state: "embedding", done: 1200, total: 8800, unit: "records" })).toBe("knowledge.done_of_records 1,200 8,800");
  });

  it("says how much there is where the whole is unknown, and nothing before the first", () => {
    expect(say({ state: "parsing", done: 40, total: 0, unit: "records" })).toBe("knowledge.done_records 40");
    expect(say({ state: "queued", done: 0, total: 0, unit: "bytes" })).toBe("");
  });

  it("is silent when the work is over", () => {
    expect(say({ state: "ready", done: 5, total: 5, unit: "records" })).toBe("");
    expect(say({ state: "failed", done: 3, total: 5, unit: "records" })).toBe("");
  });
});
