// Values as JSON: strictly for what is returned, where a value that JSON has no word for is an error with its path, and
// leniently for what is logged, where such a value is shown as what it is.

const { stringify } = JSON;
const { isArray } = Array;
const { isView } = ArrayBuffer;
const { isFinite } = Number;
const { fromEntries, getPrototypeOf, prototype: objects } = Object;
const { String: text } = globalThis;
const { isError = (value) => value instanceof Error } = Error;

/** A value that JSON cannot hold. */
class NotJson extends Error {}

/** What JSON would lose or refuse, in words; nothing for all that it can hold. */
function foreign(value) {
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

/** The host reads JSON of 128 levels, and one is ours. */
const MOST_LEVELS = 120;

/**
 * Calls `see(value, path, isInside, level)` for every value that `JSON.stringify` comes to. Its replacer is told only the holder
 * and the key; the holders on the way there make up the path, and show a value that contains itself.
 */
function walking(see) {
  const holders = [];
  const keys = [];
  let depth = 0;
  return function (key, value) {
    while (depth > 0 && holders[depth - 1] !== this) depth -= 1;
    let isInside = false;
    for (let level = 0; level < depth; level += 1) isInside ||= holders[level] === value;
    const path = () => pathOf(holders, keys.slice(1, depth).concat(depth > 0 ? [key] : []));
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
function pathOf(holders, names) {
  if (names.length === 0) return "what the code returned";
  const path = names.map((name, index) => (isArray(holders[index]) ? `[${name}]` : index === 0 ? name : `.${name}`));
  return `\`${path.join("")}\``;
}

/** JSON text of what the code returned; nothing is null. */
export function json(value) {
  const strict = walking((seen, path, isInside, level) => {
    if (level > MOST_LEVELS) throw new NotJson(`what the code returned has more than ${MOST_LEVELS} levels`);
    const problem = isInside ? "contains itself, which JSON cannot hold" : foreign(seen);
    if (problem !== undefined) throw new NotJson(`${path()} ${problem}`);
    return seen;
  });
  return (isPlain(value, 0) ? stringify(value) : stringify(value, strict)) ?? "null";
}

/** Levels of lists and objects that the quick look goes into; what contains itself has more. */
const MOST_PLAIN_LEVELS = 64;

/**
 * Whether a quick look finds nothing that JSON could lose or refuse, as it nearly always does. It spares the engine from
 * asking the replacer about every value, which takes four times as long as the rest.
 */
function isPlain(value, level) {
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
    if (!isPlain(value[key], level + 1)) return false;
  }
  return true;
}

/** A value in a line of the log: text as it is, anything else as JSON. Never throws. */
export function shown(value) {
  try {
    const plain = displayed(value);
    if (typeof plain !== "object") return text(plain);
    const lenient = walking((seen, _, isInside, level) => {
      if (isInside) return "[itself]";
      return level > MOST_LEVELS ? "[more]" : displayed(seen);
    });
    return stringify(value, lenient) ?? text(value);
  } catch {
    return "[a value that cannot be shown]";
  }
}

function displayed(value) {
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
      if (isView(value) && !(value instanceof DataView)) return [...value];
      if (value !== null && isError(value)) return `${value.name}: ${value.message}`;
      return value;
    default:
      return value;
  }
}
