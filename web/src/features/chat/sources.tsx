// The passages that were found while an answer was made: where each stands, how it begins, and the way to it.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { citationsQuery } from "@/api/knowledge";
import type { Citation } from "@/api/knowledge";
import { sayPosition } from "@/ui/position";
import { Chevron } from "@/ui/icons";
import { ProblemNotice } from "@/ui/problem-notice";

export function Sources({ run }: { run: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const citations = useQuery(citationsQuery(run));
  const items = citations.data ?? [];
  if (citations.isError) return open ? <ProblemNotice problem={asProblem(citations.error)} onRetry={() => void citations.refetch()} /> : null;
  if (items.length === 0) return null;
  return (
    <section aria-label={t("chat.sources")} className="mt-2" data-testid="sources">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}
        className="inline-flex min-h-9 items-center gap-1.5 rounded-lg text-sm text-quiet hover:text-ink">
        <Chevron className={`size-4 transition-transform ${open ? "rotate-90" : ""}`} />{t("chat.sources_count", { count: items.length })}
      </button>
      {open && <ol className="mt-1 space-y-2">{items.map((citation, at) => <li key={citation.id}><Source citation={citation} rank={at + 1} /></li>)}</ol>}
    </section>
  );
}

function Source({ citation, rank }: { citation: Citation; rank: number }) {
  const { t, i18n } = useTranslation();
  const { place, headings } = sayPosition(t, i18n.language, citation.position);
  return (
    <div className="rounded-lg border border-line px-3 py-2 text-sm">
      <p className="flex flex-wrap items-baseline gap-x-2">
        <span className="text-faint tabular-nums">{rank}</span>
        <Link to="/knowledge/$name/documents/$document" params={{ name: citation.knowledge_base, document: citation.document_id }} hash={`chunk-${citation.ordinal}`}
          className="min-w-0 font-medium wrap-anywhere underline decoration-brass underline-offset-4">{citation.document}</Link>
        {place && <span className="text-quiet tabular-nums">{place}</span>}
      </p>
      {headings && <p className="text-quiet">{headings}</p>}
      <p className="mt-1 line-clamp-3 break-words text-quiet">{citation.text}</p>
    </div>
  );
}
