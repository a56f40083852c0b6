import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeHost } from "parlour-plugin/testing";

import plugin from "../src/plugin.ts";

test("the examples are true", async () => {
  await new FakeHost().checkExamples(plugin);
});

test("somebody has to pay", async () => {
  const answer = new FakeHost().call(plugin, "split_bill", { total: 100, guests: 0 });
  await assert.rejects(answer, { kind: "invalid_input" });
});

test("the whole bill is paid", async () => {
  const { each, left_over } = await new FakeHost().call(plugin, "split_bill", { total: 100, guests: 3 });
  assert.equal(each * 3 + left_over, 100);
});
