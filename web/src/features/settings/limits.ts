// What a run may use at most, between the server's numbers and what is typed. Pure. Time is typed in seconds, because
// nobody thinks in milliseconds.
import type { LimitsView, RunLimits } from "@/api/types";

export const LIMITS = ["max_steps", "max_parallel", "max_tokens", "max_cost", "max_time_ms", "max_depth"] as const satisfies readonly (keyof RunLimits)[];
export type LimitName = (typeof LIMITS)[number];
export type LimitTexts = Record<LimitName, string>;

const scale = (name: LimitName): number => (name === "max_time_ms" ? 1000 : 1);

export function shown(name: LimitName, value: number | null): string {
  return value === null ? "" : String(value / scale(name));
}

export function textsOf(limits: RunLimits): LimitTexts {
  return Object.fromEntries(LIMITS.map((name) => [name, shown(name, limits[name])])) as LimitTexts;
}

export type LimitError = "number" | "whole" | "ceiling";
export type ReadLimits = { limits: RunLimits } | { errors: Partial<Record<LimitName, LimitError>> };

/** An empty text is the server's limit. Costs may have decimals; everything else is counted. */
export function readLimits(texts: LimitTexts, server: LimitsView["server"]): ReadLimits {
  const errors: Partial<Record<LimitName, LimitError>> = {};
  const limits = Object.fromEntries(
    LIMITS.map((name) => {
      const text = texts[name].trim();
      if (text === "") return [name, null];
      const value = Number(text) * scale(name);
      const ceiling = server[name];
      if (!Number.isFinite(value) || value <= 0) errors[name] = "number";
      else if (name !== "max_cost" && !Number.isInteger(value)) errors[name] = "whole";
      else if (ceiling !== null && value > ceiling) errors[name] = "ceiling";
      return [name, value];
    }),
  ) as unknown as RunLimits;
  return Object.keys(errors).length > 0 ? { errors } : { limits };
}
