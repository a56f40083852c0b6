// Values that outlive the call: one store per tenant and plugin. Needs the permission `storage` and the tenant's grant.
//
//     const visits = storage.update<number>("visits", (seen) => (seen ?? 0) + 1);
//     storage.set("session", token, { ttlS: 3600 });

import { ToolError } from "./error.ts";
import { ask } from "./host.ts";

/** Most keys on one page of `list`. */
const MOST_ON_A_PAGE = 1000;
/** Each lost race means that another call has won one, so a few tries are plenty. */
const TRIES = 8;

export interface Entry<Value = string> {
  value: Value;
  /** 1, 2, 3, …: counts the values that this key has had. */
  version: number;
  /** Milliseconds since 1970; none for a value that stays. */
  expiresAt?: number;
}

/** For ever, and whatever was there before, unless said otherwise. */
export interface Keep {
  /** Seconds until it is gone. */
  ttlS?: number;
  /** Only if the present version is this one; 0: only if there is none. Fails with `invalid_input` otherwise. */
  expected?: number;
}

/** The value of a key; nothing when there is none, or no longer. */
export function get(key: string): Entry | undefined {
  const entry = ask("storage.get()", (host) => host.storage.get(key));
  if (entry === undefined || entry === null) return undefined;
  const { value, version, expiresAt } = entry;
  return { value, version: Number(version), ...(expiresAt != null && { expiresAt: Number(expiresAt) }) };
}

/** Stores a text. Answers its version. Keys have 1 to 200 bytes. */
export function set(key: string, value: string, { ttlS, expected }: Keep = {}): number {
  return Number(ask("storage.set()", (host) => host.storage.set(key, value, ttlS ?? null, expected ?? null)));
}

/** The value of a key as JSON. Nothing checks that it is what the type says. */
export function getJson<Value>(key: string): Entry<Value> | undefined {
  const entry = get(key);
  if (entry === undefined) return undefined;
  try {
    return { ...entry, value: JSON.parse(entry.value) as Value };
  } catch (error) {
    throw new ToolError("failed", `the stored value \`${key}\` is no JSON: ${(error as Error).message}`);
  }
}

export function setJson(key: string, value: unknown, keep: Keep = {}): number {
  return set(key, JSON.stringify(value), keep);
}

/**
 * Changes a value so that no other call's change is lost: reads it, makes the new one, and stores that only if nobody was
 * faster; else it begins again. Answers the new value, which stays for ever. `unavailable` when others were faster every time.
 */
export function update<Value>(key: string, change: (present: Value | undefined) => Value): Value {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const present = getJson<Value>(key);
    const value = change(present?.value);
    try {
      setJson(key, value, { expected: present?.version ?? 0 });
      return value;
    } catch (error) {
      // The kind says that the version was another one; a key that cannot be has failed in `get` already.
      if (!(error instanceof ToolError && error.kind === "invalid_input")) throw error;
    }
  }
  throw new ToolError("unavailable", `\`${key}\` was changed by others ${TRIES} times meanwhile`);
}

/** False when there was none. */
function del(key: string): boolean {
  return ask("storage.delete()", (host) => host.storage.delete(key));
}
export { del as delete };

/** Keys that begin so, sorted, one page of at most 1000. */
export function list(
  prefix: string,
  { cursor, limit = MOST_ON_A_PAGE }: { cursor?: string; limit?: number } = {},
): { keys: string[]; nextCursor?: string } {
  const { keys, nextCursor } = ask("storage.list()", (host) => host.storage.list(prefix, cursor ?? null, limit));
  return { keys: [...keys], ...(nextCursor != null && { nextCursor }) };
}
