// A passage as it is written by hand: a new one, or another text for one that is there.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseQuery, documentAddress, documentQuery } from "@/api/knowledge";
import type { Chunk, KnowledgeBase } from "@/api/knowledge";
import { Button } from "@/ui/button";
import { INPUT } from "@/ui/field";
import { ProblemNotice } from "@/ui/problem-notice";
import { textOfValue, valueOfText } from "./field-types";

interface ChunkFormProps {
  base: KnowledgeBase;
  document: string;
  /** Null for a new one. */
  chunk: Chunk | null;
  onDone: () => void;
}

export function ChunkForm({ base, document, chunk, onDone }: ChunkFormProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const id = useId();
  const names = Object.keys(base.fields);
  const first = Object.fromEntries(names.map((name) => [name, textOfValue(chunk?.fields[name])]));
  const [text, setText] = useState(chunk?.text ?? "");
  const [answer, setAnswer] = useState(chunk?.answer ?? "");
  const [typed, setTyped] = useState<Record<string, string>>(first);
  const [tried, setTried] = useState(false);
  const touched = names.filter((name) => typed[name] !== first[name]);
  const wrong = new Set(touched.filter((name) => valueOfText(typed[name] ?? "", base.fields[name]?.type ?? "text") === undefined));
  // The text of a table's row is made of its fields; it need not be written as well.
  const enough = text.trim() !== "" || (!chunk && touched.length > 0);
  const save = useMutation({
    mutationFn: () => {
      const fields = Object.fromEntries(touched.map((name) => [name, valueOfText(typed[name] ?? "", base.fields[name]?.type ?? "text")]));
      const body = {
        ...(text !== (chunk?.text ?? "") ? { text } : {}),
        ...(answer.trim() !== (chunk?.answer ?? "") ? { answer: answer.trim() || null } : {}),
        ...(touched.length > 0 ? { fields } : {}),
      };
      return request<Chunk>(documentAddress(base.name, document, "chunks", ...(chunk ? [String(chunk.ordinal)] : [])), { method: chunk ? "PATCH" : "POST", body });
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: documentQuery(base.name, document).queryKey });
      void queries.invalidateQueries({ queryKey: baseQuery(base.name).queryKey, exact: true });
      onDone();
    },
  });
  return (
    <form noValidate data-testid="chunk-form" className="space-y-3 rounded-xl border border-brass bg-raised px-4 py-4" onChange={() => { if (!save.isPending) save.reset(); }}
      onKeyDown={(event) => { if (event.key === "Escape") onDone(); }}
      onSubmit={(event) => { event.preventDefault(); setTried(true); if (enough && wrong.size === 0) save.mutate(); }}>
      <div>
        <label htmlFor={`${id}-text`} className="mb-1.5 block text-sm font-medium">{t("knowledge.chunk_text")}</label>
        <textarea id={`${id}-text`} autoFocus rows={Math.min(16, Math.max(4, Math.ceil(text.length / 60)))} className={`${INPUT} py-2 leading-relaxed`} value={text} onChange={(event) => setText(event.target.value)} />
        {tried && !enough && <p className="mt-1 text-sm text-seal">{t("form.required")}</p>}
      </div>
      <div>
        <label htmlFor={`${id}-answer`} className="mb-1.5 block text-sm font-medium">{t("knowledge.standard_answer")} <span className="text-xs font-normal text-faint">{t("common.optional")}</span></label>
        <textarea id={`${id}-answer`} rows={2} aria-describedby={`${id}-hint`} className={`${INPUT} py-2`} value={answer} onChange={(event) => setAnswer(event.target.value)} />
        <p id={`${id}-hint`} className="mt-1 text-sm text-faint">{t("knowledge.standard_answer_hint")}</p>
      </div>
      {names.length > 0 && (
        <div className="grid gap-3 sm:grid-cols-2">
          {names.map((name) => <FieldInput key={name} name={name} base={base} text={typed[name] ?? ""} wrong={tried && wrong.has(name)} onChange={(next) => setTyped({ ...typed, [name]: next })} />)}
        </div>
      )}
      {save.error && <ProblemNotice problem={asProblem(save.error)} />}
      <div className="flex gap-2">
        <Button type="submit" weight="primary" disabled={save.isPending}>{t("common.save")}</Button>
        <Button onClick={onDone}>{t("common.cancel")}</Button>
      </div>
    </form>
  );
}

interface FieldInputProps {
  name: string;
  base: KnowledgeBase;
  text: string;
  wrong: boolean;
  onChange: (text: string) => void;
}

function FieldInput({ name, base, text, wrong, onChange }: FieldInputProps) {
  const { t } = useTranslation();
  const id = useId();
  const field = base.fields[name];
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 block text-sm font-medium">{field?.title || name}</label>
      {field?.type === "boolean" ? (
        <select id={id} className={INPUT} value={text} onChange={(event) => onChange(event.target.value)}>
          <option value="">–</option><option value="true">{t("form.yes")}</option><option value="false">{t("form.no")}</option>
        </select>
      ) : (
        <input id={id} className={INPUT} type={field?.type === "date" ? "date" : "text"} inputMode={field?.type === "number" ? "decimal" : undefined} aria-invalid={wrong ? true : undefined} value={text} onChange={(event) => onChange(event.target.value)} />
      )}
      {wrong && <p className="mt-1 text-sm text-seal">{t("knowledge.not_a_number")}</p>}
    </div>
  );
}
