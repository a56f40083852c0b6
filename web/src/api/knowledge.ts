// Knowledge bases: the shapes that the server sends of them, and where each is asked for.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { Notice } from "@/i18n/notices";
import { request } from "./client";
import type { Page, Timestamp } from "./types";

/** One column of a table, or one member of a record. */
export interface KnowledgeField {
  type: string;
  /** Its words are searched. */
  embed: boolean;
  /** It may stand in filters. */
  filter: boolean;
  /** Readers of an answer see it. */
  show: boolean;
  title?: string | null;
}

export type KnowledgeFields = Record<string, KnowledgeField>;

export interface Splitting {
  tokens: number;
  /** The share of a passage that repeats the end of the one before. */
  overlap: number;
  /** Tokens of the larger passage that is read together; null where there is none. */
  parent: number | null;
}

export interface EmbeddingUse {
  /** Null: searched by words only. */
  model: string | null;
  state: string;
  done?: number | null;
  total?: number | null;
  reason?: string | null;
  /** The model that takes over when everything is embedded with it. */
  next?: string | null;
}

export interface KnowledgeBase {
  name: string;
  title?: string | null;
  description?: string | null;
  fields: KnowledgeFields;
  /** The text of a record, `{field}` standing for values; the searched fields' values where there is none. */
  embed_template?: string | null;
  splitting: Splitting;
  /** Names that are words of their own wherever they stand. */
  words: string[];
  embedding: EmbeddingUse;
  documents: number;
  records: number;
  created_at?: Timestamp | null;
  updated_at?: Timestamp | null;
}

export interface FileProblem extends Notice {
  /** The row, as a spreadsheet counts them. */
  line?: number | null;
  /** The column's header. */
  path?: string | null;
}

export interface KnowledgeDocument {
  id: string;
  name: string;
  state: string;
  done?: number | null;
  total?: number | null;
  /** What `done` and `total` count: `bytes` or `records`. */
  unit?: string | null;
  version: number;
  records: number;
  size_bytes?: number | null;
  media_type?: string | null;
  source?: { url: string } | null;
  groups: string[];
  metadata: Record<string, unknown>;
  /** Why it failed; of one that is ready, what it still lacks. */
  reason?: string | null;
  hint?: string | null;
  /** What is wrong with the file; the codes say of which kind it is. */
  errors?: FileProblem[] | null;
  warnings: Notice[];
  /** A version of it is found, be it an older one. */
  answering: boolean;
  created_at?: Timestamp | null;
  updated_at?: Timestamp | null;
}

/** Where in its document a passage stands. */
export interface Position {
  page?: number | null;
  headings?: string[] | null;
  /** The sheet of a workbook, the file within an archive. */
  part?: string | null;
  row?: number | null;
  parent?: number | null;
  /** So many characters at the beginning repeat the end of the passage before. */
  overlap?: number | null;
}

export interface Chunk {
  ordinal: number;
  text: string;
  answer?: string | null;
  fields: Record<string, unknown>;
  position: Position;
  tokens: number;
  enabled: boolean;
  edited: boolean;
}

export interface StageScore {
  score: number;
  rank: number;
}

export interface SearchHit {
  /** `<document id>:<ordinal>` */
  id: string;
  document: string;
  document_id: string;
  text: string;
  answer?: string | null;
  fields: Record<string, unknown>;
  position: Position;
  score: number;
  stages: { dense?: StageScore | null; lexical?: StageScore | null; fused?: number | null; rerank?: StageScore | null };
  /** Of matching words, as Unicode characters of the text. */
  highlights?: [number, number][] | null;
  /** Ordinals of the passages that were put together in this hit. */
  merged?: number[] | null;
  /** Further hits that say exactly the same and were left out for this one. */
  also?: string[] | null;
}

export interface SearchResult {
  status: string;
  /** Why it is worse than it could be. */
  reasons?: Notice[] | null;
  took_ms?: number | null;
  stages?: Record<string, number | null> | null;
  hits: SearchHit[];
}

/** What a test wants to find: the document, and in it the passage of that number or with those words. */
export interface Expected {
  document: string;
  ordinal?: number | null;
  contains?: string | null;
}

export interface RetrievalTest {
  id: string;
  query: string;
  filter?: unknown;
  expected: Expected[];
  created_at?: Timestamp | null;
}

export interface TestCase {
  id: string;
  query: string;
  /** The rank of each thing expected; null for what was not found. */
  found: (number | null)[];
  recall: number;
  reciprocal_rank: number;
  status: string;
  reason?: string | null;
  /** The same, to be said in the reader's language. */
  reasons?: Notice[];
}

export interface TestReport {
  at: Timestamp;
  settings?: Record<string, unknown> | null;
  cases: TestCase[];
  recall: number;
  mrr: number;
  before?: { at: Timestamp; recall: number; mrr: number } | null;
}

export interface RetrievalTests {
  items: RetrievalTest[];
  last: TestReport | null;
}

export interface EmbeddingModel {
  model: string;
  title?: string | null;
  dimensions?: number | null;
  state?: string | null;
}

export interface EmbeddingModels {
  items: EmbeddingModel[];
  /** What can put hits into a better order; null where the server has nothing that can. */
  reranker?: string | null;
}

export interface TableColumn {
  header: string;
  samples: unknown[];
  /** The field of the base that it fills already. */
  field: string | null;
  suggestion: KnowledgeField & { name: string };
}

export interface Columns {
  columns: TableColumn[];
  /** `table`, `text` or `questions`. */
  kind: string;
}

export const BASES = "/api/v1/knowledge-bases";
export const baseAddress = (name: string, ...parts: string[]) => [BASES, ...[name, ...parts].map(encodeURIComponent)].join("/");
export const documentAddress = (base: string, id: string, ...parts: string[]) => baseAddress(base, "documents", id, ...parts);

/** How often something that is being worked on is asked for again, in milliseconds. */
const WORK_POLL_MS = 1000;

const OVER = new Set(["ready", "failed", "cancelled"]);

/** Whether the server still works on it. */
export function isWorkedOn(document: KnowledgeDocument): boolean {
  return !OVER.has(document.state);
}

export const basesQuery = queryOptions({
  queryKey: ["knowledge"],
  queryFn: async () => (await request<Page<KnowledgeBase>>(BASES)).items,
});

export const baseQuery = (name: string) =>
  queryOptions({
    queryKey: ["knowledge", name],
    queryFn: () => request<KnowledgeBase>(baseAddress(name)),
    refetchInterval: (query) => (query.state.data?.embedding.state === "working" ? WORK_POLL_MS : false),
  });

const DOCUMENTS_PAGE = 50;

/** A page of a listing: `after` is the cursor of the one before, `q` a text that has to stand in what is listed. */
function listing(address: string, { limit, after, q }: { limit: number; after: string; q: string }): string {
  const search = new URLSearchParams({ limit: String(limit) });
  if (q !== "") search.set("q", q);
  if (after !== "") search.set("after", after);
  return `${address}?${search}`;
}

/** A base's documents, the newest first; those with `q` in their name or groups. */
export const documentsQuery = (base: string, q: string) =>
  infiniteQueryOptions({
    queryKey: ["knowledge", base, "documents", q],
    queryFn: ({ pageParam, signal }) => request<Page<KnowledgeDocument>>(listing(baseAddress(base, "documents"), { limit: DOCUMENTS_PAGE, after: pageParam, q }), { signal }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? null,
    // Every page is read again, so that many pages are read less often.
    refetchInterval: (query) => {
      const pages = query.state.data?.pages ?? [];
      return pages.some((page) => page.items.some(isWorkedOn)) ? WORK_POLL_MS * pages.length : false;
    },
    placeholderData: keepPreviousData,
  });

/** As many as one answer of a listing has, and characters of a text that is looked for. */
const MOST_LISTED = 200;
const MOST_LOOKED_FOR = 200;

/** The document of exactly this name; null where there is none. */
async function documentNamed(base: string, name: string): Promise<KnowledgeDocument | null> {
  const q = [...name].slice(0, MOST_LOOKED_FOR).join("");
  for (let after: string | null = ""; after !== null; ) {
    const page: Page<KnowledgeDocument> = await request<Page<KnowledgeDocument>>(listing(baseAddress(base, "documents"), { limit: MOST_LISTED, after, q }));
    const found = page.items.find((document) => document.name === name);
    if (found) return found;
    after = page.next_cursor ?? null;
  }
  return null;
}

/** The document with the first of these names that there is. */
export const documentNamedQuery = (base: string, names: readonly string[]) =>
  queryOptions({
    queryKey: ["knowledge", base, "named", names],
    queryFn: async () => {
      for (const name of names) {
        const found = await documentNamed(base, name);
        if (found) return found;
      }
      return null;
    },
  });

export const documentQuery = (base: string, id: string) =>
  queryOptions({
    queryKey: ["knowledge", base, "document", id],
    queryFn: () => request<KnowledgeDocument>(documentAddress(base, id)),
    refetchInterval: (query) => (query.state.data && isWorkedOn(query.state.data) ? WORK_POLL_MS : false),
  });

const CHUNKS_PAGE = 100;

/** A document's passages behind the one with the number `after`, all of them from -1; those with `q` in them. */
export const chunksQuery = (base: string, id: string, { after, q }: { after: number; q: string }) =>
  infiniteQueryOptions({
    queryKey: ["knowledge", base, "document", id, "chunks", after, q],
    queryFn: ({ pageParam, signal }) => request<Page<Chunk>>(listing(documentAddress(base, id, "chunks"), { limit: CHUNKS_PAGE, after: pageParam, q }), { signal }),
    initialPageParam: after < 0 ? "" : String(after),
    getNextPageParam: (last) => last.next_cursor ?? null,
    placeholderData: keepPreviousData,
  });

export const testsQuery = (base: string) =>
  queryOptions({ queryKey: ["knowledge", base, "tests"], queryFn: () => request<RetrievalTests>(baseAddress(base, "tests")) });

export const embeddingModelsQuery = queryOptions({
  queryKey: ["embedding-models"],
  queryFn: () => request<EmbeddingModels>("/api/v1/embedding-models"),
});

/** A passage that was found while an answer was made. */
export interface Citation {
  id: string;
  knowledge_base: string;
  document: string;
  document_id: string;
  ordinal: number;
  /** Its beginning. */
  text: string;
  position: Position;
  score: number;
}

/** A run that is over finds nothing more. */
export const citationsQuery = (run: string) =>
  queryOptions({
    queryKey: ["citations", run],
    queryFn: async () => (await request<{ items: Citation[] }>(`/api/v1/runs/${encodeURIComponent(run)}/citations`)).items,
    staleTime: Infinity,
  });
