// One document in the list: what it is, how far it is, why it failed, and what can be done with it.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseAddress, baseQuery, documentAddress, isWorkedOn } from "@/api/knowledge";
import type { KnowledgeDocument } from "@/api/knowledge";
import { millis } from "@/api/run-progress";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Retry, Stop } from "@/ui/icons";
import { ProblemNotice } from "@/ui/problem-notice";
import { safeLink } from "@/ui/safe-link";
import { formatBytes } from "@/ui/size";
import { formatMoment } from "@/ui/time";
import { Words } from "@/ui/words";
import { AboutDialog } from "./about-dialog";
import { DocumentMenu } from "./document-menu";
import { partDone, sayProgress, sayState } from "./progress";
import { useUploadQueue } from "./use-upload-queue";

interface DocumentProps {
  base: string;
  document: KnowledgeDocument;
}

const NOW = "col-start-1 row-start-2 mt-1 -ms-2 justify-self-start sm:col-start-2 sm:row-start-1 sm:mt-0 sm:ms-0";

export function DocumentRow({ base, document }: DocumentProps) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => value.toLocaleString(i18n.language);
  const acts = useDocumentActs(base, document);
  const size = document.size_bytes ? formatBytes(document.size_bytes, i18n.language) : "";
  return (
    <article data-testid="document" data-document={document.name} data-state={document.state} className="px-4 py-3.5 sm:px-5">
      {/* On a phone what may be done now stands below, where it takes no room from the reason. */}
      <div className="grid grid-cols-[minmax(0,1fr)_auto] items-start gap-x-3 sm:grid-cols-[minmax(0,1fr)_auto_auto]">
        <div>
          <p className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5">
            <Link to="/knowledge/$name/documents/$document" params={{ name: base, document: document.id }} className="min-w-0 font-medium wrap-anywhere underline-offset-4 hover:underline">{document.name}</Link>
            <StateTag state={document.state} />
          </p>
          <p className="mt-0.5 flex flex-wrap gap-x-3 gap-y-0.5 text-sm text-faint tabular-nums">
            {document.records > 0 && <span>{t("knowledge.records_count", { count: document.records, number: number(document.records) })}</span>}
            {size && <span>{size}</span>}
            {document.version > 1 && <span>{t("knowledge.version", { version: document.version })}</span>}
            {document.updated_at && <span>{formatMoment(millis(document.updated_at), i18n.language)}</span>}
            <SourceLink document={document} />
          </p>
          {document.groups.length > 0 && (
            <p className="mt-1.5 flex flex-wrap gap-1.5">
              <span className="sr-only">{t("knowledge.groups")}</span>
              {document.groups.map((group) => <span key={group} className="rounded-full border border-line px-2 text-xs leading-5 text-quiet">{group}</span>)}
            </p>
          )}
          <Work document={document} />
        </div>
        {isWorkedOn(document) && <Button weight="bare" className={NOW} disabled={acts.act.isPending} onClick={() => acts.act.mutate("cancel")}><Stop />{t("common.cancel")}</Button>}
        {(document.state === "failed" || document.state === "cancelled") && <Button weight="bare" className={NOW} disabled={acts.act.isPending} onClick={() => acts.act.mutate("retry")}><Retry />{t("common.retry")}</Button>}
        <div className="col-start-2 row-start-1 sm:col-start-3"><DocumentMenu base={base} document={document} onReplace={acts.replace} onAbout={acts.askAbout} onReadAgain={() => acts.act.mutate("retry")} onDelete={acts.askDelete} /></div>
      </div>
      {acts.parts}
    </article>
  );
}

/** Progress while it is worked on, and what came of it. */
export function Work({ document }: { document: KnowledgeDocument }) {
  const { t, i18n } = useTranslation();
  const part = partDone(document);
  const words = sayProgress(t, i18n.language, document);
  // Where only one thing is wrong, the reason often says it already.
  const errors = (document.errors ?? []).map((one) => one.message).filter((message) => message !== document.reason);
  return (
    <>
      {isWorkedOn(document) && (
        <div className="mt-2 max-w-xl">
          <progress aria-label={`${document.name}: ${sayState(t, document.state)}`} max={1} {...(part === null ? {} : { value: part })} className="meter block w-full" />
          <p className="mt-1 text-sm text-quiet tabular-nums">{words}{document.answering && <span className="text-faint">{words && " · "}{t("knowledge.answering")}</span>}</p>
        </div>
      )}
      {document.state === "failed" && (
        <div data-testid="document-reason" className="mt-1.5 text-sm">
          <p className="text-seal"><Words text={document.reason || t("errors.unknown_text")} />{document.answering && <span className="text-quiet"> {t("knowledge.answering_failed")}</span>}</p>
          {errors.length > 0 && <ul className="mt-1 max-h-40 list-disc space-y-0.5 overflow-auto ps-5 text-quiet">{errors.map((error, index) => <li key={index}><Words text={error} /></li>)}</ul>}
          {document.hint && <p className="mt-1 text-quiet"><span className="font-medium text-ink">{t("errors.hint")}</span> · <Words text={document.hint} /></p>}
        </div>
      )}
      {document.state === "ready" && document.reason && <p className="mt-1.5 text-sm text-brass-ink"><Words text={document.reason} /></p>}
      {document.warnings.length > 0 && (
        <details className="mt-1.5 text-sm">
          <summary className="w-fit text-brass-ink">{t("knowledge.warnings", { count: document.warnings.length })}</summary>
          <ul className="mt-1 list-disc space-y-0.5 ps-5 text-quiet">{document.warnings.map((warning, index) => <li key={index}><Words text={warning} /></li>)}</ul>
        </details>
      )}
    </>
  );
}

export function SourceLink({ document }: { document: KnowledgeDocument }) {
  const { t } = useTranslation();
  const address = safeLink(document.source?.url);
  if (!address) return null;
  return <a href={address} target="_blank" rel="noopener noreferrer nofollow" title={address} className="underline decoration-line underline-offset-4 hover:decoration-brass">{t("knowledge.source")} ↗</a>;
}

const LOOK: Record<string, string> = { ready: "bg-wash text-ink", failed: "bg-seal-wash text-seal", cancelled: "bg-wash text-quiet line-through decoration-1" };

export function StateTag({ state }: { state: string }) {
  const { t } = useTranslation();
  const live = !(state in LOOK);
  return (
    <span data-testid="document-state" className={`inline-flex shrink-0 items-center gap-1.5 rounded-full px-2 text-xs leading-5 ${LOOK[state] ?? "bg-brass-wash text-brass-ink"}`}>
      {live && <span aria-hidden="true" className="size-1.5 animate-lamp rounded-full bg-brass" />}
      {sayState(t, state)}
    </span>
  );
}

/** What can be done with a document, here and on its own page, with the parts that belong to it. */
export function useDocumentActs(base: string, document: KnowledgeDocument, onDeleted?: () => Promise<void>) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const { queue } = useUploadQueue(base);
  const chooser = useRef<HTMLInputElement>(null);
  const [deleting, setDeleting] = useState(false);
  const [about, setAbout] = useState(false);
  const changed = () => queries.invalidateQueries({ queryKey: baseQuery(base).queryKey });
  const act = useMutation({
    mutationFn: (what: "retry" | "cancel" | "fetch") =>
      what === "fetch"
        ? request<unknown>(baseAddress(base, "documents"), { method: "POST", body: { url: document.source?.url, name: document.name } })
        : request<unknown>(documentAddress(base, document.id, what), { method: "POST" }),
    onSettled: changed,
  });
  const remove = useMutation({
    mutationFn: () => request<void>(documentAddress(base, document.id), { method: "DELETE" }),
    // Away from the document first: asked for again, it would be gone.
    onSuccess: async () => { await onDeleted?.(); await changed(); },
  });
  const error = act.error ?? remove.error;
  const ending = /\.[^.]+$/.exec(document.name)?.[0];
  const parts = (
    <>
      {/* The new version keeps the name, which is what makes it one; so it has to be a file of the same kind. */}
      <input ref={chooser} type="file" className="hidden" tabIndex={-1} aria-hidden="true" data-testid="replace-file" {...(ending ? { accept: ending } : {})}
        onChange={(event) => { const [file] = event.target.files ?? []; if (file) queue.add([file], { name: document.name }); event.target.value = ""; }} />
      {error && <div className="mt-3"><ProblemNotice problem={asProblem(error)} /></div>}
      <Confirm open={deleting} onClose={() => setDeleting(false)} title={t("knowledge.delete_document_title")} text={t("knowledge.delete_document_text", { name: document.name })} action={t("common.delete")} onConfirm={() => remove.mutate()} />
      <AboutDialog base={base} document={document} open={about} onClose={() => setAbout(false)} />
    </>
  );
  return { act, parts, /** What came from the web is fetched from there once more; of a file another is asked for. */
    replace: () => (document.source ? act.mutate("fetch") : chooser.current?.click()), askAbout: () => setAbout(true), askDelete: () => setDeleting(true) };
}
