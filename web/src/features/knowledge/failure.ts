// Why a document could not be read, in the reader's language as far as the code says it; the server's own words stand
// below, because they name the page or the column. Pure.
import type { TFunction } from "i18next";
import { sayNotice } from "@/i18n/notices";
import type { FileProblem, KnowledgeDocument } from "@/api/knowledge";

export interface SaidFailure {
  title: string;
  /** What helps. */
  hint: string;
  /** The server's words where the title is not theirs. */
  detail: string;
  /** Each single thing that is wrong, with its place. */
  points: string[];
}

export function sayFailure(t: TFunction, language: string, document: Pick<KnowledgeDocument, "reason" | "hint" | "errors">): SaidFailure {
  const errors = document.errors ?? [];
  const reason = document.reason ?? "";
  const inRows = errors.some(({ line, path }) => line || path);
  const say = (code: string) => t(`knowledge.failure.${code as "invalid_rows"}`, { defaultValue: "" });
  const own = errors[0]?.code ?? "";
  const points = errors.map((error) => sayPoint(t, language, error)).filter((point, at) => point !== reason && errors[at]?.message !== reason);
  const code = inRows || (points.length > 0 && !say(own)) ? "invalid_rows" : own;
  const title = say(code);
  const hint = t(`knowledge.failure_hint.${code as "invalid_rows"}`, { defaultValue: "" });
  return {
    title: title || reason || t("errors.unknown_text"),
    hint: hint || (document.hint ?? ""),
    // Where every point is listed, the reason only repeats the first ones.
    detail: title && points.length === 0 ? reason : "",
    points,
  };
}

function sayPoint(t: TFunction, language: string, problem: FileProblem): string {
  const { line, path } = problem;
  const message = sayNotice(language, problem);
  if (line && path) return t("knowledge.point_in_cell", { row: line, column: path, message });
  if (line) return t("knowledge.point_in_row", { row: line, message });
  return path ? t("knowledge.point_in_column", { column: path, message }) : message;
}
