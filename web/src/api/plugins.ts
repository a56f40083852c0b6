// Plugins: the shapes that the server sends of them, and where each is asked for.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type { JsonSchema, LocalText, LogLine, Page, Timestamp } from "./types";

export interface KnowledgePermission {
  /** A knowledge base, or `*` for all. */
  name: string;
  reason: LocalText;
}

export interface HttpPermission {
  /** A host, `*.host` for those below it, `*` for any, `config:KEY` for the host of the address in that setting. */
  host: string;
  methods: string[];
  reason: LocalText;
}

export interface ModelPermission {
  roles: string[];
  /** Input and output together, in one call of a tool. */
  max_tokens_per_call: number;
  reason: LocalText;
}

export interface StoragePermission {
  max_bytes: number;
  reason: LocalText;
}

/** What a plugin asks for. */
export interface Permissions {
  knowledge?: KnowledgePermission[];
  http?: HttpPermission[];
  model?: ModelPermission | null;
  storage?: StoragePermission | null;
}

/** What the workspace has granted of it. */
export interface Grants {
  knowledge: string[];
  http: string[];
  model: string[];
  model_tokens: number | null;
  storage: boolean;
  /** What a call may use, where that is less than the server allows. */
  limits?: Record<string, number>;
}

export interface PluginTool {
  name: string;
  title: LocalText;
  description: LocalText;
  input: JsonSchema;
  idempotent?: boolean;
  effects?: string;
  examples?: { title: LocalText; input: unknown; output?: unknown }[];
}

export interface PluginManifest {
  title: LocalText;
  description: LocalText;
  icon?: string | null;
  homepage?: string | null;
  license?: string | null;
  tools: PluginTool[];
  config?: JsonSchema | null;
  permissions?: Permissions;
}

export interface InstalledPlugin {
  id: string;
  version: string;
  sha256: string;
  /** Ships with Parlour. */
  system: boolean;
  enabled: boolean;
  installed_at: Timestamp;
  manifest: PluginManifest;
  grants: Grants;
  /** What a call may use at most here; null where there is no code to limit. */
  most: Record<string, number> | null;
  /** Asked for and not granted, as `http: api.example.com`. */
  missing: string[];
  /** What is filled in; of a secret only that it is. */
  config: Record<string, unknown>;
}

export interface PluginVersion {
  sha256: string;
  version: string;
  /** False for one that was published and that nobody has installed yet. */
  installed: boolean;
  /** When it was installed last, or published. */
  at: Timestamp;
  current: boolean;
}

export interface PluginCall {
  id: string;
  version: string;
  tool: string;
  run?: string | null;
  node?: string | null;
  at: Timestamp;
  duration_us: number;
  cpu_us: number;
  memory_bytes: number;
  tokens: number;
  error: { code: string; message: string } | null;
  logs: LogLine[];
}

/** What came of a tool that was tried. */
export interface ToolResult {
  ok: boolean;
  output: unknown;
  error: { kind: string; message: string; hint?: string | null; detail?: string | null } | null;
  report: {
    logs: LogLine[];
    dropped_log_lines: number;
    duration_us: number;
    cpu_us: number;
    memory_peak_bytes: number;
    tokens: { input: number; output: number };
  };
}

export const PLUGINS = "/api/v1/plugins";
export const pluginAddress = (id: string, ...parts: string[]) => [PLUGINS, id, ...parts].map((part, at) => (at === 0 ? part : encodeURIComponent(part))).join("/");

export const pluginsQuery = queryOptions({
  queryKey: ["plugins"],
  queryFn: async () => (await request<Page<InstalledPlugin>>(PLUGINS)).items,
});

export const pluginQuery = (id: string) => queryOptions({ queryKey: ["plugins", id], queryFn: () => request<InstalledPlugin>(pluginAddress(id)) });

export const pluginVersionsQuery = (id: string) =>
  queryOptions({ queryKey: ["plugins", id, "versions"], queryFn: async () => (await request<Page<PluginVersion>>(pluginAddress(id, "versions"))).items });

/** How often the newest calls are read again while somebody looks at them, in milliseconds. */
const CALLS_POLL_MS = 5000;

export const pluginCallsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["plugins", id, "calls"],
    queryFn: ({ pageParam }) => request<Page<PluginCall>>(`${pluginAddress(id, "calls")}?limit=10${pageParam ? `&cursor=${encodeURIComponent(pageParam)}` : ""}`),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? null,
    // Whoever has gone back in time is not moved on under their eyes.
    refetchInterval: (query) => (query.state.status === "error" || (query.state.data?.pages.length ?? 0) > 1 ? false : CALLS_POLL_MS),
  });
