// A conversation on the page: sending, stopping, failing, trying again, and joining an answer after a reload.
import { describe, expect, it } from "vitest";
import { Problem } from "@/api/client";
import type { FollowOptions } from "@/api/event-stream";
import type { Message } from "@/api/types";
import { ChatSession } from "./session";
import type { Wire } from "./session";

type Script = (options: FollowOptions) => Promise<void> | void;
const event = (options: FollowOptions, name: string, data: unknown = {}) => options.onFrame({ id: null, event: name, data: JSON.stringify(data) });

function build(change: Partial<Wire> & { script?: Script } = {}) {
  const calls: string[] = [];
  const wire: Wire = {
    list: async () => [],
    post: async (_, content) => { calls.push(`post ${content}`); return new Response(); },
    cancel: async (run) => { calls.push(`cancel ${run}`); },
    follow: async (options) => { calls.push(`follow ${options.run ?? "post"}`); await change.script?.(options); },
    paint: (draw) => draw(),
    ...change,
  };
  return { session: new ChatSession("c1", wire), calls };
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
