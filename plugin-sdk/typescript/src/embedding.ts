// For a plugin that runs code of others inside itself: what that throws, in words, and what it returns, held against JSON.

export { inWords, told } from "./thrown.ts";
export { assertJson, NotJson } from "./values.ts";
