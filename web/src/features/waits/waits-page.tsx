// Everything that waits for a person, in one list, each to be answered where it stands.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { waitsQuery } from "@/api/queries";
import { millis } from "@/api/run-progress";
import type { OpenWait } from "@/api/types";
import { Button } from "@/ui/button";
import { EmptyState, Loading, Page } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { formatMoment } from "@/ui/time";
import { WaitPanel } from "@/ui/wait-panel";

export function WaitsPage() {
  const { t } = useTranslation();
  const waits = useInfiniteQuery(waitsQuery);
  const items = waits.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title={t("nav.waits")} intro={t("waits.intro")}>
      {waits.isPending && <Loading label={t("common.loading")} />}
      {waits.isError && <ProblemNotice problem={asProblem(waits.error)} onRetry={() => void waits.refetch()} />}
      {waits.isSuccess && items.length === 0 && <EmptyState title={t("waits.empty_title")}><p>{t("waits.empty_text")}</p></EmptyState>}
      <ul className="space-y-4">
        {items.map((wait) => <li key={`${wait.run}/${wait.effect}`}><Entry wait={wait} /></li>)}
      </ul>
      {waits.hasNextPage && (
        <div className="mt-5 text-center"><Button disabled={waits.isFetchingNextPage} onClick={() => void waits.fetchNextPage()}>{t("common.more")}</Button></div>
      )}
    </Page>
  );
}

function Entry({ wait }: { wait: OpenWait }) {
  const { t, i18n } = useTranslation();
  const since = millis(wait.created_at);
  return (
    <article data-testid="open-wait" className="rounded-2xl border border-line bg-raised px-5 py-4 shadow-desk">
      <WaitPanel run={wait.run} wait={wait} />
      <p className="mt-4 flex flex-wrap gap-x-3 gap-y-1 border-t border-line pt-3 text-sm text-faint">
        {wait.workflow && <span className="font-mono text-xs leading-5">{wait.workflow}</span>}
        {since !== null && <span>{t("waits.since", { moment: formatMoment(since, i18n.language) })}</span>}
        <Link to="/runs/$run" params={{ run: wait.run }} className="ms-auto text-quiet underline decoration-brass underline-offset-4 hover:text-ink">{t("waits.open_run")}</Link>
      </p>
    </article>
  );
}
