// What JavaScript takes for granted and the engine alone has not: a clock, randomness and a console, all three the host's.
// Without them the first `new Date()` would end the call, and `Math.random()` would give the same numbers in every call,
// because its seed is in the snapshot that each call starts from.

import { write } from "parlour:plugin/log@1.0.0";
import { nowMs, random } from "parlour:plugin/system@1.0.0";
import { shown } from "./values.js";

/** The host gives at most this many bytes at once. */
const MOST_RANDOM_BYTES = 4096;
/** The host keeps no longer lines; cutting them here spares the copying. */
const LONGEST_LINE = 8192;
/** What the web's `getRandomValues` gives at most. */
const MOST_RANDOM_VALUES = 65536;

const now = () => Number(nowMs());

const EngineDate = Date;
function HostDate(...given) {
  if (new.target === undefined) return new EngineDate(now()).toString();
  return Reflect.construct(EngineDate, given.length === 0 ? [now()] : given, new.target);
}
for (const name of ["parse", "UTC"]) define(HostDate, name, EngineDate[name]);
define(HostDate, "now", now);
define(HostDate, "name", "Date");
define(HostDate, "length", EngineDate.length);
Object.defineProperty(HostDate, "prototype", { value: EngineDate.prototype, writable: false });
define(EngineDate.prototype, "constructor", HostDate);
define(globalThis, "Date", HostDate);

/** Fetched in blocks that grow: a call that needs one number asks for little, one that needs a million asks seldom. */
let block = new Uint32Array(0);
let used = 0;
function randomWord() {
  if (used === block.length) {
    block = new Uint32Array(randomBytes(Math.min(Math.max(32, block.byteLength * 4), MOST_RANDOM_BYTES)).buffer);
    used = 0;
  }
  return block[used++];
}

/** With a buffer of their own, which the host's need not have. */
const randomBytes = (count) => Uint8Array.from(random(count));

/** 53 bits, as many as a number between 0 and 1 has. */
define(Math, "random", () => ((randomWord() >>> 5) * 2 ** 26 + (randomWord() >>> 6)) / 2 ** 53);

define(globalThis, "crypto", {
  getRandomValues(values) {
    if (!ArrayBuffer.isView(values) || values instanceof DataView || /Float/.test(values.constructor.name)) {
      throw new TypeError("`getRandomValues` takes an array of whole numbers, such as a Uint8Array");
    }
    if (values.byteLength > MOST_RANDOM_VALUES) {
      throw new RangeError(`\`getRandomValues\` gives at most ${MOST_RANDOM_VALUES} bytes at once`);
    }
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    for (let start = 0; start < bytes.length; start += MOST_RANDOM_BYTES) {
      bytes.set(randomBytes(Math.min(MOST_RANDOM_BYTES, bytes.length - start)), start);
    }
    return values;
  },
  randomUUID() {
    const bytes = this.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
});

const say =
  (level) =>
  (...values) =>
    write(level, values.map(shown).join(" ").slice(0, LONGEST_LINE));
define(globalThis, "console", {
  log: say("info"),
  info: say("info"),
  warn: say("warn"),
  error: say("error"),
  debug: say("debug"),
});

// The engine's clock for measuring is not there either; milliseconds are what the host has.
let began;
define(globalThis, "performance", {
  now() {
    began ??= now();
    return now() - began;
  },
});

// The engine's own doors, of no use to the user's code. The first stays, because the engine looks it up, but out of sight.
Object.defineProperty(globalThis, "__cqjs", { enumerable: false, writable: false, configurable: false });
delete globalThis.wit;

function define(holder, name, value) {
  Object.defineProperty(holder, name, { value, writable: true, configurable: true, enumerable: false });
}
