// Lines in the node's log, which the author of a workflow sees in the trace of a run. Never write secrets. `console` writes to
// it too; these are the same with the level in their names.
//
// The host keeps 8 KiB a line and 256 lines a call; it drops the rest and counts it.

import { ask } from "./host.ts";
import { writeLine } from "./surroundings.ts";

export function debug(...values: unknown[]): void {
  ask("log.debug()", (host) => writeLine(host, "debug", values));
}

export function info(...values: unknown[]): void {
  ask("log.info()", (host) => writeLine(host, "info", values));
}

export function warn(...values: unknown[]): void {
  ask("log.warn()", (host) => writeLine(host, "warn", values));
}

export function error(...values: unknown[]): void {
  ask("log.error()", (host) => writeLine(host, "error", values));
}
