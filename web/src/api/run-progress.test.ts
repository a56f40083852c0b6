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

describe("fromDetail", () => {
  it("reads times, states and steps that have not begun", () => {
    const run = fromDetail({
      id: "r", kind: "chat", name: "a", status: "failed", graph,
      nodes: [{ id: "taste", kind: "classify_intent", state: "done", started_at: "2026-01-01T00:00:00.000Z", finished_at: "2026-01-01T00:00:00.250Z" }],
    });
    expect(run.nodes.map((node) => node.state)).toEqual(["done", "waiting", "waiting"]);
    expect(run.nodes[0]?.durationMs).toBe(250);
  });
});
