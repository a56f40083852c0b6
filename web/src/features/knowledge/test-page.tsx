// Retrieval, looked at closely: a question, how it is searched, every hit with what each stage said of it, and saved
// questions with what they should find. The address says what is searched and how, so that it can be handed on.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseAddress, testsQuery } from "@/api/knowledge";
import type { KnowledgeBase, SearchResult } from "@/api/knowledge";
import { bodyOf, keepSearch, searchOf, settingsOf } from "@/api/retrieval-settings";
import type { RetrievalSearch, RetrievalSettings } from "@/api/retrieval-settings";
import { sayNotice } from "@/i18n/notices";
import { Button } from "@/ui/button";
import { INPUT } from "@/ui/field";
import { Search } from "@/ui/icons";
import { EmptyState } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { formatDuration } from "@/ui/time";
import { Words } from "@/ui/words";
import { BaseFrame } from "./base-frame";
import { HitCard } from "./hit-card";
import { RetrievalPanel } from "./retrieval-panel";
import { SaveTest } from "./save-test";
import { TestsPanel } from "./tests-panel";
import { useExpectations } from "./use-expectations";

interface TestPageProps {
  name: string;
  search: RetrievalSearch;
}

export function TestPage({ name, search }: TestPageProps) {
  const { t } = useTranslation();
  return <BaseFrame name={name} page={t("knowledge.test")}>{(base) => <Retrieval base={base} search={search} />}</BaseFrame>;
}

function Retrieval({ base, search }: { base: KnowledgeBase; search: RetrievalSearch }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const query = search.q ?? "";
  const settings = settingsOf(search);
  const tests = useQuery(testsQuery(base.name));
  useEffect(() => keepSearch(base.name, search), [base.name, search]);
  const go = (q: string, next: RetrievalSettings, replace: boolean) =>
    void navigate({ to: "/knowledge/$name/test", params: { name: base.name }, search: searchOf(q, next), replace, resetScroll: false });
  const result = useQuery({
    queryKey: ["knowledge", base.name, "search", query, settings],
    queryFn: ({ signal }) => request<SearchResult>(baseAddress(base.name, "search"), { method: "POST", body: { query, ...bodyOf(settings) }, signal }),
    enabled: query !== "",
    placeholderData: keepPreviousData,
    staleTime: 0,
    retry: false,
  });
  return (
    <>
      <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_18rem] lg:grid-rows-[auto_1fr]">
        <QueryForm query={query} busy={result.isFetching} onSend={(q) => { if (q === query) void result.refetch(); else go(q, settings, false); }} />
        <div className="lg:col-start-2 lg:row-span-2 lg:row-start-1"><RetrievalPanel base={base} settings={settings} onChange={(next) => go(query, next, true)} /></div>
        <div className="min-w-0" aria-busy={result.isFetching}>
          {query === "" && <EmptyState title={t("knowledge.ask_first")}><p>{t("knowledge.ask_first_text")}</p></EmptyState>}
          {query !== "" && result.isError && <ProblemNotice problem={asProblem(result.error)} onRetry={() => void result.refetch()} />}
          {query !== "" && result.data && !result.isError && <Hits key={query} base={base} query={query} settings={settings} result={result.data} tests={tests.data?.items ?? []} />}
        </div>
      </div>
      <div className="mt-8"><TestsPanel base={base.name} settings={settings} onShow={(test) => { go(test.query, { ...settings, filter: (test.filter as RetrievalSettings["filter"]) ?? null }, false); scrollTo({ top: 0, behavior: "smooth" }); }} /></div>
    </>
  );
}

function QueryForm({ query, busy, onSend }: { query: string; busy: boolean; onSend: (query: string) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(query);
  const [from, setFrom] = useState(query);
  // Another address is another question; what was typed and not sent gives way.
  if (query !== from) {
    setFrom(query);
    setTyped(query);
  }
  return (
    <form role="search" data-testid="retrieval" className="flex gap-2" onSubmit={(event) => { event.preventDefault(); if (typed.trim()) onSend(typed.trim()); }}>
      <input type="search" aria-label={t("knowledge.query")} placeholder={t("knowledge.query_example")} autoFocus={query === ""} className={`${INPUT} min-w-0 flex-1`} value={typed} onChange={(event) => setTyped(event.target.value)} />
      <Button type="submit" weight="primary" disabled={typed.trim() === ""}><Search />{t(busy ? "knowledge.searching_now" : "knowledge.search")}</Button>
    </form>
  );
}

/** In the order in which they happen. */
const TIMED = ["embed", "dense", "lexical", "rerank"] as const;

interface HitsProps {
  base: KnowledgeBase;
  query: string;
  settings: RetrievalSettings;
  result: SearchResult;
  tests: Parameters<typeof useExpectations>[1];
}

function Hits({ base, query, settings, result, tests }: HitsProps) {
  const { t, i18n } = useTranslation();
  const expectations = useExpectations({ base: base.name, query, filter: settings.filter }, tests);
  const { hits } = result;
  const times = TIMED.flatMap((stage) => {
    const ms = result.stages?.[`${stage}_ms`];
    return ms === null || ms === undefined ? [] : [`${t(`knowledge.time_${stage}`)} ${formatDuration(ms, i18n.language)}`];
  });
  return (
    <section aria-label={t("knowledge.hits")} data-testid="hits" data-status={result.status}>
      <p role="status" className="flex flex-wrap gap-x-3 text-sm text-quiet tabular-nums">
        <span>{t("knowledge.hits_count", { count: hits.length })}</span>
        {typeof result.took_ms === "number" && <span>{formatDuration(result.took_ms, i18n.language)}</span>}
        {times.map((time) => <span key={time} className="whitespace-nowrap text-faint">{time}</span>)}
      </p>
      {result.status !== "ok" && (
        <div role="note" data-testid="search-status" className="mt-3 rounded-xl border border-brass/50 bg-brass-wash px-4 py-2.5 text-sm">
          <p className="font-medium">{t(`knowledge.status_${result.status as "empty"}`, { defaultValue: result.status })}</p>
          {result.reasons?.map((reason, index) => <p key={index} className="mt-0.5 text-quiet"><Words text={sayNotice(i18n.language, reason)} /></p>)}
        </div>
      )}
      <ol className="mt-4 space-y-3">
        {hits.map((hit, index) => (
          <li key={hit.id}>
            <HitCard base={base} hit={hit} hits={hits} rank={index + 1} expected={expectations.has(hit)} onExpect={() => expectations.toggle(hit)} />
          </li>
        ))}
      </ol>
      <SaveTest expectations={expectations} />
    </section>
  );
}
