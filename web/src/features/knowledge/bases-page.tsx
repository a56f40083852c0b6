// Every knowledge base of the workspace with what is in it and how it stands, and the way to make another one.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { basesQuery } from "@/api/knowledge";
import type { KnowledgeBase } from "@/api/knowledge";
import { millis } from "@/api/run-progress";
import { Button } from "@/ui/button";
import { Chevron, Plus } from "@/ui/icons";
import { EmptyState, Loading, Page } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { formatMoment } from "@/ui/time";
import { CreateDialog } from "./create-dialog";
import { HOLDINGS, HoldingWords } from "./holdings";
import type { Holding } from "./holdings";

export function BasesPage() {
  const { t } = useTranslation();
  const bases = useQuery(basesQuery);
  const [making, setMaking] = useState<Holding | null>(null);
  return (
    <Page title={t("nav.knowledge")} intro={t("knowledge.intro")}>
      {bases.data && bases.data.length > 0 && (
        <div className="mb-6"><Button weight="primary" data-testid="new-base" onClick={() => setMaking("documents")}><Plus />{t("knowledge.create")}</Button></div>
      )}
      {bases.isPending && <Loading label={t("common.loading")} />}
      {bases.isError && !bases.data && <ProblemNotice problem={asProblem(bases.error)} onRetry={() => void bases.refetch()} />}
      {bases.data?.length === 0 && (
        <EmptyState title={t("knowledge.empty_title")}>
          <p>{t("knowledge.empty_text")}</p>
          <ul className="!mt-6 grid gap-3 text-start sm:grid-cols-3">
            {HOLDINGS.map((holding) => (
              <li key={holding}>
                <button type="button" data-testid={`make-${holding}`} onClick={() => setMaking(holding)}
                  className="h-full w-full rounded-xl border border-line bg-paper px-4 py-3.5 text-start transition-colors hover:border-brass hover:bg-brass-wash/50">
                  <HoldingWords holding={holding} />
                </button>
              </li>
            ))}
          </ul>
        </EmptyState>
      )}
      {bases.data && bases.data.length > 0 && (
        <ul className="divide-y divide-line overflow-hidden rounded-2xl border border-line bg-raised shadow-desk">
          {bases.data.map((base) => <li key={base.name}><Row base={base} /></li>)}
        </ul>
      )}
      <CreateDialog holding={making} onClose={() => setMaking(null)} />
    </Page>
  );
}

function Row({ base }: { base: KnowledgeBase }) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => value.toLocaleString(i18n.language);
  const { state } = base.embedding;
  return (
    <Link to="/knowledge/$name" params={{ name: base.name }} data-testid="base" data-base={base.name}
      className="flex items-start gap-4 px-4 py-4 -outline-offset-2 hover:bg-wash/60 sm:px-5">
      <span className="min-w-0 flex-1">
        <span className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5">
          <span className="font-display text-lg font-semibold break-words">{base.title || base.name}</span>
          <span className="font-mono text-xs text-faint">{base.name}</span>
        </span>
        {base.description && <span className="mt-0.5 line-clamp-2 text-quiet">{base.description}</span>}
        <span className="mt-1 flex flex-wrap gap-x-3 gap-y-0.5 text-sm text-faint">
          <span>{t("knowledge.documents_count", { count: base.documents, number: number(base.documents) })}</span>
          <span>{t("knowledge.records_count", { count: base.records, number: number(base.records) })}</span>
          {base.updated_at && <span>{t("knowledge.updated", { moment: formatMoment(millis(base.updated_at), i18n.language) })}</span>}
        </span>
        {state !== "ready" && (
          <span className={`mt-1.5 flex items-center gap-2 text-sm ${state === "failed" ? "text-seal" : "text-brass-ink"}`}>
            {state === "working" && <span aria-hidden="true" className="size-2 animate-lamp rounded-full bg-brass" />}
            {t(`knowledge.embedding_short_${state as "off"}`, { defaultValue: state })}
          </span>
        )}
      </span>
      <Chevron className="mt-1 size-5 shrink-0 text-faint" />
    </Link>
  );
}
