// Who answers what a plugin asks: the server in a call, a fake host in a test, nobody while the plugin is built.

import type { Host } from "./contract.ts";
import { fromContract } from "./error.ts";

let present: () => Host | undefined = () => undefined;

/** The host is given from outside, so that the same code runs in the sandbox and in tests. */
export function presentHost(given: () => Host | undefined): void {
  present = given;
}

export function hostIfAny(): Host | undefined {
  return present();
}

/** What was called at the top level of a module, where it would give every call of the plugin the same answer. */
export function notWhileBuilding(what: string): Error {
  return new Error(
    `\`${what}\` was called while the plugin is being built, where there is no host. What stands at the top level of a module ` +
      "runs once, at build time, and every call starts from what it left: call it inside a tool instead",
  );
}

/** Asks the host; what it refuses arrives as a `ToolError`. */
export function ask<T>(what: string, question: (host: Host) => T): T {
  const host = present();
  if (host === undefined) throw notWhileBuilding(what);
  try {
    return question(host);
  } catch (thrown) {
    throw fromContract(thrown) ?? thrown;
  }
}
