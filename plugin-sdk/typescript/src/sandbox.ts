// The plugin's two exports, in the sandbox. A call comes in two halves, because the engine runs what promises wait for only
// between them (`build/jobs.mjs` says why and how): the first half starts the tool, the second tells what came of it.
//
// Every call has an instance of its own, made from the snapshot that the build took. So nothing here is ever used twice.

import { placeIn } from "../build/stack.mjs";
import { outputText, type Place, start, toolError } from "./call.ts";
import type { Host } from "./contract.ts";
import { ToolError, toContract } from "./error.ts";
import { notWhileBuilding, presentHost } from "./host.ts";
import { manifestOf, type Package, type Plugin } from "./plugin.ts";
import { measureByHost, surround } from "./surroundings.ts";

const { apply } = Reflect;
// A tool may run code that replaces what it finds; what is needed afterwards is taken before.
const { then } = Promise.prototype;
const settled = Promise.resolve.bind(Promise) as (value: unknown) => Promise<unknown>;

const outside = {
  now: refuse,
  random: refuse,
  randomBytes: refuse,
  // There is no log yet, and a package that greets whoever loads it is no reason to refuse it.
  write: () => undefined,
};

function refuse(what: string): never {
  throw notWhileBuilding(what);
}

surround(outside);
measureByHost(outside);

// The engine's own doors, of no use to a tool. The first stays, because the engine looks it up, but out of sight.
interface Engine {
  __cqjs: { asyncExports: { tools: object } };
  wit?: unknown;
}
const engine = globalThis as unknown as Engine;
// Called between the halves, for nothing but the jobs that the engine runs afterwards.
const nothing = () => undefined;
Object.assign(engine.__cqjs.asyncExports.tools, { describe: nothing, invoke: nothing });
Object.defineProperty(engine, "__cqjs", { enumerable: false, writable: false, configurable: false });
delete engine.wit;

type Call = { state: "running" } | { state: "returned"; value: unknown } | { state: "threw"; value: unknown };

/** The contract's exports. `lines` says where the bundle's lines come from (`build/places.mjs`). */
export function serve(author: { default?: unknown }, own: Package, host: Host, lines: string) {
  const plugin = check(author.default);
  // A constant, so it is written here, at build time, and not in every instance.
  const manifest = JSON.stringify(manifestOf(plugin, own));
  const place: Place = (stack) => placeIn(stack, lines);
  /** None before the first half. */
  let call: Call | undefined;

  /** What this returns is not looked at. */
  const begin = (tool: string, input: string): string => {
    presentHost(() => host);
    call = { state: "running" };
    try {
      const settle = (state: "returned" | "threw") => (value: unknown) => {
        call = { state, value };
      };
      const returned = start(plugin, tool, input);
      apply(then, settled(returned), [settle("returned"), settle("threw")]);
    } catch (value) {
      call = { state: "threw", value };
    }
    return "";
  };

  /** The output as JSON text; an exception is the contract's `error`, because any other would be a trap. */
  const end = (ended: Call): string => {
    try {
      if (ended.state === "threw") throw ended.value;
      if (ended.state === "running") {
        throw new ToolError(
          "failed",
          "the tool waits for something that never comes: there are no timers and no network in the sandbox but the host's",
        );
      }
      return outputText(ended.value);
    } catch (thrown) {
      throw toContract(toolError(thrown, place));
    }
  };

  return {
    describe: () => manifest,
    invoke: (tool: string, input: string) => (call === undefined ? begin(tool, input) : end(call)),
  };
}

function check(exported: unknown): Plugin {
  if ((exported as Plugin | undefined)?.isParlourPlugin !== true) {
    throw new Error("the plugin's module exports no plugin: it ends with `export default plugin({ … })`");
  }
  return exported as Plugin;
}
