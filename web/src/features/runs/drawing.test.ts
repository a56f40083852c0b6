// Containers as boxes around their steps, and what the boxes show of many executions.
import { describe, expect, it } from "vitest";
import { applyFrame, emptyRun } from "@/api/run-progress";
import { drawShapes, looksOf, shapesOf, wasTaken } from "./drawing";

const graph = { nodes: [
  { id: "load", kind: "http" }, { id: "orders", kind: "each", dependencies: ["load"] },
  { id: "check", kind: "branch", parent: "orders", ports: ["big", "small"] }, { id: "big", kind: "llm", parent: "orders", dependencies: ["check.big"] },
  { id: "small", kind: "set", parent: "orders", dependencies: ["check.small", "load"] }, { id: "lines", kind: "each", parent: "orders", dependencies: ["big"] },
  { id: "tax", kind: "set", parent: "lines" }, { id: "end", kind: "answer", dependencies: ["orders"] },
] };
const run = [
  ["run.started", { run_id: "r", graph }], ["node.finished", { node: "load", port: "done" }], ["node.started", { node: "orders", at: 1 }],
  ["node.finished", { node: "orders[0].check", port: "big" }], ["node.skipped", { node: "orders[0].small" }], ["node.finished", { node: "orders[0].big", port: "done" }],
  ["node.finished", { node: "orders[1].check", port: "big" }], ["node.failed", { node: "orders[1].big", error: { code: "timeout", message: "" } }], ["node.started", { node: "orders[2].check" }],
].reduce((now, [event, data]) => applyFrame(now, { id: null, event: event as string, data: JSON.stringify(data) }), emptyRun);

describe("drawShapes", () => {
  it("draws a container around its steps, however deep", () => {
    const drawing = drawShapes(shapesOf(run));
    expect(drawing.nodes.map((node) => node.id)).toEqual(["load", "orders", "end"]);
    const orders = drawing.nodes[1]!;
    const inside = orders.inside!.drawing;
    expect(inside.nodes.map((node) => node.id)).toEqual(["check", "big", "small", "lines"]);
    expect(inside.nodes[3]!.inside!.drawing.nodes.map((node) => node.id)).toEqual(["tax"]);
    expect(orders.inside!.x + inside.width).toBeLessThanOrEqual(orders.width);
    expect(orders.inside!.y + inside.height).toBeLessThanOrEqual(orders.height);
    expect(drawing.nodes[2]!.y).toBeGreaterThan(orders.y + orders.height);
    // A step inside that waits for one outside is drawn inside; the string would cross the frame.
    expect(inside.edges.map((edge) => `${edge.from}>${edge.to}`)).toEqual(["check>big", "check>small", "big>lines"]);
  });
});

describe("looksOf", () => {
  it("says how many executions of an inner step are in which state", () => {
    const looks = looksOf(run);
    expect(looks.get("big")).toMatchObject({ state: "failed", outermost: "orders", counts: { done: 1, failed: 1 } });
    expect(looks.get("check")).toMatchObject({ state: "running", counts: { done: 2, running: 1 } });
    expect(looks.get("tax")).toMatchObject({ state: "waiting", outermost: "orders" });
    expect(looks.get("orders")).toMatchObject({ state: "running", counts: { done: 1, failed: 1, running: 1 } });
    expect(looks.get("load")).toMatchObject({ state: "done", counts: null });
  });

  it("knows the ways that were taken by any item", () => {
    const looks = looksOf(run);
    const taken = (from: string, to: string, port: string | null) => wasTaken(looks.get(from), looks.get(to), port);
    expect([taken("check", "big", "big"), taken("check", "small", "small"), taken("load", "orders", null), taken("orders", "end", null)]).toEqual([true, false, true, false]);
  });
});
