// What a fake host has, and what of it the running plugin may have.

import type { ContractModelRequest } from "../contract.ts";
import type { ToolError } from "../error.ts";
import type { Entry } from "../knowledge.ts";
import type { Manifest } from "../plugin.ts";
import type { Rule, Sent } from "./http.ts";
import { refusal } from "./refusal.ts";
import type { Stored } from "./storage.ts";

/** Its clock stands at 2026-01-01T00:00:00Z. */
const START = Date.UTC(2026, 0, 1);

export class State {
  readonly bases = new Map<string, Entry[]>();
  /** Knowledge bases by name; anything else as grants are written, `http: api.example.com`. */
  readonly refused = new Set<string>();
  readonly config = new Map<string, unknown>();
  /** Keys that are secret although no manifest says so. */
  readonly secrets = new Set<string>();
  readonly rules: Rule[] = [];
  readonly sent: Sent[] = [];
  readonly models = new Map<string, (string | ToolError)[]>();
  readonly modelRequests: ContractModelRequest[] = [];
  readonly stored = new Map<string, Stored>();
  readonly logs: { level: string; message: string }[] = [];
  readonly searches: Record<string, unknown>[] = [];
  /** Every text that the plugin was given or gave away. */
  readonly crossed: string[] = [];
  now = START;
  idempotencyKey: string | undefined;
  /** What the running plugin asks for; none outside of `call`, where everything is allowed. */
  asked: Manifest | undefined;
  /** Of the running call. */
  requests = 0;
  tokensUsed = 0;

  beginCall(manifest: Manifest): void {
    this.asked = manifest;
    this.requests = 0;
    this.tokensUsed = 0;
  }

  crosses(text: string): void {
    this.crossed.push(text);
  }

  /** The entries of a base, if the plugin may read it. */
  entries(name: string): Entry[] {
    const asked = this.asked?.permissions.knowledge;
    if (asked !== undefined && !asked.some((it) => it.name === "*" || it.name === name)) {
      throw refusal("denied", `the manifest does not ask for the knowledge base \`${name}\``);
    }
    if (this.refused.has(name)) throw refusal("denied", `the tenant has not granted the knowledge base \`${name}\``);
    const entries = this.bases.get(name);
    if (entries === undefined) throw refusal("not_found", `there is no knowledge base \`${name}\``);
    return entries;
  }

  /** How many tokens of a role's model one call may use. */
  tokensOf(role: string): number {
    if (this.refused.has(`model: ${role}`)) {
      throw refusal("denied", `the model \`${role}\` is not granted to this plugin`);
    }
    if (this.asked === undefined) return Number.POSITIVE_INFINITY;
    const { model } = this.asked.permissions;
    if (model === undefined || !model.roles.includes(role)) {
      throw refusal("denied", `the manifest does not ask for the model \`${role}\``);
    }
    return model.max_tokens_per_call;
  }

  /** How many bytes the plugin may keep. */
  quota(): number {
    if (this.refused.has("storage")) throw refusal("denied", "storage is not granted to this plugin");
    if (this.asked === undefined) return Number.POSITIVE_INFINITY;
    const { storage } = this.asked.permissions;
    if (storage === undefined) throw refusal("denied", "the manifest does not ask for storage");
    return storage.max_bytes;
  }

  /** Whether the manifest's settings have the key; the server answers no other. */
  isDeclared(key: string): boolean {
    return this.asked === undefined || this.#declared(key) !== undefined;
  }

  /** Whether the setting is secret: the test says so, or the manifest. */
  isSecret(key: string): boolean {
    return this.secrets.has(key) || this.#declared(key)?.secret === true;
  }

  #declared(key: string): { secret?: boolean } | undefined {
    const properties = this.asked?.config?.["properties"] as Record<string, { secret?: boolean }> | undefined;
    return properties?.[key];
  }
}
