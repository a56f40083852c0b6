// Doing a run again: from one of its nodes, with what came before taken over; or as a replay of what was recorded.
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import type { RunSummary } from "@/api/types";
import { Button } from "@/ui/button";
import { Retry, Rewind } from "@/ui/icons";
import { ProblemNotice } from "@/ui/problem-notice";

/** Starts a run out of another one and goes to it. */
function useStartFrom(run: string, way: "rerun" | "replay") {
  const navigate = useNavigate();
  return useMutation({
    mutationFn: (body?: Record<string, unknown>) =>
      request<RunSummary>(`/api/v1/runs/${encodeURIComponent(run)}/${way}`, { method: "POST", ...(body ? { body } : {}) }),
    onSuccess: (made) => navigate({ to: "/runs/$run", params: { run: made.id } }),
  });
}

export function RerunFrom({ run, node }: { run: string; node: string }) {
  const { t } = useTranslation();
  const [latest, setLatest] = useState(false);
  const start = useStartFrom(run, "rerun");
  return (
    <div className="border-t border-line pt-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <Button data-testid={`rerun-${node}`} disabled={start.isPending} onClick={() => start.mutate({ from: node, latest })}><Retry />{t("runs.rerun")}</Button>
        <label className="flex min-h-10 items-center gap-2 text-sm text-quiet">
          <input type="checkbox" className="size-4 accent-lacquer" checked={latest} onChange={(event) => setLatest(event.target.checked)} />{t("runs.rerun_latest")}
        </label>
      </div>
      <p className="mt-1 text-sm text-faint">{t("runs.rerun_hint")}</p>
      {start.error && <div className="mt-2"><ProblemNotice problem={asProblem(start.error)} /></div>}
    </div>
  );
}

export function Replay({ run }: { run: string }) {
  const { t } = useTranslation();
  const start = useStartFrom(run, "replay");
  return (
    <>
      {start.error && <span role="alert" className="self-center text-sm text-seal">{asProblem(start.error).message}</span>}
      <Button data-testid="replay" title={t("runs.replay_hint")} disabled={start.isPending} onClick={() => start.mutate(undefined)}><Rewind />{t("runs.replay")}</Button>
    </>
  );
}
