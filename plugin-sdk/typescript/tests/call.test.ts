// What a tool gives and how it fails, as the server would see it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { plugin, tool, ToolError, Type } from "../src/index.ts";
import { FakeHost } from "../src/testing.ts";

const anything = Type.Unknown();

/** A plugin of one tool, which does this. */
function doing(run: (input: { n: number }) => unknown) {
  const only = tool({
    description: "x",
    input: Type.Object({ n: Type.Optional(Type.Integer({ minimum: 0 })) }),
    output: anything,
    run: run as () => unknown,
  });
  return plugin({ id: "probe", title: "Probe", description: "x", tools: { only } });
}

async function output(run: (input: { n: number }) => unknown, input: unknown = {}): Promise<unknown> {
  return new FakeHost().call(doing(run), "only", input);
}

async function failure(run: (input: { n: number }) => unknown, input: unknown = {}): Promise<string> {
  const error = await output(run, input).then(
    (value) => assert.fail(`it answered ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ToolError, String(error));
  return `${error.kind}: ${error.message}`;
}

test("what a tool returns arrives as JSON, from a promise too", async () => {
  assert.deepEqual(await output(({ n }) => ({ n, none: undefined })), {});
  assert.deepEqual(await output(async ({ n }) => [n + 1], { n: 1 }), [2]);
  assert.equal(await output(() => undefined), null);
  assert.deepEqual(await output(() => ({ at: new Date(0) })), { at: "1970-01-01T00:00:00.000Z" });
});

test("whatever is thrown is an error in words", async () => {
  const thrower = (value: unknown) => () => {
    throw value;
  };
  assert.equal(await failure(thrower("plain words")), "failed: plain words");
  assert.equal(await failure(thrower(new TypeError("bad"))), "failed: TypeError: bad");
  assert.equal(await failure(thrower(new Error("bad"))), "failed: bad");
  assert.equal(await failure(thrower(new Error())), "failed: Error");
  assert.equal(await failure(thrower(undefined)), "failed: the tool threw undefined");
  assert.equal(await failure(thrower({ code: 5 })), 'failed: the tool threw {"code":5}');
  assert.equal(await failure(thrower(Symbol("s"))), "failed: the tool threw Symbol(s)");
  const hostile = new Proxy({}, { get: thrower(1) as () => never });
  assert.equal(await failure(thrower(hostile)), "failed: the tool threw something that cannot be shown");
  assert.equal(await failure(() => Promise.reject("later")), "failed: later");
  assert.equal(await failure(thrower(new ToolError("not_found", "no such dish"))), "not_found: no such dish");
});

test("what JSON cannot hold is told with its path", async () => {
  assert.equal(
    await failure(() => ({ list: [1, { big: 10n }] })),
    "failed: `list[1].big` is a BigInt, which JSON cannot hold; return `Number(…)` or `String(…)` of it",
  );
  assert.match(await failure(() => new Map()), /^failed: what the tool returned is a Map/);
  assert.match(await failure(() => [Number.NaN]), /`\[0\]` is NaN/);
  assert.match(await failure(() => ({ f() {} })), /`f` is a function/);
  assert.match(await failure(() => new Uint8Array(2)), /holds raw numbers or bytes/);
  const self: Record<string, unknown> = {};
  self["inner"] = { self };
  assert.match(await failure(() => self), /`inner.self` contains itself/);
  let deep: unknown = [];
  for (let level = 0; level < 200; level += 1) deep = [deep];
  assert.match(await failure(() => deep), /more than 120 levels/);
});

test("input and output are held against their schemas", async () => {
  assert.match(await failure(() => 1, { n: -1 }), /^invalid_input: \/n must be >= 0/);
  assert.match(await failure(() => 1, { m: 1 }), /^invalid_input: .*additional properties/);
  const wrong = tool({
    description: "x",
    input: Type.Object({}),
    output: Type.Object({ each: Type.Integer() }),
    run: () => ({ each: "3" }) as unknown as { each: number },
  });
  const wrongly = plugin({ id: "probe", title: "Probe", description: "x", tools: { wrong } });
  await assert.rejects(new FakeHost().call(wrongly, "wrong", {}), /output of wrong does not fit its schema: \/each/);
});

test("a tool that is not there is not found, whatever objects inherit", async () => {
  const probe = doing(() => 1);
  for (const name of ["other", "toString", "constructor"] as unknown as "only"[]) {
    await assert.rejects(new FakeHost().call(probe, name, {}), { kind: "not_found" });
  }
});

test("examples that are not true fail a test", async () => {
  const adding = (sum: number) => {
    const add = tool({
      description: "x",
      input: Type.Object({ a: Type.Number() }),
      output: Type.Number(),
      examples: [{ title: "One and one", input: { a: 1 }, output: sum }],
      run: ({ a }) => a + 1,
    });
    return plugin({ id: "probe", title: "Probe", description: "x", tools: { add } });
  };
  await new FakeHost().checkExamples(adding(2));
  await assert.rejects(new FakeHost().checkExamples(adding(3)), /“One and one” of add is not true/);
});
