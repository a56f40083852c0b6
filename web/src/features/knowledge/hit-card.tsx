// One hit: where it stands, what it says with the matching words marked, and what each stage made of it.
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { KnowledgeBase, SearchHit } from "@/api/knowledge";
import { Button } from "@/ui/button";
import { Check, Pin } from "@/ui/icons";
import { FieldValues } from "./field-values";
import { ordinalOf } from "./expected";
import { splitHighlights } from "./highlights";
import { sayPosition } from "@/ui/position";
import { barsOf } from "./stage-scores";
import type { StageBar } from "./stage-scores";

interface HitCardProps {
  base: KnowledgeBase;
  hit: SearchHit;
  hits: SearchHit[];
  rank: number;
  expected: boolean;
  onExpect: () => void;
}

/** Characters of a passage shown before it is folded. */
const LONG_TEXT = 600;

export function HitCard({ base, hit, hits, rank, expected, onExpect }: HitCardProps) {
  const { t, i18n } = useTranslation();
  const ordinal = ordinalOf(hit);
  const { place, headings } = sayPosition(t, i18n.language, hit.position);
  return (
    <article data-testid="hit" data-document={hit.document} className={`rounded-xl border bg-raised px-4 py-3.5 ${expected ? "border-lacquer ring-1 ring-lacquer dark:border-[#6fb59d] dark:ring-[#6fb59d]" : "border-line"}`}>
      <div className="flex items-start gap-3">
        <span title={t("knowledge.rank", { rank })} className="mt-0.5 inline-flex size-7 shrink-0 items-center justify-center rounded-full border border-brass font-display text-sm tabular-nums">{rank}</span>
        <div className="min-w-0 flex-1">
          <p className="flex flex-wrap items-baseline gap-x-3">
            <Link to="/knowledge/$name/documents/$document" params={{ name: base.name, document: hit.document_id }} {...(ordinal === null ? {} : { hash: `chunk-${ordinal}` })}
              className="min-w-0 font-medium wrap-anywhere underline decoration-brass underline-offset-4">{hit.document}</Link>
            {place && <span className="text-sm text-quiet tabular-nums">{place}</span>}
            <span className="ms-auto text-sm text-faint tabular-nums">{t("knowledge.score", { score: sayScore(hit.score, i18n.language) })}</span>
          </p>
          {headings && <p className="mt-0.5 text-sm text-quiet">{headings}</p>}
        </div>
      </div>
      <Text hit={hit} />
      {hit.answer && (
        <div className="mt-2 border-s-2 border-brass ps-3">
          <p className="text-xs text-faint">{t("knowledge.standard_answer")}</p>
          <p className="break-words whitespace-pre-wrap">{hit.answer}</p>
        </div>
      )}
      <FieldValues fields={base.fields} values={hit.fields} text={hit.text} />
      <div className="mt-3 flex flex-wrap items-end gap-x-6 gap-y-3 border-t border-line pt-3">
        <dl className="grid min-w-0 flex-1 basis-64 gap-x-6 gap-y-1.5 sm:grid-cols-2">
          {barsOf(hit, hits).map((bar) => <Stage key={bar.stage} bar={bar} />)}
        </dl>
        <Button weight="bare" aria-pressed={expected} data-testid="expect" className={expected ? "!text-lacquer dark:!text-[#8fcdb7]" : ""} onClick={onExpect}>
          {expected ? <Check /> : <Pin />}{t(expected ? "knowledge.is_expected" : "knowledge.expect")}
        </Button>
      </div>
    </article>
  );
}

function sayScore(score: number, language: string): string {
  return score.toLocaleString(language, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
}

function Text({ hit }: { hit: SearchHit }) {
  const { t } = useTranslation();
  const [whole, setWhole] = useState(false);
  const pieces = splitHighlights(hit.text, hit.highlights ?? []);
  const long = hit.text.length > LONG_TEXT;
  return (
    <div className="mt-2">
      <p className={`leading-relaxed break-words whitespace-pre-wrap ${long && !whole ? "line-clamp-6" : ""}`}>
        {pieces.map((piece, index) => (piece.marked ? <mark key={index} className="rounded-xs bg-brass/35 text-inherit">{piece.text}</mark> : <span key={index}>{piece.text}</span>))}
      </p>
      {long && <button type="button" aria-expanded={whole} className="mt-1 text-sm text-quiet underline decoration-line underline-offset-4 hover:text-ink" onClick={() => setWhole(!whole)}>{t(whole ? "runs.collapse" : "runs.expand")}</button>}
      {(hit.merged?.length ?? 0) > 1 && <p className="mt-1 text-sm text-faint">{t("knowledge.merged", { count: hit.merged?.length ?? 0 })}</p>}
      {(hit.also?.length ?? 0) > 0 && <p className="mt-1 text-sm text-faint">{t("knowledge.also", { count: hit.also?.length ?? 0 })}</p>}
    </div>
  );
}

/** The drawing compares; the number and the rank beside it say the same in words. */
function Stage({ bar }: { bar: StageBar }) {
  const { t, i18n } = useTranslation();
  return (
    <div className="grid grid-cols-[4rem_1fr_7rem] items-center gap-2 text-xs" title={t("knowledge.stage_bar")}>
      <dt className="truncate text-quiet">{t(`knowledge.stage_${bar.stage}`)}</dt>
      <dd className="contents">
        <svg aria-hidden="true" viewBox="0 0 100 6" preserveAspectRatio="none" className="h-1.5 w-full overflow-hidden rounded-full bg-line">
          <rect width={bar.part * 100} height="6" className={bar.stage === "fused" || bar.stage === "rerank" ? "fill-lacquer dark:fill-[#6fb59d]" : "fill-brass"} />
        </svg>
        <span className="text-end text-faint tabular-nums">{sayScore(bar.score, i18n.language)}{bar.rank !== null && ` · ${t("knowledge.stage_rank", { rank: bar.rank })}`}</span>
      </dd>
    </div>
  );
}
