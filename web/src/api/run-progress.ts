// What is known of a run, built up event by event. Pure: the chat's live line and the run page read the same state,
// and applying an event twice changes nothing, so a replay after a reload or reconnect is harmless.
import type { Frame } from "./event-stream";
import { parseData } from "./event-stream";
import { definitionOf, isInner } from "./run-paths";
import type { GraphNode, LocalText, LogLine, NodeState, RunDetail, RunErrorBody, RunNode, RunStatus, SavedTokens, Timestamp, Wait } from "./types";

export interface NodeProgress {
  /** Of an execution in a container, its path. */
  id: string;
  kind: string;
  title: LocalText | null;
  dependencies: { node: string; port: string | null }[];
  ports: string[];
  state: NodeState;
  port: string | null;
  startedAt: number | null;
  durationMs: number | null;
  input: unknown;
  output: unknown;
  error: RunErrorBody | null;
  handled: boolean;
  childRun: string | null;
  logs: LogLine[];
  /** What was not taken again because the output was kept from an earlier call. */
  saved: SavedTokens | null;
}

/** A node that stands in a container, as the document has it. What it does is in `executions`, once per item. */
export interface InnerNode extends NodeProgress {
  parent: string;
}

export interface RunProgress {
  id: string | null;
  status: RunStatus;
  /** The outermost nodes. */
  nodes: NodeProgress[];
  inner: InnerNode[];
  /** What nodes in containers did, in the order they began. */
  executions: NodeProgress[];
  /** What people and moments the run waits for. */
  waits: Wait[];
  answer: string;
  outputs: unknown;
  error: RunErrorBody | null;
}

export const emptyRun: RunProgress = {
  id: null, status: "running", nodes: [], inner: [], executions: [], waits: [], answer: "", outputs: undefined, error: null,
};

export function isOver(status: RunStatus): boolean {
  return status === "finished" || status === "failed" || status === "cancelled";
}

export function millis(value: Timestamp | null | undefined): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return value;
  const parsed = Date.parse(value);
  return Number.isNaN(parsed) ? null : parsed;
}

function blank(node: GraphNode): NodeProgress {
  const dependencies = (node.dependencies ?? []).map((entry) => {
    if (typeof entry !== "string") return { node: entry.node, port: entry.port ?? null };
    const dot = entry.indexOf(".");
    return dot < 0 ? { node: entry, port: null } : { node: entry.slice(0, dot), port: entry.slice(dot + 1) };
  });
  return {
    id: node.id, kind: node.kind, title: node.title ?? null, dependencies, ports: node.ports ?? [], state: "waiting",
    port: null, startedAt: null, durationMs: null, input: undefined, output: undefined, error: null, handled: false,
    childRun: null, logs: [], saved: null,
  };
}

const STATES: Record<string, NodeState> = {
  waiting: "waiting", pending: "waiting", running: "running", started: "running",
  done: "done", finished: "done", kept: "kept", skipped: "skipped", failed: "failed",
};

/** The state of a run as the server's detail gives it. */
export function fromDetail(detail: RunDetail): RunProgress {
  const entries = detail.nodes ?? [];
  const seen = new Map(entries.map((node) => [node.id, node]));
  const { nodes: outer, inner } = split(detail.graph?.nodes ?? []);
  const announced = new Set([...outer, ...inner].map((node) => node.id));
  const late = entries.filter((node) => !announced.has(node.id) && !isInner(node.id)).map(blank);
  const run: RunProgress = {
    id: detail.id, status: detail.status, inner,
    nodes: [...outer, ...late].map((base) => filled(base, seen.get(base.id))),
    executions: entries.filter((node) => isInner(node.id)).map((node) => filled(execution(inner, node), node)),
    waits: detail.waiting_for ?? [], answer: detail.answer ?? "", outputs: detail.outputs ?? undefined, error: detail.error ?? null,
  };
  return isOver(run.status) ? settle(run) : run;
}

/** The graph's nodes: those that stand alone, and those that stand in a container. */
function split(graph: GraphNode[]): { nodes: NodeProgress[]; inner: InnerNode[] } {
  return {
    nodes: graph.filter((node) => !node.parent).map(blank),
    inner: graph.flatMap((node) => (node.parent ? [{ ...blank(node), parent: node.parent }] : [])),
  };
}

/** An execution in a container, named as its node in the document is. */
function execution(inner: InnerNode[], node: GraphNode): NodeProgress {
  const definition = definitionOf(inner, node.id);
  return { ...blank(node), kind: node.kind || (definition?.kind ?? ""), title: node.title ?? definition?.title ?? null };
}

function filled(base: NodeProgress, node: RunNode | undefined): NodeProgress {
  if (!node) return base;
  const startedAt = millis(node.started_at);
  const finishedAt = millis(node.finished_at);
  const measured = startedAt !== null && finishedAt !== null ? finishedAt - startedAt : null;
  return {
    ...base,
    title: node.title ?? base.title,
    state: STATES[node.state] ?? "waiting",
    port: node.port ?? null, startedAt, durationMs: node.duration_ms ?? measured,
    // The server says null for what is not there yet.
    input: node.input ?? undefined, output: node.output ?? undefined, error: node.error ?? null,
    handled: node.handled ?? false, childRun: node.child_run ?? null, logs: node.logs ?? [], saved: node.saved ?? null,
  };
}

/** Events that say nothing of whether the run goes on: a snapshot repeats, and what is asked may be asked while others work. */
const SILENT = new Set(["message.snapshot", "run.waiting"]);

export function applyFrame(run: RunProgress, frame: Frame): RunProgress {
  // Whatever happens after a wait happens because the wait is over.
  const awake: RunProgress = run.status === "waiting" && !SILENT.has(frame.event) ? { ...run, status: "running" } : run;
  return apply(awake, frame);
}

function apply(run: RunProgress, frame: Frame): RunProgress {
  const data = parseData(frame);
  const text = typeof data["text"] === "string" ? data["text"] : "";
  switch (frame.event) {
    case "run.started":
      return started(run, data);
    case "node.started":
      return change(run, data, (node) =>
        node.state !== "waiting" && node.state !== "running"
          ? node // A replay; a step never begins twice.
          : {
              ...node, state: "running", input: data["input"] ?? undefined, startedAt: millis(data["at"] as Timestamp) ?? node.startedAt,
              title: (data["title"] as LocalText | undefined) ?? node.title,
            },
      );
    case "node.finished":
      return change(run, data, (node) => ({
        ...node, state: "done", port: (data["port"] as string | undefined) ?? null, output: data["output"] ?? undefined,
        durationMs: (data["duration_ms"] as number | undefined) ?? null,
        logs: (data["logs"] as LogLine[] | undefined) ?? node.logs,
        childRun: (data["child_run"] as string | undefined) ?? node.childRun,
        saved: (data["saved"] as SavedTokens | undefined) ?? null,
      }));
    case "node.kept":
      return change(run, data, (node) => ({ ...node, state: "kept", port: (data["port"] as string | undefined) ?? null, output: data["output"] ?? undefined }));
    case "node.skipped":
      return change(run, data, (node) => ({ ...node, state: "skipped" }));
    case "node.failed":
      return change(run, data, (node) => ({
        ...node, state: "failed", error: data["error"] as RunErrorBody, handled: data["handled"] === true,
        durationMs: (data["duration_ms"] as number | undefined) ?? null,
        logs: (data["logs"] as LogLine[] | undefined) ?? node.logs,
      }));
    case "interrupt":
      return { ...run, waits: withWait(run.waits, data as unknown as Wait) };
    case "run.waiting":
      return { ...run, status: "waiting", waits: (data["waiting_for"] as Wait[] | undefined) ?? run.waits };
    case "message.delta":
      return { ...run, answer: run.answer + text };
    case "message.snapshot":
      return { ...run, answer: text };
    case "message.completed":
      // One answer of several, perhaps; what is already there, by deltas or a snapshot, is not said twice.
      return run.answer.includes(text) ? run : { ...run, answer: run.answer + text };
    case "run.finished":
      return { ...run, status: "finished", waits: [], outputs: data["outputs"], answer: (data["answer"] as string | undefined) || run.answer };
    case "run.failed":
      return settle({
        ...run, status: "failed", waits: [], error: data["error"] as RunErrorBody, answer: (data["answer"] as string | undefined) || run.answer,
      });
    case "run.cancelled":
      return settle({ ...run, status: "cancelled", waits: [] });
    default:
      return run;
  }
}

function started(run: RunProgress, data: Record<string, unknown>): RunProgress {
  const graph = (data["graph"] as { nodes?: GraphNode[] } | undefined)?.nodes ?? [];
  const known = new Map(run.nodes.map((node) => [node.id, node]));
  const { nodes, inner } = split(graph);
  return {
    ...run,
    id: (data["run_id"] as string | undefined) ?? run.id,
    ...(graph.length > 0 ? { nodes: nodes.map((node) => known.get(node.id) ?? node), inner } : {}),
  };
}

/** A node asks one thing at a time: a new question takes the place of its last. */
function withWait(waits: Wait[], wait: Wait): Wait[] {
  return [...waits.filter((one) => one.node !== wait.node), wait];
}

function change(run: RunProgress, data: Record<string, unknown>, to: (node: NodeProgress) => NodeProgress): RunProgress {
  const id = data["node"];
  if (typeof id !== "string") return run;
  const inner = isInner(id);
  const list = inner ? run.executions : run.nodes;
  // The newest are asked about most, and there may be thousands.
  const at = list.findLastIndex((node) => node.id === id);
  const announced: GraphNode = { id, kind: (data["kind"] as string | undefined) ?? "" };
  // An event for a node that the graph did not announce is still shown.
  const node = to(list[at] ?? (inner ? execution(run.inner, announced) : blank(announced)));
  const next = at < 0 ? [...list, node] : list.with(at, node);
  const waits = node.state === "running" ? run.waits : run.waits.filter((wait) => wait.node !== id);
  return { ...run, ...(inner ? { executions: next } : { nodes: next }), waits };
}

/** When a run ends before its nodes do, whoever was at work has stopped. */
function settle(run: RunProgress): RunProgress {
  const stopped = (nodes: NodeProgress[]) => nodes.map((node) => (node.state === "running" ? { ...node, state: "skipped" as const } : node));
  return { ...run, nodes: stopped(run.nodes), executions: stopped(run.executions) };
}

/** The node whose work a reader would name when asked what is happening now: the newest one still running. */
export function currentNode(run: RunProgress): NodeProgress | null {
  let found: NodeProgress | null = null;
  for (const node of [...run.nodes, ...run.executions]) {
    if (node.state === "running" && (!found || (node.startedAt ?? 0) >= (found.startedAt ?? 0))) found = node;
  }
  return found;
}
