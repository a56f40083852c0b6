// How far a document is, in words and as a part of the whole. Pure.
import type { TFunction } from "i18next";
import { isWorkedOn } from "@/api/knowledge";
import type { KnowledgeDocument } from "@/api/knowledge";
import { formatBytes } from "@/ui/size";

type Work = Pick<KnowledgeDocument, "state" | "done" | "total" | "unit">;

export function sayState(t: TFunction, state: string): string {
  // The server may know more states than these files.
  return t(`knowledge.state_${state as "ready"}`, { defaultValue: state });
}

/** From 0 to 1; null while nobody can tell. */
export function partDone({ done, total }: Pick<Work, "done" | "total">): number | null {
  if (!total || done === null || done === undefined) return null;
  return Math.min(1, Math.max(0, done / total));
}

/** `1.2 MiB of 8 MiB`, `120 of 800 passages`; empty before the first figure. */
export function sayProgress(t: TFunction, language: string, work: Work): string {
  if (!isWorkedOn(work as KnowledgeDocument) || work.done === null || work.done === undefined) return "";
  const { done, total } = work;
  const say = (value: number) => (work.unit === "bytes" ? formatBytes(value, language) : value.toLocaleString(language));
  if (!total) return done > 0 ? t(work.unit === "records" ? "knowledge.done_records" : "knowledge.done_so_far", { done: say(done) }) : "";
  return t(work.unit === "records" ? "knowledge.done_of_records" : "knowledge.done_of", { done: say(Math.min(done, total)), total: say(total) });
}
