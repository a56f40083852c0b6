// What starts a workflow by itself: schedules and webhooks. The document declares them; here they are looked at, switched
// on and off, fired once, and a webhook is given a new address.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { triggersQuery } from "@/api/queries";
import { millis } from "@/api/run-progress";
import type { RunSummary, Trigger } from "@/api/types";
import { Button } from "@/ui/button";
import { CopyButton } from "@/ui/copy-button";
import { Confirm } from "@/ui/dialog";
import { Clock, Hook } from "@/ui/icons";
import { ProblemNotice } from "@/ui/problem-notice";
import { Switch } from "@/ui/switch";
import { formatMoment } from "@/ui/time";

/** Triggers are a part of the page that some readers may not see; the workflows stand without them. */
function useTriggers(workflow: string): Trigger[] {
  return (useQuery(triggersQuery).data ?? []).filter((trigger) => trigger.workflow === workflow);
}

/** That something starts this workflow, on its closed row. */
export function TriggerHint({ workflow }: { workflow: string }) {
  const { t, i18n } = useTranslation();
  const triggers = useTriggers(workflow);
  if (triggers.length === 0) return null;
  const next = Math.min(...triggers.flatMap((one) => (one.enabled ? (millis(one.next_at) ?? []) : [])));
  const hook = triggers.some((one) => one.kind === "webhook" && one.enabled);
  return (
    <span className="mt-1 flex flex-wrap gap-x-4 gap-y-1 text-sm text-brass-ink">
      {Number.isFinite(next) && <span className="inline-flex items-center gap-1.5"><Clock />{t("triggers.next", { moment: formatMoment(next, i18n.language) })}</span>}
      {hook && <span className="inline-flex items-center gap-1.5"><Hook />{t("triggers.webhook")}</span>}
      {triggers.every((one) => !one.enabled) && <span className="text-faint">{t("triggers.all_off")}</span>}
    </span>
  );
}

export function Triggers({ workflow }: { workflow: string }) {
  const { t } = useTranslation();
  const triggers = useTriggers(workflow);
  if (triggers.length === 0) return null;
  return (
    <section aria-label={t("triggers.title")} data-testid="triggers" className="mt-6">
      <h3 className="mb-2 text-sm font-medium text-quiet">{t("triggers.title")}</h3>
      <ul className="divide-y divide-line overflow-hidden rounded-xl border border-line bg-raised">
        {triggers.map((trigger) => <li key={trigger.id}><Row trigger={trigger} /></li>)}
      </ul>
    </section>
  );
}

function Row({ trigger }: { trigger: Trigger }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const address = `/api/v1/triggers/${encodeURIComponent(trigger.id)}`;
  const refresh = () => queries.invalidateQueries({ queryKey: triggersQuery.queryKey });
  const enable = useMutation({ mutationFn: (enabled: boolean) => request<unknown>(address, { method: "PUT", body: { enabled } }), onSettled: refresh });
  const fire = useMutation({
    mutationFn: () => request<RunSummary>(`${address}/fire`, { method: "POST" }),
    onSuccess: (run) => navigate({ to: "/runs/$run", params: { run: run.id } }),
  });
  const rotate = useMutation({ mutationFn: () => request<unknown>(`${address}/rotate`, { method: "POST" }), onSuccess: refresh });
  const [asking, setAsking] = useState(false);
  const problem = enable.error ?? fire.error ?? rotate.error;
  return (
    <div data-testid={`trigger-${trigger.kind}`} className="flex flex-col gap-3 px-4 py-3.5">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <span className={`mt-0.5 ${trigger.enabled ? "text-brass-ink" : "text-faint"}`}>{trigger.kind === "schedule" ? <Clock /> : <Hook />}</span>
        <div className="min-w-0 flex-1 basis-44">{trigger.kind === "schedule" ? <Schedule trigger={trigger} /> : <Webhook trigger={trigger} />}</div>
        <label className="flex min-h-10 items-center gap-2 text-sm">
          <Switch checked={enable.isPending ? enable.variables : trigger.enabled} disabled={enable.isPending}
            onChange={(event) => enable.mutate(event.target.checked)} />
          {t("triggers.on")}
        </label>
        {trigger.kind === "schedule"
          ? <Button disabled={fire.isPending} onClick={() => fire.mutate()}>{t("triggers.fire")}</Button>
          : <Button disabled={rotate.isPending} onClick={() => setAsking(true)}>{t("triggers.rotate")}</Button>}
      </div>
      {problem && <ProblemNotice problem={asProblem(problem)} />}
      <Confirm open={asking} onClose={() => setAsking(false)} title={t("triggers.rotate_title")} text={t("triggers.rotate_text")} action={t("triggers.rotate")} onConfirm={() => rotate.mutate()} />
    </div>
  );
}

function Schedule({ trigger }: { trigger: Trigger }) {
  const { t, i18n } = useTranslation();
  const next = trigger.enabled ? millis(trigger.next_at) : null;
  return (
    <>
      <p className="font-medium">{next === null ? t("triggers.no_next") : t("triggers.next", { moment: formatMoment(next, i18n.language) })}</p>
      <p className="text-sm text-faint"><span className="font-mono">{trigger.cron}</span>{trigger.time_zone && ` · ${trigger.time_zone}`}</p>
      <Last trigger={trigger} />
    </>
  );
}

function Webhook({ trigger }: { trigger: Trigger }) {
  const { t } = useTranslation();
  return (
    <>
      <p className="font-medium">{t("triggers.webhook")}</p>
      {trigger.url && (
        <div className="mt-1 flex items-center gap-1">
          <code tabIndex={0} className="min-w-0 overflow-x-auto rounded-md border border-line bg-wall px-2 py-1 font-mono text-xs whitespace-nowrap">{trigger.url}</code>
          <CopyButton text={trigger.url} label={t("triggers.copy_url")} />
        </div>
      )}
      <p className="mt-1 text-sm text-faint">{trigger.secret ? t("triggers.hmac") : t("triggers.no_hmac")}</p>
      <Last trigger={trigger} />
    </>
  );
}

function Last({ trigger }: { trigger: Trigger }) {
  const { t, i18n } = useTranslation();
  const at = millis(trigger.last_at);
  if (at === null) return null;
  const words = t("triggers.last", { moment: formatMoment(at, i18n.language) });
  return (
    <p className="text-sm text-quiet">
      {trigger.last_run ? <Link to="/runs/$run" params={{ run: trigger.last_run }} className="underline decoration-brass underline-offset-4">{words}</Link> : words}
    </p>
  );
}
