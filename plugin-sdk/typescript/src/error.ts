// How a tool or a host call fails. The kind decides whether the workflow engine tries again and what the author reads.

import type { ContractError } from "./contract.ts";

/**
 * - `invalid_input`: the caller's input is wrong; the same input again cannot help.
 * - `not_found`: what was asked for does not exist, or not for this tenant.
 * - `denied`: the manifest does not ask for it, or the tenant has not granted it.
 * - `rate_limited`: too many calls. The engine tries again.
 * - `unavailable`: something outside is down or slow. The engine tries again.
 * - `failed`: anything else.
 */
export type ErrorKind = "invalid_input" | "not_found" | "denied" | "rate_limited" | "unavailable" | "failed";

/** A failure with its kind: what a tool throws, and what a call of the host throws. Any other exception is a `failed`. */
export class ToolError extends Error {
  override readonly name = "ToolError";
  readonly kind: ErrorKind;
  /** Seconds to wait after `rate_limited`, where known. */
  readonly retryAfter: number | undefined;

  constructor(kind: ErrorKind, message: string, options: { retryAfter?: number | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.retryAfter = options.retryAfter;
  }
}

/** As it crosses to the host. */
export function toContract({ kind, message, retryAfter }: ToolError): ContractError {
  switch (kind) {
    case "invalid_input":
      return { tag: "invalid-input", val: message };
    case "not_found":
      return { tag: "not-found", val: message };
    case "rate_limited":
      return { tag: "rate-limited", val: seconds(retryAfter) };
    case "denied":
    case "unavailable":
    case "failed":
      return { tag: kind, val: message };
  }
}

/** The contract has whole seconds of 32 bits. */
function seconds(given: number | undefined): number | null {
  return given !== undefined && given >= 0 ? Math.min(Math.ceil(given), 2 ** 32 - 1) : null;
}

/** As the host threw it; nothing when it is no error of the contract. */
export function fromContract(thrown: unknown): ToolError | undefined {
  const error = (thrown as { payload?: ContractError } | null | undefined)?.payload;
  switch (error?.tag) {
    case "invalid-input":
      return new ToolError("invalid_input", error.val);
    case "not-found":
      return new ToolError("not_found", error.val);
    case "rate-limited": {
      const retryAfter = error.val ?? undefined;
      const wait = retryAfter === undefined ? "" : `; wait ${retryAfter} s`;
      return new ToolError("rate_limited", `too many calls${wait}`, { retryAfter });
    }
    case "denied":
    case "unavailable":
    case "failed":
      return new ToolError(error.tag, error.val);
    default:
      return undefined;
  }
}
