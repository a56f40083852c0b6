// What goes wrong in plugins in TypeScript, and what they can reach. The server's tests call it.

import { about, config, http, knowledge, log, model, plugin, secret, storage, system, tool, ToolError, Type } from "parlour-plugin";

import { bad } from "./bad.ts";

const Settings = Type.Object({
  greeting: Type.String({ default: "hello" }),
  api_key: Type.Optional(secret(about("Key of a service", "服务的密钥"))),
});

const nothing = Type.Object({});
const anything = Type.Unknown();
const reason = { en: "For tests.", zh: "供测试使用。" };

/** What a call of the host gives, or the kind and words of its refusal. */
function tried(call: () => unknown): unknown {
  try {
    return { gave: call() ?? null };
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    return { kind: error.kind, message: error.message };
  }
}

const powers = tool({
  description: "Calls every function of the contract once.",
  input: Type.Object({ url: Type.String() }),
  output: anything,
  run: ({ url }) => ({
    search: tried(() => knowledge.search("menu", "鱼", { topK: 3, filter: { price: { gte: 10 } }, mode: "lexical" })),
    get: tried(() => knowledge.get("menu", "no-such-id")),
    list: tried(() => knowledge.list("menu", { limit: 2 })),
    list_all: tried(() => knowledge.listAll("menu", { atMost: 100 }).map(({ fields }) => fields["name"])),
    query: tried(() => knowledge.query("menu", { aggregate: { total: { sum: "price" }, dishes: { count: "*" } } })),
    elsewhere: tried(() => knowledge.search("staff", "x")),
    send: tried(() => http.get(url, { query: { q: "鱼 & chips" } }).expectOk().json()),
    refused: tried(() => http.post("https://example.org/", { json: {} })),
    complete: tried(() => model.complete("fast", "hi", { maxTokens: 5 }).text),
    embed: tried(() => model.embed(["a", "b"], "query").vectors.length),
    stored: tried(() => storage.set("greeting", "你好", { ttlS: 60, expected: 0 })),
    read: tried(() => storage.get("greeting")),
    updated: tried(() => storage.update<number>("count", (present) => (present ?? 0) + 1)),
    keys: tried(() => storage.list("")),
    deleted: tried(() => [storage.delete("greeting"), storage.delete("greeting")]),
    settings: tried(() => config.read(Settings).greeting),
    secret: tried(() => config.secret("api_key")),
    now: tried(() => system.nowMs() > 1.7e12),
    random: tried(() => system.random(8).length),
    idempotency_key: tried(() => typeof system.idempotencyKey()),
  }),
});

const surroundings = tool({
  description: "Uses what is there beside the language itself.",
  input: nothing,
  output: anything,
  async run() {
    log.info("from", { log: 1 });
    console.warn("from", ["the", "console"]);
    await null;
    return {
      clock: [Date.now() > 1.7e12, new Date().getFullYear() > 2024, performance.now()],
      chance: [Math.random() !== Math.random(), crypto.getRandomValues(new Uint8Array(5000)).some((it) => it > 0)],
      uuid: /^[0-9a-f-]{36}$/.test(crypto.randomUUID()),
      url: new URL("../b?x=1#y", "https://例え.jp/a/c").href,
      query: new URLSearchParams({ q: "鱼 &" }).toString(),
      text: new TextDecoder().decode(new TextEncoder().encode("héllo 鱼🐟")),
      latin: new TextDecoder("windows-1252").decode(Uint8Array.of(0x80)),
      base64: [btoa("hi"), atob("aGk=")],
      clone: structuredClone({ when: new Date(0), inner: new Map([["k", [1]]]) }).inner.get("k"),
      absent: ["fetch", "setTimeout", "process", "require", "wit"].filter((it) => it in globalThis),
    };
  },
});

const marks = tool({
  description: "Leaves a mark in every place that a module has, and says what was there before.",
  input: Type.Object({ mark: Type.String() }),
  output: Type.Array(Type.String()),
  run({ mark }) {
    const before = [...marked, (globalThis as { mark?: string }).mark ?? "none"];
    marked.push(mark);
    (globalThis as { mark?: string }).mark = mark;
    return before;
  },
});
const marked: string[] = [];

export default plugin({
  id: "typescript_guest",
  title: "TypeScript guest",
  description: { en: "For the server's tests.", zh: "供服务器测试使用。" },
  config: Settings,
  permissions: {
    knowledge: [{ name: "menu", reason }],
    http: [{ host: "*", reason }],
    model: { roles: ["fast", "embedding"], maxTokensPerCall: 1000, reason },
    storage: { maxBytes: 1000, reason },
  },
  tools: { powers, surroundings, marks, ...bad },
});
