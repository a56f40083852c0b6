// The project's sources and the packages that they use as one file without types.

import { join, relative } from "node:path";

import { rolldown } from "rolldown";

import { SDK } from "./project.mjs";
import { Told } from "./told.mjs";

/** Names of the web that the engine does not have. A module that uses one gets an import of it, and nobody else pays. */
const FROM_THE_WEB = ["URL", "URLSearchParams", "TextEncoder", "TextDecoder", "structuredClone"];

/** What stands in for these names looks whether they are there, and must not find itself or one another. */
const STANDS_IN = /[\\/]node_modules[\\/](?:@exodus[\\/]bytes|@ungap[\\/]structured-clone|whatwg-url-minimum)[\\/]/;

/** Icons are written into the plugin as the text they are. */
const MODULE_TYPES = { ".svg": "text", ".txt": "text", ".md": "text" };

/** Packages that only define things, although they do not say so: what a plugin does not use of them is left out. */
const WITHOUT_EFFECTS = /[\\/]node_modules[\\/](?:typebox|whatwg-url-minimum)[\\/]/;

/** For the sandbox; answers the code and its source map. */
export async function bundlePlugin(project, entry, contract) {
  const web = join(SDK, "src/web.ts");
  const [name, nothing] = ["parlour:entry", "parlour:nothing"];
  const virtual = new Map([
    [name, entry],
    [nothing, `export const ${FROM_THE_WEB.map((it) => `${it} = undefined`).join(", ")};`],
  ]);
  const [chunk] = await bundled(
    {
      input: name,
      cwd: project.folder,
      platform: "neutral",
      // A package that has a build for browsers does without Node's modules there.
      resolve: { mainFields: ["browser", "module", "main"], conditionNames: ["import", "browser", "default"] },
      external: (id) => id.startsWith(contract.name),
      moduleTypes: MODULE_TYPES,
      treeshake: { moduleSideEffects: [{ test: WITHOUT_EFFECTS, sideEffects: false }] },
      transform: { target: "es2023", inject: Object.fromEntries(FROM_THE_WEB.map((it) => [it, [web, it]])) },
      plugins: [
        {
          name: "parlour",
          resolveId: (id, importer = "") => (id === web && STANDS_IN.test(importer) ? nothing : virtual.has(id) ? id : undefined),
          load: (id) => virtual.get(id),
        },
      ],
    },
    { file: "plugin.js", format: "esm", sourcemap: true, minify: false },
  );
  return chunk;
}

/** For Node, one file beside another; answers their paths. */
export async function bundleTests(project, files, folder) {
  const chunks = await bundled(
    {
      input: Object.fromEntries(files.map((file) => [relative(project.folder, file).replace(/\.[^.]+$/, ""), file])),
      cwd: project.folder,
      platform: "node",
      moduleTypes: MODULE_TYPES,
    },
    { dir: folder, format: "esm", sourcemap: true, entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" },
    "write",
  );
  return chunks.filter((it) => it.isEntry).map((it) => join(folder, it.fileName));
}

async function bundled(input, output, how = "generate") {
  const warnings = [];
  try {
    const bundle = await rolldown({ ...input, logLevel: "warn", onLog: (_, log) => warnings.push(log.message) });
    const made = await bundle[how](output);
    await bundle.close();
    for (const warning of warnings) console.error(`warning: ${warning}`);
    return made.output.filter((it) => it.type === "chunk");
  } catch (error) {
    throw new Told(error.message.trim(), { cause: error });
  }
}
