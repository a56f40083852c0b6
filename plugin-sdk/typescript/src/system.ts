// Time and chance, from the host. `Date`, `Math.random` and `crypto` give the same in their usual shapes.

import { ask } from "./host.ts";

/** Milliseconds since 1970-01-01T00:00:00Z. */
export function nowMs(): number {
  return Number(ask("system.nowMs()", (host) => host.system.nowMs()));
}

/** Bytes from the host's generator; at most 4096 a call. */
export function random(length: number): Uint8Array {
  return Uint8Array.from(ask("system.random()", (host) => host.system.random(length)));
}

/**
 * The same for every attempt of one node in one run, and for nothing else: send it along to a service that must not do a thing
 * twice. Nothing when a tool is tried by hand.
 */
export function idempotencyKey(): string | undefined {
  return ask("system.idempotencyKey()", (host) => host.system.idempotencyKey()) ?? undefined;
}
