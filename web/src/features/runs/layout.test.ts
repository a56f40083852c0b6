// The layered drawing: nothing overlaps, everything stands below what it waits for, and odd graphs do no harm.
import { describe, expect, it } from "vitest";
import { layoutGraph } from "./layout";
import type { LayoutNode } from "./layout";

const SIZE = { width: 100, height: 40, gapX: 20, gapY: 30 };
const node = (id: string, ...dependencies: string[]): LayoutNode => ({
  id, dependencies: dependencies.map((one) => ({ node: one.split(".")[0] ?? "", port: one.split(".")[1] ?? null })),
});

function expectSound(graph: LayoutNode[]) {
  const layout = layoutGraph(graph, SIZE);
  const at = new Map(layout.nodes.map((one) => [one.id, one]));
  for (const edge of layout.edges) expect(at.get(edge.from)!.y).toBeLessThan(at.get(edge.to)!.y);
  for (const a of layout.nodes) {
    expect(a.x).toBeGreaterThanOrEqual(-0.5);
    expect(a.x + a.width).toBeLessThanOrEqual(layout.width + 0.5);
    expect(a.y + a.height).toBeLessThanOrEqual(layout.height);
    for (const b of layout.nodes) {
      if (a.id >= b.id) continue;
      const apart = a.x + a.width <= b.x + 0.5 || b.x + b.width <= a.x + 0.5 || a.y + a.height <= b.y || b.y + b.height <= a.y;
      expect(apart, `${a.id} and ${b.id} overlap`).toBe(true);
    }
  }
  return layout;
}

describe("layoutGraph", () => {
  it("draws nothing for nothing", () => {
    expect(layoutGraph([], SIZE)).toEqual({ nodes: [], edges: [], width: 0, height: 0 });
  });

  it("puts a straight line in one column", () => {
    const layout = expectSound([node("a"), node("b", "a"), node("c", "b")]);
    expect(new Set(layout.nodes.map((one) => one.x)).size).toBe(1);
    expect(layout.nodes.map((one) => one.layer)).toEqual([0, 1, 2]);
    expect([layout.width, layout.height]).toEqual([100, 3 * 40 + 2 * 30]);
  });

  it("sets a branch side by side and its join below both, keeping the port on the edge", () => {
    const layout = expectSound([node("taste"), node("spicy", "taste.spicy"), node("mild", "taste.mild"), node("reply", "spicy", "mild")]);
    expect(layout.nodes.map((one) => one.layer)).toEqual([0, 1, 1, 2]);
    expect(layout.edges.map((edge) => edge.port)).toEqual(["spicy", "mild", null, null]);
    const [taste, spicy, mild, reply] = layout.nodes.map((one) => one.x);
    expect(taste).toBeCloseTo(((spicy ?? 0) + (mild ?? 0)) / 2, 0);
    expect(reply).toBeCloseTo(taste ?? 0, 0);
  });

  it("leads a long edge around the step between", () => {
    const layout = expectSound([node("a"), node("b", "a"), node("c", "a", "b")]);
    const long = layout.edges.find((edge) => edge.from === "a" && edge.to === "c");
    const between = layout.nodes.find((one) => one.id === "b")!;
    const bend = Number(/ ([\d.]+) [\d.]+L/.exec(long?.path ?? "")?.[1]);
    expect(bend <= between.x || bend >= between.x + SIZE.width).toBe(true);
  });

  it("makes room for a step with steps inside", () => {
    const layout = expectSound([node("a"), { ...node("box", "a"), width: 300, height: 200 }, node("small", "a"), node("end", "box", "small")]);
    const [, box, small, end] = layout.nodes;
    expect([box?.width, box?.height, small?.height]).toEqual([300, 200, SIZE.height]);
    expect(box?.y).toBe(small?.y);
    expect(end?.y).toBe((box?.y ?? 0) + 200 + SIZE.gapY);
    expect(layout.edges.find((edge) => edge.from === "small")?.path).toMatch(new RegExp(`^M[\\d.]+ ${(small?.y ?? 0) + SIZE.height}C`));
  });

  it("finds the order without crossings", () => {
    const layout = expectSound([node("a"), node("b"), node("x", "b"), node("y", "a")]);
    const x = new Map(layout.nodes.map((one) => [one.id, one.x]));
    expect((x.get("a")! - x.get("b")!) * (x.get("y")! - x.get("x")!)).toBeGreaterThan(0);
  });

  it("leaves out unknown dependencies, repeats, and whatever closes a circle", () => {
    const layout = expectSound([node("a", "c", "ghost", "a"), node("b", "a", "a.done"), node("c", "b")]);
    expect(layout.edges.map((edge) => `${edge.from}>${edge.to}`)).toEqual(["c>a", "a>b"]);
  });

  it("is the same every time and quick on a wide graph", () => {
    const wide = [node("start"), ...Array.from({ length: 60 }, (_, index) => node(`n${index}`, index < 20 ? "start" : `n${(index * 7) % 20}`)), node("end", ...Array.from({ length: 40 }, (_, index) => `n${index + 20}`))];
    const began = performance.now();
    const layout = expectSound(wide);
    expect(performance.now() - began).toBeLessThan(1500);
    expect(layoutGraph(wide, SIZE)).toEqual(layout);
  });
});
