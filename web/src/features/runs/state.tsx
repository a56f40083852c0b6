// How states of runs and steps look: always a shape and words, never a colour alone.
import { useTranslation } from "react-i18next";
import type { Tally } from "@/api/run-paths";
import type { NodeState, RunStatus } from "@/api/types";
import { Check, Cross, Skip } from "@/ui/icons";

const NODE_LOOK: Record<NodeState, string> = {
  waiting: "border border-dashed border-faint text-faint",
  running: "bg-brass text-[#2b2008] animate-lamp",
  done: "bg-lacquer text-on-lacquer",
  kept: "border border-lacquer text-lacquer dark:border-[#6fb59d] dark:text-[#6fb59d]",
  skipped: "border border-line text-faint",
  failed: "bg-seal text-paper",
};

export function StateMark({ state }: { state: NodeState }) {
  const { t } = useTranslation();
  return (
    <span title={t(`runs.state_${state}`)} className={`inline-flex size-5 shrink-0 items-center justify-center rounded-full text-[0.66rem] ${NODE_LOOK[state]}`}>
      {(state === "done" || state === "kept") && <Check />}
      {state === "failed" && <Cross />}
      {state === "skipped" && <Skip />}
      <span className="sr-only">{t(`runs.state_${state}`)}</span>
    </span>
  );
}

/** The states that a reader looks for among many executions, in this order. */
const COUNTED = [["failed", "text-seal"], ["running", "text-brass-ink"], ["waiting", "text-faint"], ["kept", "text-quiet"], ["done", "text-quiet"], ["skipped", "text-faint"]] as const;

/** How many of many are in which state, those that are none left out. */
export function StateCounts({ counts }: { counts: Tally }) {
  const { t } = useTranslation();
  return (
    <span className="inline-flex shrink-0 gap-1.5 tabular-nums">
      {COUNTED.map(([state, tone]) => counts[state] > 0 && (
        <span key={state} title={t(`runs.count_${state}`, { count: counts[state] })} className={tone}>
          <span aria-hidden="true">{SIGN[state]}{counts[state]}</span>
          <span className="sr-only">{t(`runs.count_${state}`, { count: counts[state] })}</span>
        </span>
      ))}
    </span>
  );
}

const SIGN: Record<NodeState, string> = { failed: "✕", running: "▸", waiting: "…", kept: "✓", done: "✓", skipped: "–" };

const RUN_LOOK: Record<RunStatus, string> = {
  queued: "bg-wash text-quiet",
  running: "bg-brass-wash text-brass-ink",
  waiting: "bg-brass-wash text-brass-ink",
  finished: "bg-wash text-ink",
  failed: "bg-seal-wash text-seal",
  cancelled: "bg-wash text-quiet line-through decoration-1",
};

export function StatusTag({ status }: { status: RunStatus }) {
  const { t } = useTranslation();
  const live = status === "running" || status === "queued" || status === "waiting";
  return (
    <span data-testid="run-status" data-status={status} className={`inline-flex items-center gap-2 rounded-full px-2.5 py-0.5 text-sm ${RUN_LOOK[status] ?? "bg-wash"}`}>
      {live && <span aria-hidden="true" className="size-2 animate-lamp rounded-full bg-brass" />}
      {t(`runs.status_${status}`)}
    </span>
  );
}
