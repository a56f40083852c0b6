// What one call of the plugin may use, where that is less than the server allows. An empty field is the server's own limit.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { pluginAddress, pluginQuery } from "@/api/plugins";
import type { InstalledPlugin } from "@/api/plugins";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { limitsOf, typedOf } from "./limits";
import type { Typed } from "./limits";

export function LimitsPanel({ plugin, most }: { plugin: InstalledPlugin; most: Record<string, number> }) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const stored = typedOf(most, plugin.grants.limits ?? {});
  const [touched, setTouched] = useState<Typed | null>(null);
  const typed = touched ?? stored;
  const { limits, wrong } = limitsOf(most, typed);
  const dirty = touched !== null && JSON.stringify(touched) !== JSON.stringify(stored);
  const save = useMutation({
    mutationFn: () => request<InstalledPlugin>(pluginAddress(plugin.id, "grants"), { method: "PUT", body: { ...plugin.grants, limits } }),
    onSuccess: (changed) => {
      queries.setQueryData(pluginQuery(plugin.id).queryKey, changed);
      setTouched(null);
    },
  });
  const number = (value: number) => value.toLocaleString(i18n.language);
  return (
    <Panel title={t("plugins.limits")} text={t("plugins.limits_text")}>
      <form noValidate data-testid="plugin-limits" onSubmit={(event) => { event.preventDefault(); save.mutate(); }}>
        <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2">
          {Object.entries(most).map(([name, limit]) => (
            <Field
              key={name}
              label={t(`plugins.limit_${name}`, { defaultValue: name })}
              inputMode="numeric"
              placeholder={number(limit)}
              value={typed[name] ?? ""}
              error={wrong.has(name) ? t("plugins.limit_wrong", { most: number(limit) }) : undefined}
              onChange={(event) => { if (!save.isPending) save.reset(); setTouched({ ...typed, [name]: event.target.value }); }}
            />
          ))}
        </div>
        {save.error && <div className="mt-4"><ProblemNotice problem={asProblem(save.error)} /></div>}
        <div className="mt-4 flex flex-wrap items-center gap-3">
          <Button type="submit" weight="primary" disabled={!dirty || wrong.size > 0 || save.isPending}>{t("plugins.save_limits")}</Button>
          <span role="status" className="text-sm text-quiet">{dirty ? t("plugins.unsaved") : save.isSuccess ? t("common.saved") : ""}</span>
        </div>
      </form>
    </Panel>
  );
}
