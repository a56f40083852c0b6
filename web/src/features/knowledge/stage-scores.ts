// What each stage of a search said about a hit, as bars. Scores of different stages are no common measure (a cosine, BM25, a
// share of ranks), so that a bar compares the hits of one list in one stage, and nothing else. Pure.
import type { SearchHit } from "@/api/knowledge";

export const STAGES = ["dense", "lexical", "fused", "rerank"] as const;
export type StageName = (typeof STAGES)[number];

export interface StageBar {
  stage: StageName;
  score: number;
  rank: number | null;
  /** From 0 to 1. */
  part: number;
}

/** The shortest bar: the last of a list was still found. */
const LEAST = 0.12;

function scoreOf(hit: SearchHit, stage: StageName): { score: number; rank: number | null } | null {
  const found = hit.stages[stage];
  if (found === null || found === undefined) return null;
  return typeof found === "number" ? { score: found, rank: null } : { score: found.score, rank: found.rank };
}

/** The cosines of a whole list often lie within a few hundredths: the bar shows the place between its lowest and highest. */
export function placeBetween(score: number, scores: readonly number[]): number {
  const lowest = Math.min(...scores);
  const highest = Math.max(...scores);
  return highest > lowest ? LEAST + (1 - LEAST) * ((score - lowest) / (highest - lowest)) : 1;
}

export function barsOf(hit: SearchHit, hits: readonly SearchHit[]): StageBar[] {
  return STAGES.flatMap((stage) => {
    const own = scoreOf(hit, stage);
    if (!own) return [];
    const all = hits.flatMap((one) => scoreOf(one, stage)?.score ?? []);
    return [{ stage, ...own, part: placeBetween(own.score, all) }];
  });
}
