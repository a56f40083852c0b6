// A host in memory, so that a plugin's tools run in Node's own test runner.
//
//     const host = new FakeHost().knowledgeBase("menu", [{ name: "水煮鱼", spice_level: 3 }]);
//     const answer = await host.call(plugin, "find", { query: "鱼" });
//
// It answers as the server does: the same filters, the same kinds of error, the same refusal of what the manifest does not ask
// for. Only its search is simple. Requests are answered by rules, models by what the test has written for them; secrets are
// placeholders to the plugin, as on the server. Clock, randomness and console are the host's, as in the sandbox.

import { AsyncLocalStorage } from "node:async_hooks";
import { isDeepStrictEqual } from "node:util";
import type { Static } from "typebox";
import Schema from "typebox/schema";

import { outputText, start, toolError } from "./call.ts";
import type { ContractModelRequest, Host } from "./contract.ts";
import { ToolError } from "./error.ts";
import { presentHost } from "./host.ts";
import { type Manifest, manifestOf, type Plugin, type Tools } from "./plugin.ts";
import { surround } from "./surroundings.ts";
import { httpOf, Reply, type Sent } from "./testing/http.ts";
import { entriesOf, knowledgeOf } from "./testing/knowledge.ts";
import { modelOf } from "./testing/model.ts";
import { leaks, placeholderOf } from "./testing/secrets.ts";
import { State } from "./testing/state.ts";
import { storageOf } from "./testing/storage.ts";

export { Reply, type Sent };

/** The random bytes that the server gives at most per call. */
const MOST_RANDOM_BYTES = 4096;

/** The host that is running something here, also after an `await`. */
const running = new AsyncLocalStorage<Host>();
presentHost(() => running.getStore());

// Outside of a host, Node's own stay what they were.
const { now } = Date;
const { random } = Math;
const { crypto, console } = globalThis;
surround({
  now,
  random,
  randomBytes: (_, count) => crypto.getRandomValues(new Uint8Array(count)),
  write: (level, values) => console[level](...values),
});

/** A host with what you put into it. Every method that adds to it answers the host itself. */
export class FakeHost {
  readonly #state = new State();
  readonly #host = hostOf(this.#state);

  /** Adds a knowledge base. Each record is an object of fields; its text is all its texts, one after the other. */
  knowledgeBase(name: string, records: Record<string, unknown>[]): this {
    this.#state.bases.set(name, entriesOf(name, records));
    return this;
  }

  /**
   * The tenant has not granted this: a knowledge base by its name, or `http: HOST`, `model: ROLE`, `storage`. Everything else
   * that the manifest asks for is granted.
   */
  refuse(name: string): this {
    this.#state.refused.add(name);
    return this;
  }

  /** A setting that the tenant has made. */
  config(key: string, value: unknown): this {
    this.#state.config.set(key, value);
    return this;
  }

  /** A secret setting: the plugin gets a placeholder, a request that goes out gets the value. */
  secret(key: string, value: string): this {
    this.#state.secrets.add(key);
    return this.config(key, value);
  }

  /**
   * Answers requests of a method to addresses that begin so; the longest rule that fits is taken. Of several replies for one
   * rule each answers once, in order, and the last for ever. What no rule fits is unavailable.
   */
  http(method: string, prefix: string, reply: Reply): this {
    const { rules } = this.#state;
    const rule = rules.find((it) => it.method === method && it.prefix === prefix);
    if (rule === undefined) rules.push({ method, prefix, replies: [reply] });
    else rule.replies.push(reply);
    return this;
  }

  /** What the model of a role says, or how it fails. Of several answers each is given once, in order, and the last for ever. */
  model(role: string, answer: string | ToolError): this {
    const answers = this.#state.models.get(role);
    if (answers === undefined) this.#state.models.set(role, [answer]);
    else answers.push(answer);
    return this;
  }

  /** A value that an earlier call has stored. */
  stored(key: string, value: string): this {
    this.#state.stored.set(key, { value, version: 1, expiresAt: undefined });
    return this;
  }

  /** Sets the clock, which stands still. */
  nowMs(now: number): this {
    this.#state.now = now;
    return this;
  }

  /** As if a workflow's node called: what `system.idempotencyKey` gives. */
  idempotencyKey(key: string): this {
    this.#state.idempotencyKey = key;
    return this;
  }

  /** Runs something that calls the host: a function of the plugin's own. Everything is granted to it. */
  run<Result>(work: () => Result): Result {
    return running.run(this.#host, work);
  }

  /**
   * Calls a tool as the server does: JSON in, JSON out, both held against their schemas, and only what the manifest asks for.
   * Rejects with the `ToolError` that the server would get.
   */
  async call<All extends Tools, Name extends keyof All & string>(
    plugin: Plugin<All>,
    name: Name,
    input: unknown,
  ): Promise<Static<All[Name]["output"]>> {
    const manifest = manifestOf(plugin, { version: "0.0.0" });
    const tool = manifest.tools.find((it) => it.name === name);
    if (tool === undefined) throw new ToolError("not_found", `the plugin has no tool \`${name}\``);
    const problem = misfit(tool.input, input);
    if (problem !== undefined) throw new ToolError("invalid_input", problem);
    this.#state.beginCall(manifest);
    try {
      const text = await this.run(async () => outputText(await start(plugin, name, JSON.stringify(input))));
      this.#state.crosses(text);
      const output: unknown = JSON.parse(text);
      checkOutput(name, tool, output);
      return output as Static<All[Name]["output"]>;
    } catch (thrown) {
      if (thrown instanceof OutputMisfit) throw thrown;
      // Node shows the cause with its place, so the words need none.
      const error = toolError(thrown, () => undefined);
      this.#state.crosses(error.message);
      throw error;
    } finally {
      this.#state.asked = undefined;
    }
  }

  /** Runs every example of the manifest that states its output, and throws when one gives another. */
  async checkExamples(plugin: Plugin): Promise<void> {
    for (const { name, examples } of manifestOf(plugin, { version: "0.0.0" }).tools) {
      for (const { title, input, output } of examples) {
        if (output === undefined) continue;
        const answer: unknown = await this.call(plugin, name, input);
        if (isDeepStrictEqual(answer, output)) continue;
        const [stated, is] = [JSON.stringify(output), JSON.stringify(answer)];
        throw new Error(`the example “${title.en}” of ${name} is not true:\nstated ${stated}\nis     ${is}`);
      }
    }
  }

  /**
   * Throws when the plugin has had a secret: in what it was given, or in what it answered, logged, stored or told a model.
   */
  assertSecretsKept(): void {
    const found = leaks(this.#state);
    if (found.length > 0) throw new Error(`the plugin has seen a secret:\n${found.join("\n")}`);
  }

  /** The requests that went out so far, secrets filled in, redirects included. */
  get requests(): readonly Sent[] {
    return this.#state.sent;
  }

  /** What models were asked so far. */
  get modelRequests(): readonly ContractModelRequest[] {
    return this.#state.modelRequests;
  }

  /** The value of a key in the plugin's store. */
  storedValue(key: string): string | undefined {
    return this.#state.stored.get(key)?.value;
  }

  /** What was logged so far. */
  get logs(): readonly { level: string; message: string }[] {
    return this.#state.logs;
  }

  /** What was searched for so far. */
  get searches(): readonly Record<string, unknown>[] {
    return this.#state.searches;
  }
}

/** A tool answered what it does not declare; the server calls that a mistake of the plugin. */
class OutputMisfit extends Error {}

function checkOutput(name: string, { output: schema }: Manifest["tools"][number], output: unknown): void {
  const problem = misfit(schema, output);
  if (problem !== undefined) throw new OutputMisfit(`the output of ${name} does not fit its schema: ${problem}`);
}

/** Where a value does not fit a schema, in words; nothing when it does. */
function misfit(schema: Record<string, unknown>, value: unknown): string | undefined {
  if (Schema.Check(schema, value)) return undefined;
  const [, problems] = Schema.Errors(schema, value);
  return problems.map(({ instancePath, message }) => `${instancePath === "" ? "the value" : instancePath} ${message}`).join("; ");
}

function hostOf(state: State): Host {
  return {
    knowledge: knowledgeOf(state),
    http: httpOf(state),
    model: modelOf(state),
    storage: storageOf(state),
    log: {
      write(level, message) {
        state.crosses(message);
        state.logs.push({ level, message });
      },
    },
    config: {
      get(key) {
        const value = state.isDeclared(key) ? state.config.get(key) : undefined;
        if (value === undefined) return undefined;
        const text = JSON.stringify(state.isSecret(key) ? placeholderOf(key) : value);
        state.crosses(text);
        return text;
      },
    },
    system: {
      nowMs: () => BigInt(state.now),
      random: chance(),
      idempotencyKey: () => state.idempotencyKey,
    },
  };
}

/** The same bytes for every new host, so that tests do not depend on chance. */
function chance(): (length: number) => Uint8Array {
  let state = 0x9e37_79b9;
  const byte = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  };
  return (length) => Uint8Array.from({ length: Math.min(length, MOST_RANDOM_BYTES) }, byte);
}
