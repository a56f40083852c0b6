// What a base holds: bring documents by file, address or hand, see how far each is, and change or take away what is there.
import { Link } from "@tanstack/react-router";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { baseAddress, basesQuery, baseQuery, documentAddress, documentsQuery, isWorkedOn } from "@/api/knowledge";
import type { KnowledgeBase, KnowledgeDocument } from "@/api/knowledge";
import { Button, buttonClass } from "@/ui/button";
import { INPUT } from "@/ui/field";
import { Download } from "@/ui/icons";
import { EmptyState, Loading } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { useGone } from "@/ui/removal-toasts";
import { useSettled } from "@/ui/use-settled";
import { AddDocuments } from "./add-documents";
import { BaseFrame } from "./base-frame";
import { DocumentList } from "./document-list";

interface DocumentsPageProps {
  name: string;
  /** Which form stands open at first. */
  add?: string | undefined;
}

export function DocumentsPage({ name, add }: DocumentsPageProps) {
  const { t } = useTranslation();
  return <BaseFrame name={name} page={t("knowledge.documents")}>{(base) => <Documents base={base} add={add} />}</BaseFrame>;
}

const FILTERS = ["all", "worked_on", "failed"] as const;
type Filter = (typeof FILTERS)[number];

function passes(document: KnowledgeDocument, filter: Filter): boolean {
  return filter === "all" || (filter === "failed" ? document.state === "failed" : isWorkedOn(document));
}

function Documents({ base, add }: { base: KnowledgeBase; add: string | undefined }) {
  const { t } = useTranslation();
  const [needle, setNeedle] = useState("");
  const q = useSettled(needle.trim());
  const documents = useInfiniteQuery(documentsQuery(base.name, q));
  const [filter, setFilter] = useState<Filter>("all");
  const gone = useGone();
  const items = documents.data?.pages.flatMap((page) => page.items) ?? [];
  const shown = items.filter((document) => passes(document, filter) && !gone.has(documentAddress(base.name, document.id)));
  useCountsAfterWork(base.name, items.filter(isWorkedOn).length);
  // Of what is worked on or failed, the next may stand on a page that is not here yet.
  const { hasNextPage, isFetching, isFetchNextPageError, fetchNextPage } = documents;
  const goesOn = (filter !== "all" || shown.length === 0) && hasNextPage && !isFetchNextPageError;
  useEffect(() => {
    if (goesOn && !isFetching) void fetchNextPage();
  }, [goesOn, isFetching, fetchNextPage]);
  const narrowed = needle.trim() !== "" || q !== "" || filter !== "all";
  const empty = documents.isSuccess && shown.length === 0 && !goesOn && !documents.isPlaceholderData;
  return (
    <div className="space-y-5">
      <AddDocuments base={base} first={add} />
      {documents.isPending && <Loading label={t("common.loading")} />}
      {documents.isError && !documents.data && <ProblemNotice problem={asProblem(documents.error)} onRetry={() => void documents.refetch()} />}
      {empty && !narrowed && <EmptyState title={t("knowledge.no_documents")}><p>{t("knowledge.no_documents_text")}</p></EmptyState>}
      {(shown.length > 0 || narrowed) && (
        <div className="flex flex-wrap items-center gap-2">
          <input type="search" aria-label={t("knowledge.find_document")} placeholder={t("knowledge.find_document")} maxLength={200} className={`${INPUT} !w-auto min-w-0 flex-1 basis-44`} value={needle} onChange={(event) => setNeedle(event.target.value)} />
          <select aria-label={t("knowledge.filter_state")} className={`${INPUT} !w-auto`} value={filter} onChange={(event) => setFilter(event.target.value as Filter)}>
            {FILTERS.map((one) => <option key={one} value={one}>{t(`knowledge.filter_${one}`)}</option>)}
          </select>
          <a href={baseAddress(base.name, "export")} download className={buttonClass("plain")} title={t("knowledge.export_text")}><Download /><span className="max-sm:sr-only">{t("knowledge.export")}</span></a>
        </div>
      )}
      {shown.length > 0 && <div aria-busy={documents.isPlaceholderData}><DocumentList base={base.name} documents={shown} /></div>}
      {narrowed && documents.isSuccess && shown.length === 0 && <p role="status" className="py-6 text-center text-quiet">{empty ? t("knowledge.no_such_document") : t("common.loading")}</p>}
      {hasNextPage && !goesOn && (
        <div className="text-center"><Button disabled={isFetching} onClick={() => void fetchNextPage()}>{t("common.more")}</Button></div>
      )}
      {shown.length > 0 && <p className="text-sm text-quiet">{t("knowledge.try_it")} <Link to="/knowledge/$name/test" params={{ name: base.name }} className="underline decoration-brass underline-offset-4">{t("knowledge.test")}</Link></p>}
    </div>
  );
}

/** The base's counts are told with the base, and change when a document is done. */
function useCountsAfterWork(name: string, working: number): void {
  const queries = useQueryClient();
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: baseQuery(name).queryKey, exact: true });
    void queries.invalidateQueries({ queryKey: basesQuery.queryKey, exact: true });
  }, [queries, name, working]);
}
