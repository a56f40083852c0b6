// Types: the bundler only strips them, so the compiler looks first, and what it finds fails the build in its own words.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { Told } from "./told.mjs";

/** Tests may use what only Node has, the plugin may not: so they have a configuration of their own. */
export const PLUGIN = "tsconfig.json";
export const TESTS = "tests/tsconfig.json";

/** A project without the file is in JavaScript, which has no types to check. */
export function check({ folder }, configuration) {
  const file = join(folder, configuration);
  if (!existsSync(file)) return;
  const options = ["-p", file, "--noEmit", ...(process.stderr.isTTY ? ["--pretty"] : [])];
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [compiler(folder), ...options], {
    cwd: folder,
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Told(`the types do not fit\n${stdout}${stderr}`.trimEnd());
}

/** The project's own compiler, so that an editor and the build say the same. */
function compiler(folder) {
  try {
    const file = createRequire(join(folder, "package.json")).resolve("typescript/package.json");
    const { bin } = createRequire(file)(file);
    return join(dirname(file), bin.tsc);
  } catch {
    throw new Told("the package `typescript` is not there: `npm install --save-dev typescript` adds it");
  }
}
