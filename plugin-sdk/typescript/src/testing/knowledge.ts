// Knowledge bases in memory. The search is simple: it counts shared words and pairs of Chinese characters.

import type { ContractEntry, ContractList, ContractSearch, Host } from "../contract.ts";
import type { Entry } from "../knowledge.ts";
import { type Fields, passes } from "./filter.ts";
import { rowsOf, type Written } from "./query.ts";
import { refusal } from "./refusal.ts";
import type { State } from "./state.ts";

const MOST_HITS = 100;
const MOST_ON_A_PAGE = 1000;

/** Records as a knowledge base has them: the text of one is all its texts, one after the other. */
export function entriesOf(name: string, records: Fields[]): Entry[] {
  return records.map((fields, index) => {
    const text = Object.values(fields).filter((it) => typeof it === "string").join(" ");
    return { id: `${name}-${index + 1}`, document: `${name}.csv`, text, fields };
  });
}

export function knowledgeOf(state: State): Host["knowledge"] {
  const filtered = (knowledgeBase: string, filter: unknown) => {
    const entries = state.entries(knowledgeBase);
    const known = [...new Set(entries.flatMap((it) => Object.keys(it.fields)))];
    const passed = filter === undefined ? entries : entries.filter((it) => passes(filter, it.fields, known));
    return { passed, known };
  };
  return {
    search({ knowledgeBase, query, topK, optionsJson }: ContractSearch) {
      const options = optionsJson === "" ? {} : (JSON.parse(optionsJson) as { filter?: unknown; min_score?: number });
      state.searches.push({ knowledgeBase, query, topK, ...options });
      if (!(topK >= 1 && topK <= MOST_HITS)) {
        throw refusal("invalid_input", `top_k is ${topK}; it goes from 1 to ${MOST_HITS}`);
      }
      const wanted = terms(query);
      const hits = filtered(knowledgeBase, options.filter)
        .passed.map((entry) => ({ entry: crossing(entry), score: shared(wanted, terms(entry.text)) }))
        .filter((it) => it.score > 0)
        .sort((one, other) => other.score - one.score);
      const best = hits.filter((it) => it.score >= (options.min_score ?? 0)).slice(0, topK);
      const status = hits.length === 0 ? "empty" : best.length === 0 ? "below-threshold" : "ok";
      return { status, reason: undefined, hits: best };
    },
    get(knowledgeBase: string, id: string) {
      const found = state.entries(knowledgeBase).find((it) => it.id === id);
      if (found === undefined) throw refusal("not_found", `there is no \`${id}\` in \`${knowledgeBase}\``);
      return crossing(found);
    },
    list({ knowledgeBase, filterJson, cursor, limit }: ContractList) {
      if (!(limit >= 1 && limit <= MOST_ON_A_PAGE)) {
        throw refusal("invalid_input", `limit is ${limit}; it goes from 1 to ${MOST_ON_A_PAGE}`);
      }
      if (cursor !== null && !/^\d+$/.test(cursor)) throw refusal("invalid_input", `\`${cursor}\` is no cursor`);
      const { passed } = filtered(knowledgeBase, filterJson === "" ? undefined : JSON.parse(filterJson));
      const start = cursor === null ? 0 : Number(cursor);
      const end = Math.min(start + limit, passed.length);
      return { entries: passed.slice(start, end).map(crossing), nextCursor: end < passed.length ? `${end}` : undefined };
    },
    query(knowledgeBase: string, queryJson: string) {
      const query = JSON.parse(queryJson) as Written;
      const { passed, known } = filtered(knowledgeBase, query.filter);
      const { rows, total } = rowsOf(query, passed, known);
      return { rowsJson: JSON.stringify(rows), total: BigInt(total) };
    },
  };
}

function crossing({ id, document, text, fields }: Entry): ContractEntry {
  return { id, document, text, fieldsJson: JSON.stringify(fields) };
}

/** Words of letters, and pairs of neighbouring Chinese characters (a single one stands for itself). */
export function terms(text: string): Set<string> {
  const found = new Set<string>();
  for (const [run] of text.toLowerCase().matchAll(/\p{Script=Han}+|(?:(?!\p{Script=Han})[\p{L}\p{N}])+/gu)) {
    const characters = [...run];
    const isHan = /\p{Script=Han}/u.test(run);
    if (!isHan || characters.length === 1) found.add(run);
    else for (let at = 1; at < characters.length; at += 1) found.add(`${characters[at - 1]}${characters[at]}`);
  }
  return found;
}

/** The part of the wanted terms that is there. */
function shared(wanted: Set<string>, there: Set<string>): number {
  if (wanted.size === 0) return 0;
  return [...wanted].filter((it) => there.has(it)).length / wanted.size;
}
