// Server-sent events over fetch: EventSource can neither POST nor set headers, and hides why it failed.
// `FrameParser` turns text into frames; `readFrames` reads a response; `follow` stays with a run until its last event or
// until it does nothing but wait, coming back with Last-Event-ID after a lost connection.
import { Problem, send } from "./client";

export interface Frame {
  /** Sequence number of a stored event; transient frames (deltas, snapshots) have none. */
  id: string | null;
  event: string;
  data: string;
}

/** Incremental parser of the text/event-stream format (WHATWG HTML, section 9.2.6). */
export class FrameParser {
  private rest = "";
  private id: string | null = null;
  private event = "";
  private data: string[] = [];
  private started = false;

  feed(chunk: string): Frame[] {
    let text = this.rest + chunk;
    if (!this.started && text !== "") {
      this.started = true;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    const frames: Frame[] = [];
    let from = 0;
    for (;;) {
      const end = lineEnd(text, from);
      if (end === null) break;
      const frame = this.line(text.slice(from, end.at));
      if (frame) frames.push(frame);
      from = end.next;
    }
    this.rest = text.slice(from);
    return frames;
  }

  private line(line: string): Frame | null {
    if (line === "") return this.dispatch();
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.data.push(value);
    else if (field === "event") this.event = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    return null;
  }

  private dispatch(): Frame | null {
    const frame = { id: this.id, event: this.event || "message", data: this.data.join("\n") };
    const empty = this.data.length === 0;
    this.id = null;
    this.event = "";
    this.data = [];
    return empty ? null : frame;
  }
}

/** The next line end; a lone CR at the very end may be half of CRLF, so it waits for the next chunk. */
function lineEnd(text: string, from: number): { at: number; next: number } | null {
  for (let at = from; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === 10) return { at, next: at + 1 };
    if (character === 13) {
      if (at + 1 === text.length) return null;
      return { at, next: text.charCodeAt(at + 1) === 10 ? at + 2 : at + 1 };
    }
  }
  return null;
}

export async function* readFrames(response: Response): AsyncGenerator<Frame> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parser = new FrameParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const frame of parser.feed(decoder.decode(value, { stream: true }))) yield frame;
    }
  } finally {
    // Leaving the loop early must close the connection; the run on the server goes on.
    reader.cancel().catch(() => undefined);
  }
}

const TERMINAL = new Set(["run.finished", "run.failed", "run.cancelled"]);
export function isTerminal(event: string): boolean {
  return TERMINAL.has(event);
}

export interface FollowOptions {
  /** An answer already under way (to a POST); without it, the run's own stream is opened. */
  first?: Response | undefined;
  /** The run, when it is known beforehand; else it is learned from `run.started`. */
  run?: string | undefined;
  /** The last event that was seen before, when a run is taken up again. */
  after?: string | null | undefined;
  signal: AbortSignal;
  onFrame: (frame: Frame) => void;
  /** True while the connection is lost and being sought again. */
  onWaiting?: (waiting: boolean) => void;
  /** Replaced in tests. */
  open?: (run: string, lastEventId: string | null, signal: AbortSignal) => Promise<Response>;
  pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Waiting times between attempts, in milliseconds; the last one repeats. */
const RETRY_AFTER = [500, 1000, 2000, 4000, 8000];
/** Streams that end without a terminal event and without news, in a row, before giving up. */
const MAX_EMPTY = 8;

/**
 * Follows a run to its terminal event, or to where it waits for a person or a moment: the server closes the stream there.
 * Resolves then or when aborted; throws `Problem` when it cannot go on.
 */
export async function follow(options: FollowOptions): Promise<void> {
  const open = options.open ?? openRun;
  const pause = options.pause ?? sleep;
  let run = options.run ?? null;
  let response = options.first ?? null;
  let last: string | null = options.after ?? null;
  let resting = false;
  let failures = 0;
  while (!options.signal.aborted) {
    try {
      if (!response) {
        if (!run) throw new Problem(0, { code: "stream_broken" });
        response = await open(run, last, options.signal);
      }
      options.onWaiting?.(false);
      for await (const frame of readFrames(response)) {
        const begun: string | null = frame.event === "run.started" ? runIdOf(frame) : null;
        // Another run than the one expected counts its events from the beginning.
        if (begun !== null && begun !== run) {
          run = begun;
          last = null;
        }
        // After a reconnect the server may send again what was already seen.
        if (frame.id !== null && last !== null && Number(frame.id) <= Number(last)) continue;
        if (frame.id !== null) last = frame.id;
        failures = 0;
        // A run may have waited before and gone on since: only the newest event tells. A snapshot repeats, it tells nothing.
        if (frame.event !== "message.snapshot") resting = frame.event === "run.waiting";
        options.onFrame(frame);
        if (isTerminal(frame.event)) return;
      }
      if (resting) return;
    } catch (error) {
      if (options.signal.aborted) return;
      // A refusal will not change by asking again; a lost connection may.
      if (error instanceof Problem && (error.status >= 400 && error.status < 500 || !run)) throw error;
      if (!run) throw new Problem(0, { code: "stream_broken" });
    }
    response = null;
    if (options.signal.aborted) return;
    failures += 1;
    if (failures > MAX_EMPTY) throw new Problem(0, { code: "stream_broken" });
    options.onWaiting?.(true);
    await pause(RETRY_AFTER[Math.min(failures, RETRY_AFTER.length) - 1] ?? 8000, options.signal);
  }
}

export function runIdOf(frame: Frame): string | null {
  const data = parseData(frame);
  return typeof data["run_id"] === "string" ? data["run_id"] : null;
}

/** A frame's data as an object; anything else counts as empty. */
export function parseData(frame: Frame): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(frame.data);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function openRun(run: string, lastEventId: string | null, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (lastEventId !== null) headers["Last-Event-ID"] = lastEventId;
  return send(`/api/v1/runs/${encodeURIComponent(run)}/events`, { headers, signal });
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      window.removeEventListener("online", wake);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    window.addEventListener("online", wake);
    signal.addEventListener("abort", wake);
  });
}
