// What a run in this workspace may use at most, below the server's own ceilings.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { limitsQuery } from "@/api/queries";
import type { LimitsView, RunLimits } from "@/api/types";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Loading } from "@/ui/page";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { LIMITS, readLimits, shown, textsOf } from "./limits";
import type { LimitName } from "./limits";

export function Limits() {
  const { t } = useTranslation();
  const limits = useQuery(limitsQuery);
  return (
    <Panel title={t("settings.limits")} text={t("settings.limits_text")}>
      {limits.isPending && <Loading label={t("common.loading")} />}
      {limits.isError && <ProblemNotice problem={asProblem(limits.error)} onRetry={() => void limits.refetch()} />}
      {limits.data && <LimitsForm limits={limits.data} />}
    </Panel>
  );
}

function LimitsForm({ limits }: { limits: LimitsView }) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const [texts, setTexts] = useState(() => textsOf(limits));
  const read = readLimits(texts, limits.server);
  const save = useMutation({
    mutationFn: (body: RunLimits) => request<unknown>("/api/v1/limits", { method: "PUT", body }),
    onSuccess: () => queries.invalidateQueries({ queryKey: limitsQuery.queryKey }),
  });
  const ceiling = (name: LimitName): string => {
    const value = limits.server[name];
    return value === null ? t("settings.no_ceiling") : t("settings.ceiling", { value: Number(shown(name, value)).toLocaleString(i18n.language) });
  };
  const errorOf = (name: LimitName) => {
    const error = "errors" in read ? read.errors[name] : undefined;
    return error && t(`settings.error_${error}`);
  };
  return (
    <form className="space-y-5" noValidate onSubmit={(event) => { event.preventDefault(); if ("limits" in read) save.mutate(read.limits); }}>
      <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2">
        {LIMITS.map((name) => (
          <Field key={name} label={t(`settings.${name}`)} hint={ceiling(name)} error={errorOf(name)} inputMode="decimal" placeholder={t("settings.as_server")} name={name}
            value={texts[name]} onChange={(event) => { save.reset(); setTexts({ ...texts, [name]: event.target.value }); }} />
        ))}
      </div>
      {save.error && <ProblemNotice problem={asProblem(save.error)} />}
      <div className="flex items-center gap-3">
        <Button type="submit" weight="primary" disabled={save.isPending || "errors" in read}>{t("common.save")}</Button>
        <span role="status" className="text-sm text-quiet">{save.isSuccess ? t("common.saved") : ""}</span>
      </div>
    </form>
  );
}
