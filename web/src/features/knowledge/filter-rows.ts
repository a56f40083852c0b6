// A filter as rows of field, comparison and value, as long as it can be written so; any other stays JSON. Pure.
import type { KnowledgeFields } from "@/api/knowledge";
import { textOfValue, valueOfText } from "./field-types";

export interface FilterRow {
  field: string;
  comparison: string;
  text: string;
}

const ORDERED = ["eq", "gte", "lte", "gt", "lt"] as const;

/** The comparisons that make sense for a type. */
export function comparisonsOf(type: string): readonly string[] {
  if (type === "number" || type === "date") return ORDERED;
  if (type === "list") return ["contains"];
  if (type === "boolean") return ["eq"];
  return ["eq", "ne", "contains"];
}

type Written = Record<string, unknown>;
const isObject = (value: unknown): value is Written => typeof value === "object" && value !== null && !Array.isArray(value);

/** Undefined where a value is missing or does not fit its field. */
export function filterOf(rows: readonly FilterRow[], fields: KnowledgeFields): Written | undefined {
  const merged: Record<string, Written> = {};
  const more: Written[] = [];
  for (const { field, comparison, text } of rows) {
    const type = fields[field]?.type ?? "text";
    // Of a list one element is looked for.
    const value = valueOfText(text, type === "list" ? "keyword" : type);
    if (value === undefined || value === null) return undefined;
    const tests = (merged[field] ??= {});
    if (comparison in tests) more.push({ [field]: { [comparison]: value } });
    else tests[comparison] = value;
  }
  return more.length > 0 ? { ...merged, all: more } : merged;
}

/** Null where the filter says more than rows can. */
export function rowsOfFilter(filter: Written | null): FilterRow[] | null {
  const rows: FilterRow[] = [];
  for (const [field, tests] of Object.entries(filter ?? {})) {
    if (field === "all" && Array.isArray(tests)) {
      for (const one of tests) {
        const inner = isObject(one) ? rowsOfFilter(one) : null;
        if (!inner) return null;
        rows.push(...inner);
      }
      continue;
    }
    if (field === "any" || field === "not" || field === "all" || Array.isArray(tests)) return null;
    if (!isObject(tests)) { rows.push({ field, comparison: "eq", text: textOfValue(tests) }); continue; }
    for (const [comparison, value] of Object.entries(tests)) {
      if (comparison === "in" || comparison === "exists" || isObject(value) || Array.isArray(value)) return null;
      rows.push({ field, comparison, text: textOfValue(value) });
    }
  }
  return rows;
}
