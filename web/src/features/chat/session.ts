// One conversation as the page knows it: its messages, and the answer under way. It lives outside the components, so an
// answer goes on when the reader looks at another page, and is picked up again after a reload or a lost connection.
// A run may stop to ask something: the question is part of its answer, the visitor's next message answers it, and the
// same run goes on under the message after.
import { answerWait } from "@/api/answer-wait";
import { asProblem, request, send } from "@/api/client";
import type { Problem } from "@/api/client";
import { follow, isTerminal, runIdOf } from "@/api/event-stream";
import type { FollowOptions, Frame } from "@/api/event-stream";
import { WAITING_POLL_MS } from "@/api/queries";
import { applyFrame, emptyRun, fromDetail } from "@/api/run-progress";
import type { RunProgress } from "@/api/run-progress";
import type { Message, MessageStatus, Page, RunDetail, RunErrorBody, RunStatus, Wait } from "@/api/types";

export interface ChatMessage {
  /** Stable while the message lives on the page, whatever id the server gives it. */
  key: string;
  role: "user" | "assistant";
  content: string;
  /** `unsent`: the server never took it. */
  status: MessageStatus | "unsent";
  error: RunErrorBody | null;
  run: string | null;
  /** The run as seen live; null for messages that were read from the server. */
  progress: RunProgress | null;
  /** What the same run had said in messages before this one. */
  before: string;
}

export interface ChatState {
  loading: boolean;
  problem: Problem | null;
  messages: ChatMessage[];
  busy: boolean;
  stopping: boolean;
  reconnecting: boolean;
}

/** What a session needs from outside; tests put their own in. */
export interface Wire {
  list(conversation: string): Promise<Message[]>;
  post(conversation: string, content: string, signal: AbortSignal): Promise<Response>;
  cancel(run: string): Promise<void>;
  follow(options: FollowOptions): Promise<void>;
  run(run: string): Promise<RunDetail>;
  answer(run: string, effect: number, fields: Record<string, unknown>): Promise<unknown>;
  /** Calls back after a while, to look at a run that waits. Gives back how to call it off. */
  later(look: () => void): () => void;
  /** Calls back before the next paint, so that a burst of tokens is drawn once. */
  paint(draw: () => void): void;
}

const wire: Wire = {
  list: async (conversation) => (await request<Page<Message>>(`/api/v1/conversations/${encodeURIComponent(conversation)}/messages`)).items,
  post: (conversation, content, signal) =>
    send(`/api/v1/conversations/${encodeURIComponent(conversation)}/messages`, {
      method: "POST", body: { content }, headers: { Accept: "text/event-stream" }, signal,
    }),
  cancel: (run) => request<void>(`/api/v1/runs/${encodeURIComponent(run)}/cancel`, { method: "POST" }),
  follow,
  run: (run) => request<RunDetail>(`/api/v1/runs/${encodeURIComponent(run)}`),
  answer: (run, effect, fields) => answerWait(run, effect, { fields }),
  later: (look) => {
    const timer = setTimeout(look, WAITING_POLL_MS);
    return () => clearTimeout(timer);
  },
  paint: (draw) => {
    // A hidden page gets no animation frames, and the answer should still be complete when the reader returns.
    if (document.visibilityState === "hidden") setTimeout(draw, 200);
    else requestAnimationFrame(draw);
  },
};

export class ChatSession {
  private state: ChatState = { loading: false, problem: null, messages: [], busy: false, stopping: false, reconnecting: false };
  private readonly listeners = new Set<() => void>();
  private nextKey = 0;
  private drawing = false;
  private abort: AbortController | null = null;
  /** The last stored event that was seen of each run. */
  private readonly seen = new Map<string, string>();
  private callOff: (() => void) | null = null;

  constructor(
    readonly conversation: string,
    private readonly wire_: Wire = wire,
  ) {}

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): ChatState => this.state;

  /** Reads the messages, and joins an answer that is still being given. */
  async load(): Promise<void> {
    if (this.state.busy || this.state.loading) return;
    this.set({ loading: true, problem: null });
    try {
      const items = await this.wire_.list(this.conversation);
      const unsent = this.state.messages.filter((message) => message.status === "unsent");
      const messages = [...this.adopt(items), ...unsent];
      this.set({ loading: false, messages });
      const live = messages.findLast((message) => message.status === "streaming" && message.run !== null);
      if (live) void this.join(live.key, { run: live.run ?? undefined });
      else await this.lookAtWait();
    } catch (error) {
      this.set({ loading: false, problem: asProblem(error) });
    }
  }

  async send(content: string): Promise<void> {
    if (this.state.busy) return;
    const { asked, question, answer, source } = this.open(content);
    const abort = new AbortController();
    this.abort = abort;
    try {
      const first = await this.wire_.post(this.conversation, content, abort.signal);
      await this.join(answer.key, { ...source, first });
    } catch (error) {
      const problem = asProblem(error);
      const failure = { code: problem.code, message: problem.detail, hint: problem.hint };
      this.set({
        busy: false, stopping: false,
        messages: this.state.messages
          .filter((message) => message.key !== answer.key)
          .map((message) => (message.key === question.key ? { ...message, status: "unsent", error: failure } : message.key === asked?.key ? asked : message)),
      });
      this.watch();
    }
  }

  /** Answers an open question with the fields that it asks for. `words` is how the reader sees the answer. Throws what the server refuses. */
  async fill(wait: Wait, fields: Record<string, unknown>, words: string): Promise<void> {
    const asked = this.state.messages.at(-1);
    if (this.state.busy || !asked?.run) return;
    await this.wire_.answer(asked.run, wait.effect, fields);
    const { answer, source } = this.open(words);
    await this.join(answer.key, source);
  }

  /** Puts the visitor's words and an empty answer at the end. While a run waits, it is that run which will go on. */
  private open(content: string): { asked: ChatMessage | null; question: ChatMessage; answer: ChatMessage; source: { run?: string } } {
    this.callOff?.();
    const asked = this.asked();
    const question = this.fresh("user", content);
    const answer: ChatMessage = { ...this.fresh("assistant", ""), status: "streaming", progress: emptyRun };
    if (asked) {
      const said = asked.before + asked.content;
      Object.assign(answer, { run: asked.run, before: said, progress: { ...(asked.progress ?? emptyRun), id: asked.run, status: "running", waits: [], answer: said } });
    }
    const messages = this.state.messages.map((message) => (message.key === asked?.key ? { ...message, status: "complete" as const } : message));
    this.set({ busy: true, messages: [...messages, question, answer] });
    return { asked, question, answer, source: asked?.run ? { run: asked.run } : {} };
  }

  /** The newest answer, when its run waits. */
  private asked(): ChatMessage | null {
    const last = this.state.messages.findLast((message) => message.role === "assistant");
    return last?.status === "waiting" && last.run !== null ? last : null;
  }

  /** Asks again: an unsent question in its place; a failed answer by putting its question once more. */
  async retry(key: string): Promise<void> {
    const at = this.state.messages.findIndex((message) => message.key === key);
    const question = this.state.messages.slice(0, at + 1).findLast((message) => message.role === "user");
    if (!question || this.state.busy) return;
    if (question.status === "unsent") {
      this.set({ messages: this.state.messages.filter((message) => message.key !== question.key) });
    }
    await this.send(question.content);
  }

  /** Ends the answer under way; what has been said stays. */
  async stop(): Promise<void> {
    if (!this.state.busy || this.state.stopping) return;
    this.set({ stopping: true });
    const live = this.state.messages.findLast((message) => message.status === "streaming");
    // Before the run has a number there is nothing to cancel yet; `run.started` does it then.
    if (live?.run) await this.cancel(live.run);
  }

  private async cancel(run: string): Promise<void> {
    try {
      await this.wire_.cancel(run);
    } catch {
      // The run ended by itself first, or the network is gone; either way its stream says how it went.
      this.set({ stopping: false });
    }
  }

  private async join(key: string, source: { first?: Response; run?: string | undefined }): Promise<void> {
    const abort = this.abort ?? new AbortController();
    this.abort = abort;
    const message = this.find(key);
    if (message && !message.progress) this.change(key, { progress: { ...emptyRun, id: message.run, answer: message.before + message.content } });
    this.set({ busy: true });
    try {
      await this.wire_.follow({
        ...source,
        after: source.run ? this.seen.get(source.run) : undefined,
        signal: abort.signal,
        onFrame: (frame) => this.take(key, frame),
        onWaiting: (reconnecting) => this.set({ reconnecting }),
      });
    } catch (error) {
      const problem = asProblem(error);
      this.change(key, { status: "failed", error: { code: problem.code, message: problem.detail, hint: problem.hint } });
    }
    this.abort = null;
    this.set({ busy: false, stopping: false, reconnecting: false });
    this.watch();
  }

  private take(key: string, frame: Frame): void {
    let message = this.find(key);
    if (!message) return;
    // A question may have run out of time before its answer came; then the answer began a run of its own.
    if (frame.event === "run.started" && runIdOf(frame) !== message.run) message = { ...message, progress: emptyRun, before: "" };
    const progress = applyFrame(message.progress ?? emptyRun, frame);
    const run = progress.id ?? message.run;
    const next: Partial<ChatMessage> = { progress, before: message.before, content: after(progress.answer, message.before), run, status: STATUS[progress.status] };
    if (progress.status === "failed") next.error = progress.error;
    if (run !== null && frame.id !== null) this.seen.set(run, frame.id);
    // Tokens come faster than the screen shows them; everything else is said at once.
    const soft = frame.event === "message.delta";
    this.state = { ...this.state, messages: this.state.messages.map((one) => (one.key === key ? { ...one, ...next } : one)) };
    if (soft) this.drawSoon();
    else this.tell();
    if (frame.event === "run.started" && this.state.stopping && progress.id) void this.cancel(progress.id);
    if (isTerminal(frame.event)) this.set({ reconnecting: false });
  }

  /** After a reload: whether the run behind the newest answer waits, and for what. */
  private async lookAtWait(): Promise<void> {
    const last = this.state.messages.at(-1);
    if (last?.role !== "assistant" || !last.run || (last.status !== "waiting" && last.status !== "complete")) return;
    // The words are there without it; whether buttons belong under them is not worth an error.
    const detail = await this.wire_.run(last.run).catch(() => null);
    if (detail?.status !== "waiting" || this.state.busy) return;
    this.change(last.key, { status: "waiting", progress: { ...fromDetail(detail), answer: last.before + last.content } });
    this.watch();
  }

  /** While a run waits, somebody elsewhere may answer, or the time may come: then the answer goes on here as well. */
  private watch(): void {
    this.callOff?.();
    this.callOff = null;
    const asked = this.asked();
    if (asked?.run) this.callOff = this.wire_.later(() => void this.look(asked.key, asked.run ?? ""));
  }

  private async look(key: string, run: string): Promise<void> {
    // Nobody looks at a conversation that is not on the screen; it is read again when it comes back.
    if (this.listeners.size === 0) return;
    const detail = await this.wire_.run(run).catch(() => null);
    if (this.state.busy || this.asked()?.key !== key) return;
    if (detail && detail.status !== "waiting") await this.join(key, { run });
    else this.watch();
  }

  private drawSoon(): void {
    if (this.drawing) return;
    this.drawing = true;
    this.wire_.paint(() => {
      this.drawing = false;
      this.tell();
    });
  }

  /** The server's messages in the place of the page's own. One that was here already keeps its key and what was seen of its run. */
  private adopt(items: Message[]): ChatMessage[] {
    const here = [...this.state.messages];
    const said = new Map<string, string>();
    return items.map((item) => {
      const run = item.run ?? null;
      const at = here.findIndex((one) => one.run !== null && one.run === run && one.role === item.role);
      const [known] = at < 0 ? [] : here.splice(at, 1);
      const before = (item.role === "assistant" && run !== null && said.get(run)) || "";
      if (item.role === "assistant" && run !== null) said.set(run, before + item.content);
      return {
        key: known?.key ?? item.id, role: item.role, content: item.content, status: item.status, error: item.error ?? null,
        run, progress: item.status === "streaming" ? null : (known?.progress ?? null), before,
      };
    });
  }

  private fresh(role: "user" | "assistant", content: string): ChatMessage {
    this.nextKey += 1;
    return { key: `local-${this.nextKey}`, role, content, status: "complete", error: null, run: null, progress: null, before: "" };
  }

  private find(key: string): ChatMessage | undefined {
    return this.state.messages.find((message) => message.key === key);
  }

  private change(key: string, change: Partial<ChatMessage>): void {
    this.set({ messages: this.state.messages.map((message) => (message.key === key ? { ...message, ...change } : message)) });
  }

  private set(change: Partial<ChatState>): void {
    this.state = { ...this.state, ...change };
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

/** How a message stands while its run does. */
const STATUS: Record<RunStatus, MessageStatus> = {
  queued: "streaming", running: "streaming", waiting: "waiting", finished: "complete", failed: "failed", cancelled: "cancelled",
};

/** A run tells all that it has said; a message shows what came after the messages before it. */
function after(answer: string, before: string): string {
  return answer.startsWith(before) ? answer.slice(before.length) : answer;
}

const sessions = new Map<string, ChatSession>();

export function sessionOf(conversation: string): ChatSession {
  let session = sessions.get(conversation);
  if (!session) {
    session = new ChatSession(conversation);
    sessions.set(conversation, session);
  }
  return session;
}

export function forgetSession(conversation: string): void {
  sessions.delete(conversation);
}
