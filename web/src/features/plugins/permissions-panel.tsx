// What the plugin asks for, each with its reason and a switch. Nothing is granted before it is saved.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Fragment, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { pluginAddress, pluginQuery, pluginsQuery } from "@/api/plugins";
import type { Grants, InstalledPlugin } from "@/api/plugins";
import { local } from "@/i18n";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { Switch } from "@/ui/switch";
import { Words } from "@/ui/words";
import { sayChange } from "./changes";
import { asksOf, decisionsOf, grantsOf, isOpenEnded, isWide, mostTokens, sayAsk } from "./permissions";
import type { Ask, Decision, Decisions } from "./permissions";
import { useNews } from "./seen";
import { useSeenKey } from "./use-install";

export function PermissionsPanel({ plugin }: { plugin: InstalledPlugin }) {
  const { t } = useTranslation();
  const asks = asksOf(plugin.manifest.permissions);
  const news = useNews(useSeenKey()(plugin.id), plugin);
  return (
    <Panel title={t("plugins.permissions")} text={asks.length > 0 ? t("plugins.permissions_text") : t("plugins.permissions_none")}>
      {news && <News plugin={plugin} news={news} />}
      {asks.length > 0 && <GrantsForm plugin={plugin} asks={asks} fresh={new Set(news?.changes.map((change) => change.ask.key))} onSaved={() => news?.settle()} />}
    </Panel>
  );
}

function News({ plugin, news }: { plugin: InstalledPlugin; news: NonNullable<ReturnType<typeof useNews>> }) {
  const { t, i18n } = useTranslation();
  return (
    <div role="note" data-testid="plugin-news" className="mb-5 rounded-xl border border-brass/60 bg-brass-wash px-4 py-3">
      <p className="font-medium">{t("plugins.news_title", { version: news.since })}</p>
      <p className="mt-0.5 text-sm text-quiet">{t("plugins.news_text")}</p>
      <ul className="mt-2 list-disc space-y-1 ps-5">
        {news.changes.map((change) => <li key={`${change.what} ${change.ask.key}`}><Words text={sayChange(t, i18n.language, change, plugin.config)} /></li>)}
      </ul>
      <Button className="mt-3" onClick={news.settle}>{t("plugins.news_settle")}</Button>
    </div>
  );
}

interface GrantsFormProps {
  plugin: InstalledPlugin;
  asks: Ask[];
  /** Keys of what is new since somebody last decided. */
  fresh: ReadonlySet<string>;
  onSaved: () => void;
}

function GrantsForm({ plugin, asks, fresh, onSaved }: GrantsFormProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const stored = decisionsOf(asks, plugin.grants);
  /** Null while nothing was touched: the form then follows what the server says. */
  const [touched, setTouched] = useState<Decisions | null>(null);
  const decisions = touched ?? stored;
  const grants = grantsOf(asks, decisions);
  const dirty = touched !== null && JSON.stringify(grants) !== JSON.stringify(grantsOf(asks, stored));
  const save = useMutation({
    mutationFn: (body: Grants) => request<InstalledPlugin>(pluginAddress(plugin.id, "grants"), { method: "PUT", body: { ...body, limits: plugin.grants.limits ?? {} } }),
    onSuccess: async (changed) => {
      queries.setQueryData(pluginQuery(plugin.id).queryKey, changed);
      setTouched(null);
      onSaved();
      await queries.invalidateQueries({ queryKey: pluginsQuery.queryKey, exact: true });
    },
  });
  const change = (next: Decisions) => { if (!save.isPending) save.reset(); setTouched(next); };
  const decide = (key: string, decision: Decision) => change({ ...decisions, of: { ...decisions.of, [key]: decision } });
  const all = (granted: boolean) => change({ ...decisions, of: Object.fromEntries(asks.map((ask) => [ask.key, { granted, only: granted ? (decisions.of[ask.key]?.only ?? "") : "" }])) });
  const usesModel = asks.some((ask) => ask.kind === "model" && decisions.of[ask.key]?.granted);
  const everything = asks.every((ask) => decisions.of[ask.key]?.granted);
  return (
    <form noValidate data-testid="grants" onSubmit={(event) => { event.preventDefault(); if (grants) save.mutate(grants); }}>
      <ul className="divide-y divide-line overflow-hidden rounded-xl border border-line">
        {asks.map((ask, index) => (
          <Fragment key={ask.key}>
            <li data-testid="ask" data-ask={ask.key} className={`px-4 py-3.5 ${fresh.has(ask.key) ? "bg-brass-wash/60" : "bg-paper"}`}>
              <Row plugin={plugin} ask={ask} decision={decisions.of[ask.key] ?? { granted: false, only: "" }} onChange={(decision) => decide(ask.key, decision)} />
            </li>
            {/* One number for all models, below the last of them. */}
            {usesModel && ask.kind === "model" && asks[index + 1]?.kind !== "model" && (
              <li className="bg-paper px-4 py-3.5"><Tokens most={mostTokens(asks) ?? 0} value={decisions.tokens} wrong={grants === null} onChange={(tokens) => change({ ...decisions, tokens })} /></li>
            )}
          </Fragment>
        ))}
      </ul>
      {save.error && <div className="mt-4"><ProblemNotice problem={asProblem(save.error)} /></div>}
      <div className="mt-4 flex flex-wrap items-center gap-3">
        <Button type="submit" weight="primary" disabled={!dirty || grants === null || save.isPending}>{t("plugins.save_grants")}</Button>
        {asks.length > 1 && <Button weight="bare" onClick={() => all(!everything)}>{everything ? t("plugins.refuse_all") : t("plugins.grant_all")}</Button>}
        <span role="status" className="text-sm text-quiet">{dirty ? t("plugins.unsaved") : save.isSuccess ? t("common.saved") : ""}</span>
      </div>
    </form>
  );
}

interface RowProps {
  plugin: InstalledPlugin;
  ask: Ask;
  decision: Decision;
  onChange: (decision: Decision) => void;
}

function Row({ plugin, ask, decision, onChange }: RowProps) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const said = sayAsk(t, i18n.language, ask, plugin.config);
  const reasons = [...new Set(ask.reasons.map((reason) => local(reason, i18n.language)))];
  return (
    <>
      <label className="flex cursor-pointer items-start gap-4">
        <span className="min-w-0 flex-1 break-words">
          <span id={`${id}-title`} className="block font-medium"><Words text={said.title} /></span>
          <span id={`${id}-about`} className="block">
            {said.detail && <span className={`mt-0.5 block text-sm ${isOpenEnded(ask) ? "text-seal" : "text-quiet"}`}><Words text={said.detail} /></span>}
            {reasons.map((reason) => <span key={reason} className="mt-1 block text-sm text-faint"><Words text={t("plugins.reason", { reason })} /></span>)}
          </span>
        </span>
        <span className="flex shrink-0 flex-col items-end gap-1">
          <Switch aria-labelledby={`${id}-title`} aria-describedby={`${id}-about`} checked={decision.granted} onChange={(event) => onChange({ ...decision, granted: event.target.checked })} />
          <span aria-hidden="true" className={`hidden text-xs sm:block ${decision.granted ? "text-quiet" : "text-brass-ink"}`}>{decision.granted ? t("plugins.granted") : t("plugins.refused")}</span>
        </span>
      </label>
      {isWide(ask) && decision.granted && (
        <Field className="mt-3 max-w-md [&_input]:font-mono [&_input]:text-sm" label={ask.kind === "http" ? t("plugins.only_hosts") : t("plugins.only_bases")} hint={t("plugins.only_hint")}
          spellCheck={false} autoCapitalize="none" value={decision.only} onChange={(event) => onChange({ ...decision, only: event.target.value })} />
      )}
    </>
  );
}

interface TokensProps {
  most: number;
  value: string;
  wrong: boolean;
  onChange: (tokens: string) => void;
}

function Tokens({ most, value, wrong, onChange }: TokensProps) {
  const { t, i18n } = useTranslation();
  const shown = most.toLocaleString(i18n.language);
  return (
    <Field className="max-w-xs" label={t("plugins.tokens")} hint={wrong ? undefined : t("plugins.tokens_hint", { most: shown })} error={wrong ? t("plugins.tokens_error", { most: shown }) : undefined}
      inputMode="numeric" name="model_tokens" value={value} onChange={(event) => onChange(event.target.value)} />
  );
}
