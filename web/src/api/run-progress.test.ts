// A run's state built from events: order, replays, and what an early end does to steps still at work.
import { describe, expect, it } from "vitest";
import { applyFrame, currentNode, emptyRun, fromDetail } from "./run-progress";
import type { RunProgress } from "./run-progress";

function apply(run: RunProgress, ...events: [string, unknown][]): RunProgress {
  return events.reduce((now, [event, data]) => applyFrame(now, { id: null, event, data: JSON.stringify(data) }), run);
}

const graph = { nodes: [{ id: "taste", kind: "classify_intent", title: "判断口味" }, { id: "spicy", kind: "plugin", dependencies: ["taste.spicy"] }, { id: "mild", kind: "plugin", dependencies: [{ node: "taste", port: "mild" }] }] };
const STORY: [string, unknown][] = [
  ["run.started", { run_id: "r1", graph }],
  ["node.started", { node: "taste", input: { text: "辣" }, at: 1000 }],
  ["node.finished", { node: "taste", port: "spicy", output: { intent: "spicy" }, duration_ms: 40 }],
  ["node.skipped", { node: "mild" }],
  ["node.started", { node: "spicy", at: 1040 }],
];

describe("applyFrame", () => {
  it("follows steps through their states", () => {
    const run = apply(emptyRun, ...STORY);
    expect(run.nodes.map((node) => [node.id, node.state, node.port])).toEqual([["taste", "done", "spicy"], ["spicy", "running", null], ["mild", "skipped", null]]);
    expect(run.nodes[1]?.dependencies).toEqual([{ node: "taste", port: "spicy" }]);
    expect(run.nodes[2]?.dependencies).toEqual([{ node: "taste", port: "mild" }]);
    expect(currentNode(run)?.id).toBe("spicy");
  });

  it("is unchanged by a replay from the beginning", () => {
    const once = apply(emptyRun, ...STORY);
    expect(apply(once, ...STORY)).toEqual(once);
  });

  it("joins deltas and lets a snapshot replace them", () => {
    const run = apply(emptyRun, ["message.delta", { text: "黄焖" }], ["message.delta", { text: "鸡" }], ["message.snapshot", { text: "黄焖鸡，" }], ["message.delta", { text: "好" }]);
    expect(run.answer).toBe("黄焖鸡，好");
  });

  it("joins several answers, each completed once", () => {
    const run = apply(emptyRun, ["message.delta", { text: "一。" }], ["message.completed", { node: "a", text: "一。" }], ["message.completed", { node: "b", text: "二。" }], ["message.snapshot", { text: "一。二。" }]);
    expect(run.answer).toBe("一。二。");
  });

  it("keeps the words of a run that was cancelled, and stops its steps", () => {
    const run = apply(emptyRun, ...STORY, ["message.delta", { text: "半" }], ["run.cancelled", {}]);
    expect([run.status, run.answer, run.nodes[1]?.state]).toEqual(["cancelled", "半", "skipped"]);
  });

  it("shows a failure with its error and survives data that is no object", () => {
    const error = { code: "timeout", message: "too slow" };
    const run = apply(emptyRun, ...STORY, ["node.failed", { node: "spicy", error, handled: false, duration_ms: 5 }], ["run.failed", { error }], ["node.started", 7], ["surprise", null]);
    expect([run.status, run.error, run.nodes[1]?.state, run.nodes[1]?.error]).toEqual(["failed", error, "failed", error]);
  });

  it("shows a step that the graph did not announce", () => {
    expect(apply(emptyRun, ["node.started", { node: "late", kind: "llm" }]).nodes[0]).toMatchObject({ id: "late", kind: "llm", state: "running" });
  });
});

const boxed = { nodes: [
  { id: "orders", kind: "each" }, { id: "price", kind: "template", title: "Price", parent: "orders" },
  { id: "lines", kind: "each", parent: "orders" }, { id: "tax", kind: "set", parent: "lines" },
] };
const BOXED: [string, unknown][] = [
  ["run.started", { run_id: "r1", graph: boxed }],
  ["node.started", { node: "orders", input: { items: [1, 2] }, at: 1 }],
  ["node.started", { node: "orders[0].price", at: 2 }],
  ["node.started", { node: "orders[1].price", at: 2 }],
  ["node.finished", { node: "orders[1].price", port: "done", duration_ms: 3 }],
  ["node.started", { node: "orders[1].lines[0].tax", at: 6 }],
];

describe("containers", () => {
  it("keep what each item's steps did apart from the outermost nodes", () => {
    const run = apply(emptyRun, ...BOXED);
    expect(run.nodes.map((node) => [node.id, node.state])).toEqual([["orders", "running"]]);
    expect(run.inner.map((node) => [node.id, node.parent])).toEqual([["price", "orders"], ["lines", "orders"], ["tax", "lines"]]);
    expect(run.executions.map((one) => [one.id, one.state, one.kind, one.title])).toEqual([
      ["orders[0].price", "running", "template", "Price"], ["orders[1].price", "done", "template", "Price"], ["orders[1].lines[0].tax", "running", "set", null],
    ]);
    expect(currentNode(run)?.id).toBe("orders[1].lines[0].tax");
    expect(apply(run, ...BOXED)).toEqual(run);
    expect(apply(run, ["run.cancelled", {}]).executions.map((one) => one.state)).toEqual(["skipped", "done", "skipped"]);
  });

  it("are read from the detail with an entry for each execution", () => {
    const run = fromDetail({
      id: "r", kind: "workflow", name: "w", status: "finished", graph: boxed,
      nodes: [
        { id: "orders", kind: "each", state: "done" },
        { id: "orders[0].price", kind: "template", state: "done", saved: { input_tokens: 3, output_tokens: 1 } },
        { id: "orders[0].lines", kind: "each", state: "kept" },
      ],
    });
    expect(run.nodes).toHaveLength(1);
    expect(run.executions.map((one) => [one.id, one.state, one.title, one.saved])).toEqual([
      ["orders[0].price", "done", "Price", { input_tokens: 3, output_tokens: 1 }], ["orders[0].lines", "kept", null, null],
    ]);
  });
});

describe("what a run waits for", () => {
  const ask = { effect: 1, kind: "ask", node: "place", question: "堂食还是外带？", options: [{ name: "in", title: "堂食" }] };
  const approve = { effect: 2, kind: "approve", node: "check", title: "Refund?" };

  it("is known from the moment of asking, and the run waits when nothing else is left", () => {
    const asked = apply(emptyRun, ["run.started", { run_id: "r1" }], ["node.started", { node: "place" }], ["interrupt", ask], ["interrupt", approve]);
    expect([asked.status, asked.waits.map((wait) => wait.effect)]).toEqual(["running", [1, 2]]);
    const waiting = apply(asked, ["run.waiting", { waiting_for: [ask, approve] }]);
    expect([waiting.status, waiting.waits]).toEqual(["waiting", [ask, approve]]);
    expect(apply(waiting, ["message.snapshot", { text: "堂食还是外带？" }]).status).toBe("waiting");
  });

  it("is over when its node goes on, and a question asked again takes the place of the last", () => {
    const waiting = apply(emptyRun, ["interrupt", ask], ["interrupt", approve], ["run.waiting", { waiting_for: [ask, approve] }]);
    const again = apply(waiting, ["interrupt", { ...ask, effect: 3 }]);
    expect([again.status, again.waits.map((wait) => wait.effect)]).toEqual(["running", [2, 3]]);
    const answered = apply(again, ["node.finished", { node: "place", port: "in" }]);
    expect(answered.waits.map((wait) => wait.effect)).toEqual([2]);
    expect(apply(answered, ["run.finished", {}]).waits).toEqual([]);
  });
});

describe("nodes that are not done again", () => {
  it("are kept, or tell what the cache saved", () => {
    const run = apply(emptyRun, ["run.started", { run_id: "r1", graph }], ["node.kept", { node: "taste", port: "spicy", output: { intent: "spicy" } }],
      ["node.started", { node: "spicy", at: 1 }], ["node.finished", { node: "spicy", port: "done", saved: { input_tokens: 900, output_tokens: 40 } }]);
    expect(run.nodes.map((node) => [node.state, node.port, node.saved])).toEqual([
      ["kept", "spicy", null], ["done", "done", { input_tokens: 900, output_tokens: 40 }], ["waiting", null, null],
    ]);
  });
});

describe("fromDetail", () => {
  it("reads times, states and steps that have not begun", () => {
    const run = fromDetail({
      id: "r", kind: "chat", name: "a", status: "failed", graph,
      nodes: [{ id: "taste", kind: "classify_intent", state: "done", started_at: "2026-01-01T00:00:00.000Z", finished_at: "2026-01-01T00:00:00.250Z" }],
    });
    expect(run.nodes.map((node) => node.state)).toEqual(["done", "waiting", "waiting"]);
    expect(run.nodes[0]?.durationMs).toBe(250);
    const cut = fromDetail({ id: "r", kind: "chat", name: "a", status: "cancelled", graph, nodes: [{ id: "taste", kind: "classify_intent", state: "running" }] });
    expect(cut.nodes[0]?.state).toBe("skipped");
  });
});
