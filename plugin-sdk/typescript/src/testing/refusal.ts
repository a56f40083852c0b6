// How a host says no: as the engine throws it, so that a test goes the same way as a call.

import type { ContractError } from "../contract.ts";
import { type ErrorKind, ToolError, toContract } from "../error.ts";

export class Refusal extends Error {
  readonly payload: ContractError;

  constructor(error: ToolError) {
    super(error.message);
    this.payload = toContract(error);
  }
}

export function refusal(kind: ErrorKind, message: string): Refusal {
  return new Refusal(new ToolError(kind, message));
}
