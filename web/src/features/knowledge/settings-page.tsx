// What a base is called, what its records are made of, how documents are split, which model embeds them, and its end.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseAddress, baseQuery, basesQuery, embeddingModelsQuery } from "@/api/knowledge";
import type { KnowledgeBase } from "@/api/knowledge";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Field, INPUT } from "@/ui/field";
import { Loading } from "@/ui/page";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { BaseFrame } from "./base-frame";
import { fieldsOf, problemOf, rowsOf } from "./field-types";
import type { FieldRow } from "./field-types";
import { FieldsTable } from "./fields-table";
import { SaveRow, useSave } from "./save-row";
import { splittingOf, textsOf } from "./splitting";
import type { SplittingTexts } from "./splitting";
import { WordsPanel } from "./words-panel";

export function SettingsPage({ name }: { name: string }) {
  const { t } = useTranslation();
  return (
    <BaseFrame name={name} page={t("knowledge.settings")}>
      {(base) => (
        <div className="max-w-4xl space-y-6">
          <AboutPanel base={base} />
          <FieldsPanel base={base} />
          <WordsPanel base={base} />
          <SplittingPanel base={base} />
          <EmbeddingPanel base={base} />
          <RemovePanel base={base} />
        </div>
      )}
    </BaseFrame>
  );
}

function AboutPanel({ base }: { base: KnowledgeBase }) {
  const { t } = useTranslation();
  const about = useId();
  const [title, setTitle] = useState(base.title ?? "");
  const [description, setDescription] = useState(base.description ?? "");
  const save = useSave(base);
  const dirty = title.trim() !== (base.title ?? "") || description.trim() !== (base.description ?? "");
  return (
    <Panel title={t("knowledge.about")} text={t("knowledge.about_text")}>
      <form noValidate data-testid="base-about" onSubmit={(event) => { event.preventDefault(); save.mutate({ title: title.trim() || null, description: description.trim() || null }); }}>
        <Field label={t("knowledge.base_title")} value={title} onChange={(event) => setTitle(event.target.value)} />
        <label htmlFor={about} className="mt-4 mb-1.5 block text-sm font-medium">{t("knowledge.description")}</label>
        <textarea id={about} rows={3} aria-describedby={`${about}-hint`} className={`${INPUT} py-2`} value={description} onChange={(event) => setDescription(event.target.value)} />
        <p id={`${about}-hint`} className="mt-1 text-sm text-faint">{t("knowledge.description_hint")}</p>
        <SaveRow save={save} dirty={dirty} />
      </form>
    </Panel>
  );
}

function FieldsPanel({ base }: { base: KnowledgeBase }) {
  const { t } = useTranslation();
  /** Null while nothing was touched: the rows then follow what the server says. */
  const [touched, setTouched] = useState<FieldRow[] | null>(null);
  const [tried, setTried] = useState(false);
  const [stored] = useState(() => rowsOf(base.fields));
  const rows = touched ?? stored;
  const save = useSave(base);
  const names = rows.map((row) => row.name);
  const wrong = rows.some((row) => problemOf(row.name, names) !== null);
  const [template, setTemplate] = useState(base.embed_template ?? "");
  const otherTemplate = template.trim() !== (base.embed_template ?? "");
  const dirty = otherTemplate || (touched !== null && JSON.stringify(fieldsOf(touched)) !== JSON.stringify(fieldsOf(rowsOf(base.fields))));
  return (
    <Panel title={t("knowledge.fields")} text={rows.length > 0 ? t("knowledge.fields_text") : t("knowledge.fields_none")}>
      <form noValidate data-testid="base-fields" onSubmit={(event) => { event.preventDefault(); setTried(true); if (!wrong) save.mutate({ fields: fieldsOf(rows), ...(otherTemplate ? { embed_template: template.trim() || null } : {}) }); }}>
        <FieldsTable rows={rows} onChange={(next) => { if (!save.isPending) save.reset(); setTouched(next); }} tried={tried} />
        {rows.length > 0 && (
          <Field className="mt-4 [&_input]:font-mono [&_input]:text-sm" label={t("knowledge.template")} hint={t("knowledge.template_hint")} placeholder={rows.filter((row) => row.embed).map((row) => `{${row.name}}`).join(" ")} value={template}
            onChange={(event) => { if (!save.isPending) save.reset(); setTemplate(event.target.value); }} />
        )}
        {dirty && base.documents > 0 && <p className="mt-3 text-sm text-brass-ink">{t("knowledge.reads_again", { count: base.documents })}</p>}
        <SaveRow save={save} dirty={dirty} />
      </form>
    </Panel>
  );
}

function SplittingPanel({ base }: { base: KnowledgeBase }) {
  const { t } = useTranslation();
  const stored = textsOf(base.splitting);
  const [touched, setTouched] = useState<SplittingTexts | null>(null);
  const texts = touched ?? stored;
  const read = splittingOf(texts);
  const save = useSave(base, () => setTouched(null));
  const dirty = touched !== null && JSON.stringify(touched) !== JSON.stringify(stored);
  const change = (next: Partial<SplittingTexts>) => { if (!save.isPending) save.reset(); setTouched({ ...texts, ...next }); };
  const error = (name: "tokens" | "overlap" | "parent") => ("errors" in read && read.errors.has(name) ? t(`knowledge.splitting_${name}_wrong`) : undefined);
  return (
    <Panel title={t("knowledge.splitting")} text={t("knowledge.splitting_text")}>
      <form noValidate data-testid="base-splitting" onSubmit={(event) => { event.preventDefault(); if ("splitting" in read) save.mutate({ splitting: read.splitting }); }}>
        <div className="grid gap-4 sm:grid-cols-3">
          <Field label={t("knowledge.splitting_tokens")} hint={t("knowledge.splitting_tokens_hint")} error={error("tokens")} inputMode="numeric" value={texts.tokens} onChange={(event) => change({ tokens: event.target.value })} />
          <Field label={t("knowledge.splitting_overlap")} hint={t("knowledge.splitting_overlap_hint")} error={error("overlap")} inputMode="numeric" value={texts.overlap} onChange={(event) => change({ overlap: event.target.value })} />
          <Field label={t("knowledge.splitting_parent")} hint={t("knowledge.splitting_parent_hint")} error={error("parent")} inputMode="numeric" placeholder={t("knowledge.none")} value={texts.parent} onChange={(event) => change({ parent: event.target.value })} />
        </div>
        {dirty && base.documents > 0 && <p className="mt-3 text-sm text-brass-ink">{t("knowledge.reads_again", { count: base.documents })}</p>}
        <SaveRow save={save} dirty={dirty} disabled={"errors" in read} />
      </form>
    </Panel>
  );
}

function EmbeddingPanel({ base }: { base: KnowledgeBase }) {
  const { t } = useTranslation();
  const id = useId();
  const models = useQuery(embeddingModelsQuery);
  const current = base.embedding.next ?? base.embedding.model ?? "";
  const [chosen, setChosen] = useState<string | null>(null);
  const save = useSave(base, () => setChosen(null));
  const model = chosen ?? current;
  const items = models.data?.items ?? [];
  // The base may be embedded by a model that is no longer offered.
  const known = current === "" || items.some((one) => one.model === current);
  return (
    <Panel title={t("knowledge.embedding")} text={t("knowledge.embedding_text")}>
      {models.isPending && <Loading label={t("common.loading")} />}
      {models.isError && !models.data && <ProblemNotice problem={asProblem(models.error)} onRetry={() => void models.refetch()} />}
      {models.data && (
        <form noValidate data-testid="base-embedding" onSubmit={(event) => { event.preventDefault(); if (model) save.mutate({ embedding_model: model }); }}>
          <label htmlFor={id} className="mb-1.5 block text-sm font-medium">{t("knowledge.embedding_model")}</label>
          <select id={id} className={`${INPUT} max-w-xl`} value={model} onChange={(event) => setChosen(event.target.value)}>
            {current === "" && <option value="">{t("knowledge.embedding_none")}</option>}
            {!known && <option value={current}>{current}</option>}
            {items.map((one) => (
              <option key={one.model} value={one.model}>{[one.title || one.model, ...(one.dimensions ? [t("knowledge.dimensions", { number: one.dimensions })] : []), ...(one.state && one.state !== "ready" && one.state !== "provider" ? [t(`knowledge.model_${one.state as "failed"}`, { defaultValue: one.state })] : [])].join(" · ")}</option>
            ))}
          </select>
          {model !== current && base.records > 0 && <p className="mt-3 text-sm text-brass-ink">{t("knowledge.embeds_again", { count: base.records, number: base.records.toLocaleString() })}</p>}
          <SaveRow save={save} dirty={model !== current} />
        </form>
      )}
    </Panel>
  );
}

function RemovePanel({ base }: { base: KnowledgeBase }) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [asking, setAsking] = useState(false);
  const title = base.title || base.name;
  const remove = useMutation({
    mutationFn: () => request<void>(baseAddress(base.name), { method: "DELETE" }),
    onSuccess: async () => {
      await navigate({ to: "/knowledge" });
      queries.removeQueries({ queryKey: baseQuery(base.name).queryKey });
      await queries.invalidateQueries({ queryKey: basesQuery.queryKey });
    },
  });
  return (
    <Panel title={t("knowledge.remove")} text={t("knowledge.remove_text")}>
      {remove.error && <div className="mb-4"><ProblemNotice problem={asProblem(remove.error)} /></div>}
      <Button className="!text-seal" disabled={remove.isPending} data-testid="remove-base" onClick={() => setAsking(true)}>{t("knowledge.remove_action")}</Button>
      <Confirm open={asking} onClose={() => setAsking(false)} title={t("knowledge.remove_title", { title })}
        text={t("knowledge.remove_confirm", { documents: t("knowledge.documents_count", { count: base.documents, number: base.documents.toLocaleString(i18n.language) }) })} action={t("knowledge.remove_action")} onConfirm={() => remove.mutate()} />
    </Panel>
  );
}
