// One conversation as the page knows it: its messages, and the answer under way. It lives outside the components, so an
// answer goes on when the reader looks at another page, and is picked up again after a reload or a lost connection.
import { asProblem, request, send } from "@/api/client";
import type { Problem } from "@/api/client";
import { follow, isTerminal } from "@/api/event-stream";
import type { FollowOptions, Frame } from "@/api/event-stream";
import { applyFrame, emptyRun } from "@/api/run-progress";
import type { RunProgress } from "@/api/run-progress";
import type { Message, MessageStatus, Page, RunErrorBody } from "@/api/types";

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
      const messages = [...items.map((item) => this.adopt(item)), ...unsent];
      this.set({ loading: false, messages });
      const live = messages.findLast((message) => message.status === "streaming" && message.run !== null);
      if (live) void this.join(live.key, { run: live.run ?? undefined });
    } catch (error) {
      this.set({ loading: false, problem: asProblem(error) });
    }
  }

  async send(content: string): Promise<void> {
    if (this.state.busy) return;
    const question = this.fresh("user", content);
    const answer: ChatMessage = { ...this.fresh("assistant", ""), status: "streaming", progress: emptyRun };
    this.set({ busy: true, messages: [...this.state.messages, question, answer] });
    const abort = new AbortController();
    this.abort = abort;
    try {
      const first = await this.wire_.post(this.conversation, content, abort.signal);
      await this.join(answer.key, { first });
    } catch (error) {
      const problem = asProblem(error);
      const failure = { code: problem.code, message: problem.detail, hint: problem.hint };
      this.set({
        busy: false, stopping: false,
        messages: this.state.messages
          .filter((message) => message.key !== answer.key)
          .map((message) => (message.key === question.key ? { ...message, status: "unsent", error: failure } : message)),
      });
    }
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
    if (message && !message.progress) this.change(key, { progress: { ...emptyRun, id: message.run, answer: message.content } });
    this.set({ busy: true });
    try {
      await this.wire_.follow({
        ...source,
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
  }

  private take(key: string, frame: Frame): void {
    const message = this.find(key);
    if (!message) return;
    const progress = applyFrame(message.progress ?? emptyRun, frame);
    const next: Partial<ChatMessage> = { progress, content: progress.answer, run: progress.id ?? message.run };
    if (frame.event === "run.finished") next.status = "complete";
    if (frame.event === "run.failed") Object.assign(next, { status: "failed", error: progress.error });
    if (frame.event === "run.cancelled") next.status = "cancelled";
    // Tokens come faster than the screen shows them; everything else is said at once.
    const soft = frame.event === "message.delta";
    this.state = { ...this.state, messages: this.state.messages.map((one) => (one.key === key ? { ...one, ...next } : one)) };
    if (soft) this.drawSoon();
    else this.tell();
    if (frame.event === "run.started" && this.state.stopping && progress.id) void this.cancel(progress.id);
    if (isTerminal(frame.event)) this.set({ reconnecting: false });
  }

  private drawSoon(): void {
    if (this.drawing) return;
    this.drawing = true;
    this.wire_.paint(() => {
      this.drawing = false;
      this.tell();
    });
  }

  private adopt(item: Message): ChatMessage {
    // A message already on the page keeps its key and what was seen of its run.
    const known = this.state.messages.find((one) => one.run !== null && one.run === (item.run ?? null) && one.role === item.role);
    return {
      key: known?.key ?? item.id, role: item.role, content: item.content, status: item.status, error: item.error ?? null,
      run: item.run ?? null, progress: item.status === "streaming" ? null : (known?.progress ?? null),
    };
  }

  private fresh(role: "user" | "assistant", content: string): ChatMessage {
    this.nextKey += 1;
    return { key: `local-${this.nextKey}`, role, content, status: "complete", error: null, run: null, progress: null };
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
