// Makes a base: what it is called, what it is about, and what it holds.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { BASES, baseQuery, basesQuery } from "@/api/knowledge";
import type { KnowledgeBase } from "@/api/knowledge";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, INPUT } from "@/ui/field";
import { ProblemNotice } from "@/ui/problem-notice";
import { fieldsOf, problemOf } from "./field-types";
import type { FieldRow } from "./field-types";
import { FieldsTable } from "./fields-table";
import { HOLDINGS, HoldingWords } from "./holdings";
import type { Holding } from "./holdings";
import { nameFrom } from "./names";

interface CreateDialogProps {
  /** What is chosen at first; null while the dialog is closed. */
  holding: Holding | null;
  onClose: () => void;
}

export function CreateDialog({ holding, onClose }: CreateDialogProps) {
  const { t } = useTranslation();
  return <Dialog open={holding !== null} onClose={onClose} title={t("knowledge.create")}>{holding && <Form first={holding} onClose={onClose} />}</Dialog>;
}

function Form({ first, onClose }: { first: Holding; onClose: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const about = useId();
  const [holding, setHolding] = useState(first);
  const [title, setTitle] = useState("");
  const [typedName, setTypedName] = useState<string | null>(null);
  const [description, setDescription] = useState("");
  const [rows, setRows] = useState<FieldRow[]>([]);
  const [tried, setTried] = useState(false);
  const name = typedName ?? nameFrom(title);
  const names = rows.map((row) => row.name);
  const wrongFields = holding === "table" && rows.some((row) => problemOf(row.name, names) !== null);
  const wrongName = problemOf(name, [name]) !== null;
  const make = useMutation({
    mutationFn: () =>
      request<KnowledgeBase>(BASES, {
        method: "POST",
        body: { name, ...(title.trim() ? { title: title.trim() } : {}), ...(description.trim() ? { description: description.trim() } : {}), fields: holding === "table" ? fieldsOf(rows) : {} },
      }),
    onSuccess: async (base) => {
      queries.setQueryData(baseQuery(base.name).queryKey, base);
      void queries.invalidateQueries({ queryKey: basesQuery.queryKey, exact: true });
      await navigate({ to: "/knowledge/$name", params: { name: base.name }, search: holding === "questions" ? { add: "questions" } : {} });
    },
  });
  const submit = () => {
    setTried(true);
    if (!wrongName && !wrongFields) make.mutate();
  };
  return (
    <form noValidate data-testid="create-base" className="space-y-4" onChange={() => { if (!make.isPending) make.reset(); }} onSubmit={(event) => { event.preventDefault(); submit(); }}>
      <Field label={t("knowledge.base_title")} autoFocus value={title} placeholder={t("knowledge.base_title_example")} onChange={(event) => setTitle(event.target.value)} />
      <Field label={t("knowledge.base_name")} hint={t("knowledge.base_name_hint")} spellCheck={false} autoCapitalize="none" className="[&_input]:font-mono" value={name}
        error={tried && wrongName ? t("knowledge.name_wrong") : undefined} onChange={(event) => setTypedName(event.target.value)} />
      <div>
        <label htmlFor={about} className="mb-1.5 block text-sm font-medium">{t("knowledge.description")} <span className="text-xs font-normal text-faint">{t("common.optional")}</span></label>
        <textarea id={about} rows={2} className={`${INPUT} py-2`} aria-describedby={`${about}-hint`} value={description} onChange={(event) => setDescription(event.target.value)} />
        <p id={`${about}-hint`} className="mt-1 text-sm text-faint">{t("knowledge.description_hint")}</p>
      </div>
      <fieldset>
        <legend className="mb-1.5 text-sm font-medium">{t("knowledge.holds")}</legend>
        <div className="space-y-1">
          {HOLDINGS.map((one) => (
            <label key={one} className="flex cursor-pointer items-start gap-3 rounded-lg px-2 py-2 hover:bg-wash">
              <input type="radio" name="holding" value={one} checked={holding === one} onChange={() => setHolding(one)} className="mt-1 size-4 accent-lacquer" />
              <span className="min-w-0"><HoldingWords holding={one} /></span>
            </label>
          ))}
        </div>
      </fieldset>
      {holding === "table" && (
        <details className="rounded-xl border border-line px-4 py-3">
          <summary className="text-sm text-quiet">{t("knowledge.fields_now")}</summary>
          <div className="mt-3"><FieldsTable rows={rows} onChange={setRows} tried={tried} /></div>
        </details>
      )}
      {make.error && <ProblemNotice problem={asProblem(make.error)} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button type="submit" weight="primary" disabled={make.isPending}>{t("knowledge.create_action")}</Button>
      </div>
    </form>
  );
}
