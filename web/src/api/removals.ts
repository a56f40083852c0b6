// What was deleted on the page and can still be brought back: lists leave it out at once, and the server hears of it some
// seconds later, or when the page is left. If the browser dies meanwhile nothing was deleted.
import { asProblem, request } from "./client";
import type { Problem } from "./client";

export interface Removal {
  /** Of the API, where it is deleted. */
  address: string;
  name: string;
}

/** Which words tell of it. */
export type RemovalKind = "document" | "chunk";

export interface RemovalBatch {
  key: number;
  kind: RemovalKind;
  items: readonly Removal[];
  state: "waiting" | "sending" | "failed";
  /** What is there still, and why. */
  failed: readonly { name: string; problem: Problem }[];
}

/** Sends one deletion; one that is `leaving` outlives the page. */
export type SendRemoval = (address: string, leaving: boolean) => Promise<unknown>;

/** How long somebody has to think again, in milliseconds. */
export const UNDO_MS = 7000;
/** More at once share the same line and make each slower. */
const AT_ONCE = 4;

interface Work {
  timer: ReturnType<typeof setTimeout> | null;
  /** Lists are read again here; until then they leave out what is gone. */
  done: () => Promise<unknown>;
  sent: Promise<void> | null;
}

export class RemovalQueue {
  batches: readonly RemovalBatch[] = [];
  /** The addresses of everything that lists leave out. */
  gone: ReadonlySet<string> = new Set();
  #send: SendRemoval;
  #work = new Map<number, Work>();
  #listeners = new Set<() => void>();
  #next = 0;

  constructor(send: SendRemoval) {
    this.#send = send;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  };

  add(kind: RemovalKind, items: readonly Removal[], done: () => Promise<unknown>): void {
    if (items.length === 0) return;
    const key = this.#next++;
    this.#work.set(key, { timer: null, done, sent: null });
    this.#set([...this.batches, { key, kind, items, state: "waiting", failed: [] }]);
    this.release(key);
  }

  undo(key: number): void {
    if (this.#stop(key)) this.#drop(key);
  }

  /** Nothing is sent while somebody reads the offer. */
  hold(key: number): void {
    this.#stop(key);
  }

  release(key: number): void {
    const work = this.#stop(key);
    if (work) work.timer = setTimeout(() => void this.#begin(key, false), UNDO_MS);
  }

  /** Takes away what tells of failures. */
  dismiss(key: number): void {
    if (this.#batch(key)?.state === "failed") this.#drop(key);
  }

  /** Sends whatever waits, and ends when it is done: what comes under a deleted name is then something new. */
  async settle(): Promise<void> {
    await Promise.all(this.batches.map((batch) => this.#begin(batch.key, false)));
  }

  /** The page goes away. */
  leave(): void {
    for (const batch of this.batches) void this.#begin(batch.key, true);
  }

  #batch(key: number): RemovalBatch | undefined {
    return this.batches.find((batch) => batch.key === key);
  }

  /** Stops the clock of one that waits. */
  #stop(key: number): Work | null {
    const work = this.#work.get(key);
    if (!work || this.#batch(key)?.state !== "waiting") return null;
    if (work.timer !== null) clearTimeout(work.timer);
    work.timer = null;
    return work;
  }

  #begin(key: number, leaving: boolean): Promise<void> {
    const work = this.#stop(key);
    if (!work) return this.#work.get(key)?.sent ?? Promise.resolve();
    this.#change(key, { state: "sending" });
    work.sent = this.#perform(key, work, leaving);
    return work.sent;
  }

  async #perform(key: number, work: Work, leaving: boolean): Promise<void> {
    const items = this.#batch(key)?.items ?? [];
    const failed: { name: string; problem: Problem }[] = [];
    await eachOf(items, leaving ? items.length : AT_ONCE, async ({ address, name }) => {
      try {
        await this.#send(address, leaving);
      } catch (error) {
        const problem = asProblem(error);
        // Somebody else was quicker.
        if (problem.status !== 404) failed.push({ name, problem });
      }
    });
    await work.done().catch(() => undefined);
    if (failed.length === 0) this.#drop(key);
    else this.#change(key, { state: "failed", failed });
  }

  #drop(key: number): void {
    this.#work.delete(key);
    this.#set(this.batches.filter((batch) => batch.key !== key));
  }

  #change(key: number, change: Partial<RemovalBatch>): void {
    this.#set(this.batches.map((batch) => (batch.key === key ? { ...batch, ...change } : batch)));
  }

  #set(batches: readonly RemovalBatch[]): void {
    this.batches = batches;
    this.gone = new Set(batches.flatMap((batch) => (batch.state === "failed" ? [] : batch.items.map((item) => item.address))));
    for (const listener of this.#listeners) listener();
  }
}

/** Performs `work` for each item, so many at a time, and ends with the last. */
export async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

/** The page's own. */
export const removals = new RemovalQueue((address, leaving) => request<void>(address, { method: "DELETE", keepalive: leaving }));
