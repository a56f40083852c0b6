// The event-stream reader: how text becomes frames, and how a run is followed across lost connections.
import { describe, expect, it } from "vitest";
import { Problem } from "./client";
import { follow, FrameParser } from "./event-stream";
import type { Frame } from "./event-stream";

function parse(...chunks: string[]): Frame[] {
  const parser = new FrameParser();
  return chunks.flatMap((chunk) => parser.feed(chunk));
}

describe("FrameParser", () => {
  it("reads id, event and data", () => {
    expect(parse('id: 7\nevent: node.started\ndata: {"node":"menu"}\n\n')).toEqual([{ id: "7", event: "node.started", data: '{"node":"menu"}' }]);
  });

  it("gives the same frames however the bytes are cut", () => {
    const text = 'id: 1\r\nevent: a\r\ndata: 辣\r\n\r\n: keep-alive\n\nevent: b\ndata: x\ndata: y\n\ndata:z\r\rid: 9\ndata\n\n';
    const whole = parse(text);
    expect(whole.map((frame) => [frame.id, frame.event, frame.data])).toEqual([["1", "a", "辣"], [null, "b", "x\ny"], [null, "message", "z"], ["9", "message", ""]]);
    expect(parse(...text)).toEqual(whole);
    for (let cut = 1; cut < text.length; cut++) expect(parse(text.slice(0, cut), text.slice(cut))).toEqual(whole);
  });

  it("holds a frame back until its blank line", () => {
    expect(parse("data: half\n")).toEqual([]);
  });

  it("passes over comments, unknown fields, and frames without data", () => {
    expect(parse(": hello\nretry: 10\nnonsense\n\nevent: empty\n\n\uFEFF")).toEqual([]);
  });

  it("does not carry an id over to the next frame", () => {
    expect(parse("id: 3\ndata: a\n\ndata: b\n\n").map((frame) => frame.id)).toEqual(["3", null]);
  });
});

/** A response whose body ends, or breaks, after its text. */
function answer(text: string, breaks = false): Response {
  let sent = false;
  return new Response(new ReadableStream({
    pull(controller) {
      if (!sent) {
        sent = true;
        controller.enqueue(new TextEncoder().encode(text));
      } else if (breaks) controller.error(new TypeError("network error"));
      else controller.close();
    },
  }));
}

const STARTED = 'id: 1\nevent: run.started\ndata: {"run_id":"r1"}\n\n';
const pause = () => Promise.resolve();

describe("follow", () => {
  it("comes back with the last id after a lost connection and passes over what it has seen", async () => {
    const frames: string[] = [];
    const asked: (string | null)[][] = [];
    const waiting: boolean[] = [];
    await follow({
      first: answer(`${STARTED}id: 2\nevent: node.started\ndata: {}\n\nevent: message.delta\ndata: {"text":"hal"}\n\n`, true),
      signal: new AbortController().signal,
      onFrame: (frame) => frames.push(`${frame.event}#${frame.id}`),
      onWaiting: (value) => waiting.push(value),
      open: async (run, last) => {
        asked.push([run, last]);
        return answer('id: 2\nevent: node.started\ndata: {}\n\nevent: message.snapshot\ndata: {"text":"half"}\n\nid: 3\nevent: run.finished\ndata: {}\n\n');
      },
      pause,
    });
    expect(asked).toEqual([["r1", "2"]]);
    expect(frames).toEqual(["run.started#1", "node.started#2", "message.delta#null", "message.snapshot#null", "run.finished#3"]);
    expect(waiting).toEqual([false, true, false]);
  });

  it("also comes back when the server closes the stream before the end", async () => {
    const frames: string[] = [];
    await follow({
      first: answer(STARTED), signal: new AbortController().signal, onFrame: (frame) => frames.push(frame.event),
      open: async () => answer("id: 2\nevent: run.cancelled\ndata: {}\n\n"), pause,
    });
    expect(frames).toEqual(["run.started", "run.cancelled"]);
  });

  it("stops at the terminal event without asking again", async () => {
    let opened = 0;
    await follow({
      run: "r1", signal: new AbortController().signal, onFrame: () => undefined,
      open: async () => { opened += 1; return answer("id: 5\nevent: run.failed\ndata: {}\n\nid: 6\nevent: late\ndata: {}\n\n"); }, pause,
    });
    expect(opened).toBe(1);
  });

  it("leaves a run that does nothing but wait, and takes it up again after the last event", async () => {
    const asked: (string | null)[] = [];
    const frames: string[] = [];
    const options = { run: "r1", signal: new AbortController().signal, onFrame: (frame: { event: string }) => frames.push(frame.event), pause };
    await follow({ ...options, open: async (_, last) => {
      asked.push(last);
      // It had waited before: that is not the end yet. A snapshot says nothing of whether it goes on.
      return answer('id: 1\nevent: run.waiting\ndata: {}\n\nid: 2\nevent: node.finished\ndata: {}\n\nid: 3\nevent: run.waiting\ndata: {}\n\nevent: message.snapshot\ndata: {}\n\n');
    } });
    await follow({ ...options, after: "3", open: async (_, last) => {
      asked.push(last);
      return answer('id: 3\nevent: run.waiting\ndata: {}\n\nid: 4\nevent: run.finished\ndata: {}\n\n');
    } });
    expect(asked).toEqual([null, "3"]);
    expect(frames).toEqual(["run.waiting", "node.finished", "run.waiting", "message.snapshot", "run.finished"]);
  });

  it("counts from the beginning when an answer turns out to be another run", async () => {
    const frames: string[] = [];
    await follow({
      first: answer('id: 1\nevent: run.started\ndata: {"run_id":"r2"}\n\nid: 2\nevent: run.finished\ndata: {}\n\n'), run: "r1", after: "9",
      signal: new AbortController().signal, onFrame: (frame) => frames.push(frame.event), pause,
    });
    expect(frames).toEqual(["run.started", "run.finished"]);
  });

  it("gives up at once when the server refuses, and in the end when it stays away", async () => {
    const signal = new AbortController().signal;
    const refused = follow({ run: "r1", signal, onFrame: () => undefined, pause, open: () => Promise.reject(new Problem(404, { code: "not_found" })) });
    await expect(refused).rejects.toMatchObject({ code: "not_found" });
    let opened = 0;
    const away = follow({ run: "r1", signal, onFrame: () => undefined, pause, open: () => { opened += 1; return Promise.reject(new Problem(0, {})); } });
    await expect(away).rejects.toMatchObject({ code: "stream_broken" });
    expect(opened).toBeGreaterThan(5);
  });

  it("cannot come back to a run it never learned of", async () => {
    const lost = follow({ first: answer(": nothing\n\n"), signal: new AbortController().signal, onFrame: () => undefined, pause });
    await expect(lost).rejects.toMatchObject({ code: "stream_broken" });
  });

  it("ends quietly when aborted", async () => {
    const abort = new AbortController();
    const seen: string[] = [];
    await follow({
      first: answer(STARTED), signal: abort.signal, onFrame: (frame) => { seen.push(frame.event); abort.abort(); }, pause,
      open: async () => { throw new Error("must not be asked"); },
    });
    expect(seen).toEqual(["run.started"]);
  });
});
