// How it is searched. Whatever is chosen searches again at once; a number does when it is left or sent with Enter.
import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { embeddingModelsQuery } from "@/api/knowledge";
import type { KnowledgeBase } from "@/api/knowledge";
import { modelsQuery } from "@/api/queries";
import { DEFAULTS, EXPANSIONS, MODES, MOST_HITS } from "@/api/retrieval-settings";
import type { RetrievalSettings } from "@/api/retrieval-settings";
import { Button } from "@/ui/button";
import { INPUT } from "@/ui/field";
import { Chevron } from "@/ui/icons";
import { Words } from "@/ui/words";
import { FilterEditor } from "./filter-editor";
import { groupsOf } from "./metadata";

interface RetrievalPanelProps {
  base: KnowledgeBase;
  settings: RetrievalSettings;
  onChange: (settings: RetrievalSettings) => void;
}

export function RetrievalPanel({ base, settings, onChange }: RetrievalPanelProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const change = (next: Partial<RetrievalSettings>) => onChange({ ...settings, ...next });
  const reranker = useQuery(embeddingModelsQuery);
  const canRerank = Boolean(reranker.data?.reranker);
  const usual = JSON.stringify(settings) === JSON.stringify(DEFAULTS);
  return (
    <section aria-label={t("knowledge.how")} data-testid="retrieval-settings" className="rounded-xl border border-line bg-raised">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="flex min-h-11 w-full items-center gap-2 px-4 text-start font-medium -outline-offset-2 lg:hidden">
        <span className="flex-1">{t("knowledge.how")}</span>{!usual && <span className="text-sm font-normal text-brass-ink">{t("knowledge.how_changed")}</span>}<Chevron className={`size-5 text-faint transition-transform ${open ? "rotate-90" : ""}`} />
      </button>
      <div className={`${open ? "" : "hidden"} space-y-4 border-t border-line px-4 py-4 lg:block lg:border-t-0`}>
        <h2 className="hidden font-display text-lg font-semibold lg:block">{t("knowledge.how")}</h2>
        <Choice label={t("knowledge.mode")} value={settings.mode} options={MODES.map((mode) => [mode, t(`knowledge.mode_${mode}`)])} onChange={(mode) => change({ mode })} />
        {settings.mode === "hybrid" && (
          <div className="grid grid-cols-2 gap-3">
            <NumberInput label={t("knowledge.weight_dense")} value={settings.dense} placeholder="1" least={0} onCommit={(dense) => change({ dense })} />
            <NumberInput label={t("knowledge.weight_lexical")} value={settings.lexical} placeholder="1" least={0} onCommit={(lexical) => change({ lexical })} />
          </div>
        )}
        <div className="grid grid-cols-2 gap-3">
          <NumberInput label={t("knowledge.top_k")} value={settings.topK} placeholder={String(DEFAULTS.topK)} least={1} most={MOST_HITS} whole onCommit={(topK) => change({ topK: topK ?? DEFAULTS.topK })} />
          <NumberInput label={t("knowledge.min_score")} value={settings.minScore} placeholder={t("knowledge.none")} least={0} onCommit={(minScore) => change({ minScore })} />
        </div>
        <Choice label={t("knowledge.expand")} value={settings.expand ?? ""} options={[["", t("knowledge.expand_usual")], ...EXPANSIONS.map((expand) => [expand, t(`knowledge.expand_${expand}`)] as const)]} onChange={(expand) => change({ expand: expand || null })} />
        <div>
          <label className={`flex min-h-9 items-center gap-2 text-sm ${canRerank ? "" : "opacity-60"}`} title={t("knowledge.rerank_text")}>
            <input type="checkbox" className="size-4 accent-lacquer" checked={settings.rerank} disabled={!canRerank && !settings.rerank} onChange={(event) => change({ rerank: event.target.checked })} />{t("knowledge.rerank")}
          </label>
          {reranker.isSuccess && <RerankerNote name={reranker.data.reranker ?? null} />}
        </div>
        <FilterEditor fields={base.fields} filter={settings.filter} onCommit={(filter) => change({ filter })} />
        <Groups groups={settings.groups} onCommit={(groups) => change({ groups })} />
        {!usual && <Button weight="bare" className="-ms-2" onClick={() => onChange(DEFAULTS)}>{t("knowledge.how_usual")}</Button>}
      </div>
    </section>
  );
}

/** Which reranker there is, and whether it can be used already. */
function RerankerNote({ name }: { name: string | null }) {
  const { t } = useTranslation();
  const inside = useQuery(modelsQuery).data?.reranking;
  const share = inside?.total ? Math.floor(((inside.done ?? 0) / inside.total) * 100) : null;
  const notes: Record<string, string> = {
    downloading: share === null ? t("knowledge.rerank_downloading_unknown") : t("knowledge.rerank_downloading", { share }),
    missing: t("knowledge.rerank_missing"),
    failed: t("knowledge.rerank_failed", { reason: inside?.reason ?? "" }),
  };
  const note = notes[inside?.state ?? ""];
  return (
    <div className="text-xs wrap-anywhere text-faint" data-testid="reranker">
      <p>{name ?? t("knowledge.rerank_none")}</p>
      {name && note && <p role="status" className="text-brass-ink"><Words text={note} /></p>}
    </div>
  );
}

function Labelled({ label, hint, children }: { label: string; hint?: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-1 block text-sm text-quiet">{label}</label>
      {children(id)}
      {hint && <p className="mt-1 text-xs text-faint">{hint}</p>}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: (readonly [string, string])[];
  onChange: (value: string) => void;
}

function Choice({ label, value, options, onChange }: ChoiceProps) {
  return (
    <Labelled label={label}>
      {(id) => <select id={id} className={INPUT} value={value} onChange={(event) => onChange(event.target.value)}>{options.map(([name, words]) => <option key={name} value={name}>{words}</option>)}</select>}
    </Labelled>
  );
}

interface NumberInputProps {
  label: string;
  value: number | null;
  placeholder: string;
  least: number;
  most?: number;
  whole?: boolean;
  onCommit: (value: number | null) => void;
}

function NumberInput({ label, value, placeholder, least, most = Infinity, whole = false, onCommit }: NumberInputProps) {
  const shown = value === null ? "" : String(value);
  const [typed, setTyped] = useState<string | null>(null);
  const commit = () => {
    setTyped(null);
    if (typed === null || typed === shown) return;
    if (typed.trim() === "") return onCommit(null);
    const next = Number(typed);
    if (Number.isFinite(next)) onCommit(Math.min(most, Math.max(least, whole ? Math.round(next) : next)));
  };
  return (
    <Labelled label={label}>
      {(id) => <input id={id} className={INPUT} inputMode="decimal" placeholder={placeholder} value={typed ?? shown} onChange={(event) => setTyped(event.target.value)} onBlur={commit} onKeyDown={(event) => { if (event.key === "Enter") commit(); }} />}
    </Labelled>
  );
}

function Groups({ groups, onCommit }: { groups: string[] | null; onCommit: (groups: string[] | null) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState<string | null>(null);
  const shown = groups?.join(", ") ?? "";
  const commit = () => {
    setTyped(null);
    if (typed === null || typed === shown) return;
    onCommit(typed.trim() === "" ? null : groupsOf(typed));
  };
  return (
    <Labelled label={t("knowledge.as_groups")} hint={t("knowledge.as_groups_hint")}>
      {(id) => <input id={id} className={INPUT} placeholder={t("knowledge.as_everybody")} value={typed ?? shown} onChange={(event) => setTyped(event.target.value)} onBlur={commit} onKeyDown={(event) => { if (event.key === "Enter") commit(); }} />}
    </Labelled>
  );
}
