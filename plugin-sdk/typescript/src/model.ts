// The tenant's language models. Needs the permission `model` for the role and the tenant's grant.
//
//     const summary = model.complete("fast", text, { system: "Summarise in one sentence.", maxTokens: 200 }).text;
//     const topic = model.completeAs("fast", Topic, text);

import type { Static, TSchema } from "typebox";

import { ToolError } from "./error.ts";
import { ask } from "./host.ts";

export interface Message {
  author: "system" | "user" | "assistant";
  content: string;
}

export interface Options {
  /** Said before everything else. */
  system?: string;
  /** Never more than the grant's tokens per call leave. */
  maxTokens?: number;
  /** 0 to 2. */
  temperature?: number;
}

export interface Completion {
  text: string;
  /** The model's own name. */
  model: string;
  inputTokens: number;
  outputTokens: number;
}

export interface Embeddings {
  /** One a text, in their order, all of one length. */
  vectors: number[][];
  /** Vectors of different models cannot be compared. */
  model: string;
  inputTokens: number;
}

/**
 * Asks the model of a role (`default`, `fast`, …, as the tenant names its models). Throws `denied` when the role is not
 * granted, `failed` when the call's tokens are used up, and whatever the model's provider says.
 */
export function complete(role: string, messages: string | Message[], options: Options = {}): Completion {
  return completed(role, messages, options, "");
}

/** The answer as JSON that fits a schema, which the model is given: it reads the descriptions of the fields. */
export function completeAs<Schema extends TSchema>(
  role: string,
  schema: Schema,
  messages: string | Message[],
  options: Options = {},
): Static<Schema> {
  // Closed where it is an object, because some providers take only those.
  const isObject = (schema as { type?: unknown }).type === "object";
  const schemaJson = JSON.stringify(isObject ? { additionalProperties: false, ...schema } : schema);
  const { text, model } = completed(role, messages, options, schemaJson);
  try {
    return JSON.parse(text) as Static<Schema>;
  } catch (error) {
    throw new ToolError("failed", `the answer of the model \`${model}\` is no JSON: ${(error as Error).message}`);
  }
}

/**
 * Texts as vectors, by the model with the role `embedding`: 1 to 100 texts of at most 8 KiB each. Some models tell what is asked
 * (`query`) from what is looked through (`passage`).
 */
export function embed(texts: string[], purpose: "query" | "passage"): Embeddings {
  const { vectors, model, inputTokens } = ask("model.embed()", (host) => host.model.embed(texts, purpose));
  return { vectors: vectors.map((vector) => Array.from(vector)), model, inputTokens: Number(inputTokens) };
}

/**
 * How alike two vectors are: 1 for the same direction, 0 for nothing in common. Of different lengths, or without a direction, it is 0.
 */
export function similarity(one: number[], other: number[]): number {
  if (one.length !== other.length) return 0;
  const product = (a: number[], b: number[]) => a.reduce((sum, it, index) => sum + it * (b[index] ?? 0), 0);
  const lengths = Math.sqrt(product(one, one)) * Math.sqrt(product(other, other));
  return lengths > 0 ? product(one, other) / lengths : 0;
}

function completed(role: string, given: string | Message[], options: Options, schemaJson: string): Completion {
  const { system, maxTokens, temperature } = options;
  const messages: Message[] = typeof given === "string" ? [{ author: "user", content: given }] : given;
  const request = {
    role,
    messages: system === undefined ? messages : [{ author: "system" as const, content: system }, ...messages],
    maxTokens: maxTokens ?? null,
    temperature: temperature ?? null,
    schemaJson,
  };
  const { text, model, inputTokens, outputTokens } = ask("model.complete()", (host) => host.model.complete(request));
  return { text, model, inputTokens: Number(inputTokens), outputTokens: Number(outputTokens) };
}
