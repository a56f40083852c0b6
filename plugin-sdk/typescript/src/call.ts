// One call of a tool, from JSON text to JSON text, whoever makes it: the server in the sandbox or a fake host in a test.

import { ToolError } from "./error.ts";
import type { Plugin } from "./plugin.ts";
import { inWords } from "./thrown.ts";
import { json } from "./values.ts";

// A tool may run code that replaces what it finds; what is needed afterwards is taken before.
const { parse } = JSON;
const { hasOwn } = Object;
const { apply } = Reflect;

/** Finds in an error's stack where it happened in the author's sources. */
export type Place = (stack: string) => string | undefined;

/** Starts the tool; what it returns may be a promise. */
export function start(plugin: Plugin, name: string, input: string): unknown {
  const tool = hasOwn(plugin.tools, name) ? plugin.tools[name] : undefined;
  if (tool === undefined) throw new ToolError("not_found", `the plugin has no tool \`${name}\``);
  return apply(tool.run, tool, [parse(input)]);
}

/** What a tool returned, as the text that the server gets. */
export function outputText(value: unknown): string {
  return json(value, "what the tool returned");
}

/** Whatever a tool threw, as the error that the server gets. */
export function toolError(thrown: unknown, place: Place): ToolError {
  if (thrown instanceof ToolError) return thrown;
  return new ToolError("failed", inWords(thrown, "the tool", place), { cause: thrown });
}
