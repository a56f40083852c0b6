// The shapes that the server sends and accepts, as strictly as the page relies on them. contract.ts compares them with
// schema.d.ts, which `npm run codegen` writes from the server's OpenAPI document.

/** A text that the server may hold in both languages (plugin titles) or in the author's one. */
export type LocalText = string | { en?: string | null; zh?: string | null };

export interface ProblemBody {
  type?: string;
  title?: string;
  status?: number;
  code?: string;
  detail?: string;
  hint?: string | null;
  errors?: { code?: string; message: string; hint?: string | null; line?: number; column?: number; path?: string; values?: Record<string, unknown> }[];
  request_id?: string;
}

export interface Session {
  user: { id: string; name: string | null; email: string | null; role: string; has_password: boolean };
  tenant: { id: string; name: string; slug: string };
  /** What the reader may do: `chat`, `run`, `manage`. */
  scopes?: string[] | null;
}

export interface AssistantSummary {
  name: string;
  title?: string | null;
  description?: string | null;
  opening?: string | null;
  suggestions?: string[] | null;
  version?: number | string | null;
  updated_at?: Timestamp | null;
}

/** Milliseconds since the epoch, or RFC 3339 text. */
export type Timestamp = number | string;

export interface Conversation {
  id: string;
  assistant: string;
  title?: string | null;
  created_at?: Timestamp;
  updated_at?: Timestamp;
}

/** `waiting`: the run behind the message waits for a person or a moment; the conversation may go on meanwhile. */
export type MessageStatus = "complete" | "streaming" | "waiting" | "failed" | "cancelled";

export interface RunErrorBody {
  code: string;
  message: string;
  hint?: string | null;
  node?: string | null;
}

export interface Message {
  id: string;
  role: "user" | "assistant";
  content: string;
  status: MessageStatus;
  error?: RunErrorBody | null;
  run?: string | null;
  created_at?: Timestamp;
}

export type RunStatus = "queued" | "running" | "waiting" | "finished" | "failed" | "cancelled";
/** `kept`: taken over from an earlier run, not done again. */
export type NodeState = "waiting" | "running" | "done" | "kept" | "skipped" | "failed";

export interface GraphNode {
  id: string;
  kind: string;
  title?: LocalText | null;
  ports?: string[] | null;
  dependencies?: Dependency[] | null;
  /** The container that the node stands in. */
  parent?: string | null;
}

/** What a node waits for: a node's id, `node.port`, or the two apart. */
export type Dependency = string | { node: string; port?: string | null };

export interface RunGraph {
  nodes: GraphNode[];
}

export interface LogLine {
  level: string;
  message: string;
}

/** What a node did not take again because its output was kept from an earlier call. */
export interface SavedTokens {
  input_tokens?: number | null;
  output_tokens?: number | null;
}

/** What a run waits for: an answer, a verdict, or a moment. */
export interface Wait {
  /** The effect's number in the run. */
  effect: number;
  kind: "ask" | "approve" | "timer";
  node: string;
  title?: LocalText | null;
  question?: string | null;
  options?: { name: string; title: string }[] | null;
  fields?: JsonSchema | null;
  /** The least role that may answer; nobody in particular in a conversation. */
  who?: string | null;
  due_at?: Timestamp | null;
}

/** An open question in the list of them all. */
export interface OpenWait extends Wait {
  run: string;
  workflow?: string | null;
  created_at?: Timestamp | null;
}

export interface RunOrigin {
  kind: "rerun" | "replay" | "schedule" | "webhook";
  run?: string | null;
  from?: string | null;
}

export interface RunNode {
  /** Of a node in a container, the path: `orders[2].price`. */
  id: string;
  kind: string;
  title?: LocalText | null;
  state: string;
  port?: string | null;
  started_at?: Timestamp | null;
  finished_at?: Timestamp | null;
  duration_ms?: number | null;
  input?: unknown;
  output?: unknown;
  error?: RunErrorBody | null;
  /** Whether the run went on in spite of the error. */
  handled?: boolean | null;
  attempts?: number | null;
  child_run?: string | null;
  logs?: LogLine[] | null;
  saved?: SavedTokens | null;
}

export interface RunSummary {
  id: string;
  kind: "workflow" | "chat";
  name: string;
  title?: LocalText | null;
  status: RunStatus;
  started_at?: Timestamp | null;
  finished_at?: Timestamp | null;
  parent_run?: string | null;
  conversation?: string | null;
  origin?: RunOrigin | null;
}

export interface RunDetail extends RunSummary {
  inputs?: unknown;
  outputs?: unknown;
  answer?: string | null;
  error?: RunErrorBody | null;
  graph?: RunGraph | null;
  nodes?: RunNode[] | null;
  waiting_for?: Wait[] | null;
}

export interface WorkflowSummary {
  name: string;
  title?: string | null;
  description?: string | null;
  inputs?: JsonSchema | null;
  outputs?: string[] | null;
}

export interface Trigger {
  id: string;
  workflow: string;
  kind: "schedule" | "webhook";
  cron?: string | null;
  time_zone?: string | null;
  next_at?: Timestamp | null;
  last_at?: Timestamp | null;
  last_run?: string | null;
  enabled: boolean;
  url?: string | null;
  /** The name of the secret that requests are signed with. */
  secret?: string | null;
}

export interface Secret {
  name: string;
  created_at?: Timestamp | null;
  updated_at?: Timestamp | null;
}

/** What a run may use at most; null is what the server allows. */
export interface RunLimits {
  max_steps: number | null;
  max_parallel: number | null;
  max_tokens: number | null;
  max_cost: number | null;
  max_time_ms: number | null;
  max_depth: number | null;
}

export interface LimitsView extends RunLimits {
  /** The ceilings. */
  server: RunLimits;
}

export interface JsonSchema {
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  enum?: unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  format?: string;
  [key: string]: unknown;
}

/** A model that runs inside the server. */
export interface LocalModel {
  /** `off`, `missing`, `downloading`, `ready` or `failed` */
  state: string;
  model?: string | null;
  reason?: string | null;
  /** Bytes fetched, while downloading. */
  done?: number | null;
  total?: number | null;
}

export interface ModelsStatus {
  configured: boolean;
  base_url?: string | null;
  model?: string | null;
  source?: string | null;
  reachable?: boolean | null;
  offer?: { base_url: string; models: string[] } | null;
  embedding?: LocalModel | null;
  /** `off` where none runs inside the server, which a provider's does not. */
  reranking?: LocalModel | null;
  /** What finds knowledge: `embedded` or `qdrant`; `ready` or `unavailable`. */
  index?: { kind: string; state: string; reason?: string | null } | null;
}

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}
