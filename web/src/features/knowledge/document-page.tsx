// One document and its passages: where each stands, what it says, and the way to change, add, switch off or take away one.
// A citation leads to `#chunk-12`, the passage with the number 12.
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { baseQuery, chunksQuery, documentAddress, documentQuery, isWorkedOn } from "@/api/knowledge";
import type { KnowledgeBase, KnowledgeDocument } from "@/api/knowledge";
import { millis } from "@/api/run-progress";
import { Button } from "@/ui/button";
import { INPUT } from "@/ui/field";
import { Plus, Retry, Stop } from "@/ui/icons";
import { EmptyState, Loading, useTitle } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { useGone } from "@/ui/removal-toasts";
import { formatBytes } from "@/ui/size";
import { formatMoment } from "@/ui/time";
import { useSettled } from "@/ui/use-settled";
import { ChunkForm } from "./chunk-form";
import { ChunkView } from "./chunk-view";
import { chunkOf, windowBefore } from "./chunk-window";
import { useDocumentActs } from "./document-acts";
import { DocumentMenu } from "./document-menu";
import { QueueList } from "./queue-list";
import { useUploadQueue } from "./use-upload-queue";
import { SourceLink, StateTag, Work } from "./document-work";

export function DocumentPage({ name, document: id }: { name: string; document: string }) {
  const { t } = useTranslation();
  const base = useQuery(baseQuery(name));
  const document = useQuery(documentQuery(name, id));
  useTitle(`${document.data?.name ?? t("knowledge.documents")} · ${base.data?.title || name}`);
  const error = document.error ?? base.error;
  const problem = error ? asProblem(error) : null;
  const gone = useGone().has(documentAddress(name, id));
  return (
    <div className="mx-auto w-full max-w-4xl px-4 py-6 sm:px-6 sm:py-10">
      <Link to="/knowledge/$name" params={{ name }} className="text-sm text-quiet hover:text-ink">← {base.data?.title || name}</Link>
      {problem?.status === 404 || gone ? (
        <div className="mt-6"><EmptyState title={t("knowledge.document_gone_title")}><p>{t("knowledge.document_gone_text")}</p></EmptyState></div>
      ) : problem && !(document.data && base.data) ? (
        <div className="mt-6"><ProblemNotice problem={problem} onRetry={() => { void base.refetch(); void document.refetch(); }} /></div>
      ) : !document.data || !base.data ? (
        <Loading label={t("common.loading")} />
      ) : (
        <>
          <Head base={base.data} document={document.data} />
          {/* Another version has other passages. */}
          <Chunks key={document.data.version} base={base.data} document={document.data} />
        </>
      )}
    </div>
  );
}

function Head({ base, document }: { base: KnowledgeBase; document: KnowledgeDocument }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const acts = useDocumentActs(base.name, document, () => void navigate({ to: "/knowledge/$name", params: { name: base.name } }));
  const { items, queue } = useUploadQueue(base.name);
  const number = (value: number) => value.toLocaleString(i18n.language);
  const metadata = Object.entries(document.metadata);
  return (
    <header className="mt-3">
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <h1 className="font-display text-2xl font-semibold tracking-tight wrap-anywhere sm:text-3xl">{document.name}</h1>
          <p className="mt-1.5 flex flex-wrap items-baseline gap-x-3 gap-y-1 text-sm text-faint tabular-nums">
            <StateTag state={document.state} />
            <span>{t("knowledge.records_count", { count: document.records, number: number(document.records) })}</span>
            {document.size_bytes ? <span>{formatBytes(document.size_bytes, i18n.language)}</span> : null}
            <span>{t("knowledge.version", { version: document.version })}</span>
            {document.updated_at && <span>{formatMoment(millis(document.updated_at), i18n.language)}</span>}
            <SourceLink document={document} />
          </p>
        </div>
        {isWorkedOn(document) && <Button weight="bare" disabled={acts.act.isPending} onClick={() => acts.act.mutate("cancel")}><Stop />{t("common.cancel")}</Button>}
        {(document.state === "failed" || document.state === "cancelled") && <Button weight="bare" disabled={acts.act.isPending} onClick={() => acts.act.mutate("retry")}><Retry />{t("common.retry")}</Button>}
        <DocumentMenu base={base.name} document={document} onReplace={acts.replace} onAbout={acts.askAbout} onReadAgain={() => acts.act.mutate("retry")} onDelete={acts.remove} />
      </div>
      <Work document={document} />
      {(document.groups.length > 0 || metadata.length > 0) && (
        <dl className="mt-3 flex flex-wrap gap-x-6 gap-y-1 text-sm">
          {document.groups.length > 0 && <div className="flex gap-1.5"><dt className="text-faint">{t("knowledge.groups")}</dt><dd>{document.groups.join(", ")}</dd></div>}
          {metadata.map(([key, value]) => <div key={key} className="flex gap-1.5"><dt className="text-faint">{key}</dt><dd className="wrap-anywhere">{typeof value === "string" ? value : JSON.stringify(value)}</dd></div>)}
        </dl>
      )}
      {acts.parts}
      <QueueList items={items.filter((item) => item.name === document.name)} queue={queue} />
    </header>
  );
}

function Chunks({ base, document }: { base: KnowledgeBase; document: KnowledgeDocument }) {
  const { t, i18n } = useTranslation();
  const target = chunkOf(useRouterState({ select: (state) => state.location.hash }));
  const [after, setAfter] = useState(() => windowBefore(target));
  const [needle, setNeedle] = useState("");
  const q = useSettled(needle.trim());
  const [adding, setAdding] = useState(false);
  const list = useRef<HTMLUListElement>(null);
  const gone = useGone();
  const chunks = useInfiniteQuery(chunksQuery(base.name, document.id, { after: q === "" ? after : -1, q }));
  const queries = useQueryClient();
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: [...documentQuery(base.name, document.id).queryKey, "chunks"] });
  }, [queries, base.name, document.id, document.state]);
  const items = chunks.data?.pages.flatMap((page) => page.items) ?? [];
  const shown = items.filter((chunk) => !gone.has(documentAddress(base.name, document.id, "chunks", String(chunk.ordinal))));
  const there = target !== null && items.some((chunk) => chunk.ordinal === target);
  useEffect(() => {
    if (!there) return;
    const element = window.document.getElementById(`chunk-${target}`);
    element?.scrollIntoView({ block: "center" });
    element?.focus({ preventScroll: true });
  }, [there, target]);
  // Somebody follows a link within the page to a passage that lies outside of what is shown.
  const [asked, setAsked] = useState(target);
  if (target !== asked) {
    setAsked(target);
    if (target !== null && chunks.isSuccess && !there) setAfter(windowBefore(target));
  }
  const { hasNextPage, isFetching, isPlaceholderData, fetchNextPage } = chunks;
  const number = (value: number) => value.toLocaleString(i18n.language);
  return (
    <section aria-label={t("knowledge.chunks")} className="mt-8">
      <div className="flex flex-wrap items-center gap-2">
        <h2 className="me-auto font-display text-xl font-semibold">{t("knowledge.chunks")}</h2>
        <input type="search" aria-label={t("knowledge.find_chunk")} placeholder={t("knowledge.find_chunk")} maxLength={200} className={`${INPUT} !w-auto min-w-0 flex-1 basis-40 sm:max-w-64`} value={needle} onChange={(event) => setNeedle(event.target.value)} />
        <Button aria-expanded={adding} data-testid="add-chunk" onClick={() => setAdding(!adding)}><Plus />{t("knowledge.chunk_add")}</Button>
      </div>
      {adding && <div className="mt-4"><ChunkForm base={base} document={document.id} chunk={null} onDone={() => setAdding(false)} /></div>}
      {q !== "" && shown.length > 0 && !isPlaceholderData && <p role="status" className="mt-3 text-sm text-quiet">{t(hasNextPage ? "knowledge.found_so_far" : "knowledge.found", { count: shown.length, number: number(shown.length) })}</p>}
      {after >= 0 && q === "" && <div className="mt-4"><Button weight="bare" onClick={() => setAfter(-1)}>↑ {t("knowledge.from_start")}</Button></div>}
      {chunks.isPending && <Loading label={t("common.loading")} />}
      {chunks.isError && !chunks.data && <div className="mt-4"><ProblemNotice problem={asProblem(chunks.error)} onRetry={() => void chunks.refetch()} /></div>}
      {chunks.isSuccess && target !== null && !there && q === "" && !isFetching && (
        <p role="status" className="mt-4 rounded-xl border border-brass/50 bg-brass-wash px-4 py-2.5 text-sm">{t("knowledge.chunk_gone", { number: target })}</p>
      )}
      {chunks.isSuccess && q !== "" && shown.length === 0 && !isPlaceholderData && !hasNextPage && <p className="py-8 text-center text-quiet">{t("knowledge.no_such_chunk")}</p>}
      {chunks.isSuccess && q === "" && shown.length === 0 && !hasNextPage && <p className="py-8 text-center text-quiet">{isWorkedOn(document) ? t("knowledge.chunks_not_yet") : t("knowledge.chunks_none")}</p>}
      <ul ref={list} tabIndex={-1} aria-label={t("knowledge.chunks")} aria-busy={isPlaceholderData} className="mt-4 space-y-3 outline-none">
        {shown.map((chunk) => <li key={chunk.ordinal}><ChunkView base={base} document={document.id} chunk={chunk} marked={chunk.ordinal === target} needle={q.toLowerCase()} onDelete={() => list.current?.focus({ preventScroll: true })} /></li>)}
      </ul>
      {hasNextPage && (
        <div className="mt-5 text-center"><Button disabled={isFetching} onClick={() => void fetchNextPage()}>{t("common.more")}</Button></div>
      )}
    </section>
  );
}
