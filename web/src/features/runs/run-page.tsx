// One run, live while it goes on and unchanged afterwards: the drawing, the steps, what went in and what came out.
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { runQuery } from "@/api/queries";
import { fromDetail, isOver, millis } from "@/api/run-progress";
import type { NodeProgress, RunProgress } from "@/api/run-progress";
import { startWorkflow } from "@/api/start-workflow";
import type { RunDetail } from "@/api/types";
import { Button } from "@/ui/button";
import { Retry, Stop } from "@/ui/icons";
import { JsonView } from "@/ui/json-view";
import { Markdown } from "@/ui/markdown";
import { EmptyState, Loading, useTitle } from "@/ui/page";
import { ErrorNotice, ProblemNotice } from "@/ui/problem-notice";
import { formatDuration, formatMoment } from "@/ui/time";
import { WaitPanel } from "@/ui/wait-panel";
import { Origin } from "./origin";
import { Replay, RerunFrom } from "./rerun";
import { RunGraph } from "./run-graph";
import { StatusTag } from "./state";
import { Part } from "./step";
import { Timeline } from "./timeline";
import { useRunTitle } from "./titles";
import { useLiveRun } from "./use-live-run";

export function RunPage({ run: id }: { run: string }) {
  const { t } = useTranslation();
  const run = useQuery(runQuery(id));
  useTitle(run.data ? run.data.name : t("runs.title"));
  const problem = run.error ? asProblem(run.error) : null;
  return (
    <div className="mx-auto w-full max-w-7xl px-4 py-6 sm:px-6 sm:py-10">
      <Link to="/runs" className="text-sm text-quiet hover:text-ink">← {t("runs.title")}</Link>
      {run.isPending && <Loading label={t("common.loading")} />}
      {problem?.status === 404 ? (
        <div className="mt-6"><EmptyState title={t("runs.gone_title")}><p>{t("runs.gone_text")}</p></EmptyState></div>
      ) : problem && !run.data ? (
        <div className="mt-6"><ProblemNotice problem={problem} onRetry={() => void run.refetch()} /></div>
      ) : null}
      {run.data && <RunView key={id} detail={run.data} />}
    </div>
  );
}

/** States of a node from which a run can be done again. */
const CAN_BEGIN = new Set<NodeProgress["state"]>(["done", "failed", "kept"]);

function RunView({ detail }: { detail: RunDetail }) {
  const { t, i18n } = useTranslation();
  const { run, reconnecting, resume } = useLiveRun(detail);
  const [selected, setSelected] = useState<string | null>(() => fromDetail(detail).nodes.find((node) => node.state === "failed")?.id ?? null);
  const startedAt = millis(detail.started_at);
  const finishedAt = millis(detail.finished_at);
  const took = startedAt !== null && finishedAt !== null ? formatDuration(finishedAt - startedAt, i18n.language) : t(run.status === "waiting" ? "runs.status_waiting" : "runs.live");
  const title = useRunTitle()(detail);
  const over = isOver(run.status);
  const again = (node: NodeProgress) => (over && CAN_BEGIN.has(node.state) ? <RerunFrom run={detail.id} node={node.id} /> : null);
  const settled = run.nodes.filter((node) => node.state !== "waiting" && node.state !== "running").length;
  return (
    <>
      <header className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-2">
        <h1 className="font-display text-3xl font-semibold tracking-tight">{title}</h1>
        <StatusTag status={run.status} />
        <div className="ms-auto flex flex-wrap justify-end gap-2"><Actions detail={detail} over={over} onCancelled={resume} /></div>
      </header>
      <p className="mt-1 text-sm text-quiet">
        {t(`runs.${detail.kind}`)} <span className="font-mono">{detail.name}</span> · {formatMoment(startedAt, i18n.language)} · {t("runs.steps_took", { done: settled, all: run.nodes.length, time: took })}
        {detail.parent_run && <> · <Link to="/runs/$run" params={{ run: detail.parent_run }} className="underline decoration-brass underline-offset-4">{t("runs.parent")}</Link></>}
        {detail.origin && <> · <Origin origin={detail.origin} /></>}
        {detail.kind === "chat" && detail.conversation && (
          <> · <Link to="/c/$assistant/$conversation" params={{ assistant: detail.name, conversation: detail.conversation }} className="underline decoration-brass underline-offset-4">{t("runs.conversation")}</Link></>
        )}
      </p>
      {reconnecting && <p role="status" className="mt-3 text-sm text-quiet">{t("chat.reconnecting")}</p>}
      {run.error && <div className="mt-5"><ErrorNotice error={run.error} /></div>}
      {run.status === "waiting" && run.waits.length > 0 && <Waits run={run} id={detail.id} onAnswered={resume} />}
      <div className="mt-6 grid items-start gap-6 lg:grid-cols-[minmax(0,11fr)_minmax(0,9fr)]">
        <section aria-label={t("runs.graph")} className="hidden rounded-2xl border border-line bg-paper p-4 md:block lg:sticky lg:top-20 lg:max-h-[calc(100dvh-6rem)] lg:overflow-auto">
          <RunGraph run={run} selected={selected} onSelect={setSelected} />
        </section>
        <div className="min-w-0 space-y-6">
          <section aria-label={t("runs.steps")}>
            {run.nodes.length === 0 ? <p className="text-quiet">{t("runs.no_steps")}</p> : <Timeline run={run} selected={selected} onSelect={setSelected} actions={again} />}
          </section>
          {run.answer && (
            <Part title={t("runs.answer")}><div className="rounded-2xl border border-line bg-raised px-5 py-4"><Markdown text={run.answer} streaming={!over} /></div></Part>
          )}
          {detail.inputs !== undefined && <Part title={t("runs.inputs")}><JsonView value={detail.inputs} label={t("runs.inputs")} /></Part>}
          {run.outputs !== undefined && run.outputs !== null && <Part title={t("runs.outputs")}><JsonView value={run.outputs} label={t("runs.outputs")} /></Part>}
        </div>
      </div>
    </>
  );
}

/** What people and moments the run waits for, each to be answered in its place. */
function Waits({ run, id, onAnswered }: { run: RunProgress; id: string; onAnswered: () => void }) {
  const { t } = useTranslation();
  const people = run.waits.some((wait) => wait.kind !== "timer");
  return (
    <section aria-labelledby="waits-title" data-testid="waits" className="mt-5 rounded-2xl border border-brass/60 bg-brass-wash/60 px-5 py-4">
      <h2 id="waits-title" className="flex items-center gap-2.5 text-sm font-medium text-brass-ink">
        <span aria-hidden="true" className="size-2 animate-lamp rounded-full bg-brass" />
        {people ? t("waits.panel") : t("waits.panel_timer")}
      </h2>
      <ul className="mt-3 space-y-5">
        {run.waits.map((wait) => <li key={wait.effect}><WaitPanel run={id} wait={wait} onAnswered={onAnswered} /></li>)}
      </ul>
    </section>
  );
}

function Actions({ detail, over, onCancelled }: { detail: RunDetail; over: boolean; onCancelled: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const cancel = useMutation({ mutationFn: () => request<unknown>(`/api/v1/runs/${encodeURIComponent(detail.id)}/cancel`, { method: "POST" }), onSuccess: onCancelled });
  const again = useMutation({
    mutationFn: () => startWorkflow(detail.name, detail.inputs),
    onSuccess: (run) => navigate({ to: "/runs/$run", params: { run } }),
  });
  const problem = cancel.error ?? again.error;
  return (
    <>
      {problem && <span role="alert" className="self-center text-sm text-seal">{asProblem(problem).message}</span>}
      {!over && <Button onClick={() => cancel.mutate()} disabled={cancel.isPending}><Stop />{t("runs.cancel")}</Button>}
      {over && <Replay run={detail.id} />}
      {over && detail.kind === "workflow" && <Button onClick={() => again.mutate()} disabled={again.isPending}><Retry />{t("runs.again")}</Button>}
    </>
  );
}
