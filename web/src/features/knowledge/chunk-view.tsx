// One passage of a document.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseQuery, documentAddress, documentQuery } from "@/api/knowledge";
import type { Chunk, KnowledgeBase } from "@/api/knowledge";
import { removals } from "@/api/removals";
import { Button } from "@/ui/button";
import { ProblemNotice } from "@/ui/problem-notice";
import { Switch } from "@/ui/switch";
import { ChunkForm } from "./chunk-form";
import { FieldValues } from "./field-values";
import { splitAt, splitHighlights } from "./highlights";
import { rangesOf } from "./needle";
import { sayPosition } from "@/ui/position";

interface ChunkViewProps {
  base: KnowledgeBase;
  document: string;
  chunk: Chunk;
  /** It is the one that the address names. */
  marked: boolean;
  /** Small letters that are looked for. */
  needle: string;
  /** The passage is about to go, and the focus in it. */
  onDelete: () => void;
}

export function ChunkView({ base, document, chunk, marked, needle, onDelete }: ChunkViewProps) {
  const { t, i18n } = useTranslation();
  const [editing, setEditing] = useState(false);
  const article = useRef<HTMLElement>(null);
  const wasEditing = useRef(false);
  useEffect(() => {
    // The form that had the focus is gone; whoever works by keyboard goes on at the passage.
    if (wasEditing.current && !editing) article.current?.focus();
    wasEditing.current = editing;
  }, [editing]);
  const { place, headings } = sayPosition(t, i18n.language, chunk.position);
  if (editing) return <ChunkForm base={base} document={document} chunk={chunk} onDone={() => setEditing(false)} />;
  return (
    <article ref={article} id={`chunk-${chunk.ordinal}`} tabIndex={-1} data-testid="chunk" data-ordinal={chunk.ordinal} aria-current={marked ? "true" : undefined}
      className={`scroll-mt-20 rounded-xl border px-4 py-3 outline-none ${marked ? "border-brass bg-brass-wash ring-2 ring-brass/40" : chunk.enabled ? "border-line bg-raised" : "border-dashed border-faint/60 bg-wall"}`}>
      <div className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 text-sm text-faint tabular-nums">
        <a href={`#chunk-${chunk.ordinal}`} aria-label={t("knowledge.chunk_link", { number: chunk.ordinal })} className="font-mono text-xs hover:text-ink hover:underline">#{chunk.ordinal}</a>
        {place && <span>{place}</span>}
        <span>{t("knowledge.tokens_count", { count: chunk.tokens, number: chunk.tokens.toLocaleString(i18n.language) })}</span>
        {chunk.edited && <span className="text-brass-ink">{t("knowledge.chunk_edited")}</span>}
        {!chunk.enabled && <span className="text-brass-ink">{t("knowledge.chunk_off")}</span>}
      </div>
      {headings && <p className="mt-0.5 text-sm text-quiet">{headings}</p>}
      <div className={chunk.enabled ? "" : "opacity-60"}>
        <Text chunk={chunk} needle={needle} />
        {chunk.answer && (
          <div className="mt-2 border-s-2 border-brass ps-3">
            <p className="text-xs text-faint">{t("knowledge.standard_answer")}</p>
            <p className="break-words whitespace-pre-wrap">{chunk.answer}</p>
          </div>
        )}
        <FieldValues fields={base.fields} values={chunk.fields} text={chunk.text} />
      </div>
      <Acts base={base.name} document={document} chunk={chunk} onEdit={() => setEditing(true)} onDelete={onDelete} />
    </article>
  );
}

/** What repeats the end of the passage before is set back. */
function Text({ chunk, needle }: { chunk: Chunk; needle: string }) {
  const { t } = useTranslation();
  const [repeated, rest] = splitAt(chunk.text, needle ? 0 : (chunk.position.overlap ?? 0));
  return (
    <p className="mt-1.5 leading-relaxed break-words whitespace-pre-wrap">
      {repeated && <span title={t("knowledge.overlap_text")} className="text-faint">{repeated}</span>}
      {splitHighlights(rest, rangesOf(rest, needle)).map((piece, index) => (piece.marked ? <mark key={index} className="rounded-xs bg-brass/35 text-inherit">{piece.text}</mark> : <span key={index}>{piece.text}</span>))}
    </p>
  );
}

function Acts({ base, document, chunk, onEdit, onDelete }: { base: string; document: string; chunk: Chunk; onEdit: () => void; onDelete: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const address = documentAddress(base, document, "chunks", String(chunk.ordinal));
  const changed = async () => {
    await queries.invalidateQueries({ queryKey: documentQuery(base, document).queryKey });
    void queries.invalidateQueries({ queryKey: baseQuery(base).queryKey, exact: true });
  };
  const enable = useMutation({ mutationFn: (enabled: boolean) => request<unknown>(address, { method: "PATCH", body: { enabled } }), onSettled: changed });
  return (
    <>
      <div className="mt-2 flex flex-wrap items-center gap-x-1 gap-y-1">
        <label className="me-auto flex min-h-9 items-center gap-2 text-sm text-quiet">
          <Switch checked={enable.isPending ? enable.variables : chunk.enabled} disabled={enable.isPending} aria-label={t("knowledge.chunk_enabled_named", { number: chunk.ordinal })} onChange={(event) => enable.mutate(event.target.checked)} />
          {t("knowledge.chunk_enabled")}
        </label>
        <Button weight="bare" aria-label={t("knowledge.chunk_edit_named", { number: chunk.ordinal })} onClick={onEdit}>{t("knowledge.chunk_edit")}</Button>
        <Button weight="bare" className="!text-seal" aria-label={t("knowledge.chunk_delete_named", { number: chunk.ordinal })} onClick={() => { onDelete(); removals.add("chunk", [{ address, name: t("knowledge.expected_ordinal", { number: chunk.ordinal }) }], changed); }}>{t("common.delete")}</Button>
      </div>
      {enable.error && <div className="mt-2"><ProblemNotice problem={asProblem(enable.error)} /></div>}
    </>
  );
}
