// From a table's columns to the base's fields and to what goes along with the file. Pure.
import type { Columns, KnowledgeField, KnowledgeFields } from "@/api/knowledge";
import { problemOf } from "./field-types";
import type { FieldProblem } from "./field-types";

export interface ColumnDraft extends KnowledgeField {
  header: string;
  samples: string[];
  name: string;
  title: string;
  leftOut: boolean;
}

/** Whether it is worth asking the server for a file's columns; what the file really is, the server says. */
export function looksLikeTable(file: { name: string; type: string }): boolean {
  return /csv|tab-separated|spreadsheet|ms-excel/.test(file.type) || /\.(csv|tsv|xlsx?|ods)$/i.test(file.name);
}

export function draftsOf({ columns }: Columns, fields: KnowledgeFields): ColumnDraft[] {
  return columns.map(({ header, samples, field, suggestion }) => {
    const known = field === null ? undefined : fields[field];
    const begin = known && field !== null ? { ...known, name: field } : suggestion;
    return { type: begin.type, embed: begin.embed, filter: begin.filter, show: begin.show, header, samples: samples.map(String), name: begin.name, title: begin.title ?? header, leftOut: false };
  });
}

export type ColumnProblem = FieldProblem | "nothing_embedded" | "nothing_left";

/** What keeps the table from being read: by header, and what concerns all columns. */
export function problemsOf(drafts: readonly ColumnDraft[]): { of: Map<string, FieldProblem>; all: ColumnProblem | null } {
  const taken = drafts.filter((draft) => !draft.leftOut);
  const names = taken.map((draft) => draft.name);
  const of = new Map<string, FieldProblem>();
  for (const draft of taken) {
    const problem = problemOf(draft.name, names);
    if (problem) of.set(draft.header, problem);
  }
  return { of, all: taken.length === 0 ? "nothing_left" : taken.some((draft) => draft.embed) ? null : "nothing_embedded" };
}

/** The base's fields with those of the table, and the field of each header; of one that is left out, none. */
export function planOf(drafts: readonly ColumnDraft[], before: KnowledgeFields): { fields: KnowledgeFields; columns: Record<string, string> } {
  const fields: KnowledgeFields = { ...before };
  const columns: Record<string, string> = {};
  for (const { header, leftOut, name, type, embed, filter, show, title } of drafts) {
    columns[header] = leftOut ? "" : name;
    if (!leftOut) fields[name] = { type, embed, filter, show, ...(title.trim() && title.trim() !== name ? { title: title.trim() } : {}) };
  }
  return { fields, columns };
}
