// Makes the plugin: QuickJS with our sources in it, as a component of the contract that imports nothing but the contract.
//
//     node build/build.mjs OUTPUT.wasm

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { componentize } from "componentize-qjs";

import { runJobs } from "./jobs.mjs";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const [output] = process.argv.slice(2);
if (output === undefined) {
  console.error("usage: node build/build.mjs OUTPUT.wasm");
  process.exit(2);
}
const { version, license } = JSON.parse(await readFile(at("package.json"), "utf8"));
const { id, ...manifest } = JSON.parse(await readFile(at("manifest.json"), "utf8"));
const icon = (await readFile(at("icon.svg"), "utf8")).trim();
const told = JSON.stringify({ id, version, license, icon, ...manifest });

const { component } = await componentize({
  witPath: at("../../plugin-sdk/wit"),
  world: "plugin",
  // `describe` gives a constant, so it is written into the program here and not put together in every instance.
  jsSource: `${await readFile(at("src/plugin.js"), "utf8")}\nexport const tools = plugin(${JSON.stringify(told)});\n`,
  jsPath: at("src/plugin.js"),
  moduleRoot: at("src"),
  // The host offers no WASI; `surroundings.js` puts the host's clock, randomness and log in its place.
  stubWasi: true,
  // The host does not speak the asynchronous calling convention.
  sync: true,
});
await writeFile(output, runJobs(component));
