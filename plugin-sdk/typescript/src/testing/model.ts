// Models that say what a test has written for them, and vectors that are alike where words are.

import type { ContractModelRequest, Host } from "../contract.ts";
import { terms } from "./knowledge.ts";
import { refusal, Refusal } from "./refusal.ts";
import type { State } from "./state.ts";

const MOST_MESSAGES = 100;
const MOST_MESSAGE_BYTES = 1 << 20;
const MOST_TEXTS = 100;
const MOST_TEXT_BYTES = 8 << 10;
/** About what tokenizers make of European languages; a test needs no more. */
const BYTES_PER_TOKEN = 4;
/** Enough to tell a few words apart. */
const DIMENSIONS = 64;

const bytes = (text: string) => Buffer.byteLength(text);
const tokens = (text: string) => Math.ceil(bytes(text) / BYTES_PER_TOKEN);

export function modelOf(state: State): Host["model"] {
  return {
    complete(request: ContractModelRequest) {
      const { role, messages, temperature } = request;
      state.crosses(JSON.stringify(request));
      const allowed = state.tokensOf(role);
      if (state.tokensUsed >= allowed) {
        throw refusal(
          "failed",
          `the call has used the ${allowed} tokens that are granted to the plugin for one call`,
        );
      }
      const size = messages.reduce((sum, it) => sum + bytes(it.content), 0);
      if (messages.length < 1 || messages.length > MOST_MESSAGES || size > MOST_MESSAGE_BYTES) {
        throw refusal(
          "invalid_input",
          `a model is given 1 to ${MOST_MESSAGES} messages of at most ${MOST_MESSAGE_BYTES} bytes together`,
        );
      }
      if (temperature !== null && !(temperature >= 0 && temperature <= 2)) {
        throw refusal("invalid_input", "`temperature` goes from 0 to 2");
      }
      state.modelRequests.push(request);
      // Of several answers each is given once, the last for ever.
      const answers = state.models.get(role) ?? [];
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer === undefined) throw refusal("unavailable", `this test has no model \`${role}\``);
      if (typeof answer !== "string") throw new Refusal(answer);
      const inputTokens = messages.reduce((sum, it) => sum + tokens(it.content), 0);
      const outputTokens = tokens(answer);
      state.tokensUsed += inputTokens + outputTokens;
      return {
        text: answer,
        model: `fake-${role}`,
        inputTokens: BigInt(inputTokens),
        outputTokens: BigInt(outputTokens),
      };
    },
    embed(texts: string[]) {
      state.crosses(JSON.stringify(texts));
      state.tokensOf("embedding");
      if (texts.length < 1 || texts.length > MOST_TEXTS || texts.some((it) => bytes(it) > MOST_TEXT_BYTES)) {
        throw refusal("invalid_input", `there are 1 to ${MOST_TEXTS} texts of at most ${MOST_TEXT_BYTES} bytes each`);
      }
      return { vectors: texts.map(vector), model: "fake-embedding", inputTokens: 0n };
    },
  };
}

/** Counts the words, each at a place of its own. */
function vector(text: string): number[] {
  const counts = new Array<number>(DIMENSIONS).fill(0);
  for (const term of terms(text)) {
    const place = [...term].reduce((hash, it) => (hash * 31 + (it.codePointAt(0) ?? 0)) % 65_521, 0) % DIMENSIONS;
    counts[place] = (counts[place] ?? 0) + 1;
  }
  return counts;
}
