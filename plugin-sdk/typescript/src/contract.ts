// The contract (`wit/plugin.wit`) in types: what the host is asked, as its functions arrive in JavaScript. Only `host.ts` and
// what stands for the host speak it; everything else has types that are meant for people.

/** How a tool or a host call fails. The host throws it as the member `payload` of an exception; a tool throws it as it is. */
export type ContractError =
  | { tag: "invalid-input" | "not-found" | "denied" | "unavailable" | "failed"; val: string }
  | { tag: "rate-limited"; val: number | null | undefined };

/** Whole numbers of 64 bits, as they come back. On the way to the host they are numbers: the engine cannot lower a bigint. */
type U64 = bigint | number;
/** Nothing is `null` on the way to the host, and either of the two on the way back. */
type Maybe<T> = T | null | undefined;

export interface ContractEntry {
  id: string;
  document: string;
  text: string;
  fieldsJson: string;
}

export interface ContractSearch {
  knowledgeBase: string;
  query: string;
  topK: number;
  optionsJson: string;
}

export interface ContractList {
  knowledgeBase: string;
  filterJson: string;
  cursor: string | null;
  limit: number;
}

export interface ContractHeader {
  name: string;
  value: string;
}

export interface ContractRequest {
  method: string;
  url: string;
  headers: ContractHeader[];
  body: Uint8Array | null;
  timeoutMs: number | null;
}

export interface ContractResponse {
  status: number;
  url: string;
  headers: ContractHeader[];
  body: ArrayLike<number>;
}

export interface ContractModelRequest {
  role: string;
  messages: { author: "system" | "user" | "assistant"; content: string }[];
  maxTokens: number | null;
  temperature: number | null;
  schemaJson: string;
}

/** All that a plugin can reach, one member an interface. */
export interface Host {
  knowledge: {
    search(request: ContractSearch): {
      status: "ok" | "empty" | "below-threshold" | "degraded";
      reason: Maybe<string>;
      hits: { entry: ContractEntry; score: number }[];
    };
    get(knowledgeBase: string, id: string): ContractEntry;
    list(request: ContractList): { entries: ContractEntry[]; nextCursor: Maybe<string> };
    query(knowledgeBase: string, queryJson: string): { rowsJson: string; total: U64 };
  };
  http: {
    send(request: ContractRequest): ContractResponse;
  };
  model: {
    complete(request: ContractModelRequest): { text: string; model: string; inputTokens: U64; outputTokens: U64 };
    embed(texts: string[], purpose: "query" | "passage"): { vectors: ArrayLike<number>[]; model: string; inputTokens: U64 };
  };
  storage: {
    get(key: string): Maybe<{ value: string; version: U64; expiresAt: Maybe<U64> }>;
    set(key: string, value: string, ttlS: number | null, expected: number | null): U64;
    delete(key: string): boolean;
    list(prefix: string, cursor: string | null, limit: number): { keys: string[]; nextCursor: Maybe<string> };
  };
  log: {
    write(level: "debug" | "info" | "warn" | "error", message: string): void;
  };
  config: {
    get(key: string): Maybe<string>;
  };
  system: {
    nowMs(): U64;
    random(length: number): ArrayLike<number>;
    idempotencyKey(): Maybe<string>;
  };
}
