import { describe, expect, it } from "vitest";
import { Problem } from "@/api/client";
import { UploadQueue } from "./upload-queue";

interface Call {
  name: string;
  done: () => void;
  fail: (error: Error) => void;
  signal: AbortSignal;
}

function setUp() {
  const calls: Call[] = [];
  let arrived = 0;
  const queue = new UploadQueue(
    (item, onProgress, signal) => new Promise((resolve, reject) => { onProgress(0.5); calls.push({ name: item.name, done: () => resolve(null), fail: reject, signal }); }),
    () => { arrived += 1; },
  );
  const settle = () => new Promise((resolve) => { setTimeout(resolve); });
  return { queue, calls, settle, arrived: () => arrived };
}
const files = (...names: string[]) => names.map((name) => new File(["x"], name));

describe("UploadQueue", () => {
  it("sends three at once and the next when one has arrived", async () => {
    const { queue, calls, settle, arrived } = setUp();
    queue.add(files("a", "b", "c", "d", "e"));
    expect(calls.map((call) => call.name)).toEqual(["a", "b", "c"]);
    expect(queue.items.map((item) => item.state)).toEqual(["sending", "sending", "sending", "waiting", "waiting"]);
    expect(queue.items[0]?.sent).toBe(0.5);
    calls[1]?.done();
    await settle();
    expect(calls.map((call) => call.name)).toEqual(["a", "b", "c", "d"]);
    expect(queue.items.map((item) => item.name)).toEqual(["a", "c", "d", "e"]);
    expect(arrived()).toBe(1);
  });

  it("keeps what failed with its reason until it is tried again", async () => {
    const { queue, calls, settle } = setUp();
    queue.add(files("a"));
    calls[0]?.fail(new Problem(413, { code: "too_large", detail: "too large" }));
    await settle();
    expect(queue.items[0]).toMatchObject({ state: "failed", problem: { code: "too_large" } });
    queue.retry(queue.items[0]?.key ?? -1);
    expect(calls).toHaveLength(2);
    calls[1]?.done();
    await settle();
    expect(queue.items).toEqual([]);
  });

  it("forgets a failure when a file of the same name is added anew", async () => {
    const { queue, calls, settle } = setUp();
    queue.add(files("a"));
    calls[0]?.fail(new Error("broken"));
    await settle();
    queue.add(files("a"));
    expect(queue.items).toHaveLength(1);
    expect(queue.items[0]?.state).toBe("sending");
  });

  it("breaks off what is taken out and goes on with the rest", async () => {
    const { queue, calls, settle } = setUp();
    queue.add(files("a", "b", "c", "d"));
    queue.remove(queue.items[0]?.key ?? -1);
    expect(calls[0]?.signal.aborted).toBe(true);
    calls[0]?.fail(new Error("aborted"));
    await settle();
    expect(queue.items.map((item) => [item.name, item.state])).toEqual([["b", "sending"], ["c", "sending"], ["d", "sending"]]);
  });

  it("tells who listens, and takes another name and columns along", () => {
    const { queue } = setUp();
    let told = 0;
    const stop = queue.subscribe(() => { told += 1; });
    queue.add(files("new.csv"), { name: "old.csv", columns: { a: "b" } });
    expect(told).toBeGreaterThan(0);
    expect(queue.items[0]).toMatchObject({ name: "old.csv", columns: { a: "b" } });
    stop();
  });
});
