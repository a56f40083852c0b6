// Which lines of the bundle come from which of the author's, so that an exception in the sandbox can name the author's line.
// `src/places.ts` reads the table there.

import { SourceMap } from "node:module";
import { dirname, relative, resolve, sep } from "node:path";

/** The bundle's lines that come from the project's own files, as rows of file, first line, first line there, and count. */
export function tableOfLines(code, map, folder) {
  const origins = originsOf(code, map, folder);
  const rows = [];
  for (const [index, origin] of origins.entries()) {
    if (origin === undefined) continue;
    const line = index + 1;
    const last = rows.at(-1);
    const goesOn = last?.file === origin.file && last.there + line - last.first === origin.line;
    // Lines between that come from nowhere, such as a closing brace, do not end a row.
    if (goesOn) last.count = line - last.first + 1;
    else rows.push({ file: origin.file, first: line, there: origin.line, count: 1 });
  }
  return rows.map(({ file, first, there, count }) => [file, first, there, count].join("\t")).join("\n");
}

function originsOf(code, map, folder) {
  const sources = new SourceMap(JSON.parse(map.toString()));
  return code.split("\n").map((text, line) => {
    // The first word of a line is where it comes from; a line whose first word has no origin may have one further on.
    for (const column of [text.search(/\S/), text.length]) {
      const entry = column < 0 ? {} : sources.findEntry(line, column);
      if (entry.originalSource === undefined || entry.generatedLine !== line) continue;
      const file = ownFile(entry.originalSource, folder);
      if (file !== undefined) return { file, line: entry.originalLine + 1 };
    }
    return undefined;
  });
}

/** The file's name in the project; nothing for one of a package, of this SDK, or of the build. */
function ownFile(source, folder) {
  const file = relative(folder, resolve(folder, source));
  const parts = file.split(sep);
  const isForeign = parts.some((it) => it === ".." || it === "node_modules" || it === ".parlour" || it.includes(":"));
  return isForeign || dirname(file) === "" ? undefined : parts.join("/");
}
