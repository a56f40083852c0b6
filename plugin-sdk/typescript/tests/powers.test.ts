// What the host gives, by the typed wrappers, and what it refuses; the fake host answers as the server does.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  config,
  http,
  knowledge,
  log,
  model,
  plugin,
  secret,
  storage,
  system,
  tool,
  ToolError,
  Type,
} from "../src/index.ts";
import { FakeHost, Reply } from "../src/testing.ts";

const reason = { en: "For tests.", zh: "供测试使用。" };
const Settings = Type.Object({ url: Type.String(), key: secret(), limit: Type.Integer({ default: 3 }) });

/** A plugin whose only tool does this, with these permissions. */
function doing(run: () => unknown, permissions: NonNullable<Parameters<typeof plugin>[0]["permissions"]> = {}) {
  const only = tool({ description: "x", input: Type.Object({}), output: Type.Unknown(), run });
  return plugin({ id: "probe", title: "x", description: "x", config: Settings, permissions, tools: { only } });
}

const menu = [
  { name: "水煮鱼", price: 68, tags: ["辣", "鱼"] },
  { name: "米饭", price: 2, tags: [] },
  { name: "烤鱼", price: 88, tags: ["鱼"] },
  { name: "清汤", price: null, tags: [] },
];

/** Rejects or throws with this kind, and words that match. */
async function refused(call: () => unknown, kind: string, words: RegExp): Promise<void> {
  await assert.rejects(
    async () => call(),
    (error: unknown) => {
      assert.ok(error instanceof ToolError, String(error));
      assert.equal(error.kind, kind, error.message);
      assert.match(error.message, words);
      return true;
    },
  );
}

test("knowledge is searched, read, listed and queried", async () => {
  const host = new FakeHost().knowledgeBase("menu", menu);
  host.run(() => {
    const found = knowledge.search<{ name: string }>("menu", "烤鱼", { topK: 2, filter: { price: { gt: 70 } } });
    assert.deepEqual([found.status, found.hits[0]?.entry.fields.name, found.hits.length], ["ok", "烤鱼", 1]);
    assert.equal(knowledge.search("menu", "nowhere").status, "empty");
    assert.equal(knowledge.search("menu", "烤鱼 饼", { minScore: 1 }).status, "below_threshold");
    assert.equal(knowledge.get("menu", "menu-2").fields["name"], "米饭");
    const first = knowledge.list("menu", { limit: 3 });
    const rest = knowledge.list("menu", { cursor: first.nextCursor ?? "" });
    assert.deepEqual([first.entries.length, rest.entries.length, rest.nextCursor], [3, 1, undefined]);
    assert.equal(knowledge.listAll("menu", { filter: { tags: "鱼" }, atMost: 2 }).length, 2);
    const names = (filter: knowledge.Filter) => knowledge.list("menu", { filter }).entries.map((it) => it.fields["name"]);
    assert.deepEqual(names({ any: [{ name: { contains: "饭" } }, { price: { gte: 88 } }] }), ["米饭", "烤鱼"]);
    assert.deepEqual(names({ not: { price: { exists: true } } }), ["清汤"]);
    assert.deepEqual(names({ price: { in: [2, 68] }, name: { ne: "米饭" } }), ["水煮鱼"]);
    assert.deepEqual(
      knowledge.query("menu", {
        aggregate: { total: { sum: "price" }, mean: { avg: "price" }, dear: { max: "price" }, rows: { count: "*" } },
      }),
      { rows: [{ total: 158, mean: 158 / 3, dear: 88, rows: 4 }], total: 1 },
    );
    const dearest = { select: ["name"], orderBy: [{ by: "price", descending: true }], limit: 2 };
    assert.deepEqual(knowledge.query("menu", dearest), { rows: [{ name: "烤鱼" }, { name: "水煮鱼" }], total: 4 });
    const none = knowledge.query("menu", { filter: { price: { gt: 1000 } }, aggregate: { total: { sum: "price" } } });
    assert.deepEqual(none, { rows: [{ total: null }], total: 1 });
  });
  assert.equal(host.searches.length, 3);
  const bad = (call: () => unknown) => () => host.run(call);
  await refused(bad(() => knowledge.search("menu", "x", { topK: 101 })), "invalid_input", /1 to 100/);
  await refused(bad(() => knowledge.list("menu", { filter: { cost: 1 } })), "invalid_input", /no field `cost`.*price/);
  await refused(bad(() => knowledge.list("menu", { filter: { price: { over: 1 } } })), "invalid_input", /operator `over`/);
  await refused(bad(() => knowledge.listAll("menu", { atMost: 3 })), "invalid_input", /more than 3/);
  await refused(bad(() => knowledge.get("menu", "x")), "not_found", /no `x`/);
  await refused(bad(() => knowledge.query("menu", { select: ["name"], groupBy: ["name"] })), "invalid_input", /groups/);
});

test("what the manifest does not ask for, or the tenant does not grant, is denied", async () => {
  const ask = doing(() => knowledge.list("menu").entries.length, { knowledge: [{ name: "menu", reason }] });
  const host = () => new FakeHost().knowledgeBase("menu", menu).knowledgeBase("staff", []);
  assert.equal(await host().call(ask, "only", {}), 4);
  await refused(() => host().refuse("menu").call(ask, "only", {}), "denied", /not granted the knowledge base `menu`/);
  await refused(() => host().call(doing(() => knowledge.list("staff")), "only", {}), "denied", /does not ask/);
  await refused(() => host().call(doing(() => storage.get("x")), "only", {}), "denied", /storage/);
  await refused(() => host().call(doing(() => model.complete("fast", "x")), "only", {}), "denied", /`fast`/);
  const get = doing(() => http.get("https://a.example.com/").status, { http: [{ host: "*.example.com", reason }] });
  const web = () => new FakeHost().http("GET", "https://", Reply.text("hi"));
  assert.equal(await web().call(get, "only", {}), 200);
  await refused(() => web().refuse("http: a.example.com").call(get, "only", {}), "denied", /not granted/);
  const post = doing(() => http.post("https://a.example.com/"), { http: [{ host: "*.example.com", reason }] });
  await refused(() => web().call(post, "only", {}), "denied", /POST/);
  await refused(() => web().call(doing(() => http.get("https://example.org/")), "only", {}), "denied", /example\.org/);
});

test("a refusal can be caught, and passes on with its kind when it is not", async () => {
  const catching = doing(() => {
    try {
      return knowledge.list("menu");
    } catch (error) {
      return error instanceof ToolError && error.kind;
    }
  });
  assert.equal(await new FakeHost().call(catching, "only", {}), "denied");
});

test("a request goes out with its query, headers and body, and its secrets are kept", async () => {
  const send = doing(
    () => {
      const { url, key, limit } = config.read(Settings);
      const answer = http.post(`${url}/v1?fixed=1#part`, {
        query: { q: "鱼 & (chips)", limit, left_out: undefined, token: key },
        headers: { "X-Id": 7, "x-key": key.after("Token ") },
        bearer: config.secret("key"),
        json: { text: "{{secret:key}}" },
      });
      return answer.expectOk().text();
    },
    { http: [{ host: "config:url", methods: ["POST"], reason }] },
  );
  const host = new FakeHost().config("url", "https://api.example.com").config("key", "s3cret/1");
  host.http("POST", "https://api.example.com/", Reply.echo());
  const echoed = String(await host.call(send, "only", {}));
  const [sent] = host.requests;
  const query = "fixed=1&q=%E9%B1%BC%20%26%20%28chips%29&limit=3&token=s3cret%2F1";
  assert.equal(sent?.url, `https://api.example.com/v1?${query}`);
  assert.equal(sent.header("Authorization"), "Bearer s3cret/1");
  assert.equal(sent.header("X-KEY"), "Token s3cret/1");
  assert.equal(sent.header("Content-Type"), "application/json");
  assert.deepEqual(sent.json(), { text: "{{secret:key}}" }, "a body is never filled in");
  assert.ok(echoed.includes("Bearer [secret]") && !echoed.includes("s3cret"), echoed);
  host.assertSecretsKept();
});

test("a secret is no text", async () => {
  const host = new FakeHost().secret("key", "s3cret");
  host.run(() => {
    const key = config.secret("key");
    assert.throws(() => `Bearer ${key as unknown as string}`, /a secret is no text/);
    assert.throws(() => JSON.stringify({ key }), /cannot stand in JSON/);
    log.info(key, { key });
    console.log(key);
  });
  assert.ok(!JSON.stringify(host.logs).includes("secret:key"), JSON.stringify(host.logs));
  const sending = (call: () => unknown) => () => host.run(call);
  const text = "{{secret:key}}";
  await refused(sending(() => http.get(`https://a.b/${text}`)), "invalid_input", /placeholder/);
  await refused(sending(() => http.get("https://a.b/", { headers: { a: text } })), "invalid_input", /header `a`/);
  await refused(sending(() => config.secret("other")), "failed", /`other` is not filled in/);
  await refused(sending(() => config.read(Settings)), "failed", /`url` is not filled in/);
  const open = new FakeHost().config("key", "plain");
  await refused(() => open.run(() => config.secret("key")), "failed", /not marked as one/);
  const leaking = new FakeHost().secret("key", "s3cret");
  leaking.run(() => log.info("s3cret"));
  assert.throws(() => leaking.assertSecretsKept(), /`key` in: s3cret/);
});

test("statuses are errors of the kind that helps", async () => {
  const get = (reply: Reply) => () =>
    new FakeHost().http("GET", "https://a.b/", reply).run(() => http.get("https://a.b/x?q=1").expectOk());
  assert.equal(get(Reply.json({ a: 1 }))().json<{ a: number }>().a, 1);
  await refused(get(Reply.text("gone").withStatus(404)), "not_found", /^`https:\/\/a\.b\/x` answered 404: gone$/);
  await refused(get(Reply.status(403)), "denied", /403$/);
  await refused(get(Reply.html("<p>oops").withStatus(500)), "unavailable", /500$/);
  await refused(get(Reply.text("x".repeat(400)).withStatus(400)), "failed", /x{300}…$/);
  assert.throws(get(Reply.status(429).header("Retry-After", "7")), { kind: "rate_limited", retryAfter: 7 });
  await refused(() => get(Reply.text("<"))().json(), "failed", /is no JSON/);
  await refused(get(Reply.error(new ToolError("unavailable", "no answer"))), "unavailable", /no answer/);
  await refused(get(Reply.redirect("https://a.b/x")), "failed", /redirects more than 5 times/);
});

test("models answer what the test has written, within the tokens of a call", async () => {
  const host = new FakeHost().model("fast", "one").model("fast", '{"topic": "fish"}');
  host.run(() => {
    const { text, model: name } = model.complete("fast", "hi", { system: "Be short.", maxTokens: 9, temperature: 0 });
    assert.deepEqual([text, name], ["one", "fake-fast"]);
    assert.deepEqual(model.completeAs("fast", Type.Object({ topic: Type.String() }), "hi"), { topic: "fish" });
    const { vectors } = model.embed(["spicy fish", "fish", "a bill"], "passage");
    const [spicy = [], fish = [], bill = []] = vectors;
    assert.ok(model.similarity(spicy, fish) > model.similarity(spicy, bill), JSON.stringify(vectors));
    assert.ok(Math.abs(model.similarity(fish, fish) - 1) < 1e-9);
    assert.deepEqual([model.similarity([0], [1]), model.similarity([1], [1, 2])], [0, 0]);
  });
  assert.deepEqual(host.modelRequests[0]?.messages.map((it) => it.author), ["system", "user"]);
  assert.match(host.modelRequests[1]?.schemaJson ?? "", /"additionalProperties":false/);
  await refused(() => host.run(() => model.completeAs("slow", Type.Number(), "x")), "unavailable", /no model `slow`/);
  const often = doing(() => [1, 2, 3].map(() => model.complete("fast", "12345678").text), {
    model: { roles: ["fast"], maxTokensPerCall: 5, reason },
  });
  await refused(() => new FakeHost().model("fast", "12345678").call(often, "only", {}), "failed", /the 5 tokens/);
});

test("values outlive a call, with versions, expiry and a quota", async () => {
  const host = new FakeHost().stored("visits", "41").nowMs(1_000_000);
  const count = doing(() => storage.update<number>("visits", (seen) => (seen ?? 0) + 1), { storage: { maxBytes: 40, reason } });
  assert.equal(await host.call(count, "only", {}), 42);
  assert.equal(host.storedValue("visits"), "42");
  host.run(() => {
    assert.deepEqual(storage.get("visits"), { value: "42", version: 2 });
    assert.equal(storage.set("short", "x", { ttlS: 60 }), 1);
    assert.deepEqual(storage.get("short"), { value: "x", version: 1, expiresAt: 1_060_000 });
    storage.setJson("kept", { a: [1] });
    assert.deepEqual(storage.getJson<{ a: number[] }>("kept")?.value.a, [1]);
    assert.deepEqual(storage.list("", { limit: 2 }), { keys: ["kept", "short"], nextCursor: "short" });
    assert.deepEqual(storage.list("", { cursor: "short" }), { keys: ["visits"] });
    assert.deepEqual([storage.delete("kept"), storage.delete("kept")], [true, false]);
  });
  host.nowMs(1_060_000);
  assert.equal(host.run(() => storage.get("short")), undefined);
  await refused(() => host.run(() => storage.set("visits", "x", { expected: 7 })), "invalid_input", /is 2, not 7/);
  await refused(() => host.run(() => storage.set("", "x")), "invalid_input", /1 to 200 bytes/);
  await refused(() => host.stored("text", "<").run(() => storage.getJson("text")), "failed", /`text` is no JSON/);
  const much = doing(() => storage.set("much", "x".repeat(40)), { storage: { maxBytes: 40, reason } });
  await refused(() => host.call(much, "only", {}), "failed", /may keep 40 bytes/);
});

test("clock, chance and console are the host's, and only inside of it", async () => {
  const host = new FakeHost().nowMs(Date.UTC(2026, 10, 27)).idempotencyKey("run-1");
  const inside = await host.run(async () => {
    await null;
    console.warn("careful", { n: 1n });
    const chance = [Math.random(), crypto.randomUUID()];
    return { now: [Date.now(), new Date().toISOString(), system.nowMs()], chance, key: system.idempotencyKey() };
  });
  const at = Date.UTC(2026, 10, 27);
  assert.deepEqual(inside.now, [at, "2026-11-27T00:00:00.000Z", at]);
  assert.equal(inside.key, "run-1");
  assert.deepEqual(host.logs, [{ level: "warn", message: 'careful {"n":"1n"}' }]);
  const again = new FakeHost().run(() => [Math.random(), crypto.randomUUID()]);
  assert.deepEqual(again, inside.chance, "the same for every new host");
  assert.ok(Math.abs(Date.now() - performance.timeOrigin - performance.now()) < 60_000, "outside it is Node's own");
  assert.throws(() => system.nowMs(), /`system\.nowMs\(\)` was called while the plugin is being built/);
  assert.equal(new Date(5).getTime(), 5);
  assert.ok(new Date() instanceof Date);
});
