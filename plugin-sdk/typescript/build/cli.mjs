#!/usr/bin/env node
// What a project's scripts call: `parlour-plugin build [OUTPUT.wasm]`, `parlour-plugin test`, `parlour-plugin check`.

import { build } from "./build.mjs";
import { check, PLUGIN, TESTS } from "./check.mjs";
import { openProject } from "./project.mjs";
import { test } from "./test.mjs";
import { Told } from "./told.mjs";

const USAGE = "usage: parlour-plugin build [OUTPUT.wasm] | test | check";

async function execute([command, ...rest]) {
  const project = await openProject(process.cwd());
  if (command === "build" && rest.length <= 1) return build(project, rest[0]);
  if (command === "test" && rest.length === 0) return test(project);
  if (command === "check" && rest.length === 0) return [PLUGIN, TESTS].forEach((it) => check(project, it));
  throw new Told(USAGE);
}

try {
  await execute(process.argv.slice(2));
} catch (error) {
  // What is the author's to mend is told in words; anything else is a mistake of ours and keeps its stack.
  console.error(error instanceof Told ? `error: ${error.message}` : error);
  process.exitCode = 1;
}
