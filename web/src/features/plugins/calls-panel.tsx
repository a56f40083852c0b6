// What the plugin's tools were asked lately: what each call took, and what it wrote into the log.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { pluginCallsQuery } from "@/api/plugins";
import type { InstalledPlugin, PluginCall } from "@/api/plugins";
import { millis } from "@/api/run-progress";
import { local } from "@/i18n";
import { Button } from "@/ui/button";
import { Chevron } from "@/ui/icons";
import { LogLines } from "@/ui/log-lines";
import { Loading } from "@/ui/page";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { formatBytes } from "@/ui/size";
import { formatMicros, formatMoment } from "@/ui/time";
import { Words } from "@/ui/words";
import { CallError } from "./call-error";

export function Calls({ plugin }: { plugin: InstalledPlugin }) {
  const { t } = useTranslation();
  const calls = useInfiniteQuery(pluginCallsQuery(plugin.id));
  const items = calls.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel title={t("plugins.calls")} text={calls.isSuccess && items.length === 0 ? t("plugins.calls_none") : t("plugins.calls_text")}>
      {calls.isPending && <Loading label={t("common.loading")} />}
      {calls.isError && <ProblemNotice problem={asProblem(calls.error)} onRetry={() => void calls.refetch()} />}
      {items.length > 0 && (
        <div className="overflow-hidden rounded-xl border border-line">
          <Headings />
          <ul className="divide-y divide-line">
            {items.map((call) => <li key={call.id}><Row plugin={plugin} call={call} /></li>)}
          </ul>
        </div>
      )}
      {calls.hasNextPage && (
        <div className="mt-4 text-center"><Button disabled={calls.isFetchingNextPage} onClick={() => void calls.fetchNextPage()}>{t("common.more")}</Button></div>
      )}
    </Panel>
  );
}

/** On a wide page each measure has its column; on a phone they stand in the opened row. */
const COLUMNS = "grid grid-cols-[1fr_auto_auto] items-center gap-x-3 md:grid-cols-[1fr_3.5rem_4.5rem_4rem_4.5rem_3rem_7.5rem_auto]";

function Headings() {
  const { t } = useTranslation();
  const measures = [t("plugins.took"), t("plugins.cpu"), t("plugins.memory"), t("plugins.tokens_used"), t("plugins.call_at")];
  return (
    <div aria-hidden="true" className="hidden border-b border-line bg-wall pe-20 text-xs text-faint md:block">
      <div className={`${COLUMNS} px-4 py-2`}>
        <span>{t("plugins.call_tool")}</span>
        <span />
        {measures.map((name) => <span key={name} className="text-end">{name}</span>)}
        <span className="size-4" />
      </div>
    </div>
  );
}

function Row({ plugin, call }: { plugin: InstalledPlugin; call: PluginCall }) {
  const { t, i18n } = useTranslation();
  const [open, setOpen] = useState(false);
  const tool = plugin.manifest.tools.find((one) => one.name === call.tool);
  const took = formatMicros(call.duration_us, i18n.language);
  const moment = formatMoment(millis(call.at), i18n.language);
  const measures = [took, formatMicros(call.cpu_us, i18n.language), formatBytes(call.memory_bytes, i18n.language), call.tokens.toLocaleString(i18n.language), moment];
  return (
    <article data-testid="plugin-call" data-tool={call.tool} className="bg-paper">
      <div className="flex items-stretch">
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className={`${COLUMNS} min-w-0 flex-1 gap-y-0.5 px-4 py-2.5 text-start -outline-offset-2 hover:bg-wash/60`}>
          <span className="min-w-0 truncate font-medium">{local(tool?.title, i18n.language) || call.tool}</span>
          <span className={`text-sm ${call.error ? "text-seal" : "text-quiet"}`}>{call.error ? t("plugins.call_failed") : t("plugins.call_ok")}</span>
          {measures.map((value, index) => <span key={index} className="hidden text-end text-sm text-quiet tabular-nums md:block">{value}</span>)}
          <Chevron className={`size-4 shrink-0 text-faint transition-transform ${open ? "rotate-90" : ""}`} />
          <span className="col-span-3 text-sm text-faint tabular-nums md:hidden">{moment} · {took}</span>
        </button>
        <span className="hidden w-20 shrink-0 items-center justify-end pe-4 text-sm md:flex">
          {call.run ? <Link to="/runs/$run" params={{ run: call.run }} aria-label={t("plugins.in_run")} className="underline decoration-brass underline-offset-4">{t("plugins.run")}</Link> : <span className="text-faint">{t("plugins.by_hand")}</span>}
        </span>
      </div>
      {open && <Inside call={call} />}
    </article>
  );
}

function Inside({ call }: { call: PluginCall }) {
  const { t, i18n } = useTranslation();
  const facts = [
    [t("plugins.cpu"), formatMicros(call.cpu_us, i18n.language)],
    [t("plugins.memory"), formatBytes(call.memory_bytes, i18n.language)],
    [t("plugins.tokens_used"), call.tokens.toLocaleString(i18n.language)],
  ] as const;
  return (
    <div className="space-y-3 border-t border-line bg-raised px-4 py-3.5">
      <p className="flex flex-wrap gap-x-3 text-sm">
        <span className="font-mono text-xs leading-5 text-faint">{call.tool}</span>
        <span className="text-faint">{t("plugins.version", { version: call.version })}</span>
        {call.run ? <Link to="/runs/$run" params={{ run: call.run }} className="underline decoration-brass underline-offset-4">{t("plugins.in_run")}</Link> : <span className="text-faint">{t("plugins.by_hand")}</span>}
        {call.node && <span className="text-quiet"><Words text={t("plugins.in_node", { node: call.node })} /></span>}
      </p>
      <dl className="flex flex-wrap gap-x-6 gap-y-1 text-sm md:hidden">
        {facts.map(([name, value]) => <div key={name} className="flex gap-1.5"><dt className="text-faint">{name}</dt><dd className="tabular-nums">{value}</dd></div>)}
      </dl>
      {call.error && <CallError code={call.error.code} message={call.error.message} />}
      {call.logs.length > 0 ? <LogLines lines={call.logs} /> : <p className="text-sm text-faint">{t("plugins.no_logs")}</p>}
    </div>
  );
}
