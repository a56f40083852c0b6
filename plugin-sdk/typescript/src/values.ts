// Values as JSON: strictly for what is returned, where a value that JSON has no word for is an error with its path, and
// leniently for what is logged, where such a value is shown as what it is.

// A tool may run code that replaces what it finds; what is needed afterwards is taken before.
const { stringify } = JSON;
const { isArray } = Array;
const { isView } = ArrayBuffer;
const { isFinite } = Number;
const { fromEntries, getPrototypeOf, prototype: objects } = Object;
const { String: text, Map, Set, DataView } = globalThis;
const { isError = (value: unknown) => value instanceof Error } = Error as { isError?(value: unknown): boolean };

/** A value that JSON cannot hold. */
export class NotJson extends Error {}

/** What JSON would lose or refuse, in words; nothing for all that it can hold. */
function foreign(value: unknown): string | undefined {
  switch (typeof value) {
    case "bigint":
      return "is a BigInt, which JSON cannot hold; return `Number(…)` or `String(…)` of it";
    case "function":
      return "is a function, which JSON cannot hold";
    case "symbol":
      return "is a symbol, which JSON cannot hold";
    case "number":
      return isFinite(value) ? undefined : `is ${value}, which JSON cannot hold`;
    case "object":
      if (value instanceof Map) return "is a Map, which JSON cannot hold; return `Object.fromEntries(…)` of it";
      if (value instanceof Set) return "is a Set, which JSON cannot hold; return `[...…]` of it";
      if (isView(value)) return "holds raw numbers or bytes, which JSON cannot; return `[...…]` of it";
      if (value !== null && isError(value)) return "is an Error, which JSON cannot hold; return its `message`";
      return undefined;
    default:
      return undefined;
  }
}

/** The host reads JSON of 128 levels, and some are the plugin's. */
const MOST_LEVELS = 120;

type See = (value: unknown, path: () => string, isInside: boolean, level: number) => unknown;

/**
 * Calls `see(value, path, isInside, level)` for every value that `JSON.stringify` comes to. Its replacer is told only the
 * holder and the key; the holders on the way there make up the path, and show a value that contains itself.
 */
function walking(whole: string, see: See): (this: unknown, key: string, value: unknown) => unknown {
  const holders: unknown[] = [];
  const keys: string[] = [];
  let depth = 0;
  return function (key, value) {
    while (depth > 0 && holders[depth - 1] !== this) depth -= 1;
    let isInside = false;
    for (let level = 0; level < depth; level += 1) isInside ||= holders[level] === value;
    const path = () => pathOf(whole, holders, keys.slice(1, depth).concat(depth > 0 ? [key] : []));
    const seen = see(value, path, isInside, depth);
    if (typeof seen === "object" && seen !== null) {
      // The holder of what is inside, which is another object where `see` put one in its place.
      holders[depth] = seen;
      keys[depth] = key;
      depth += 1;
    }
    return seen;
  };
}

/** `names` leads from the outermost value, which has none, to the one in question. */
function pathOf(whole: string, holders: unknown[], names: string[]): string {
  if (names.length === 0) return whole;
  const path = names.map((name, index) => (isArray(holders[index]) ? `[${name}]` : index === 0 ? name : `.${name}`));
  return `\`${path.join("")}\``;
}

/** JSON text of what was returned, which `whole` names in errors; nothing is null. Throws `NotJson`. */
export function json(value: unknown, whole: string): string {
  return (isPlain(value, 0) ? stringify(value) : strictly(value, whole)) ?? "null";
}

/** Throws `NotJson` for what `json` would. */
export function assertJson(value: unknown, whole: string): void {
  if (!isPlain(value, 0)) strictly(value, whole);
}

function strictly(value: unknown, whole: string): string | undefined {
  const strict = walking(whole, (seen, path, isInside, level) => {
    if (level > MOST_LEVELS) throw new NotJson(`${whole} has more than ${MOST_LEVELS} levels`);
    const problem = isInside ? "contains itself, which JSON cannot hold" : foreign(seen);
    if (problem !== undefined) throw new NotJson(`${path()} ${problem}`);
    return seen;
  });
  return stringify(value, strict);
}

/** Levels of lists and objects that the quick look goes into; what contains itself has more. */
const MOST_PLAIN_LEVELS = 64;

/**
 * Whether a quick look finds nothing that JSON could lose or refuse, as it nearly always does. It spares the engine from
 * asking the replacer about every value, which takes four times as long as the rest.
 */
function isPlain(value: unknown, level: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return true;
    case "number":
      return isFinite(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (level === MOST_PLAIN_LEVELS) return false;
  if (isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      if (!isPlain(value[index], level + 1)) return false;
    }
    return true;
  }
  if (getPrototypeOf(value) !== objects) return false;
  for (const key in value) {
    if (!isPlain((value as Record<string, unknown>)[key], level + 1)) return false;
  }
  return true;
}

/** Values as one line of the log, as `console.log` puts them. */
export function line(values: unknown[]): string {
  return values.map(shown).join(" ");
}

/** A value in a line of the log: text as it is, anything else as JSON. Never throws. */
export function shown(value: unknown): string {
  try {
    const plain = displayed(value);
    if (typeof plain !== "object") return text(plain);
    const lenient = walking("", (seen, _, isInside, level) => {
      if (isInside) return "[itself]";
      return level > MOST_LEVELS ? "[more]" : displayed(seen);
    });
    return stringify(value, lenient) ?? text(value);
  } catch {
    return "[a value that cannot be shown]";
  }
}

function displayed(value: unknown): unknown {
  switch (typeof value) {
    case "bigint":
      return `${value}n`;
    case "function":
      return `[function ${value.name}]`;
    case "symbol":
      return text(value);
    case "number":
      return isFinite(value) ? value : `${value}`;
    case "object":
      if (value instanceof Map) return fromEntries(value);
      if (value instanceof Set) return [...value];
      if (isView(value) && !(value instanceof DataView)) return [...(value as Uint8Array)];
      if (value !== null && isError(value)) return `${(value as Error).name}: ${(value as Error).message}`;
      return value;
    default:
      return value;
  }
}
