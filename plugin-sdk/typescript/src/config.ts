// The tenant's settings for this plugin, as its `config` schema declares them.

import type { Static, TObject } from "typebox";

import { ToolError } from "./error.ts";
import { ask } from "./host.ts";
import { Secret } from "./secret.ts";

/** One setting by its key; nothing when the tenant has not set it. */
export function get<Value = unknown>(key: string): Value | undefined {
  const text = ask("config.get()", (host) => host.config.get(key));
  return text === undefined || text === null ? undefined : (JSON.parse(text) as Value);
}

/** A secret setting, to be used in a request. `failed` names it when the tenant has not filled it in. */
export function secret(key: string): Secret {
  const placeholder = get(key);
  if (placeholder === undefined) throw missing(key);
  return asSecret(key, placeholder);
}

/** All settings, as the schema has them. A missing one that is required is an error that names it. */
export function read<Settings extends TObject>(schema: Settings): Static<Settings> {
  const { properties, required = [] } = schema as {
    properties: Record<string, { secret?: boolean; default?: unknown }>;
    required?: string[];
  };
  const settings: Record<string, unknown> = {};
  for (const [key, property] of Object.entries(properties)) {
    const value = get(key) ?? property.default;
    if (value === undefined && required.includes(key)) throw missing(key);
    if (value !== undefined) settings[key] = property.secret === true ? asSecret(key, value) : value;
  }
  return settings as Static<Settings>;
}

function asSecret(key: string, placeholder: unknown): Secret {
  try {
    return new Secret(placeholder);
  } catch (error) {
    throw new ToolError("failed", `the setting \`${key}\`: ${(error as Error).message}`);
  }
}

function missing(key: string): ToolError {
  return new ToolError("failed", `the setting \`${key}\` is not filled in`);
}
