// One plugin: what it may do, how it is set up, its tools to try, what they were asked, its versions, and its end.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { pluginAddress, pluginQuery, pluginsQuery } from "@/api/plugins";
import type { InstalledPlugin } from "@/api/plugins";
import { millis } from "@/api/run-progress";
import { local } from "@/i18n";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { EmptyState, Loading, useTitle } from "@/ui/page";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { Switch } from "@/ui/switch";
import { formatMoment } from "@/ui/time";
import { Words } from "@/ui/words";
import { Calls } from "./calls-panel";
import { LimitsPanel } from "./limits-panel";
import { PermissionsPanel } from "./permissions-panel";
import { PluginIcon } from "./plugin-icon";
import { forget } from "./seen";
import { SettingsPanel } from "./settings-panel";
import { Tools } from "./tools-panel";
import { useSeenKey } from "./use-install";
import { Versions } from "./versions-panel";

export function PluginPage({ plugin: id }: { plugin: string }) {
  const { t, i18n } = useTranslation();
  const plugin = useQuery(pluginQuery(id));
  useTitle(plugin.data ? local(plugin.data.manifest.title, i18n.language) || id : t("nav.plugins"));
  const problem = plugin.error ? asProblem(plugin.error) : null;
  return (
    <div className="mx-auto w-full max-w-5xl px-4 py-6 sm:px-6 sm:py-10">
      <Link to="/plugins" className="text-sm text-quiet hover:text-ink">← {t("nav.plugins")}</Link>
      {plugin.isPending && <Loading label={t("common.loading")} />}
      {problem?.status === 404 ? (
        <div className="mt-6"><EmptyState title={t("plugins.gone_title")}><p>{t("plugins.gone_text")}</p></EmptyState></div>
      ) : problem && !plugin.data ? (
        <div className="mt-6"><ProblemNotice problem={problem} onRetry={() => void plugin.refetch()} /></div>
      ) : null}
      {plugin.data && problem?.status !== 404 && <View plugin={plugin.data} />}
    </div>
  );
}

function View({ plugin }: { plugin: InstalledPlugin }) {
  const { t } = useTranslation();
  const sections = [
    ["permissions", t("plugins.permissions")],
    ...(hasSettings(plugin) ? [["settings", t("plugins.settings")] as const] : []),
    ...(plugin.most ? [["limits", t("plugins.limits")] as const] : []),
    ["tools", t("plugins.tools_title")],
    ["calls", t("plugins.calls")],
    ["versions", t("plugins.versions")],
  ] as const;
  return (
    <>
      <Head plugin={plugin} />
      <nav aria-label={t("plugins.contents")} className="mt-6 flex flex-wrap gap-x-4 gap-y-1 border-b border-line pb-3 text-sm">
        {sections.map(([hash, title]) => <a key={hash} href={`#${hash}`} className="text-quiet underline decoration-line underline-offset-4 hover:text-ink hover:decoration-brass">{title}</a>)}
      </nav>
      <div className="mt-6 space-y-6 *:scroll-mt-20">
        {/* What is typed into the first three belongs to this very file; another version begins anew. */}
        <div id="permissions"><PermissionsPanel key={plugin.sha256} plugin={plugin} /></div>
        {hasSettings(plugin) && <div id="settings"><SettingsPanel key={plugin.sha256} plugin={plugin} /></div>}
        {plugin.most && <div id="limits"><LimitsPanel key={plugin.sha256} plugin={plugin} most={plugin.most} /></div>}
        <div id="tools"><Tools key={plugin.sha256} plugin={plugin} /></div>
        <div id="calls"><Calls plugin={plugin} /></div>
        <div id="versions"><Versions plugin={plugin} /></div>
        {!plugin.system && <Remove plugin={plugin} />}
      </div>
    </>
  );
}

function hasSettings(plugin: InstalledPlugin): boolean {
  return Object.keys(plugin.manifest.config?.properties ?? {}).length > 0;
}

function Head({ plugin }: { plugin: InstalledPlugin }) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const enable = useMutation({
    mutationFn: (enabled: boolean) => request<InstalledPlugin>(pluginAddress(plugin.id, "enabled"), { method: "PUT", body: { enabled } }),
    onSuccess: (changed) => queries.setQueryData(pluginQuery(plugin.id).queryKey, changed),
    onSettled: () => queries.invalidateQueries({ queryKey: pluginsQuery.queryKey, exact: true }),
  });
  const { manifest } = plugin;
  const title = local(manifest.title, i18n.language) || plugin.id;
  return (
    <header className="mt-4">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <PluginIcon icon={manifest.icon} title={title} faded={!plugin.enabled} />
        <div className="min-w-0 flex-1 basis-52">
          <h1 className="font-display text-3xl font-semibold tracking-tight break-words">{title}</h1>
          <p className="mt-1 flex flex-wrap gap-x-3 gap-y-0.5 text-sm text-faint">
            <span className="font-mono text-xs leading-5">{plugin.id}</span>
            <span>{t("plugins.version", { version: plugin.version })}</span>
            <span>{plugin.system ? t("plugins.shipped") : t("plugins.installed", { moment: formatMoment(millis(plugin.installed_at), i18n.language) })}</span>
            {manifest.license && <span>{t("plugins.license", { license: manifest.license })}</span>}
            {manifest.homepage && /^https?:\/\//.test(manifest.homepage) && (
              <a href={manifest.homepage} target="_blank" rel="noopener noreferrer nofollow" className="underline decoration-brass underline-offset-4">{t("plugins.homepage")}</a>
            )}
          </p>
        </div>
        <label className="flex min-h-10 items-center gap-2 text-sm">
          <Switch data-testid="plugin-enabled" aria-label={t("plugins.switch_named", { title })} checked={enable.isPending ? enable.variables : plugin.enabled} disabled={enable.isPending} onChange={(event) => enable.mutate(event.target.checked)} />
          {t("plugins.on")}
        </label>
      </div>
      <p className="mt-4 max-w-prose text-lg whitespace-pre-line text-quiet"><Words text={local(manifest.description, i18n.language)} /></p>
      {!plugin.enabled && <p role="status" data-testid="plugin-off" className="mt-4 rounded-xl border border-brass/50 bg-brass-wash px-4 py-2.5 text-sm">{t("plugins.off_text")}</p>}
      {enable.error && <div className="mt-4"><ProblemNotice problem={asProblem(enable.error)} /></div>}
    </header>
  );
}

function Remove({ plugin }: { plugin: InstalledPlugin }) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const keyOf = useSeenKey();
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: () => request<void>(pluginAddress(plugin.id), { method: "DELETE" }),
    onSuccess: async () => {
      forget(keyOf(plugin.id));
      await navigate({ to: "/plugins" });
      queries.removeQueries({ queryKey: pluginQuery(plugin.id).queryKey });
      await queries.invalidateQueries({ queryKey: pluginsQuery.queryKey });
    },
  });
  const title = local(plugin.manifest.title, i18n.language) || plugin.id;
  return (
    <Panel title={t("plugins.remove_panel")} text={t("plugins.remove_panel_text")}>
      {remove.error && <div className="mb-4"><ProblemNotice problem={asProblem(remove.error)} /></div>}
      <Button className="!text-seal" disabled={remove.isPending} data-testid="remove-plugin" onClick={() => setAsking(true)}>{t("plugins.remove")}</Button>
      <Confirm open={asking} onClose={() => setAsking(false)} title={t("plugins.remove_title", { title })} text={t("plugins.remove_text")} action={t("plugins.remove")} onConfirm={() => remove.mutate()} />
    </Panel>
  );
}
