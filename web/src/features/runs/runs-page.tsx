// All runs, newest first, to be narrowed by status.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { runsQuery } from "@/api/queries";
import { millis } from "@/api/run-progress";
import type { RunStatus, RunSummary } from "@/api/types";
import { Button } from "@/ui/button";
import { EmptyState, Loading, Page } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { formatDuration, formatMoment } from "@/ui/time";
import { useOriginWords } from "./origin";
import { StatusTag } from "./state";
import { useRunTitle } from "./titles";

const FILTERS: RunStatus[] = ["running", "waiting", "finished", "failed", "cancelled"];

export function RunsPage({ status, workflow }: { status?: string | undefined; workflow?: string | undefined }) {
  const { t } = useTranslation();
  const runs = useInfiniteQuery(runsQuery({ status, workflow }));
  // A server that does not know the filter sends everything; the reader still sees what was asked for.
  const items = (runs.data?.pages.flatMap((page) => page.items) ?? []).filter((run) => !status || run.status === status);
  const chip = "inline-flex min-h-9 items-center rounded-full border px-3.5 text-sm transition-colors";
  return (
    <Page title={t("runs.title")} intro={t("runs.intro")}>
      <nav aria-label={t("runs.filter")} className="mb-5 flex flex-wrap gap-2">
        {[undefined, ...FILTERS].map((one) => (
          <Link key={one ?? "all"} to="/runs" search={{ status: one, workflow }} aria-current={status === one ? "true" : undefined}
            className={`${chip} ${status === one ? "border-lacquer bg-lacquer text-on-lacquer" : "border-line bg-raised text-quiet hover:border-brass hover:text-ink"}`}>
            {one ? t(`runs.status_${one as "running"}`) : t("runs.all")}
          </Link>
        ))}
        {workflow && <Link to="/runs" search={{ status }} className={`${chip} border-brass bg-brass-wash`}>{workflow} ✕</Link>}
      </nav>
      {runs.isPending && <Loading label={t("common.loading")} />}
      {runs.isError && <ProblemNotice problem={asProblem(runs.error)} onRetry={() => void runs.refetch()} />}
      {runs.isSuccess && items.length === 0 && <EmptyState title={status || workflow ? t("runs.empty_filtered") : t("runs.empty")}>{null}</EmptyState>}
      {items.length > 0 && (
        <ul className="divide-y divide-line overflow-hidden rounded-2xl border border-line bg-raised shadow-desk">
          {items.map((run) => <li key={run.id}><Row run={run} /></li>)}
        </ul>
      )}
      {runs.hasNextPage && (
        <div className="mt-5 text-center"><Button disabled={runs.isFetchingNextPage} onClick={() => void runs.fetchNextPage()}>{t("common.more")}</Button></div>
      )}
    </Page>
  );
}

function Row({ run }: { run: RunSummary }) {
  const { t, i18n } = useTranslation();
  const title = useRunTitle();
  const originOf = useOriginWords();
  const startedAt = millis(run.started_at);
  const finishedAt = millis(run.finished_at);
  return (
    <Link to="/runs/$run" params={{ run: run.id }} data-testid="run-row"
      className="grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1 px-4 py-3.5 -outline-offset-2 hover:bg-wash/60 sm:grid-cols-[1fr_7.5rem_5rem_8.5rem] sm:px-5">
      <span className="min-w-0">
        <span className="block truncate font-medium">{title(run)}</span>
        <span className="block text-sm text-faint">{t(`runs.${run.kind}`)} · <span className="font-mono text-xs">{run.id.slice(-8)}</span>{run.origin && ` · ${originOf(run.origin)}`}</span>
      </span>
      <span className="justify-self-end sm:justify-self-start"><StatusTag status={run.status} /></span>
      <span className="text-sm text-quiet tabular-nums sm:text-end">{startedAt !== null && finishedAt !== null ? formatDuration(finishedAt - startedAt, i18n.language) : "–"}</span>
      <span className="justify-self-end text-sm text-quiet tabular-nums">{formatMoment(startedAt, i18n.language)}</span>
    </Link>
  );
}
