// Types: the bundler only strips them, so the compiler looks first, and what it finds fails the build in its own words.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { Told } from "./told.mjs";

/** A project without a `tsconfig.json` is in JavaScript, which has no types to check. */
export function check({ folder }) {
  // Tests may use what only Node has, the plugin may not: so they have a configuration of their own.
  for (const configuration of ["tsconfig.json", "tests/tsconfig.json"]) {
    const file = join(folder, configuration);
    if (!existsSync(file)) continue;
    const colours = process.stderr.isTTY ? ["--pretty"] : [];
    const { status, stdout, stderr, error } = spawnSync(process.execPath, [compiler(folder), "-p", file, "--noEmit", ...colours], {
      cwd: folder,
      encoding: "utf8",
    });
    if (error !== undefined) throw error;
    if (status !== 0) throw new Told(`the types do not fit\n${stdout}${stderr}`.trimEnd());
  }
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
