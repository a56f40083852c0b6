// A plugin's project, as far as the build asks.

import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { Told } from "./told.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The folder of this package. */
export const SDK = here("..");

/** The contract: in a project's copy of this package it lies inside, in the repository beside it. */
export const WIT = [here("../wit"), here("../../wit")].find((it) => existsSync(it));

/** Reads what the build has to know of the project in a folder. */
export async function openProject(folder) {
  const file = join(folder, "package.json");
  let text;
  try {
    text = await readFile(file, "utf8");
  } catch {
    throw new Told(`there is no project in \`${folder}\`: it has no package.json`);
  }
  const { name, version, license, homepage, main = "src/plugin.ts" } = JSON.parse(text);
  if (typeof version !== "string") throw new Told("package.json has no `version`, which is the plugin's too");
  return { folder, name, main, own: { version, license, homepage } };
}

/** An empty folder for what the build makes on its way; `npm ci` removes it with everything else. */
export async function workFolder({ folder }, name) {
  const path = resolve(folder, "node_modules/.parlour/work", name);
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
  return path;
}
