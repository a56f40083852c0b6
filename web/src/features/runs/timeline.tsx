// A run's steps as a list in the order they happened, each with its share of the time and everything it took and gave.
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { NodeProgress } from "@/api/run-progress";
import { Chevron } from "@/ui/icons";
import { JsonView } from "@/ui/json-view";
import { ErrorNotice } from "@/ui/problem-notice";
import { useStepTitle } from "@/ui/step-title";
import { formatDuration } from "@/ui/time";
import { StateMark } from "./state";

interface TimelineProps {
  nodes: NodeProgress[];
  selected: string | null;
  onSelect: (id: string | null) => void;
}

export function Timeline({ nodes, selected, onSelect }: TimelineProps) {
  const begun = nodes.filter((node) => node.startedAt !== null).sort((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0));
  const others = nodes.filter((node) => node.startedAt === null);
  const now = useNow(begun.some((node) => node.state === "running"));
  const start = begun[0]?.startedAt ?? 0;
  const ends = begun.map((node) => (node.state === "running" ? now : (node.startedAt ?? 0) + (node.durationMs ?? 0)));
  const end = Math.max(start + 1, ...ends);
  return (
    <ol data-testid="timeline" className="divide-y divide-line overflow-hidden rounded-2xl border border-line bg-raised">
      {[...begun, ...others].map((node) => (
        <Step key={node.id} node={node} start={start} span={end - start} open={selected === node.id} onToggle={() => onSelect(selected === node.id ? null : node.id)} />
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

interface StepProps {
  node: NodeProgress;
  start: number;
  span: number;
  open: boolean;
  onToggle: () => void;
}

function Step({ node, start, span, open, onToggle }: StepProps) {
  const { t, i18n } = useTranslation();
  const titleOf = useStepTitle();
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (open) row.current?.scrollIntoView({ block: "nearest" });
  }, [open]);
  const asleep = node.state === "waiting" || node.state === "skipped";
  return (
    <li ref={row}>
      <button type="button" aria-expanded={open} onClick={onToggle} data-testid={`step-${node.id}`}
        className="flex w-full items-center gap-3 px-4 py-3 text-start -outline-offset-2 hover:bg-wash/60">
        <StateMark state={node.state} />
        <span className="min-w-0 flex-1">
          <span className="flex flex-wrap items-baseline gap-x-2">
            <span className={`font-medium ${asleep ? "text-quiet" : ""}`}>{titleOf(node)}</span>
            {node.port && node.port !== "done" && (
              <span className="text-sm text-brass-ink">{t("runs.port")} <span className="font-mono">{node.port}</span></span>
            )}
          </span>
          <span className="block truncate font-mono text-xs text-faint">{node.id} · {node.kind}</span>
          {node.startedAt !== null && <TimeBar node={node} start={start} span={span} />}
        </span>
        <span className="w-16 shrink-0 text-end text-sm text-quiet tabular-nums">
          {node.durationMs !== null ? formatDuration(node.durationMs, i18n.language) : t(`runs.state_${node.state}`)}
        </span>
        <Chevron className={`size-4 shrink-0 text-faint transition-transform ${open ? "rotate-90" : ""}`} />
      </button>
      {open && <Inside node={node} />}
    </li>
  );
}

function TimeBar({ node, start, span }: { node: NodeProgress; start: number; span: number }) {
  const from = (((node.startedAt ?? start) - start) / span) * 100;
  const width = node.durationMs === null ? 100 - from : Math.max(0.8, (node.durationMs / span) * 100);
  return (
    <span aria-hidden="true" className="mt-1.5 block h-1 rounded-full bg-line/60">
      <span className={`block h-full rounded-full ${node.state === "failed" ? "bg-seal" : node.state === "running" ? "animate-pulse bg-brass" : "bg-brass"}`}
        style={{ marginInlineStart: `${Math.min(from, 99)}%`, width: `${Math.min(width, 100 - Math.min(from, 99))}%` }} />
    </span>
  );
}

function Inside({ node }: { node: NodeProgress }) {
  const { t } = useTranslation();
  return (
    <div className="space-y-4 bg-paper px-4 py-4 sm:ps-12">
      {node.error && (
        <div>
          <ErrorNotice error={node.error} />
          {node.handled && <p className="mt-1 text-sm text-quiet">{t("runs.handled")}</p>}
        </div>
      )}
      {node.input !== undefined && <Part title={t("runs.input")}><JsonView value={node.input} label={t("runs.input")} /></Part>}
      {node.output !== undefined && <Part title={t("runs.output")}><JsonView value={node.output} label={t("runs.output")} /></Part>}
      {node.logs.length > 0 && (
        <Part title={t("runs.logs")}>
          <ul className="max-h-64 overflow-auto rounded-lg border border-line bg-wall px-3 py-2 font-mono text-xs leading-6">
            {node.logs.map((line, index) => (
              <li key={index} className={line.level === "error" ? "text-seal" : line.level === "warn" ? "text-brass-ink" : "text-quiet"}>
                <span className="inline-block w-12 uppercase">{line.level}</span>{line.message}
              </li>
            ))}
          </ul>
        </Part>
      )}
      {node.childRun && (
        <Link to="/runs/$run" params={{ run: node.childRun }} className="inline-block underline decoration-brass underline-offset-4">{t("runs.child")}</Link>
      )}
      {node.input === undefined && node.output === undefined && !node.error && node.logs.length === 0 && (
        <p className="text-sm text-faint">{t(`runs.state_${node.state}`)}</p>
      )}
    </div>
  );
}

export function Part({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section>
      <h3 className="mb-1 text-sm font-medium text-quiet">{title}</h3>
      {children}
    </section>
  );
}
