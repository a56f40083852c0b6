// Where a passage stands, in words. Pure.
import type { TFunction } from "i18next";
import type { Position } from "@/api/knowledge";

/** The part, page and row, and the headings apart from them: they are long. */
export function sayPosition(t: TFunction, language: string, position: Position): { place: string; headings: string } {
  const number = (value: number) => value.toLocaleString(language);
  const place = [
    ...(position.part ? [position.part] : []),
    ...(position.page ? [t("knowledge.page", { page: number(position.page) })] : []),
    ...(position.row ? [t("knowledge.row", { row: number(position.row) })] : []),
  ].join(" · ");
  return { place, headings: (position.headings ?? []).join(" › ") };
}
