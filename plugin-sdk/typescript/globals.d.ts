// What is there in a plugin beside the language itself, and nothing else: no `fetch`, no timers, no `process`. `console`, `crypto`
// and `performance` are the host's; the rest is bundled when it is used (`src/web.ts`).

declare var console: Record<"log" | "info" | "warn" | "error" | "debug", (...values: unknown[]) => void>;

declare var performance: {
  /** Milliseconds since it was first asked in this call. */
  now(): number;
};

declare var crypto: {
  getRandomValues<Values extends ArrayBufferView>(values: Values): Values;
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
};

declare function atob(text: string): string;
declare function btoa(text: string): string;
declare function queueMicrotask(job: () => void): void;
declare function structuredClone<Value>(value: Value): Value;

declare class TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array;
}

declare class TextDecoder {
  /** UTF-8, UTF-16 and the encodings of one byte a character; GBK and its like are in the package `@exodus/bytes`. */
  constructor(encoding?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: string;
  decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}

declare class URL {
  constructor(url: string | URL, base?: string | URL);
  static canParse(url: string, base?: string): boolean;
  static parse(url: string, base?: string): URL | null;
  hash: string;
  host: string;
  hostname: string;
  href: string;
  readonly origin: string;
  password: string;
  pathname: string;
  port: string;
  protocol: string;
  search: string;
  readonly searchParams: URLSearchParams;
  username: string;
  toString(): string;
  toJSON(): string;
}

declare class URLSearchParams {
  constructor(init?: string | Record<string, string> | Iterable<[string, string]>);
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  toString(): string;
  forEach(see: (value: string, name: string) => void): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}
