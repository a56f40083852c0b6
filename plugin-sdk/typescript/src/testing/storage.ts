// The plugin's store in memory, with versions, expiry by the fake clock, and the manifest's quota.

import type { Host } from "../contract.ts";
import { refusal } from "./refusal.ts";
import type { State } from "./state.ts";

const MOST_KEY_BYTES = 200;
const MOST_ON_A_PAGE = 1000;

export interface Stored {
  value: string;
  version: number;
  expiresAt: number | undefined;
}

const bytes = (text: string) => Buffer.byteLength(text);

export function storageOf(state: State): Host["storage"] {
  const ready = (key?: string) => {
    const quota = state.quota();
    if (key !== undefined && (bytes(key) < 1 || bytes(key) > MOST_KEY_BYTES || key.includes("\0"))) {
      throw refusal("invalid_input", `a key has 1 to ${MOST_KEY_BYTES} bytes; this one has ${bytes(key)}`);
    }
    for (const [present, { expiresAt }] of state.stored) {
      if (expiresAt !== undefined && expiresAt <= state.now) state.stored.delete(present);
    }
    return quota;
  };
  return {
    get(key) {
      ready(key);
      const entry = state.stored.get(key);
      if (entry === undefined) return undefined;
      const { value, version, expiresAt } = entry;
      return { value, version: BigInt(version), expiresAt: expiresAt === undefined ? undefined : BigInt(expiresAt) };
    },
    set(key, value, ttlS, expected) {
      state.crosses(`${key} ${value}`);
      const quota = ready(key);
      const present = state.stored.get(key)?.version ?? 0;
      if (expected !== null && expected !== present) {
        throw refusal("invalid_input", `the present version of \`${key}\` is ${present}, not ${expected}; read it again`);
      }
      const others = [...state.stored].filter(([other]) => other !== key);
      const used = others.reduce((sum, [other, entry]) => sum + bytes(other) + bytes(entry.value), 0);
      if (used + bytes(key) + bytes(value) > quota) {
        throw refusal("failed", `the plugin may keep ${quota} bytes; with this value it would be more`);
      }
      const expiresAt = ttlS === null ? undefined : state.now + ttlS * 1000;
      state.stored.set(key, { value, version: present + 1, expiresAt });
      return BigInt(present + 1);
    },
    delete(key) {
      ready(key);
      return state.stored.delete(key);
    },
    list(prefix, cursor, limit) {
      ready();
      if (!(limit >= 1 && limit <= MOST_ON_A_PAGE)) {
        throw refusal("invalid_input", `\`limit\` is ${limit}; it goes from 1 to ${MOST_ON_A_PAGE}`);
      }
      const all = [...state.stored.keys()].filter((it) => it.startsWith(prefix) && (cursor === null || it > cursor)).sort();
      const keys = all.slice(0, limit);
      return { keys, nextCursor: all.length > limit ? keys.at(-1) : undefined };
    },
  };
}
