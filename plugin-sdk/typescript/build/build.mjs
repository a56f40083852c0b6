// Makes the plugin: QuickJS with the project's sources in it, as a component of the contract that imports nothing but the
// contract. The engine is started and reads the sources here; the file is the snapshot after that.

import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import { componentize } from "componentize-qjs";

import { bundlePlugin } from "./bundle.mjs";
import { check, PLUGIN } from "./check.mjs";
import { runJobs } from "./jobs.mjs";
import { tableOfLines } from "./places.mjs";
import { SDK, WIT, workFolder } from "./project.mjs";
import { placeIn } from "./stack.mjs";
import { Told } from "./told.mjs";

/** Stands in the bundle where the table of its own lines comes to be. */
const LINES = "@@lines@@";

export async function build(project, output = `${project.name}.wasm`) {
  check(project, PLUGIN);
  const contract = await readContract();
  const { code, map } = await bundlePlugin(project, await entryOf(project, contract), contract);
  const lines = tableOfLines(code, map, project.folder);
  const folder = await workFolder(project, "build");
  const file = join(folder, "plugin.js");
  const jsSource = code.replace(JSON.stringify(LINES), () => JSON.stringify(lines));
  await writeFile(file, jsSource);
  const component = await snapshot(jsSource, file, folder, lines);
  await writeFile(resolve(project.folder, output), runJobs(component));
}

/** The beginning of the names of its interfaces, their version, and those that the world imports. */
async function readContract() {
  const text = await readFile(join(WIT, "plugin.wit"), "utf8");
  const [, name, version] = /^package ([a-z:-]+)@([\d.]+);/m.exec(text);
  return { name: `${name}/`, version, interfaces: [...text.matchAll(/^ {2}import ([a-z-]+);/gm)].map(([, it]) => it) };
}

/** What the engine reads first: the surroundings, so that they are there when the author's modules are evaluated. */
async function entryOf({ folder, main, own }, { name, version, interfaces }) {
  const path = (file) => JSON.stringify(file);
  return [
    `import { serve } from ${path(join(SDK, "src/sandbox.ts"))};`,
    `import * as author from ${path(resolve(folder, main))};`,
    ...interfaces.map((it) => `import * as ${it} from "${name}${it}@${version}";`),
    `export const tools = serve(author, ${JSON.stringify(own)}, { ${interfaces.join(", ")} }, ${JSON.stringify(LINES)});`,
  ].join("\n");
}

async function snapshot(jsSource, jsPath, moduleRoot, lines) {
  try {
    const { component } = await componentize({
      witPath: WIT,
      world: "plugin",
      jsSource,
      jsPath,
      moduleRoot,
      // The host offers no WASI; `src/surroundings.ts` puts the host's clock, randomness and log in its place.
      stubWasi: true,
      // The host does not speak the asynchronous calling convention.
      sync: true,
    });
    return component;
  } catch (error) {
    throw new Told(inWords(error.message, lines), { cause: error });
  }
}

/** What the engine says of a module that cannot be evaluated, without its own steps on the way there. */
function inWords(message, lines) {
  const [, words = message] = /^[^]*?JavaScript module(?: evaluation)?: (?!Failed)(?:Error: )?([^]*)$/.exec(message) ?? [];
  const [said, ...stack] = words.trim().split("\n    at ");
  const place = placeIn(stack.join("\n"), lines);
  return place === undefined ? words.trim() : `${said} (${place})`;
}
