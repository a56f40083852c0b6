// Before a table fills an empty base: which field each column becomes, with some of its values beside.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseAddress, baseQuery } from "@/api/knowledge";
import type { Columns, KnowledgeBase } from "@/api/knowledge";
import { upload } from "@/api/upload";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { INPUT } from "@/ui/field";
import { Loading } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { draftsOf, planOf, problemsOf } from "./columns";
import type { ColumnDraft } from "./columns";
import { usualField } from "./field-types";
import { TypeChoice } from "./fields-table";

interface ColumnsDialogProps {
  base: KnowledgeBase;
  /** The table; null while the dialog is closed. */
  file: File | null;
  onClose: () => void;
  onSend: (file: File, columns: Record<string, string> | null) => void;
}

export function ColumnsDialog({ base, file, onClose, onSend }: ColumnsDialogProps) {
  const { t } = useTranslation();
  return (
    <Dialog open={file !== null} onClose={onClose} title={t("knowledge.columns_title", { name: file?.name ?? "" })} wide>
      {file && <Look base={base} file={file} onClose={onClose} onSend={onSend} />}
    </Dialog>
  );
}

function Look({ base, file, onClose, onSend }: ColumnsDialogProps & { file: File }) {
  const { t } = useTranslation();
  const columns = useQuery({
    queryKey: ["columns", base.name, file.name, file.size, file.lastModified],
    queryFn: () => upload<Columns>(baseAddress(base.name, "columns"), file, () => undefined),
    retry: false, staleTime: Infinity,
  });
  if (columns.isPending) return <Loading label={t("knowledge.columns_looking")} />;
  if (columns.isError) {
    return (
      <div className="space-y-4">
        <ProblemNotice problem={asProblem(columns.error)} onRetry={() => void columns.refetch()} />
        <div className="flex justify-end gap-2"><Button onClick={onClose}>{t("common.cancel")}</Button><Button onClick={() => onSend(file, null)}>{t("knowledge.columns_skip")}</Button></div>
      </div>
    );
  }
  if (columns.data.kind !== "table") {
    return (
      <div className="space-y-5">
        <p className="text-quiet">{t(columns.data.kind === "questions" ? "knowledge.columns_questions" : "knowledge.columns_text")}</p>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button weight="primary" autoFocus onClick={() => onSend(file, null)}>{t("knowledge.columns_upload")}</Button>
        </div>
      </div>
    );
  }
  return <Mapping base={base} found={columns.data} onClose={onClose} onSend={(mapped) => onSend(file, mapped)} />;
}

interface MappingProps {
  base: KnowledgeBase;
  found: Columns;
  onClose: () => void;
  onSend: (columns: Record<string, string> | null) => void;
}

const USES = ["embed", "filter", "show"] as const;

function Mapping({ base, found, onClose, onSend }: MappingProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [drafts, setDrafts] = useState(() => draftsOf(found, base.fields));
  const problems = problemsOf(drafts);
  const plan = planOf(drafts, base.fields);
  const save = useMutation({
    mutationFn: () => request<KnowledgeBase>(baseAddress(base.name), { method: "PATCH", body: { fields: plan.fields } }),
    onSuccess: (changed) => {
      queries.setQueryData(baseQuery(base.name).queryKey, changed);
      onSend(plan.columns);
    },
  });
  const change = (header: string, next: Partial<ColumnDraft>) => { save.reset(); setDrafts(drafts.map((draft) => (draft.header === header ? { ...draft, ...next } : draft))); };
  return (
    <form noValidate data-testid="columns" onSubmit={(event) => { event.preventDefault(); if (problems.of.size === 0 && problems.all === null) save.mutate(); }}>
      <p className="max-w-prose text-quiet">{t("knowledge.columns_about")}</p>
      <div aria-hidden="true" className="mt-4 hidden gap-x-4 px-4 pb-1.5 text-xs text-faint md:grid md:grid-cols-[13rem_1fr]">
        <span>{t("knowledge.columns_column")}</span>
        <span className="grid grid-cols-[1fr_1fr_9rem] gap-2"><span>{t("knowledge.field_name")}</span><span>{t("knowledge.field_title")}</span><span>{t("knowledge.field_type")}</span></span>
      </div>
      <ul className="mt-4 divide-y divide-line overflow-hidden md:mt-0 rounded-xl border border-line">
        {drafts.map((draft) => <li key={draft.header}><ColumnRow draft={draft} problem={problems.of.get(draft.header) ?? null} onChange={(next) => change(draft.header, next)} /></li>)}
      </ul>
      {problems.all && <p role="alert" className="mt-3 text-sm text-seal">{t(`knowledge.columns_${problems.all as "nothing_left"}`)}</p>}
      {save.error && <div className="mt-4"><ProblemNotice problem={asProblem(save.error)} /></div>}
      <div className="mt-5 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button onClick={() => onSend(null)} title={t("knowledge.columns_skip_text")}>{t("knowledge.columns_skip")}</Button>
        <Button type="submit" weight="primary" disabled={save.isPending || problems.of.size > 0 || problems.all !== null}>{t("knowledge.columns_upload")}</Button>
      </div>
    </form>
  );
}

interface ColumnRowProps {
  draft: ColumnDraft;
  problem: "name" | "twice" | null;
  onChange: (next: Partial<ColumnDraft>) => void;
}

function ColumnRow({ draft, problem, onChange }: ColumnRowProps) {
  const { t } = useTranslation();
  return (
    <div role="group" aria-label={draft.header} data-testid="column" data-column={draft.header} className={`grid gap-x-4 gap-y-2 px-4 py-3 md:grid-cols-[13rem_1fr] ${draft.leftOut ? "bg-wall" : "bg-raised"}`}>
      <div className="min-w-0">
        <p className={`font-medium break-words ${draft.leftOut ? "text-faint line-through" : ""}`}>{draft.header}</p>
        <p className="mt-0.5 line-clamp-3 text-sm break-words text-faint">{draft.samples.join(" · ") || t("knowledge.columns_no_samples")}</p>
        <label className="mt-1 flex min-h-9 w-fit items-center gap-2 text-sm">
          <input type="checkbox" className="size-4 accent-lacquer" checked={draft.leftOut} onChange={(event) => onChange({ leftOut: event.target.checked })} />{t("knowledge.columns_leave_out")}
        </label>
      </div>
      {!draft.leftOut && (
        <div className="min-w-0">
          <div className="grid gap-2 sm:grid-cols-[1fr_1fr_9rem]">
            <input aria-label={t("knowledge.field_name")} spellCheck={false} autoCapitalize="none" className={`${INPUT} font-mono text-sm`} aria-invalid={problem ? true : undefined} value={draft.name} onChange={(event) => onChange({ name: event.target.value })} />
            <input aria-label={t("knowledge.field_title")} placeholder={t("knowledge.field_title")} className={INPUT} value={draft.title} onChange={(event) => onChange({ title: event.target.value })} />
            <TypeChoice type={draft.type} onChange={(type) => onChange(usualField(type))} />
          </div>
          {problem && <p className="mt-1 text-sm text-seal">{t(`knowledge.field_problem_${problem}`)}</p>}
          <div className="mt-1 flex flex-wrap gap-x-5">
            {USES.map((use) => (
              <label key={use} className="flex min-h-9 items-center gap-2 text-sm" title={t(`knowledge.use_${use}_text`)}>
                <input type="checkbox" className="size-4 accent-lacquer" checked={draft[use]} onChange={(event) => onChange({ [use]: event.target.checked } as Partial<ColumnDraft>)} />{t(`knowledge.use_${use}`)}
              </label>
            ))}
          </div>
        </div>
      )}
    </div>
  );
}
