// What a plugin imports. `README.md` beside this package goes from nothing to an installed tool in ten minutes.

export { type Static, Type } from "typebox";

export * as config from "./config.ts";
export { type ErrorKind, ToolError } from "./error.ts";
export * as http from "./http.ts";
export * as knowledge from "./knowledge.ts";
export * as log from "./log.ts";
export * as model from "./model.ts";
export { type Definition, type Example, type Permissions, type Plugin, plugin, type Tool, tool } from "./plugin.ts";
export { type Secret, secret } from "./secret.ts";
export * as storage from "./storage.ts";
export * as system from "./system.ts";
export { about, type Text } from "./text.ts";
