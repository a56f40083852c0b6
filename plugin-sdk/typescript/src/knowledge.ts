// The tenant's knowledge bases. Needs the permission `knowledge` for each and the tenant's grant.

import type { ContractEntry } from "./contract.ts";
import { ToolError } from "./error.ts";
import { ask } from "./host.ts";

/** Most entries on one page of `list`. */
const MOST_ON_A_PAGE = 1000;

/** A typed filter, for example `{ spice_level: { gte: 2 }, any: [{ vegan: true }, { vegetarian: true }] }`. */
export type Filter = Record<string, unknown>;

/** One record or passage. */
export interface Entry<Fields = Record<string, unknown>> {
  id: string;
  /** Name of the document it came from. */
  document: string;
  text: string;
  /** The typed fields of the knowledge base. */
  fields: Fields;
}

export interface SearchOptions {
  /** 1 to 100; 8 unless said otherwise. */
  topK?: number;
  filter?: Filter;
  minScore?: number;
  /** `hybrid` unless said otherwise. */
  mode?: "hybrid" | "dense" | "lexical";
}

export interface Found<Fields = Record<string, unknown>> {
  /**
   * `empty`: nothing in scope matched. `below_threshold`: something matched, but nothing reached `minScore`. `degraded`: there
   * may be better hits than these, `reason` says why.
   */
  status: "ok" | "empty" | "below_threshold" | "degraded";
  reason?: string;
  /** The best first; a score is comparable within one result only. */
  hits: { entry: Entry<Fields>; score: number }[];
}

export interface Page<Fields = Record<string, unknown>> {
  entries: Entry<Fields>[];
  /** Pass it to the next `list`; none on the last page. */
  nextCursor?: string;
}

/** Of one field, or of the rows themselves. */
export type Aggregate =
  | { count: string }
  | { count_distinct: string }
  | { sum: string }
  | { avg: string }
  | { min: string }
  | { max: string };

export interface Query {
  filter?: Filter;
  /** Field names; not together with `groupBy` and `aggregate`. */
  select?: string[];
  groupBy?: string[];
  /** The name of a result to what it is: `{ total: { sum: "price" }, dishes: { count: "*" } }`. */
  aggregate?: Record<string, Aggregate>;
  orderBy?: { by: string; descending?: boolean }[];
  offset?: number;
  /** 1 to 1000; 100 unless said otherwise. */
  limit?: number;
}

/** The best hits for a question, by meaning and by words. */
export function search<Fields = Record<string, unknown>>(
  knowledgeBase: string,
  query: string,
  { topK = 8, filter, minScore, mode }: SearchOptions = {},
): Found<Fields> {
  const optionsJson = said({ filter, min_score: minScore, mode });
  const found = ask("knowledge.search()", (host) => host.knowledge.search({ knowledgeBase, query, topK, optionsJson }));
  return {
    status: found.status === "below-threshold" ? "below_threshold" : found.status,
    ...(found.reason != null && { reason: found.reason }),
    hits: found.hits.map(({ entry, score }) => ({ entry: entryOf<Fields>(entry), score })),
  };
}

/** One entry by its id. */
export function get<Fields = Record<string, unknown>>(knowledgeBase: string, id: string): Entry<Fields> {
  return entryOf(ask("knowledge.get()", (host) => host.knowledge.get(knowledgeBase, id)));
}

/** Entries that pass a filter, in the order of the document, one page of at most 1000. */
export function list<Fields = Record<string, unknown>>(
  knowledgeBase: string,
  { filter, cursor, limit = MOST_ON_A_PAGE }: { filter?: Filter; cursor?: string; limit?: number } = {},
): Page<Fields> {
  const request = { knowledgeBase, filterJson: filter === undefined ? "" : JSON.stringify(filter), cursor: cursor ?? null, limit };
  const { entries, nextCursor } = ask("knowledge.list()", (host) => host.knowledge.list(request));
  return { entries: entries.map(entryOf<Fields>), ...(nextCursor != null && { nextCursor }) };
}

/**
 * All entries that pass a filter, page by page. More than `atMost` is an error, because a part of them would give a wrong sum
 * without anybody noticing.
 */
export function listAll<Fields = Record<string, unknown>>(
  knowledgeBase: string,
  { filter, atMost }: { filter?: Filter; atMost: number },
): Entry<Fields>[] {
  const entries: Entry<Fields>[] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = list<Fields>(knowledgeBase, { ...(filter && { filter }), ...(cursor !== undefined && { cursor }) });
    entries.push(...page.entries);
    if (entries.length > atMost) {
      throw new ToolError(
        "invalid_input",
        `\`${knowledgeBase}\` has more than ${atMost} matching records; narrow the filter`,
      );
    }
    // A host that gives the same place twice would keep us here until the time is up.
    if (page.nextCursor === undefined || page.nextCursor === cursor) return entries;
    cursor = page.nextCursor;
  }
}

/** Rows and sums over the typed fields. `total` counts the rows without the limit. */
export function query<Row = Record<string, unknown>>(
  knowledgeBase: string,
  { filter, select, groupBy, aggregate, orderBy, offset, limit }: Query = {},
): { rows: Row[]; total: number } {
  const queryJson = said({ filter, select, group_by: groupBy, aggregate, order_by: orderBy, offset, limit });
  const { rowsJson, total } = ask("knowledge.query()", (host) => host.knowledge.query(knowledgeBase, queryJson || "{}"));
  return { rows: JSON.parse(rowsJson) as Row[], total: Number(total) };
}

/** What was said of it, as a JSON object; nothing when nothing was. */
function said(members: Record<string, unknown>): string {
  const text = JSON.stringify(members);
  return text === "{}" ? "" : text;
}

function entryOf<Fields>({ id, document, text, fieldsJson }: ContractEntry): Entry<Fields> {
  return { id, document, text, fields: JSON.parse(fieldsJson) as Fields };
}
