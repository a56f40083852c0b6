// One step of a run: its row, and opened, what it took and gave. A container's step holds a list of its items, and each
// item the steps that were done for it; a thousand items stay a short list, to be narrowed to those that matter.
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ownId, tally } from "@/api/run-paths";
import type { Item } from "@/api/run-paths";
import type { NodeProgress } from "@/api/run-progress";
import type { NodeState, Wait } from "@/api/types";
import { Button } from "@/ui/button";
import { Chevron } from "@/ui/icons";
import { JsonView } from "@/ui/json-view";
import { LogLines } from "@/ui/log-lines";
import { ErrorNotice } from "@/ui/problem-notice";
import { useStepTitle } from "@/ui/step-title";
import { formatDuration } from "@/ui/time";
import { glimpseOf } from "./glimpse";
import { StateCounts, StateMark } from "./state";

/** What all steps of a run share: the span of time, the containers' items by path, and the waits by node. */
export interface Scene {
  start: number;
  span: number;
  items: Map<string, Item<NodeProgress>[]>;
  waits: Map<string, Wait>;
}

interface StepProps {
  node: NodeProgress;
  scene: Scene;
  open: boolean;
  onToggle: () => void;
  /** It has steps of its own, even when no item has begun. */
  container?: boolean;
  actions?: ReactNode;
}

export function Step({ node, scene, open, onToggle, container = false, actions }: StepProps) {
  const { t, i18n } = useTranslation();
  const titleOf = useStepTitle();
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (open) row.current?.scrollIntoView({ block: "nearest" });
  }, [open]);
  const items = scene.items.get(node.id);
  const wait = scene.waits.get(node.id);
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
            {node.saved && <span data-testid="cached" className="rounded-full border border-brass/60 px-2 text-xs leading-5 text-brass-ink">{t("runs.cached")}</span>}
            {wait && <span className="text-sm text-brass-ink">{wait.kind === "timer" ? t("runs.waits_time") : t("runs.waits_person")}</span>}
          </span>
          <span className="flex flex-wrap items-baseline gap-x-2 text-xs text-faint">
            <span className="truncate font-mono">{ownId(node.id)} · {node.kind}</span>
            {items && <Reached items={items} all={sizeOf(node.input)} />}
          </span>
          {node.startedAt !== null && <TimeBar node={node} start={scene.start} span={scene.span} />}
        </span>
        <span className="min-w-16 shrink-0 text-end text-sm whitespace-nowrap text-quiet tabular-nums">
          {node.durationMs !== null ? formatDuration(node.durationMs, i18n.language) : t(`runs.state_${wait ? "waiting" : node.state}`)}
        </span>
        <Chevron className={`size-4 shrink-0 text-faint transition-transform ${open ? "rotate-90" : ""}`} />
      </button>
      {open && (
        <div className="space-y-4 bg-paper px-4 py-4 sm:ps-12">
          {(items || container) && <Items items={items ?? []} scene={scene} values={node.input} />}
          <Inside node={node} quiet={items !== undefined} />
          {actions}
        </div>
      )}
    </li>
  );
}

/** How many items a container was given, if its input tells. */
function sizeOf(input: unknown): number | null {
  const items = typeof input === "object" && input !== null ? (input as { items?: unknown }).items : null;
  return Array.isArray(items) ? items.length : null;
}

function Reached({ items, all }: { items: Item<NodeProgress>[]; all: number | null }) {
  const { t } = useTranslation();
  return (
    <span data-testid="item-counts" className="inline-flex gap-1.5">
      <span className="tabular-nums">{all !== null && all !== items.length ? t("runs.items_of", { done: items.length, all }) : t("runs.items", { count: items.length })}</span>
      <StateCounts counts={tally(items)} />
    </span>
  );
}

/** Items shown at once, and how many more with each wish for more. */
const SHOWN = 30;
const MORE = 100;
/** So few are read without a filter. */
const FEW = 6;

function Items({ items, scene, values }: { items: Item<NodeProgress>[]; scene: Scene; values: unknown }) {
  const { t } = useTranslation();
  const [only, setOnly] = useState<NodeState | null>(null);
  const [shown, setShown] = useState(SHOWN);
  const counts = tally(items);
  const filters = (["failed", "running"] as const).filter((state) => counts[state] > 0 && counts[state] < items.length);
  const chosen = only !== null && counts[only] > 0 ? items.filter((item) => item.state === only) : items;
  const list = typeof values === "object" && values !== null ? (values as { items?: unknown }).items : null;
  const chip = "inline-flex min-h-8 items-center rounded-full border px-3 text-sm transition-colors";
  return (
    <section>
      <div className="mb-2 flex flex-wrap items-center gap-2">
        <h3 className="me-auto text-sm font-medium text-quiet">{t("runs.items_title")}</h3>
        {items.length > FEW && filters.length > 0 && [null, ...filters].map((state) => (
          <button key={state ?? "all"} type="button" aria-pressed={only === state} data-testid={`items-${state ?? "all"}`} onClick={() => { setOnly(state); setShown(SHOWN); }}
            className={`${chip} ${only === state ? "border-lacquer bg-lacquer text-on-lacquer" : "border-line bg-raised text-quiet hover:border-brass hover:text-ink"}`}>
            {state ? t(`runs.count_${state}`, { count: counts[state] }) : t("runs.all")}
          </button>
        ))}
      </div>
      {items.length === 0 && <p className="text-sm text-faint">{t("runs.no_items")}</p>}
      {chosen.length > 0 && (
        <ol data-testid="items" className="divide-y divide-line overflow-hidden rounded-xl border border-line bg-raised">
          {chosen.slice(0, shown).map((item) => (
            <ItemRow key={item.path} item={item} scene={scene} glimpse={Array.isArray(list) ? glimpseOf(list[item.index]) : ""} alone={items.length === 1} />
          ))}
        </ol>
      )}
      {chosen.length > shown && (
        <Button weight="bare" className="mt-1" data-testid="more-items" onClick={() => setShown(shown + MORE)}>{t("common.more")} ({chosen.length - shown})</Button>
      )}
    </section>
  );
}

function ItemRow({ item, scene, glimpse, alone }: { item: Item<NodeProgress>; scene: Scene; glimpse: string; alone: boolean }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(alone);
  const [step, setStep] = useState<string | null>(() => item.executions.find((one) => one.state === "failed")?.id ?? null);
  return (
    <li>
      <button type="button" aria-expanded={open} data-testid={`item-${item.path}`} onClick={() => setOpen(!open)}
        className="flex min-h-11 w-full items-center gap-3 px-3 py-1.5 text-start -outline-offset-2 hover:bg-wash/60">
        <StateMark state={item.state} />
        <span className="min-w-0 flex-1 truncate">
          {t("runs.item", { number: item.index + 1 })}
          {glimpse && <span className="text-quiet"> · {glimpse}</span>}
        </span>
        <span className="hidden shrink-0 font-mono text-xs text-faint sm:inline">{item.path}</span>
        <Chevron className={`size-4 shrink-0 text-faint transition-transform ${open ? "rotate-90" : ""}`} />
      </button>
      {open && (
        <ol className="divide-y divide-line border-t border-line bg-wall/60 sm:ps-5">
          {item.executions.map((node) => (
            <Step key={node.id} node={node} scene={scene} open={step === node.id} onToggle={() => setStep(step === node.id ? null : node.id)} />
          ))}
        </ol>
      )}
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

/** `quiet`: something else already says how it stands. */
function Inside({ node, quiet }: { node: NodeProgress; quiet: boolean }) {
  const { t, i18n } = useTranslation();
  const nothing = node.input === undefined && node.output === undefined && !node.error && node.logs.length === 0;
  const number = (value: number | null | undefined) => (value ?? 0).toLocaleString(i18n.language);
  return (
    <>
      {node.saved && <p className="text-sm text-brass-ink">{t("runs.saved", { input: number(node.saved.input_tokens), output: number(node.saved.output_tokens) })}</p>}
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
          <LogLines lines={node.logs} />
        </Part>
      )}
      {node.childRun && (
        <Link to="/runs/$run" params={{ run: node.childRun }} className="inline-block underline decoration-brass underline-offset-4">{t("runs.child")}</Link>
      )}
      {nothing && !quiet && <p className="text-sm text-faint">{t(`runs.state_${node.state}`)}</p>}
    </>
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
