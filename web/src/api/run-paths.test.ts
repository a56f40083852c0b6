// Paths into containers, and executions put together by item.
import { describe, expect, it } from "vitest";
import { definitionOf, groupByItem, isInner, outermost, ownId, splitPath, stateOf, tally } from "./run-paths";
import type { NodeState } from "./types";

const done = (id: string, state: NodeState = "done", handled = false) => ({ id, state, handled });

describe("a path", () => {
  it("comes apart into item and node, however deep", () => {
    expect(splitPath("orders[2].price")).toEqual({ container: "orders", index: 2, item: "orders[2]", node: "price" });
    expect(splitPath("a[0].b[11].c")).toEqual({ container: "a[0].b", index: 11, item: "a[0].b[11]", node: "c" });
    expect(splitPath("price")).toBeNull();
    expect([ownId("a[0].b[1].c"), ownId("c"), outermost("a[0].b[1].c"), outermost("c")]).toEqual(["c", "c", "a", "c"]);
    expect([isInner("a[0].b"), isInner("a")]).toEqual([true, false]);
    expect(definitionOf([{ id: "b", parent: "a" }, { id: "c", parent: "b" }], "a[0].b[1].c")).toEqual({ id: "c", parent: "b" });
  });
});

describe("groupByItem", () => {
  it("puts executions into their items, in the order of the list", () => {
    const groups = groupByItem([done("o[2].price"), done("o[0].price"), done("plain"), done("o[2].stock", "failed"), done("o[0].each"), done("o[0].each[1].x", "running")]);
    expect([...groups.keys()].sort()).toEqual(["o", "o[0].each"]);
    expect(groups.get("o")?.map((item) => [item.path, item.state, item.executions.map((one) => one.id)])).toEqual([
      ["o[0]", "done", ["o[0].price", "o[0].each"]], ["o[2]", "failed", ["o[2].price", "o[2].stock"]],
    ]);
    expect(groups.get("o[0].each")?.[0]).toMatchObject({ index: 1, state: "running" });
  });

  it("is quick with very many", () => {
    const many = Array.from({ length: 30_000 }, (_, at) => done(`o[${Math.floor(at / 3)}].n${at % 3}`));
    const began = performance.now();
    expect(groupByItem(many).get("o")).toHaveLength(10_000);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe("an item's state", () => {
  it("is that of its worst step, unless the failure was taken care of", () => {
    expect(stateOf([done("a"), done("b", "failed"), done("c", "running")])).toBe("failed");
    expect(stateOf([done("a", "failed", true), done("b")])).toBe("done");
    expect(stateOf([done("a"), done("b", "running")])).toBe("running");
    expect(stateOf([done("a", "kept"), done("b", "kept")])).toBe("kept");
    expect(stateOf([done("a", "skipped")])).toBe("skipped");
    expect(tally([done("a"), done("b"), done("c", "failed")])).toMatchObject({ done: 2, failed: 1, running: 0 });
  });
});
