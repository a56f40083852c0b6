// The versions of an uploaded plugin: another one to upload, those that were published, and every earlier one to go back to.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { pluginAddress, pluginQuery, pluginsQuery, pluginVersionsQuery } from "@/api/plugins";
import type { InstalledPlugin, PluginVersion } from "@/api/plugins";
import { millis } from "@/api/run-progress";
import { Button } from "@/ui/button";
import { Loading } from "@/ui/page";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { formatMoment } from "@/ui/time";
import { UploadBox } from "./upload-box";

export function Versions({ plugin }: { plugin: InstalledPlugin }) {
  const { t } = useTranslation();
  return (
    <Panel title={t("plugins.versions")} text={plugin.system ? t("plugins.versions_shipped") : t("plugins.versions_text")}>
      {!plugin.system && <Uploaded plugin={plugin} />}
    </Panel>
  );
}

function Uploaded({ plugin }: { plugin: InstalledPlugin }) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const versions = useQuery(pluginVersionsQuery(plugin.id));
  const restore = useMutation({
    mutationFn: (version: PluginVersion) => request<InstalledPlugin>(pluginAddress(plugin.id, "versions", version.sha256, "restore"), { method: "POST" }),
    onSuccess: async (changed) => {
      queries.setQueryData(pluginQuery(plugin.id).queryKey, changed);
      await queries.invalidateQueries({ queryKey: pluginsQuery.queryKey });
    },
  });
  const installed = (uploaded: InstalledPlugin) => {
    if (uploaded.id === plugin.id) return scrollTo({ top: 0, behavior: "smooth" });
    // The file was another plugin.
    void navigate({ to: "/plugins/$plugin", params: { plugin: uploaded.id } });
  };
  return (
    <div className="space-y-4">
      {versions.isPending && <Loading label={t("common.loading")} />}
      {versions.isError && <ProblemNotice problem={asProblem(versions.error)} onRetry={() => void versions.refetch()} />}
      {versions.data && versions.data.length > 0 && (
        <ul className="divide-y divide-line overflow-hidden rounded-xl border border-line">
          {versions.data.map((version) => {
            const words = version.installed ? "plugins.restore" : "plugins.install_published";
            const moment = formatMoment(millis(version.at), i18n.language);
            return (
              <li key={version.sha256} data-testid="plugin-version" className="flex flex-wrap items-center gap-x-4 gap-y-1 bg-paper px-4 py-2.5">
                <span className="font-medium tabular-nums">{version.version}</span>
                <span className="text-sm text-quiet">{version.installed ? moment : t("plugins.published", { moment })}</span>
                <span className="font-mono text-xs text-faint" title={version.sha256}>{version.sha256.slice(0, 12)}</span>
                <span className="ms-auto">
                  {version.current
                    ? <span className="text-sm text-brass-ink">{t("plugins.current")}</span>
                    : <Button aria-label={t(`${words}_named`, { version: version.version, moment })} disabled={restore.isPending} onClick={() => restore.mutate(version)}>{t(words)}</Button>}
                </span>
              </li>
            );
          })}
        </ul>
      )}
      {restore.error && <ProblemNotice problem={asProblem(restore.error)} />}
      <p role="status" className="text-sm text-quiet">{restore.data && restore.data.sha256 === plugin.sha256 ? t("plugins.restored", { version: restore.data.version }) : ""}</p>
      <UploadBox label={t("plugins.upload_version")} onInstalled={installed} />
    </div>
  );
}
