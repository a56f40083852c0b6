// A run's steps as a list in the order they happened, each with its share of the time and everything it took and gave.
import { useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { groupByItem } from "@/api/run-paths";
import type { NodeProgress, RunProgress } from "@/api/run-progress";
import { Step } from "./step";

interface TimelineProps {
  run: RunProgress;
  selected: string | null;
  onSelect: (id: string | null) => void;
  /** What may be done from an outermost step. */
  actions: (node: NodeProgress) => ReactNode;
}

export function Timeline({ run, selected, onSelect, actions }: TimelineProps) {
  const { nodes, executions } = run;
  const begun = nodes.filter((node) => node.startedAt !== null).sort((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0));
  const kept = nodes.filter((node) => node.startedAt === null && node.state === "kept");
  const others = nodes.filter((node) => node.startedAt === null && node.state !== "kept");
  const items = useMemo(() => groupByItem(executions), [executions]);
  const waits = useMemo(() => new Map(run.waits.map((wait) => [wait.node, wait])), [run.waits]);
  const now = useNow(run.status === "running" && begun.some((node) => node.state === "running"));
  const start = begun[0]?.startedAt ?? 0;
  const ends = begun.map((node) => (node.state === "running" ? now : (node.startedAt ?? 0) + (node.durationMs ?? 0)));
  const scene = { start, span: Math.max(1, Math.max(...ends, start) - start), items, waits };
  return (
    <ol data-testid="timeline" className="divide-y divide-line overflow-hidden rounded-2xl border border-line bg-raised">
      {[...kept, ...begun, ...others].map((node) => (
        <Step key={node.id} node={node} scene={scene} open={selected === node.id} onToggle={() => onSelect(selected === node.id ? null : node.id)}
          container={run.inner.some((one) => one.parent === node.id)} actions={actions(node)} />
      ))}
    </ol>
  );
}

/** The clock, moving only while something is under way. */
function useNow(moving: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!moving) return;
    const timer = setInterval(() => setNow(Date.now()), 200);
    return () => clearInterval(timer);
  }, [moving]);
  return now;
}
