// Where something happened, in the author's files. It is called in the sandbox, for what a tool throws, and by the build,
// for what a module throws there.

/**
 * The first frame of a stack that is in a file of the author's, as `src/plugin.ts:12`; nothing when none is.
 *
 * The table (`places.mjs` makes it) is text, because it is read only when something was thrown: a row is a file, a line of the
 * bundle, the line there, and how many lines go on alike. Lines of packages are in none.
 */
export function placeIn(stack, table) {
  const rows = table.split("\n").map((row) => row.split("\t"));
  for (const [, frame] of stack.matchAll(/plugin\.js:(\d+)/g)) {
    for (const [file, first, there, count] of rows) {
      const after = Number(frame) - Number(first);
      if (after >= 0 && after < Number(count)) return `${file}:${Number(there) + after}`;
    }
  }
  return undefined;
}
