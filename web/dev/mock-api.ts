// An in-memory stand-in for the server, for looking at the page while the real one is not at hand. It speaks the same
// API, streams at a human pace, and takes switches at /mock/set (model=none|offer|ok|slow, assistants=none, session=end,
// drop=1 breaks the next stream in the middle). It is loaded only in Vite's mode `mock` and is in no build.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Connect, Plugin } from "vite";
import { assistants, graph, script, workflows } from "./mock-data.ts";
import type { Step } from "./mock-data.ts";

interface Run {
  id: string; kind: string; name: string; status: string; started_at: number; finished_at: number | null; conversation: string | null;
  inputs: unknown; outputs: unknown; answer: string; error: unknown; nodes: Record<string, unknown>[];
  events: { id: number; event: string; data: unknown }[]; listeners: Set<(frame: string, over: boolean) => void>; cancelled: boolean;
}
interface Message { id: string; role: string; content: string; status: string; error: unknown; run: string | null; created_at: number }

/** The policy that the server sends with the page; the stand-in sends it too, so that a breach shows early. */
const CSP = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

const world = {
  sessions: new Set<string>(), tokenUsed: false, hasPassword: false, name: null as string | null, email: null as string | null, model: "ok", empty: false, drop: false,
  conversations: [] as { id: string; assistant: string; title: string | null; created_at: number; updated_at: number }[],
  messages: new Map<string, Message[]>(), runs: [] as Run[],
};

export function mockApi(): Plugin {
  return {
    name: "parlour-mock-api",
    configureServer: (server) => { server.middlewares.use(handle); },
    configurePreviewServer: (server) => {
      server.middlewares.use((_request, response, next) => { response.setHeader("Content-Security-Policy", CSP); next(); });
      server.middlewares.use(handle);
    },
  };
}

const handle: Connect.NextHandleFunction = (request, response, next) => {
  const url = new URL(request.url ?? "/", "http://mock");
  if (url.pathname === "/mock/set") return set(url.searchParams, response);
  if (url.pathname === "/healthz") return json(response, 200, { status: "ok" });
  if (!url.pathname.startsWith("/api/v1/")) return next();
  void read(request).then((body) => route(request, response, url, body)).catch(() => problem(response, 500, "internal", "The stand-in stumbled."));
};

function set(parameters: URLSearchParams, response: ServerResponse): void {
  if (parameters.has("model")) world.model = parameters.get("model") ?? "ok";
  if (parameters.has("assistants")) world.empty = parameters.get("assistants") === "none";
  if (parameters.get("session") === "end") world.sessions.clear();
  if (parameters.get("token") === "fresh") world.tokenUsed = false;
  world.drop = parameters.get("drop") === "1";
  json(response, 200, { model: world.model, empty: world.empty, drop: world.drop });
}

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(status === 204 ? undefined : JSON.stringify(body));
}

function problem(response: ServerResponse, status: number, code: string, detail: string, hint?: string): void {
  response.writeHead(status, { "Content-Type": "application/problem+json" });
  response.end(JSON.stringify({ type: `about:${code}`, title: detail, status, code, detail, hint, request_id: randomUUID().slice(0, 8) }));
}

function signIn(response: ServerResponse): void {
  const id = randomUUID();
  world.sessions.add(id);
  response.setHeader("Set-Cookie", `parlour_session=${id}; Path=/; HttpOnly; SameSite=Lax`);
}

function hasModel(): boolean {
  return world.model === "ok" || world.model === "slow";
}

function cookieOf(request: IncomingMessage): string {
  return /parlour_session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";
}

function session() {
  return { user: { id: "u1", name: world.name, email: world.email, role: "owner", has_password: world.hasPassword }, tenant: { id: "t1", name: "Parlour", slug: "parlour" } };
}

function route(request: IncomingMessage, response: ServerResponse, url: URL, body: Record<string, unknown>): void {
  const [first, second, third] = url.pathname.slice("/api/v1/".length).split("/").map(decodeURIComponent);
  const method = request.method ?? "GET";
  if (first === "setup") {
    if (method === "GET") return json(response, 200, { needed: !world.tokenUsed });
    if (world.tokenUsed || body["token"] !== "dev") return problem(response, 401, "link_used", "This set-up link has been used or has expired.");
    world.tokenUsed = true;
    signIn(response);
    return json(response, 200, session());
  }
  if (first === "session") {
    if (method === "POST") {
      if (body["password"] !== "correct horse") return problem(response, 401, "wrong_credentials", "E-mail and password do not match.");
      signIn(response);
      return json(response, 200, session());
    }
    if (method === "DELETE") { world.sessions.delete(cookieOf(request)); return json(response, 204, null); }
    return world.sessions.has(cookieOf(request)) ? json(response, 200, session()) : problem(response, 401, "not_authenticated", "Nobody is signed in.");
  }
  if (!world.sessions.has(cookieOf(request))) return problem(response, 401, "not_authenticated", "Nobody is signed in.");
  if (first === "account") {
    world.name = (body["name"] as string) || world.name;
    world.email = (body["email"] as string) || world.email;
    world.hasPassword ||= Boolean(body["password"]);
    return json(response, 200, session());
  }
  if (first === "assistants") return json(response, 200, { items: world.empty ? [] : assistants });
  if (first === "node-kinds") return json(response, 200, { items: [{ name: "classify_intent", title: { en: "Recognise the intent", zh: "识别意图" } }, { name: "answer", title: { en: "Answer", zh: "回答" } }] });
  if (first === "plugins") return json(response, 200, { items: [{ id: "filter_spicy_dishes", manifest: { tools: [{ name: "filter_spicy_dishes", title: { en: "Filter spicy dishes", zh: "筛选辣味菜" } }] } }] });
  if (first === "models") return models(response, method);
  if (first === "conversations") return conversations(request, response, method, [second, third], body);
  if (first === "runs") return runs(request, response, [second, third], url);
  if (first === "workflows") {
    if (!second) return json(response, 200, { items: workflows });
    const found = workflows.find((one) => one.name === second);
    if (!found) return problem(response, 404, "not_found", "There is no such workflow.");
    if (third !== "runs") return json(response, 200, { ...found, graph });
    const inputs = body["inputs"] as Record<string, unknown>;
    const run = start("workflow", second, inputs, null, script(String(inputs["question"] ?? "everything"), world.model));
    return stream(request, response, run, 0);
  }
  problem(response, 404, "not_found", "There is nothing at this address.");
}

function models(response: ServerResponse, method: string): void {
  if (method === "POST") { world.model = "ok"; return json(response, 200, {}); }
  const embedding = hasModel() ? { state: "ready", model: "bge-small-zh" } : world.model === "none" ? { state: "failed", model: "bge-small-zh", reason: "the weights could not be fetched" } : { state: "downloading", model: "bge-small-zh", done: 31_000_000, total: 95_000_000 };
  json(response, 200, {
    configured: hasModel(), base_url: "http://127.0.0.1:11434/v1", model: hasModel() ? "qwen2.5:7b" : null, source: "environment", embedding,
    ...(world.model === "offer" ? { offer: { base_url: "http://127.0.0.1:11434", models: ["qwen2.5:7b", "llama3.2:3b"] } } : {}),
  });
}

function conversations(request: IncomingMessage, response: ServerResponse, method: string, [id, part]: (string | undefined)[], body: Record<string, unknown>): void {
  if (!id) {
    if (method === "GET") return json(response, 200, { items: world.conversations });
    const made = { id: randomUUID(), assistant: String(body["assistant"]), title: null, created_at: Date.now(), updated_at: Date.now() };
    world.conversations.unshift(made);
    world.messages.set(made.id, []);
    return json(response, 201, made);
  }
  const found = world.conversations.find((one) => one.id === id);
  const messages = world.messages.get(id);
  if (!found || !messages) return problem(response, 404, "not_found", "There is no such conversation.");
  if (method === "DELETE") { world.conversations = world.conversations.filter((one) => one !== found); return json(response, 204, null); }
  if (part !== "messages") return json(response, 200, found);
  if (method === "GET") return json(response, 200, { items: messages });
  const content = String(body["content"]);
  found.title ??= content.slice(0, 40);
  found.updated_at = Date.now();
  const answer: Message = { id: randomUUID(), role: "assistant", content: "", status: "streaming", error: null, run: null, created_at: Date.now() };
  messages.push({ ...answer, id: randomUUID(), role: "user", content, status: "complete" }, answer);
  const run = start("chat", found.assistant, { message: content }, found.id, script(content, world.model), answer);
  stream(request, response, run, 0);
}

function runs(request: IncomingMessage, response: ServerResponse, [id, part]: (string | undefined)[], url: URL): void {
  const summary = (run: Run) => ({ id: run.id, kind: run.kind, name: run.name, status: run.status, started_at: run.started_at, finished_at: run.finished_at, conversation: run.conversation });
  if (!id) {
    const status = url.searchParams.get("status");
    const workflow = url.searchParams.get("workflow");
    return json(response, 200, { items: world.runs.filter((run) => (!status || run.status === status) && (!workflow || run.name === workflow)).map(summary), next_cursor: null });
  }
  const run = world.runs.find((one) => one.id === id);
  if (!run) return problem(response, 404, "not_found", "There is no such run.");
  if (part === "cancel") { run.cancelled = true; return json(response, 202, {}); }
  if (part === "events") return stream(request, response, run, Number(request.headers["last-event-id"] ?? 0), true);
  json(response, 200, { ...summary(run), inputs: run.inputs, outputs: run.outputs, answer: run.answer, error: run.error, graph, nodes: run.nodes });
}

function stream(request: IncomingMessage, response: ServerResponse, run: Run, after: number, again = false): void {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.write(": welcome\n\n");
  let sent = 0;
  const dropping = world.drop;
  world.drop = false;
  const write = (frame: string, over: boolean) => {
    response.write(frame);
    sent += 1;
    if (dropping && sent === 14) { run.listeners.delete(write); response.destroy(); }
    if (over) { run.listeners.delete(write); response.end(); }
  };
  for (const event of run.events) if (event.id > after) response.write(frameOf(event));
  if (again && run.answer !== "") response.write(`event: message.snapshot\ndata: ${JSON.stringify({ text: run.answer })}\n\n`);
  if (run.status !== "running") return void response.end();
  run.listeners.add(write);
  request.on("close", () => run.listeners.delete(write));
}

function frameOf(event: { id: number; event: string; data: unknown }): string {
  return `id: ${event.id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`;
}

function start(kind: string, name: string, inputs: unknown, conversation: string | null, steps: Step[], message?: Message): Run {
  const run: Run = {
    id: randomUUID(), kind, name, status: "running", started_at: Date.now(), finished_at: null, conversation, inputs, outputs: null, answer: "", error: null,
    nodes: graph.nodes.map((node) => ({ ...node, state: "waiting" })), events: [], listeners: new Set(), cancelled: false,
  };
  world.runs.unshift(run);
  if (message) message.run = run.id;
  const emit = (event: string, data: unknown, over = false) => {
    const stored = { id: run.events.length + 1, event, data };
    run.events.push(stored);
    for (const listener of [...run.listeners]) listener(frameOf(stored), over);
  };
  const finish = (status: string, event: string, data: unknown) => {
    run.status = status;
    run.finished_at = Date.now();
    if (message) Object.assign(message, { status: status === "finished" ? "complete" : status, content: run.answer, error: run.error });
    emit(event, data, true);
  };
  const node = (id: string, change: Record<string, unknown>) => Object.assign(run.nodes.find((one) => one["id"] === id) ?? {}, change);
  setTimeout(() => void (async () => {
    emit("run.started", { run_id: run.id, kind, name, graph, message_id: message?.id, conversation_id: conversation });
    for (const step of steps) {
      const id = step.node ?? "";
      const title = graph.nodes.find((one) => one.id === id)?.title;
      node(id, { state: "running", started_at: Date.now(), input: step.input ?? null });
      emit("node.started", { node: id, kind: "", title, input: step.input ?? null, at: Date.now() });
      const began = Date.now();
      if (step.say) await say(run, step.say, message);
      else await sleep(step.ms);
      if (run.cancelled) return finish("cancelled", "run.cancelled", {});
      const duration_ms = Date.now() - began;
      if (step.fail) {
        node(id, { state: "failed", finished_at: Date.now(), duration_ms, error: step.fail });
        emit("node.failed", { node: id, error: step.fail, handled: false, duration_ms });
        run.error = step.fail;
        return finish("failed", "run.failed", { error: step.fail, answer: run.answer });
      }
      const output = step.output ?? { text: run.answer };
      node(id, { state: "done", finished_at: Date.now(), duration_ms, output, port: step.port ?? "done", logs: step.logs ?? [] });
      emit("node.finished", { node: id, port: step.port ?? "done", output, duration_ms, logs: step.logs });
      for (const skipped of step.skip ?? []) { node(skipped, { state: "skipped" }); emit("node.skipped", { node: skipped }); }
    }
    emit("message.completed", { text: run.answer });
    run.outputs = { text: run.answer };
    finish("finished", "run.finished", { outputs: run.outputs, answer: run.answer });
  })(), 120);
  return run;
}

async function say(run: Run, text: string, message?: Message): Promise<void> {
  const letters = [...text];
  for (let at = 0; at < letters.length && !run.cancelled; at += 3) {
    const part = letters.slice(at, at + 3).join("");
    run.answer += part;
    if (message) message.content = run.answer;
    for (const listener of [...run.listeners]) listener(`event: message.delta\ndata: ${JSON.stringify({ text: part })}\n\n`, false);
    await sleep(28);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
