// Queries over a test's records, as the server understands them.

import type { Entry } from "../knowledge.ts";
import { checkField, compare, type Fields } from "./filter.ts";
import { refusal } from "./refusal.ts";

const MOST_ROWS = 1000;
const USUAL_ROWS = 100;
const MEMBERS = ["filter", "select", "group_by", "aggregate", "order_by", "offset", "limit"];

/** A query as it crosses to the host. */
export interface Written {
  filter?: unknown;
  select?: string[];
  group_by?: string[];
  aggregate?: Record<string, Record<string, string>>;
  order_by?: { by: string; descending?: boolean }[];
  offset?: number;
  limit?: number;
}

/** `entries` have passed the query's filter already; `known` are the fields that the knowledge base has. */
export function rowsOf(query: Written, entries: Entry[], known: string[]): { rows: Fields[]; total: number } {
  const unknown = Object.keys(query).find((it) => !MEMBERS.includes(it));
  if (unknown !== undefined) throw refusal("invalid_input", `the query cannot be read: unknown field \`${unknown}\``);
  const { select = [], group_by: by = [], aggregate = {}, order_by: order = [], offset = 0, limit = USUAL_ROWS } = query;
  if (!(limit >= 1 && limit <= MOST_ROWS)) throw refusal("invalid_input", `\`limit\` goes from 1 to ${MOST_ROWS}`);
  const readable = [...known, "id", "document"];
  for (const name of [...select, ...by]) checkField(name, readable);
  const isGrouped = by.length > 0 || Object.keys(aggregate).length > 0;
  if (isGrouped && select.length > 0) {
    throw refusal("invalid_input", "`select` is for records, and `group_by` and `aggregate` make groups of them");
  }
  // What rows are ordered by need not be shown, so it is taken from the record.
  const made = isGrouped
    ? groups(entries, by, aggregate, known).map((row) => ({ row, from: row }))
    : entries.map((entry) => ({ row: picked(entry, select.length === 0 ? known : select), from: entry.fields }));
  for (const { by: name } of order) checkField(name, isGrouped ? [...by, ...Object.keys(aggregate)] : readable);
  made.sort((one, other) => firstDifference(order, one.from, other.from));
  return { rows: made.map(({ row }) => row).slice(offset, offset + limit), total: made.length };
}

function picked(entry: Entry, names: string[]): Fields {
  const value = (name: string) => (name === "id" || name === "document" ? entry[name] : (entry.fields[name] ?? null));
  return Object.fromEntries(names.map((name) => [name, value(name)]));
}

function groups(entries: Entry[], by: string[], aggregate: Required<Written>["aggregate"], known: string[]): Fields[] {
  const found = new Map<string, { key: Fields; members: Entry[] }>();
  if (by.length === 0) found.set("{}", { key: {}, members: [] });
  for (const entry of entries) {
    const key = picked(entry, by);
    // Words that a filter calls equal are one group.
    const folded = JSON.stringify(key).toLowerCase();
    const group = found.get(folded);
    if (group === undefined) found.set(folded, { key, members: [entry] });
    else group.members.push(entry);
  }
  return [...found.values()].map(({ key, members }) => {
    const figures = Object.entries(aggregate).map(([name, written]) => [name, figure(written, members, known)]);
    return { ...key, ...Object.fromEntries(figures) };
  });
}

function figure(written: Record<string, string>, members: Entry[], known: string[]): unknown {
  const [[name, field] = ["", ""], ...more] = Object.entries(written);
  if (more.length > 0 || typeof field !== "string" || field === "") {
    throw refusal("invalid_input", 'a figure is one function of one field: {"total": {"sum": "spend"}}');
  }
  if (name === "count" && field === "*") return members.length;
  checkField(field, known);
  const values = members.map((it) => it.fields[field] ?? null).filter((it) => it !== null);
  const numbers = values.filter((it) => typeof it === "number");
  const sum = numbers.reduce((total, it) => total + it, 0);
  const extreme = (sign: number) =>
    values.length === 0 ? null : values.reduce((best, it) => ((compare(it, best) ?? 0) * sign > 0 ? it : best));
  switch (name) {
    case "count":
      return values.length;
    case "count_distinct":
      return new Set(values.map((it) => JSON.stringify(it).toLowerCase())).size;
    case "sum":
      return numbers.length === 0 ? null : sum;
    case "avg":
      return numbers.length === 0 ? null : sum / numbers.length;
    case "min":
      return extreme(-1);
    case "max":
      return extreme(1);
    default:
      throw refusal("invalid_input", `there is no function \`${name}\``);
  }
}

/** What has no value comes last, whichever way the others go. */
function firstDifference(order: { by: string; descending?: boolean }[], one: Fields, other: Fields): number {
  for (const { by, descending = false } of order) {
    const [left, right] = [one[by] ?? null, other[by] ?? null];
    if (left === null && right === null) continue;
    if (left === null || right === null) return left === null ? 1 : -1;
    const difference = compare(left, right) ?? 0;
    if (difference !== 0) return descending ? -difference : difference;
  }
  return 0;
}
