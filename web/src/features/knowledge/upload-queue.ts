// Files on their way to a base: a few at once, the rest in line. It lives outside of the page, so that looking at another
// page of Parlour meanwhile stops nothing.
import { asProblem } from "@/api/client";
import type { Problem } from "@/api/client";

export interface QueuedFile {
  key: number;
  name: string;
  file: File;
  columns: Record<string, string> | null;
  state: "waiting" | "sending" | "failed";
  /** The part that has been sent, from 0 to 1. */
  sent: number;
  problem: Problem | null;
}

export type SendFile = (item: QueuedFile, onProgress: (part: number) => void, signal: AbortSignal) => Promise<unknown>;

/** More at once share the same line and make each slower. */
const AT_ONCE = 3;

export class UploadQueue {
  items: readonly QueuedFile[] = [];
  #send: SendFile;
  #arrived: () => void;
  #listeners = new Set<() => void>();
  #calls = new Map<number, AbortController>();
  #next = 0;

  constructor(send: SendFile, arrived: () => void) {
    this.#send = send;
    this.#arrived = arrived;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  };

  read = (): readonly QueuedFile[] => this.items;

  add(files: readonly File[], options: { name?: string; columns?: Record<string, string> } = {}): void {
    const added = files.map((file): QueuedFile => ({ key: this.#next++, name: options.name ?? file.name, file, columns: options.columns ?? null, state: "waiting", sent: 0, problem: null }));
    // What failed under the same name is settled by trying it anew.
    const names = new Set(added.map((item) => item.name));
    this.#set([...this.items.filter((item) => item.state !== "failed" || !names.has(item.name)), ...added]);
    this.#pump();
  }

  retry(key: number): void {
    this.#change(key, { state: "waiting", sent: 0, problem: null });
    this.#pump();
  }

  /** Takes it out of the line; what is being sent is broken off. */
  remove(key: number): void {
    this.#calls.get(key)?.abort();
    this.#set(this.items.filter((item) => item.key !== key));
    this.#pump();
  }

  #pump(): void {
    for (const item of this.items) {
      if (this.#calls.size >= AT_ONCE) return;
      if (item.state === "waiting") void this.#start(item);
    }
  }

  async #start(item: QueuedFile): Promise<void> {
    const call = new AbortController();
    this.#calls.set(item.key, call);
    this.#change(item.key, { state: "sending" });
    try {
      await this.#send(item, (sent) => this.#change(item.key, { sent }), call.signal);
      this.#set(this.items.filter((one) => one.key !== item.key));
      this.#arrived();
    } catch (error) {
      if (!call.signal.aborted) this.#change(item.key, { state: "failed", problem: asProblem(error) });
    } finally {
      this.#calls.delete(item.key);
      this.#pump();
    }
  }

  #change(key: number, change: Partial<QueuedFile>): void {
    this.#set(this.items.map((item) => (item.key === key ? { ...item, ...change } : item)));
  }

  #set(items: readonly QueuedFile[]): void {
    this.items = items;
    for (const listener of this.#listeners) listener();
  }
}
