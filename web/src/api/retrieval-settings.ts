// How a retrieval test searches: what the page's address says, what the server is asked, and what was set last for each
// base. In the address, so that a colleague who is sent it sees the same search. Pure but for the last two functions.

export interface RetrievalSettings {
  mode: string;
  topK: number;
  minScore: number | null;
  /** How much each list counts in hybrid search; the server's own balance where null. */
  dense: number | null;
  lexical: number | null;
  rerank: boolean;
  /** As the base's splitting says, where null. */
  expand: string | null;
  /** Searches as somebody of these groups; null sees everything. */
  groups: string[] | null;
  filter: Record<string, unknown> | null;
}

export interface RetrievalSearch {
  q?: string | undefined;
  mode?: string | undefined;
  k?: number | undefined;
  min?: number | undefined;
  dense?: number | undefined;
  lexical?: number | undefined;
  rerank?: boolean | undefined;
  expand?: string | undefined;
  groups?: string[] | undefined;
  filter?: Record<string, unknown> | undefined;
}

export const MODES = ["hybrid", "dense", "lexical"] as const;
export const EXPANSIONS = ["none", "neighbours", "parent"] as const;
export const DEFAULTS: RetrievalSettings = { mode: "hybrid", topK: 8, minScore: null, dense: null, lexical: null, rerank: false, expand: null, groups: null, filter: null };
/** The server refuses more. */
export const MOST_HITS = 100;

const number = (value: unknown): number | undefined => (typeof value === "number" && Number.isFinite(value) ? value : undefined);
const among = (value: unknown, known: readonly string[]): string | undefined => (typeof value === "string" && known.includes(value) ? value : undefined);

/** Takes from an address what it says rightly; anybody may have written it. */
export function readSearch(search: Record<string, unknown>): RetrievalSearch {
  const k = number(search["k"]);
  const groups = Array.isArray(search["groups"]) ? search["groups"].filter((one) => typeof one === "string") : undefined;
  const filter = search["filter"];
  // The router reads a query of digits as a number.
  const q = search["q"] === undefined || search["q"] === null || typeof search["q"] === "object" ? "" : String(search["q"]);
  const found: RetrievalSearch = {
    q: q || undefined,
    mode: among(search["mode"], MODES),
    k: k !== undefined && k >= 1 && k <= MOST_HITS ? Math.round(k) : undefined,
    min: number(search["min"]),
    dense: number(search["dense"]),
    lexical: number(search["lexical"]),
    rerank: search["rerank"] === true || undefined,
    expand: among(search["expand"], EXPANSIONS),
    groups,
    filter: typeof filter === "object" && filter !== null && !Array.isArray(filter) ? (filter as Record<string, unknown>) : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

export function settingsOf(search: RetrievalSearch): RetrievalSettings {
  return {
    mode: search.mode ?? DEFAULTS.mode,
    topK: search.k ?? DEFAULTS.topK,
    minScore: search.min ?? null,
    dense: search.dense ?? null,
    lexical: search.lexical ?? null,
    rerank: search.rerank ?? false,
    expand: search.expand ?? null,
    groups: search.groups ?? null,
    filter: search.filter ?? null,
  };
}

/** The other way round; what is as usual does not stand in the address. */
export function searchOf(query: string, settings: RetrievalSettings): RetrievalSearch {
  const said = <T>(value: T, usual: T): T | undefined => (value === usual || value === null ? undefined : value);
  return readSearch({
    q: query,
    mode: said(settings.mode, DEFAULTS.mode),
    k: said(settings.topK, DEFAULTS.topK),
    min: settings.minScore ?? undefined,
    dense: settings.dense ?? undefined,
    lexical: settings.lexical ?? undefined,
    rerank: settings.rerank || undefined,
    expand: settings.expand ?? undefined,
    groups: settings.groups ?? undefined,
    filter: settings.filter && Object.keys(settings.filter).length > 0 ? settings.filter : undefined,
  });
}

/** What the server is asked, without the query. */
export function bodyOf(settings: RetrievalSettings): Record<string, unknown> {
  const weighed = settings.mode === "hybrid" && (settings.dense !== null || settings.lexical !== null);
  return {
    mode: settings.mode,
    top_k: settings.topK,
    ...(settings.minScore === null ? {} : { min_score: settings.minScore }),
    ...(weighed ? { weights: { dense: settings.dense ?? 1, lexical: settings.lexical ?? 1 } } : {}),
    ...(settings.rerank ? { rerank: true } : {}),
    ...(settings.expand === null ? {} : { expand: settings.expand }),
    ...(settings.groups === null ? {} : { groups: settings.groups }),
    ...(settings.filter === null ? {} : { filter: settings.filter }),
  };
}

const keyOf = (base: string) => `parlour.retrieval.${base}`;

/** What was searched and set last in this base, for the way back to the page. */
export function lastSearch(base: string): RetrievalSearch {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(keyOf(base)) ?? "{}");
    return typeof stored === "object" && stored !== null ? readSearch(stored as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

export function keepSearch(base: string, search: RetrievalSearch): void {
  try {
    sessionStorage.setItem(keyOf(base), JSON.stringify(search));
  } catch {
    // Storage can be switched off; the page then begins with the usual settings.
  }
}
