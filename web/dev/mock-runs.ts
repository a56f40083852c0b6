// Runs of the stand-in: a script of steps is played as events, with questions that wait for an answer, containers whose
// steps have paths, runs done again, and replays.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { json, problem, sleep } from "./mock-http.ts";
import type { Graph, Question, Step } from "./mock-data.ts";

export interface Message { id: string; role: string; content: string; status: string; error: unknown; run: string | null; created_at: number }

let effects = 0;
type Wait = { [key in Exclude<keyof Question, "then" | "due_ms">]: Question[key] | undefined } & { effect: number; node: string; due_at: number | null }

export interface Run {
  id: string; kind: string; name: string; status: string; started_at: number; finished_at: number | null; conversation: string | null;
  inputs: unknown; outputs: unknown; answer: string; error: unknown; graph: Graph; nodes: Map<string, Record<string, unknown>>; origin: unknown;
  events: { id: number; event: string; data: unknown }[]; listeners: Set<(frame: string, over: boolean) => void>; cancelled: boolean;
  message: Message | undefined; thread: Message[] | undefined; wait: Wait | null; answered: ((answer: Record<string, unknown>) => void) | null;
  /** What was really done, for replays. */
  played: Step[];
}

export const runs: Run[] = [];
let dropping = false;

/** Breaks the next stream in the middle. */
export function dropNext(value: boolean): void {
  dropping = value;
}

export interface Start {
  kind: string; name: string; inputs: unknown; graph: Graph; steps: Step[];
  conversation?: string | null; message?: Message | undefined; thread?: Message[]; origin?: unknown;
}

export function start({ kind, name, inputs, graph, steps, conversation = null, message, thread, origin = null }: Start): Run {
  const run: Run = {
    id: randomUUID(), kind, name, status: "running", started_at: Date.now(), finished_at: null, conversation, inputs, outputs: null, answer: "", error: null,
    graph, nodes: new Map(graph.nodes.filter((node) => !node.parent).map((node) => [node.id, { ...node, state: "waiting" }])), origin,
    events: [], listeners: new Set(), cancelled: false, message, thread, wait: null, answered: null, played: [],
  };
  runs.unshift(run);
  if (message) message.run = run.id;
  setTimeout(() => void play(run, [...steps]), 120);
  return run;
}

function emit(run: Run, event: string, data: unknown, over = false): void {
  const stored = { id: run.events.length + 1, event, data };
  run.events.push(stored);
  for (const listener of [...run.listeners]) listener(frameOf(stored), over);
}

function settleMessage(run: Run, status: string): void {
  if (run.message) Object.assign(run.message, { status, error: run.error });
}

function end(run: Run, status: string, data: unknown): void {
  run.status = status;
  run.finished_at = Date.now();
  settleMessage(run, status === "finished" ? "complete" : status);
  emit(run, `run.${status}`, data, true);
}

async function play(run: Run, steps: Step[]): Promise<void> {
  emit(run, "run.started", { run_id: run.id, kind: run.kind, name: run.name, graph: run.graph, message_id: run.message?.id, conversation_id: run.conversation });
  for (let step = steps.shift(); step; step = steps.shift()) {
    const more = await perform(run, step);
    if (run.status !== "running") return;
    steps.unshift(...more);
  }
  emit(run, "message.completed", { text: run.answer });
  run.outputs = { text: run.answer };
  end(run, "finished", { outputs: run.outputs, answer: run.answer });
}

/** Does one step; gives the steps that its answer leads to. */
async function perform(run: Run, step: Step): Promise<Step[]> {
  const id = step.node ?? "";
  const own = id.split(".").at(-1);
  const about = run.graph.nodes.find((one) => one.id === own);
  const node = (change: Record<string, unknown>) => run.nodes.set(id, { id, kind: about?.kind, title: about?.title, ...run.nodes.get(id), ...change });
  if (step.kept) {
    node({ state: "kept", port: step.port ?? "done", output: step.output ?? null });
    emit(run, "node.kept", { node: id, port: step.port ?? "done", output: step.output ?? null });
    run.played.push(step);
    return [];
  }
  if (step.phase !== "finish") {
    node({ state: "running", started_at: Date.now(), input: step.input ?? null });
    emit(run, "node.started", { node: id, kind: about?.kind, title: about?.title, input: step.input ?? null, at: Date.now() });
  }
  if (step.phase === "start") { run.played.push(step); return []; }
  const began = step.phase === "finish" ? Number(run.nodes.get(id)?.["started_at"]) : Date.now();
  const answer = step.ask ? await wait(run, id, step.ask) : null;
  if (step.say) await say(run, step.say);
  else if (step.ms > 0) await sleep(step.ms);
  if (run.cancelled) { end(run, "cancelled", {}); return []; }
  const duration_ms = Date.now() - began;
  if (step.fail) {
    node({ state: "failed", finished_at: Date.now(), duration_ms, error: step.fail });
    emit(run, "node.failed", { node: id, error: step.fail, handled: step.handled === true && !id.includes("["), duration_ms });
    run.played.push(step);
    if (step.handled) return [];
    run.error = step.fail;
    end(run, "failed", { error: step.fail, answer: run.answer });
    return [];
  }
  const more = step.ask && answer ? step.ask.then(answer) : { port: step.port ?? "done", steps: [] };
  const output = step.output ?? answer ?? { text: run.answer };
  node({ state: "done", finished_at: Date.now(), duration_ms, output, port: more.port, logs: step.logs ?? [], saved: step.saved ?? null });
  emit(run, "node.finished", { node: id, port: more.port, output, duration_ms, logs: step.logs, ...(step.saved ? { saved: step.saved } : {}) });
  for (const skipped of step.skip ?? []) { run.nodes.set(skipped, { ...run.nodes.get(skipped), state: "skipped" }); emit(run, "node.skipped", { node: skipped }); }
  run.played.push({ ...step, ask: undefined, ms: Math.min(step.ms, 50), port: more.port, output });
  return more.steps;
}

async function wait(run: Run, node: string, question: Question): Promise<Record<string, unknown>> {
  const { kind, title, question: text, options, fields, who, due_ms } = question;
  const due_at = due_ms ? Date.now() + due_ms : null;
  run.wait = { effect: (effects += 1), node, due_at, kind, title, question: text, options, fields, who };
  if (question.kind === "ask" && run.message) await say(run, `${run.answer ? "\n\n" : ""}${question.question}`);
  emit(run, "interrupt", run.wait);
  run.status = "waiting";
  settleMessage(run, "complete");
  const answered = new Promise<Record<string, unknown>>((resolve) => { run.answered = resolve; });
  emit(run, "run.waiting", { waiting_for: [run.wait] }, true);
  if (question.kind === "timer") setTimeout(() => run.answered?.({}), due_ms);
  const answer = await answered;
  run.answered = null;
  run.wait = null;
  run.status = "running";
  return answer;
}

async function say(run: Run, text: string): Promise<void> {
  const letters = [...text];
  for (let at = 0; at < letters.length && !run.cancelled; at += 3) {
    const part = letters.slice(at, at + 3).join("");
    run.answer += part;
    if (run.message) run.message.content += part;
    for (const listener of [...run.listeners]) listener(`event: message.delta\ndata: ${JSON.stringify({ text: part })}\n\n`, false);
    await sleep(28);
  }
}

function frameOf(event: { id: number; event: string; data: unknown }): string {
  return `id: ${event.id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`;
}

/** `repeat`: the stream is opened later than the run, so what was said so far is said at once. */
export function stream(request: IncomingMessage, response: ServerResponse, run: Run, { after = 0, repeat = false } = {}): void {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.write(": welcome\n\n");
  let sent = 0;
  const drop = dropping;
  dropping = false;
  const write = (frame: string, over: boolean) => {
    response.write(frame);
    sent += 1;
    if (drop && sent === 14) { run.listeners.delete(write); response.destroy(); }
    if (over) { run.listeners.delete(write); response.end(); }
  };
  for (const event of run.events) if (event.id > after) response.write(frameOf(event));
  if (repeat && run.answer !== "") response.write(`event: message.snapshot\ndata: ${JSON.stringify({ text: run.answer })}\n\n`);
  if (run.status !== "running") return void response.end();
  run.listeners.add(write);
  request.on("close", () => run.listeners.delete(write));
}

const summary = (run: Run) => ({
  id: run.id, kind: run.kind, name: run.name, status: run.status, started_at: run.started_at, finished_at: run.finished_at, conversation: run.conversation, origin: run.origin,
});

export function routeRuns(request: IncomingMessage, response: ServerResponse, { path: [id, part, effect], url, body }: { path: (string | undefined)[]; url: URL; body: Record<string, unknown> }): void {
  if (!id) {
    const status = url.searchParams.get("status");
    const workflow = url.searchParams.get("workflow");
    return json(response, 200, { items: runs.filter((run) => (!status || run.status === status) && (!workflow || run.name === workflow)).map(summary), next_cursor: null });
  }
  const run = runs.find((one) => one.id === id);
  if (!run) return problem(response, 404, "not_found", "There is no such run.");
  if (part === "cancel") {
    run.cancelled = true;
    run.answered?.({});
    return json(response, 202, {});
  }
  if (part === "events") return stream(request, response, run, { after: Number(request.headers["last-event-id"] ?? 0), repeat: true });
  if (part === "waits") return answerWait(response, run, effect, body);
  if (part === "rerun") {
    const at = run.played.findIndex((step) => step.node === body["from"] || step.node?.startsWith(`${String(body["from"])}[`));
    if (at < 0) return problem(response, 422, "node_unknown", "There is no such node in this run.", "Choose a node that was reached.");
    const steps = run.played.map((step, index) => (index < at && !step.node?.includes("[") ? { ...step, kept: step.phase !== "start" } : step));
    const made = start({ kind: "workflow", name: run.name, inputs: run.inputs, graph: run.graph, steps, origin: { kind: "rerun", run: run.id, from: body["from"] } });
    return json(response, 201, summary(made));
  }
  if (part === "replay") {
    const steps = run.played.map((step) => ({ ...step, ms: 0 }));
    return json(response, 201, summary(start({ kind: "workflow", name: run.name, inputs: run.inputs, graph: run.graph, steps, origin: { kind: "replay", run: run.id } })));
  }
  json(response, 200, {
    ...summary(run), inputs: run.inputs, outputs: run.outputs, answer: run.answer, error: run.error, graph: run.graph, nodes: [...run.nodes.values()],
    waiting_for: run.wait ? [run.wait] : [],
  });
}

function answerWait(response: ServerResponse, run: Run, effect: string | undefined, body: Record<string, unknown>): void {
  if (!run.wait || String(run.wait.effect) !== effect) return problem(response, 409, "wait_over", "This has been answered already.");
  if (run.wait.who === "owner" && body["comment"] === "refuse me") return problem(response, 403, "forbidden", "Your role is too low.");
  const fields = body["fields"] as Record<string, unknown> | undefined;
  if (fields && Number(fields["people"]) > 12) return problem(response, 422, "invalid_input", "`people` must be at most 12.", "Call us for larger parties.");
  if (run.thread && fields) {
    const said = Object.entries(fields).map(([name, value]) => `${name}: ${String(value)}`).join("\n");
    const message = (role: string, content: string, status: string): Message => ({ id: randomUUID(), role, content, status, error: null, run: run.id, created_at: Date.now() });
    run.message = message("assistant", "", "streaming");
    run.thread.push(message("user", said, "complete"), run.message);
  }
  run.answered?.(body);
  json(response, 200, {});
}

export function routeWaits(response: ServerResponse): void {
  const items = runs.flatMap((run) => (run.wait && run.wait.kind !== "timer" ? [{ run: run.id, workflow: run.name, created_at: run.started_at, ...run.wait }] : []));
  json(response, 200, { items, next_cursor: null });
}
