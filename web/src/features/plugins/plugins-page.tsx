// Every plugin of the workspace with how it stands, and the way to bring another one.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { pluginsQuery } from "@/api/plugins";
import type { InstalledPlugin } from "@/api/plugins";
import { local } from "@/i18n";
import { Chevron, Warning } from "@/ui/icons";
import { EmptyState, Loading, Page } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { Words } from "@/ui/words";
import { missingOf, unfilledOf } from "./permissions";
import { PluginIcon } from "./plugin-icon";
import { UploadBox } from "./upload-box";

export function PluginsPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const plugins = useQuery(pluginsQuery);
  const upload = <UploadBox label={t("plugins.upload")} onInstalled={(plugin) => void navigate({ to: "/plugins/$plugin", params: { plugin: plugin.id } })} />;
  return (
    <Page title={t("nav.plugins")} intro={t("plugins.intro")}>
      {plugins.isSuccess && <div className="mb-6">{upload}</div>}
      {plugins.isPending && <Loading label={t("common.loading")} />}
      {plugins.isError && <ProblemNotice problem={asProblem(plugins.error)} onRetry={() => void plugins.refetch()} />}
      {plugins.isSuccess && plugins.data.length === 0 && (
        <EmptyState title={t("plugins.empty_title")}><p><Words text={t("plugins.empty_text")} /></p></EmptyState>
      )}
      {plugins.data && plugins.data.length > 0 && (
        <ul className="divide-y divide-line overflow-hidden rounded-2xl border border-line bg-raised shadow-desk">
          {plugins.data.map((plugin) => <li key={plugin.id}><Row plugin={plugin} /></li>)}
        </ul>
      )}
    </Page>
  );
}

function Row({ plugin }: { plugin: InstalledPlugin }) {
  const { t, i18n } = useTranslation();
  const title = local(plugin.manifest.title, i18n.language) || plugin.id;
  const missing = missingOf(plugin);
  const unfilled = unfilledOf(plugin, i18n.language);
  return (
    <Link to="/plugins/$plugin" params={{ plugin: plugin.id }} data-testid="plugin" data-plugin={plugin.id}
      className="flex items-start gap-4 px-4 py-4 -outline-offset-2 hover:bg-wash/60 sm:px-5">
      <PluginIcon icon={plugin.manifest.icon} title={title} faded={!plugin.enabled} />
      <span className="min-w-0 flex-1">
        <span className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5">
          <span className="font-display text-lg font-semibold">{title}</span>
          <span className="font-mono text-xs text-faint">{plugin.version}</span>
          {!plugin.enabled && <span className="rounded-full border border-faint/60 px-2 text-xs leading-5 text-quiet">{t("plugins.off")}</span>}
        </span>
        <span className="mt-0.5 line-clamp-2 text-quiet"><Words text={local(plugin.manifest.description, i18n.language)} /></span>
        <span className="mt-1 flex flex-wrap gap-x-3 gap-y-1 text-sm text-faint">
          <span>{plugin.system ? t("plugins.shipped") : t("plugins.uploaded")}</span>
          <span>{t("plugins.tools", { count: plugin.manifest.tools.length })}</span>
        </span>
        {(missing.length > 0 || unfilled.length > 0) && (
          <span data-testid="plugin-open" className="mt-1.5 flex flex-col gap-1 text-sm text-brass-ink">
            {missing.length > 0 && <Open text={t("plugins.missing", { count: missing.length })} />}
            {unfilled.length > 0 && <Open text={t("plugins.unfilled", { list: unfilled.join(", ") })} />}
          </span>
        )}
      </span>
      <Chevron className="mt-3.5 size-5 shrink-0 text-faint" />
    </Link>
  );
}

function Open({ text }: { text: string }) {
  return <span className="flex items-start gap-1.5"><span className="mt-px shrink-0"><Warning /></span><span className="min-w-0 break-words">{text}</span></span>;
}
