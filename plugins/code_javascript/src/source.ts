// The user's source as a function: how it is run, and what went wrong in it, in words with its place.

import { ToolError } from "parlour-plugin";
import { assertJson, inWords, told } from "parlour-plugin/embedding";

/** Lines that stand before the user's first line: two of the `Function` constructor's own, and the directive. */
const LINES_BEFORE = 3;
/** Frames of functions are in parentheses; `JSON.parse` puts one without before them, which is a place in its text. */
const FRAME = /\(<input>:(\d+):(\d+)\)/;
/** Of the parser, which has no function to name. */
const PARSER_FRAME = /<input>:(\d+):(\d+)/;

type Body = (inputs: unknown) => Promise<unknown>;

const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor as new (...parts: string[]) => Body;

/** What the source returns for these inputs; nothing is null. */
export async function perform(source: string, inputs: unknown): Promise<unknown> {
  const body = compile(source);
  try {
    const value = (await body(inputs)) ?? null;
    assertJson(value, "what the code returned");
    return value;
  } catch (thrown) {
    throw new ToolError("failed", inWords(thrown, "the code", placeBy(FRAME)));
  }
}

/**
 * The body of an async function that gets `inputs`. Strict, so that a misspelt variable is an error and not a new global. What
 * is no JavaScript is the same with any input.
 */
function compile(source: string): Body {
  try {
    return new AsyncFunction("inputs", `"use strict";\n${source}`);
  } catch (error) {
    throw new ToolError("invalid_input", told(error as Error, placeBy(PARSER_FRAME)));
  }
}

const placeBy = (frame: RegExp) => (stack: string) => {
  const place = frame.exec(stack);
  // A place before the user's first line is not the user's.
  if (place === null || Number(place[1]) <= LINES_BEFORE) return undefined;
  return `line ${Number(place[1]) - LINES_BEFORE}, column ${place[2]}`;
};
