// Search of the stand-in: it counts words, and makes up the rest so that every stage has something to show.
import type { MockBase } from "./mock-knowledge.ts";

type Body = Record<string, unknown>;

function passes(fields: Record<string, unknown>, filter: unknown): boolean {
  return Object.entries((filter ?? {}) as Record<string, unknown>).every(([name, written]) => {
    const own = fields[name] as number;
    const tests = typeof written === "object" && written !== null ? (written as Record<string, number>) : { eq: written as number };
    return Object.entries(tests).every(([comparison, value]) => {
      const results: Record<string, boolean> = { eq: own === value, ne: own !== value, gte: own >= value, lte: own <= value, gt: own > value, lt: own < value, contains: String(own).includes(String(value)) };
      return results[comparison] ?? true;
    });
  });
}

/** Where the words stand, in Unicode characters, and how much they weigh. */
function matches(text: string, words: string[]): { highlights: [number, number][]; weight: number } {
  const characters = [...text.toLowerCase()];
  const highlights: [number, number][] = [];
  let weight = 0;
  for (const word of words) {
    const wanted = [...word];
    for (let at = 0; at + wanted.length <= characters.length; at += 1) {
      if (!wanted.every((one, offset) => characters[at + offset] === one)) continue;
      highlights.push([at, at + wanted.length]);
      weight += wanted.length > 1 ? 2 : 0.4;
      at += wanted.length - 1;
    }
  }
  return { highlights, weight };
}

export function search(base: MockBase, body: Body) {
  const mode = (body["mode"] as string) ?? "hybrid";
  const words = String(body["query"]).toLowerCase().match(/[\u3400-\u9fff]|[a-z0-9]+/g) ?? [];
  const passages = base.docs.filter((one) => one.state === "ready" || one.answering).flatMap((document) => document.chunks.filter((one) => one.enabled && passes(one.fields, body["filter"])).map((chunk) => ({ document, chunk })));
  const scored = passages
    .map((one) => {
      const found = matches(one.chunk.text, words);
      const noise = [...one.chunk.text].reduce((sum, character) => (sum * 31 + (character.codePointAt(0) ?? 0)) % 997, 0);
      return { ...one, ...found, dense: 0.78 + Math.min(0.1, found.weight / 40) + noise / 50_000, score: 0 };
    })
    .filter((one) => one.weight > 0);
  const rankOf = (key: "dense" | "weight") => new Map([...scored].sort((a, b) => b[key] - a[key]).map((one, at) => [one, at + 1]));
  const dense = rankOf("dense");
  const lexical = rankOf("weight");
  const weights = (body["weights"] ?? { dense: 1, lexical: 1 }) as { dense: number; lexical: number };
  for (const one of scored) one.score = mode === "dense" ? one.dense : mode === "lexical" ? one.weight : (weights.dense / (60 + (dense.get(one) ?? 0)) + weights.lexical / (60 + (lexical.get(one) ?? 0))) * 30.5;
  scored.sort((a, b) => b.score - a.score);
  const least = (body["min_score"] as number) ?? 0;
  const best = scored[0]?.score ?? 0;
  const hits = scored.slice(0, (body["top_k"] as number) ?? 8).filter((one) => one.score >= least).map((one, at) => {
    const reranked = 0.99 - at * 0.07;
    return {
      id: `${one.document.id}:${one.chunk.ordinal}`, document: one.document.name, document_id: one.document.id, base: base.name, text: one.chunk.text, answer: one.chunk.answer, fields: one.chunk.fields, position: one.chunk.position,
      score: body["rerank"] ? reranked : one.score, highlights: one.highlights, merged: body["expand"] === "neighbours" ? [one.chunk.ordinal, one.chunk.ordinal + 1] : [],
      stages: {
        ...(mode === "lexical" ? {} : { dense: { score: one.dense, rank: dense.get(one) } }), ...(mode === "dense" ? {} : { lexical: { score: one.weight, rank: lexical.get(one) } }),
        ...(mode === "hybrid" ? { fused: one.score } : {}), ...(body["rerank"] ? { rerank: { score: reranked, rank: at + 1 } } : {}),
      },
    };
  });
  const low = hits.length === 0 && best > 0;
  const [status, reason] = passages.length === 0 ? ["empty", null] : low ? ["below_threshold", `The best score is ${best.toFixed(3)}.`] : base.embedding.state === "off" ? ["degraded", "No embedding model: searched by words only."] : ["ok", null];
  return { status, reason, took_ms: 12, stages: { embed_ms: 7, dense_ms: 2, lexical_ms: 1, rerank_ms: body["rerank"] ? 140 : null }, hits };
}
