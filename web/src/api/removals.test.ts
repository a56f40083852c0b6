import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Problem } from "./client";
import { eachOf, RemovalQueue, UNDO_MS } from "./removals";

const item = (name: string) => ({ address: `/d/${name}`, name });

function world(refused: Record<string, Problem> = {}) {
  const sent: [string, boolean][] = [];
  const read = vi.fn(() => Promise.resolve());
  const queue = new RemovalQueue((address, leaving) => {
    sent.push([address, leaving]);
    const problem = refused[address];
    return problem ? Promise.reject(problem) : Promise.resolve();
  });
  return { queue, sent, read, add: (...names: string[]) => queue.add("document", names.map(item), read) };
}

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

describe("RemovalQueue", () => {
  it("leaves out at once and deletes some seconds later", async () => {
    const { queue, sent, read, add } = world();
    add("a", "b");
    expect([...queue.gone]).toEqual(["/d/a", "/d/b"]);
    await vi.advanceTimersByTimeAsync(UNDO_MS - 1);
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent).toEqual([["/d/a", false], ["/d/b", false]]);
    expect(read).toHaveBeenCalledOnce();
    expect(queue.batches).toEqual([]);
    expect(queue.gone.size).toBe(0);
  });

  it("brings back what was undone, and only that", async () => {
    const { queue, sent, add } = world();
    add("a");
    add("b");
    queue.undo(queue.batches[0]?.key ?? -1);
    expect([...queue.gone]).toEqual(["/d/b"]);
    await vi.advanceTimersByTimeAsync(UNDO_MS);
    expect(sent).toEqual([["/d/b", false]]);
  });

  it("waits while it is held", async () => {
    const { queue, sent, add } = world();
    add("a");
    const key = queue.batches[0]?.key ?? -1;
    queue.hold(key);
    await vi.advanceTimersByTimeAsync(UNDO_MS * 10);
    expect(sent).toEqual([]);
    queue.release(key);
    await vi.advanceTimersByTimeAsync(UNDO_MS);
    expect(sent).toHaveLength(1);
  });

  it("sends what waits when the page is left, so that it outlives it", async () => {
    const { queue, sent, add } = world();
    add("a", "b", "c", "d", "e", "f");
    queue.leave();
    expect(sent).toHaveLength(6);
    expect(sent.every(([, leaving]) => leaving)).toBe(true);
    await vi.advanceTimersByTimeAsync(UNDO_MS);
    expect(sent).toHaveLength(6);
  });

  it("is settled when everything was sent, once", async () => {
    const { queue, sent, add } = world();
    add("a");
    add("b");
    await Promise.all([queue.settle(), queue.settle()]);
    expect(sent.map(([address]) => address)).toEqual(["/d/a", "/d/b"]);
    expect(queue.batches).toEqual([]);
    await queue.settle();
    expect(sent).toHaveLength(2);
  });

  it("tells of each that could not be deleted, and shows it again; what is gone already is no failure", async () => {
    const busy = new Problem(503, { code: "shutting_down" });
    const { queue, add } = world({ "/d/b": busy, "/d/c": new Problem(404, { code: "not_found" }) });
    add("a", "b", "c");
    await queue.settle();
    expect(queue.batches).toMatchObject([{ state: "failed", failed: [{ name: "b", problem: busy }] }]);
    expect(queue.gone.size).toBe(0);
    queue.undo(queue.batches[0]?.key ?? -1);
    expect(queue.batches).toHaveLength(1);
    queue.dismiss(queue.batches[0]?.key ?? -1);
    expect(queue.batches).toEqual([]);
  });
});

describe("eachOf", () => {
  it("has no more than so many in the works", async () => {
    let now = 0;
    let most = 0;
    const done: number[] = [];
    const all = eachOf([1, 2, 3, 4, 5], 2, async (one) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, one));
      now -= 1;
      done.push(one);
    });
    await vi.advanceTimersByTimeAsync(100);
    await all;
    expect(most).toBe(2);
    expect(done.sort()).toEqual([1, 2, 3, 4, 5]);
  });
});
