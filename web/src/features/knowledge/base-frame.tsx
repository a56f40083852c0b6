// The frame of a base's pages: what it is, the way between its pages, and how its embedding stands.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseAddress, baseQuery } from "@/api/knowledge";
import type { KnowledgeBase } from "@/api/knowledge";
import { modelsQuery } from "@/api/queries";
import { lastSearch } from "@/api/retrieval-settings";
import { Button } from "@/ui/button";
import { Retry } from "@/ui/icons";
import { EmptyState, Loading, useTitle } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { Words } from "@/ui/words";
import { partDone } from "./progress";

interface BaseFrameProps {
  name: string;
  /** What this page of the base is called, in the window's title. */
  page: string;
  children: (base: KnowledgeBase) => ReactNode;
}

export function BaseFrame({ name, page, children }: BaseFrameProps) {
  const { t } = useTranslation();
  const base = useQuery(baseQuery(name));
  useTitle(`${page} · ${base.data?.title || name}`);
  const problem = base.error ? asProblem(base.error) : null;
  return (
    <div className="mx-auto w-full max-w-6xl px-4 py-6 sm:px-6 sm:py-10">
      <Link to="/knowledge" className="text-sm text-quiet hover:text-ink">← {t("nav.knowledge")}</Link>
      {base.isPending && <Loading label={t("common.loading")} />}
      {problem?.status === 404 ? (
        <div className="mt-6"><EmptyState title={t("knowledge.gone_title")}><p>{t("knowledge.gone_text")}</p></EmptyState></div>
      ) : problem && !base.data ? (
        <div className="mt-6"><ProblemNotice problem={problem} onRetry={() => void base.refetch()} /></div>
      ) : null}
      {base.data && problem?.status !== 404 && (
        <>
          <Head base={base.data} />
          <SearchServer />
          <Embedding base={base.data} />
          <div className="mt-6">{children(base.data)}</div>
        </>
      )}
    </div>
  );
}

function Head({ base }: { base: KnowledgeBase }) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => value.toLocaleString(i18n.language);
  const params = { name: base.name };
  const tab = "-mb-px inline-flex min-h-10 items-center border-b-2 border-transparent px-1 text-quiet transition-colors hover:text-ink";
  const active = { className: "!border-brass !text-ink font-medium", "aria-current": "page" } as const;
  return (
    <header className="mt-3">
      <h1 className="flex flex-wrap items-baseline gap-x-3 gap-y-1 font-display text-3xl font-semibold tracking-tight break-words">
        {base.title || base.name}
        {base.title && base.title !== base.name && <span className="font-mono text-sm font-normal tracking-normal text-faint">{base.name}</span>}
      </h1>
      {base.description && <p className="mt-2 max-w-prose whitespace-pre-line text-quiet">{base.description}</p>}
      <p className="mt-2 text-sm text-faint">
        {t("knowledge.documents_count", { count: base.documents, number: number(base.documents) })} · {t("knowledge.records_count", { count: base.records, number: number(base.records) })}
      </p>
      <nav aria-label={t("knowledge.pages")} className="mt-5 flex gap-5 border-b border-line">
        <Link to="/knowledge/$name" params={params} activeOptions={{ exact: true, includeSearch: false }} className={tab} activeProps={active}>{t("knowledge.documents")}</Link>
        <Link to="/knowledge/$name/test" params={params} search={lastSearch(base.name)} activeOptions={{ includeSearch: false }} className={tab} activeProps={active}>{t("knowledge.test")}</Link>
        <Link to="/knowledge/$name/settings" params={params} className={tab} activeProps={active}>{t("knowledge.settings")}</Link>
      </nav>
    </header>
  );
}

/** Where a server of its own finds the passages, and it is away: why nothing is found, and why uploads wait. */
function SearchServer() {
  const { t } = useTranslation();
  const { data } = useQuery(modelsQuery);
  if (data?.index?.state !== "unavailable") return null;
  return (
    <div role="status" data-testid="index-unavailable" className="mt-5 rounded-xl border border-seal/35 bg-seal-wash px-4 py-3 text-sm">
      <p className="font-medium">{t("knowledge.index_unavailable")}</p>
      {data.index.reason && <p className="mt-1 text-quiet wrap-anywhere"><Words text={data.index.reason} /></p>}
    </div>
  );
}

/** Said on every page of the base, because it is why a search finds less than expected. */
function Embedding({ base }: { base: KnowledgeBase }) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const { state, model, next, done, total, reason } = base.embedding;
  const again = useMutation({
    mutationFn: () => request<KnowledgeBase>(baseAddress(base.name), { method: "PATCH", body: { embedding_model: next ?? model } }),
    onSettled: () => queries.invalidateQueries({ queryKey: baseQuery(base.name).queryKey, exact: true }),
  });
  if (state === "working") {
    const part = partDone({ done, total });
    const number = (value: number | null | undefined) => (value ?? 0).toLocaleString(i18n.language);
    const figures = total ? t("knowledge.done_of_records", { done: number(done), total: number(total) }) : "";
    return (
      <div role="status" data-testid="embedding-working" className="mt-5 rounded-xl border border-brass/50 bg-brass-wash px-4 py-3 text-sm">
        <p><Words text={next ? t("knowledge.embedding_switching", { model: next }) : t("knowledge.embedding_working")} /> <span className="text-quiet tabular-nums">{figures}</span></p>
        <progress aria-label={t("knowledge.embedding_progress")} max={1} {...(part === null ? {} : { value: part })} className="meter mt-2 block w-full" />
      </div>
    );
  }
  if (state === "failed") {
    return (
      <div role="status" data-testid="embedding-failed" className="mt-5 rounded-xl border border-seal/35 bg-seal-wash px-4 py-3 text-sm">
        <p className="font-medium">{t("knowledge.embedding_failed")}</p>
        {reason && <p className="mt-1 text-quiet"><Words text={reason} /></p>}
        <Button className="mt-3" disabled={again.isPending} onClick={() => again.mutate()}><Retry />{t("common.retry")}</Button>
        {again.error && <div className="mt-3"><ProblemNotice problem={asProblem(again.error)} /></div>}
      </div>
    );
  }
  if (state === "off") {
    return (
      <p role="status" data-testid="embedding-off" className="mt-5 rounded-xl border border-brass/50 bg-brass-wash px-4 py-2.5 text-sm">
        {t("knowledge.embedding_off")} {reason && <Words text={reason} />}
      </p>
    );
  }
  return null;
}
