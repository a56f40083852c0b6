// The user's source as a function, and what went wrong in it, in words with its place.

/** Lines that stand before the user's first line: two of the `Function` constructor's own, and the directive. */
const LINES_BEFORE = 3;
const AsyncFunction = Object.getPrototypeOf(async function () {}).constructor;
const { isError = (value) => value instanceof Error } = Error;
const { String: text } = globalThis;
const { stringify } = JSON;

/** The source is no JavaScript; it is the same with any input. */
export class CompileError extends Error {}

/**
 * The body of an async function that gets `inputs`. Strict, so that a misspelt variable is an error and not a new global.
 */
export function compile(source) {
  try {
    return new AsyncFunction("inputs", `"use strict";\n${source}`);
  } catch (error) {
    // The parser's own frame comes first.
    throw new CompileError(told(error, /<input>:(\d+):(\d+)/));
  }
}

/** What was thrown, as a person would say it. Never throws itself, whatever it is given. */
export function inWords(thrown) {
  try {
    // Frames of functions are in parentheses; `JSON.parse` puts one without before them, which is a place in its text.
    if (isError(thrown)) return told(thrown, /\(<input>:(\d+):(\d+)\)/);
    if (typeof thrown === "string") return thrown;
    return `the code threw ${stringify(thrown) ?? text(thrown)}`;
  } catch {
    return "the code threw something that cannot be shown";
  }
}

function told(error, frame) {
  const name = text(error.name);
  const message = text(error.message);
  const words = message === "" ? name : name === "Error" ? message : `${name}: ${message}`;
  const place = frame.exec(text(error.stack));
  // A place before the user's first line is not the user's.
  if (place === null || Number(place[1]) <= LINES_BEFORE) return words;
  return `${words} (line ${place[1] - LINES_BEFORE}, column ${place[2]})`;
}
