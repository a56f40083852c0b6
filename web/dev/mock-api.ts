// An in-memory stand-in for the server, for looking at the page while the real one is not at hand. It speaks the same
// API, streams at a human pace, and takes switches at /mock/set (model=none|offer|ok|slow, assistants=none, plugins=none, knowledge=none, session=end,
// drop=1 breaks the next stream in the middle). It is loaded only in Vite's mode `mock` and is in no build.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Connect, Plugin } from "vite";
import { assistants, graph, script, workflows } from "./mock-data.ts";
import { json, problem } from "./mock-http.ts";
import { clearKnowledge, routeKnowledge } from "./mock-knowledge.ts";
import { clearPlugins, routePlugins, uploadPlugin } from "./mock-plugins.ts";
import { dropNext, routeRuns, routeWaits, runs, start, stream } from "./mock-runs.ts";
import type { Message } from "./mock-runs.ts";
import { routeLimits, routeSecrets, routeTriggers } from "./mock-settings.ts";
import { bookingGraph, bookingScript, flows, refundGraph, refundScript } from "./mock-workflows.ts";

/** The policy that the server sends with the page; the stand-in sends it too, so that a breach shows early. */
const CSP = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

const world = {
  sessions: new Set<string>(), tokenUsed: false, hasPassword: false, name: null as string | null, email: null as string | null, model: "ok", empty: false,
  conversations: [] as { id: string; assistant: string; title: string | null; created_at: number; updated_at: number }[],
  messages: new Map<string, Message[]>(),
};

export function mockApi(): Plugin {
  startFlow("refund", { order: "A-1042", amount: 68 });
  startFlow("greeting_later", {});
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
  if (url.pathname === "/api/v1/plugins" && request.method === "POST") {
    if (!world.sessions.has(cookieOf(request))) return problem(response, 401, "not_authenticated", "Nobody is signed in.");
    return void uploadPlugin(request, response);
  }
  if (/^\/api\/v1\/(knowledge-bases|embedding-models)(\/|$)/.test(url.pathname)) {
    if (!world.sessions.has(cookieOf(request))) return problem(response, 401, "not_authenticated", "Nobody is signed in.");
    return void routeKnowledge(request, response, url).catch(() => problem(response, 500, "internal", "The stand-in stumbled."));
  }
  void read(request).then((body) => route(request, response, url, body)).catch(() => problem(response, 500, "internal", "The stand-in stumbled."));
};

function set(parameters: URLSearchParams, response: ServerResponse): void {
  if (parameters.has("model")) world.model = parameters.get("model") ?? "ok";
  if (parameters.has("assistants")) world.empty = parameters.get("assistants") === "none";
  if (parameters.get("plugins") === "none") clearPlugins();
  if (parameters.get("knowledge") === "none") clearKnowledge();
  if (parameters.get("session") === "end") world.sessions.clear();
  if (parameters.get("token") === "fresh") world.tokenUsed = false;
  dropNext(parameters.get("drop") === "1");
  json(response, 200, { model: world.model, empty: world.empty });
}

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
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
  return { user: { id: "u1", name: world.name, email: world.email, role: "owner", has_password: world.hasPassword }, tenant: { id: "t1", name: "Parlour", slug: "parlour" }, scopes: ["chat", "run", "manage"] };
}

function route(request: IncomingMessage, response: ServerResponse, url: URL, body: Record<string, unknown>): void {
  const [first, second, third, fourth, fifth] = url.pathname.slice("/api/v1/".length).split("/").map(decodeURIComponent);
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
  if (first === "plugins") return routePlugins(response, { method, path: [second, third, fourth, fifth], body, url });
  if (first === "models") return models(response, method);
  if (first === "conversations") return conversations(request, response, method, [second, third], body);
  const call = { method, path: [second, third], body };
  if (first === "runs") return routeRuns(request, response, { path: [second, third, fourth], url, body });
  if (first === "waits") return routeWaits(response);
  if (first === "triggers") return routeTriggers(response, call, (workflow) => startFlow(workflow, {}, { kind: "schedule" }));
  if (first === "secrets") return routeSecrets(response, call);
  if (first === "limits") return routeLimits(response, call);
  if (first === "workflows") {
    if (!second) return json(response, 200, { items: workflows });
    const found = workflows.find((one) => one.name === second);
    if (!found) return problem(response, 404, "not_found", "There is no such workflow.");
    if (third !== "runs") return json(response, 200, { ...found, graph });
    return stream(request, response, startFlow(second, (body["inputs"] ?? {}) as Record<string, unknown>));
  }
  problem(response, 404, "not_found", "There is nothing at this address.");
}

function startFlow(name: string, inputs: Record<string, unknown>, origin: unknown = null) {
  const flow = flows[name];
  const steps = flow ? flow.steps(inputs) : script(String(inputs["question"] ?? "everything"), world.model);
  return start({ kind: "workflow", name, inputs, graph: flow?.graph ?? graph, steps, origin });
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
  const waiting = runs.find((run) => run.conversation === found.id && run.status === "waiting" && run.wait?.kind === "ask");
  if (waiting) {
    // The words are the answer to what was asked, and the same run goes on.
    const option = waiting.wait?.options?.find((one) => one.title === content)?.name;
    waiting.message = Object.assign(answer, { run: waiting.id });
    waiting.answered?.({ text: content, option });
    waiting.status = "running";
    return stream(request, response, waiting, { after: waiting.events.length });
  }
  const shared = { kind: "chat", name: found.assistant, inputs: { message: content }, conversation: found.id, message: answer, thread: messages };
  if (/订|book|reserve/i.test(content)) return stream(request, response, start({ ...shared, graph: bookingGraph, steps: bookingScript() }));
  if (/退款|refund/i.test(content)) return stream(request, response, start({ ...shared, graph: refundGraph, steps: refundScript({ order: "A-1042", amount: 68 }) }));
  stream(request, response, start({ ...shared, graph, steps: script(content, world.model) }));
}
