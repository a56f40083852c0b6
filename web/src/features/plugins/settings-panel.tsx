// A plugin's settings, in a form drawn from its manifest. Of a secret only whether it is filled in is known here.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { pluginAddress, pluginQuery, pluginsQuery } from "@/api/plugins";
import type { InstalledPlugin } from "@/api/plugins";
import { Button } from "@/ui/button";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { SchemaFields, useSchemaForm } from "@/ui/schema-fields";
import { textsOf } from "@/ui/schema-form";

export function SettingsPanel({ plugin }: { plugin: InstalledPlugin }) {
  const { t } = useTranslation();
  const [saves, setSaves] = useState(0);
  return (
    <Panel title={t("plugins.settings")} text={t("plugins.settings_text")}>
      {/* After saving, the form begins again from what the server has. */}
      <SettingsForm key={saves} plugin={plugin} saved={saves > 0} onSaved={() => setSaves(saves + 1)} />
    </Panel>
  );
}

interface SettingsFormProps {
  plugin: InstalledPlugin;
  saved: boolean;
  onSaved: () => void;
}

function SettingsForm({ plugin, saved, onSaved }: SettingsFormProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const secrets = Object.entries(plugin.manifest.config?.properties ?? {}).filter(([name, property]) => property["secret"] === true && plugin.config[name] !== undefined);
  const form = useSchemaForm(plugin.manifest.config, { values: plugin.config, filled: new Set(secrets.map(([name]) => name)) });
  const dirty = JSON.stringify(form.texts) !== JSON.stringify(textsOf(form.fields, plugin.config));
  const save = useMutation({
    mutationFn: (values: Record<string, unknown>) => request<InstalledPlugin>(pluginAddress(plugin.id, "config"), { method: "PUT", body: { values } }),
    onSuccess: async (changed) => {
      queries.setQueryData(pluginQuery(plugin.id).queryKey, changed);
      onSaved();
      await queries.invalidateQueries({ queryKey: pluginsQuery.queryKey, exact: true });
    },
  });
  const submit = () => {
    const values = form.read();
    if (values) save.mutate(values);
  };
  return (
    <form className="space-y-4" noValidate autoComplete="off" data-testid="plugin-settings" onSubmit={(event) => { event.preventDefault(); submit(); }}>
      <SchemaFields form={form} named />
      {save.error && <ProblemNotice problem={asProblem(save.error)} />}
      <div className="flex items-center gap-3">
        <Button type="submit" weight="primary" disabled={save.isPending}>{t("common.save")}</Button>
        <span role="status" className="text-sm text-quiet">{dirty ? t("plugins.unsaved") : saved ? t("common.saved") : ""}</span>
      </div>
    </form>
  );
}
