// The project's own tests, in Node: every `tests/**/*.test.ts` as one file without types, run by Node's own test runner.

import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { bundleTests } from "./bundle.mjs";
import { check, PLUGIN, TESTS } from "./check.mjs";
import { workFolder } from "./project.mjs";
import { Told } from "./told.mjs";

export async function test(project) {
  check(project, PLUGIN);
  const files = await testsIn(join(project.folder, "tests"));
  if (files.length === 0) {
    console.error("there are no tests: files in `tests/` whose names end in `.test.ts`");
    return;
  }
  check(project, TESTS);
  const bundled = await bundleTests(project, files, await workFolder(project, "tests"));
  // A test that waits for what never comes would otherwise wait for ever.
  const options = ["--enable-source-maps", "--test-reporter=spec", "--test-timeout=60000", "--test"];
  const { status, error } = spawnSync(process.execPath, [...options, ...bundled], { cwd: project.folder, stdio: "inherit" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Told("a test failed; what Node says stands above");
}

async function testsIn(folder) {
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  return entries.filter((it) => /\.test\.[cm]?[jt]s$/.test(it)).map((it) => join(folder, it)).sort();
}
