// What is known of a run, built up event by event. Pure: the chat's live line and the run page read the same state,
// and applying an event twice changes nothing, so a replay after a reload or reconnect is harmless.
import type { Frame } from "./event-stream";
import { parseData } from "./event-stream";
import type { GraphNode, LocalText, LogLine, NodeState, RunDetail, RunErrorBody, RunStatus, Timestamp } from "./types";

export interface NodeProgress {
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
}

export interface RunProgress {
  id: string | null;
  status: RunStatus;
  nodes: NodeProgress[];
  answer: string;
  outputs: unknown;
  error: RunErrorBody | null;
}

export const emptyRun: RunProgress = { id: null, status: "running", nodes: [], answer: "", outputs: undefined, error: null };

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
    childRun: null, logs: [],
  };
}

const STATES: Record<string, NodeState> = {
  waiting: "waiting", pending: "waiting", running: "running", started: "running",
  done: "done", finished: "done", skipped: "skipped", failed: "failed",
};

/** The state of a run as the server's detail gives it. */
export function fromDetail(detail: RunDetail): RunProgress {
  const seen = new Map((detail.nodes ?? []).map((node) => [node.id, node]));
  const graph: GraphNode[] = [...(detail.graph?.nodes ?? [])];
  for (const node of seen.values()) if (!graph.some((one) => one.id === node.id)) graph.push(node);
  const nodes = graph.map((entry) => {
    const node = seen.get(entry.id);
    const base = blank(entry);
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
      childRun: node.child_run ?? null, logs: node.logs ?? [],
    };
  });
  return {
    id: detail.id, status: detail.status, nodes, answer: detail.answer ?? "", outputs: detail.outputs ?? undefined, error: detail.error ?? null,
  };
}

export function applyFrame(run: RunProgress, frame: Frame): RunProgress {
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
      }));
    case "node.skipped":
      return change(run, data, (node) => ({ ...node, state: "skipped" }));
    case "node.failed":
      return change(run, data, (node) => ({
        ...node, state: "failed", error: data["error"] as RunErrorBody, handled: data["handled"] === true,
        durationMs: (data["duration_ms"] as number | undefined) ?? null,
        logs: (data["logs"] as LogLine[] | undefined) ?? node.logs,
      }));
    case "message.delta":
      return { ...run, answer: run.answer + text };
    case "message.snapshot":
      return { ...run, answer: text };
    case "message.completed":
      // One answer of several, perhaps; what is already there, by deltas or a snapshot, is not said twice.
      return run.answer.includes(text) ? run : { ...run, answer: run.answer + text };
    case "run.finished":
      return { ...run, status: "finished", outputs: data["outputs"], answer: (data["answer"] as string | undefined) || run.answer };
    case "run.failed":
      return settle({
        ...run, status: "failed", error: data["error"] as RunErrorBody, answer: (data["answer"] as string | undefined) || run.answer,
      });
    case "run.cancelled":
      return settle({ ...run, status: "cancelled" });
    default:
      return run;
  }
}

function started(run: RunProgress, data: Record<string, unknown>): RunProgress {
  const graph = (data["graph"] as { nodes?: GraphNode[] } | undefined)?.nodes ?? [];
  const known = new Map(run.nodes.map((node) => [node.id, node]));
  return {
    ...run,
    id: (data["run_id"] as string | undefined) ?? run.id,
    nodes: graph.length > 0 ? graph.map((node) => known.get(node.id) ?? blank(node)) : run.nodes,
  };
}

function change(run: RunProgress, data: Record<string, unknown>, to: (node: NodeProgress) => NodeProgress): RunProgress {
  const id = data["node"];
  if (typeof id !== "string") return run;
  if (run.nodes.some((node) => node.id === id)) {
    return { ...run, nodes: run.nodes.map((node) => (node.id === id ? to(node) : node)) };
  }
  // An event for a node that the graph did not announce is still shown.
  return { ...run, nodes: [...run.nodes, to(blank({ id, kind: (data["kind"] as string | undefined) ?? "" }))] };
}

/** When a run ends before its nodes do, whoever was at work has stopped. */
function settle(run: RunProgress): RunProgress {
  return { ...run, nodes: run.nodes.map((node) => (node.state === "running" ? { ...node, state: "skipped" } : node)) };
}

/** The node whose work a reader would name when asked what is happening now: the newest one still running. */
export function currentNode(run: RunProgress): NodeProgress | null {
  let found: NodeProgress | null = null;
  for (const node of run.nodes) {
    if (node.state === "running" && (!found || (node.startedAt ?? 0) >= (found.startedAt ?? 0))) found = node;
  }
  return found;
}
