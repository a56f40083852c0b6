// A conversation on the page: sending, stopping, failing, trying again, and joining an answer after a reload.
import { describe, expect, it } from "vitest";
import { Problem } from "@/api/client";
import type { FollowOptions } from "@/api/event-stream";
import type { Message, RunDetail, Wait } from "@/api/types";
import { ChatSession } from "./session";
import type { Wire } from "./session";

type Script = (options: FollowOptions) => Promise<void> | void;
const event = (options: FollowOptions, name: string, data: unknown = {}, id: string | null = null) => options.onFrame({ id, event: name, data: JSON.stringify(data) });

function build({ script, ...change }: Partial<Wire> & { script?: Script } = {}) {
  const calls: string[] = [];
  const looks: (() => void)[] = [];
  const wire: Wire = {
    list: async () => [],
    post: async (_, content) => { calls.push(`post ${content}`); return new Response(); },
    cancel: async (run) => { calls.push(`cancel ${run}`); },
    follow: async (options) => { calls.push(`follow ${options.run ?? "post"}`); await script?.(options); },
    run: async () => { throw new Problem(404, {}); },
    answer: async (run, effect, fields) => { calls.push(`answer ${run} ${effect} ${JSON.stringify(fields)}`); },
    later: (look) => { looks.push(look); return () => { looks.splice(looks.indexOf(look), 1); }; },
    paint: (draw) => draw(),
    ...change,
  };
  return { session: new ChatSession("c1", wire), calls, looks };
}

const shape = (session: ChatSession) => session.snapshot().messages.map((one) => [one.role, one.content, one.status]);

describe("ChatSession", () => {
  it("streams an answer to its end", async () => {
    const seen: string[] = [];
    const { session } = build({
      script: (options) => {
        event(options, "run.started", { run_id: "r1" });
        event(options, "message.delta", { text: "黄焖" });
        event(options, "message.delta", { text: "鸡" });
        event(options, "run.finished", { answer: "黄焖鸡" });
      },
    });
    session.subscribe(() => seen.push(session.snapshot().messages.at(-1)?.content ?? ""));
    await session.send("辣的");
    expect(shape(session)).toEqual([["user", "辣的", "complete"], ["assistant", "黄焖鸡", "complete"]]);
    expect(session.snapshot()).toMatchObject({ busy: false, stopping: false });
    expect(seen).toContain("黄焖");
    expect(session.snapshot().messages[1]?.run).toBe("r1");
  });

  it("keeps what was said when stopped", async () => {
    const { session, calls } = build({
      script: async (options) => {
        event(options, "run.started", { run_id: "r1" });
        event(options, "message.delta", { text: "前半" });
        await session.stop();
        event(options, "run.cancelled");
      },
    });
    await session.send("讲个长的");
    expect(calls).toContain("cancel r1");
    expect(shape(session).at(-1)).toEqual(["assistant", "前半", "cancelled"]);
  });

  it("cancels a run that begins only after stop was pressed", async () => {
    const { session, calls } = build({
      script: async (options) => {
        await session.stop();
        expect(calls).not.toContain("cancel r1");
        event(options, "run.started", { run_id: "r1" });
        event(options, "run.cancelled");
      },
    });
    await session.send("x");
    expect(calls).toContain("cancel r1");
  });

  it("shows a failed answer with its error and asks again on retry", async () => {
    let turn = 0;
    const { session, calls } = build({
      script: (options) => {
        turn += 1;
        event(options, "run.started", { run_id: `r${turn}` });
        if (turn === 1) event(options, "run.failed", { error: { code: "model_not_configured", message: "no model" } });
        else event(options, "run.finished", { answer: "好" });
      },
    });
    await session.send("几点关门");
    const failed = session.snapshot().messages.at(-1);
    expect([failed?.status, failed?.error?.code]).toEqual(["failed", "model_not_configured"]);
    await session.retry(failed?.key ?? "");
    expect(calls.filter((call) => call === "post 几点关门")).toHaveLength(2);
    expect(shape(session).map((one) => one[2])).toEqual(["complete", "failed", "complete", "complete"]);
  });

  it("keeps a question that the server never took, and sends it in its place", async () => {
    let reachable = false;
    const { session } = build({
      post: async () => {
        if (!reachable) throw new Problem(0, {});
        return new Response();
      },
      script: (options) => event(options, "run.finished", { answer: "到了" }),
    });
    await session.send("在吗");
    expect(shape(session)).toEqual([["user", "在吗", "unsent"]]);
    expect(session.snapshot().busy).toBe(false);
    reachable = true;
    await session.retry(session.snapshot().messages[0]?.key ?? "");
    expect(shape(session)).toEqual([["user", "在吗", "complete"], ["assistant", "到了", "complete"]]);
  });

  it("joins an answer under way after a reload", async () => {
    const items: Message[] = [
      { id: "m1", role: "user", content: "辣的", status: "complete" },
      { id: "m2", role: "assistant", content: "黄", status: "streaming", run: "r9" },
    ];
    const { session, calls } = build({
      list: async () => items,
      script: (options) => {
        event(options, "message.snapshot", { text: "黄焖" });
        event(options, "message.delta", { text: "鸡" });
        event(options, "run.finished", {});
      },
    });
    await session.load();
    await new Promise((resolve) => setTimeout(resolve));
    expect(calls).toEqual(["follow r9"]);
    expect(shape(session).at(-1)).toEqual(["assistant", "黄焖鸡", "complete"]);
  });

  it("says so when the stream cannot be restored, and when the messages cannot be read", async () => {
    const broken = build({ script: (options) => { event(options, "message.delta", { text: "半" }); throw new Problem(0, { code: "stream_broken" }); } });
    await broken.session.send("x");
    expect(broken.session.snapshot().messages.at(-1)).toMatchObject({ status: "failed", content: "半", error: { code: "stream_broken" } });
    const unread = build({ list: async () => { throw new Problem(404, { code: "not_found" }); } });
    await unread.session.load();
    expect(unread.session.snapshot().problem?.status).toBe(404);
  });
});

const ask: Wait = { effect: 1, kind: "ask", node: "place", question: "堂食还是外带？", options: [{ name: "in", title: "堂食" }] };
const settled = () => new Promise((resolve) => setTimeout(resolve));
const detail = (status: RunDetail["status"], waits: Wait[] = []): RunDetail => ({ id: "r1", kind: "chat", name: "a", status, answer: "堂食还是外带？", waiting_for: waits });

/** A run that asks, and once it is answered goes on under the same id. */
const asking: Script = (options) => {
  if (options.run) {
    event(options, "node.finished", { node: "place", port: "in" }, "4");
    event(options, "message.delta", { text: "请坐。" });
    event(options, "run.finished", { answer: "堂食还是外带？请坐。" }, "5");
    return;
  }
  event(options, "run.started", { run_id: "r1" }, "1");
  event(options, "message.delta", { text: "堂食还是外带？" });
  event(options, "interrupt", ask, "2");
  event(options, "run.waiting", { waiting_for: [ask] }, "3");
};

describe("a question in the middle of an answer", () => {
  it("leaves the composer free, and the next message goes on with the same run", async () => {
    const after: (string | null | undefined)[] = [];
    const { session, calls } = build({ script: (options) => { after.push(options.after); return asking(options); } });
    await session.send("吃饭");
    expect(session.snapshot().busy).toBe(false);
    expect(session.snapshot().messages.at(-1)).toMatchObject({ status: "waiting", content: "堂食还是外带？", run: "r1", progress: { waits: [ask] } });
    await session.send("堂食");
    expect(calls).toEqual(["post 吃饭", "follow post", "post 堂食", "follow r1"]);
    expect(after).toEqual([undefined, "3"]);
    expect(shape(session)).toEqual([
      ["user", "吃饭", "complete"], ["assistant", "堂食还是外带？", "complete"], ["user", "堂食", "complete"], ["assistant", "请坐。", "complete"],
    ]);
    expect(session.snapshot().messages.at(-1)?.run).toBe("r1");
  });

  it("is still open when the answer was not taken", async () => {
    let reachable = true;
    const { session, looks } = build({ post: async () => { if (!reachable) throw new Problem(0, {}); return new Response(); }, script: asking });
    await session.send("吃饭");
    reachable = false;
    await session.send("堂食");
    expect(shape(session).map((one) => one[2])).toEqual(["complete", "waiting", "unsent"]);
    expect(looks).toHaveLength(1);
  });

  it("is answered by fields, or says why not", async () => {
    const { session, calls } = build({ script: asking });
    await session.send("吃饭");
    await session.fill(ask, { people: 3 }, "人数：3");
    expect(calls.slice(2)).toEqual(['answer r1 1 {"people":3}', "follow r1"]);
    expect(shape(session).slice(2)).toEqual([["user", "人数：3", "complete"], ["assistant", "请坐。", "complete"]]);
    const refused = build({ script: asking, answer: async () => { throw new Problem(422, { code: "invalid_input" }); } });
    await refused.session.send("吃饭");
    await expect(refused.session.fill(ask, {}, "")).rejects.toMatchObject({ status: 422 });
    expect(shape(refused.session).map((one) => one[2])).toEqual(["complete", "waiting"]);
  });

  it("shows its buttons again after a reload", async () => {
    const items: Message[] = [
      { id: "m1", role: "user", content: "吃饭", status: "complete" },
      { id: "m2", role: "assistant", content: "堂食还是外带？", status: "complete", run: "r1" },
    ];
    const { session, calls } = build({ list: async () => items, run: async () => detail("waiting", [ask]), script: asking });
    await session.load();
    expect(session.snapshot().messages.at(-1)).toMatchObject({ status: "waiting", progress: { waits: [ask] } });
    await session.send("堂食");
    expect(calls).toEqual(["post 堂食", "follow r1"]);
    expect(shape(session).at(-1)).toEqual(["assistant", "请坐。", "complete"]);
  });

  it("joins an answer under way that had asked before, without saying the question twice", async () => {
    const items: Message[] = [
      { id: "m1", role: "user", content: "吃饭", status: "complete" }, { id: "m2", role: "assistant", content: "堂食还是外带？", status: "complete", run: "r1" },
      { id: "m3", role: "user", content: "堂食", status: "complete" }, { id: "m4", role: "assistant", content: "", status: "streaming", run: "r1" },
    ];
    const { session } = build({ list: async () => items, script: (options) => {
      event(options, "run.started", { run_id: "r1" });
      event(options, "message.snapshot", { text: "堂食还是外带？请" });
      event(options, "message.delta", { text: "坐。" });
      event(options, "run.finished", { answer: "堂食还是外带？请坐。" });
    } });
    await session.load();
    await settled();
    expect(shape(session).map((one) => one[1])).toEqual(["吃饭", "堂食还是外带？", "堂食", "请坐。"]);
  });

  it("goes on by itself when somebody else decides", async () => {
    let status: RunDetail["status"] = "waiting";
    const { session, looks } = build({ script: asking, run: async () => detail(status) });
    session.subscribe(() => undefined);
    await session.send("吃饭");
    expect(looks).toHaveLength(1);
    looks[0]?.();
    await settled();
    expect(session.snapshot().messages.at(-1)?.status).toBe("waiting");
    status = "running";
    looks.at(-1)?.();
    await settled();
    expect(shape(session)).toEqual([["user", "吃饭", "complete"], ["assistant", "堂食还是外带？请坐。", "complete"]]);
  });

  it("that ran out of time gives way to a run of its own", async () => {
    let turn = 0;
    const { session } = build({ script: (options) => {
      turn += 1;
      if (turn === 1) return asking(options);
      event(options, "run.started", { run_id: "r2" }, "1");
      event(options, "message.delta", { text: "您好" });
      event(options, "run.finished", { answer: "您好" }, "2");
    } });
    await session.send("吃饭");
    await session.send("堂食");
    expect(session.snapshot().messages.at(-1)).toMatchObject({ content: "您好", run: "r2", status: "complete" });
  });
});
