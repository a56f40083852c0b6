// What JavaScript takes for granted and the engine alone has not: a clock, randomness and a console, all three the host's.
// Without them the first `new Date()` would end the call, and `Math.random()` would give the same numbers in every call,
// because its seed is in the snapshot that each call starts from.

import type { Host } from "./contract.ts";
import { hostIfAny } from "./host.ts";
import { line } from "./values.ts";

/** The host gives at most this many bytes at once. */
const MOST_RANDOM_BYTES = 4096;
/** The host keeps no longer lines; cutting them here spares the copying. */
const LONGEST_LINE = 8192;
/** What the web's `getRandomValues` gives at most. */
const MOST_RANDOM_VALUES = 65536;

type Level = "debug" | "info" | "warn" | "error";

/** What answers where no host does. */
export interface Outside {
  now(what: string): number;
  random(what: string): number;
  randomBytes(what: string, count: number): Uint8Array;
  write(level: Level, values: unknown[]): void;
}

/** The only place that knows how a line gets into the log. */
export function writeLine(host: Host, level: Level, values: unknown[]): void {
  host.log.write(level, line(values).slice(0, LONGEST_LINE));
}

/** Puts the host's clock, randomness and console in the place of the engine's. */
export function surround(outside: Outside): void {
  clock(outside);
  randomness(outside);
  const say =
    (level: Level) =>
    (...values: unknown[]) => {
      const host = hostIfAny();
      if (host === undefined) outside.write(level, values);
      else writeLine(host, level, values);
    };
  const methods = { log: say("info"), info: say("info"), warn: say("warn"), error: say("error"), debug: say("debug") };
  // What else a console can do stays what it was, where there is one.
  const inherited = (globalThis.console as object | undefined) ?? Object.prototype;
  define(globalThis, "console", Object.assign(Object.create(inherited) as object, methods));
}

function clock(outside: Outside): void {
  const now = (what: string) => {
    const host = hostIfAny();
    return host === undefined ? outside.now(what) : Number(host.system.nowMs());
  };
  const EngineDate = Date;
  function HostDate(...given: unknown[]): unknown {
    if (new.target === undefined) return new EngineDate(now("Date()")).toString();
    return Reflect.construct(EngineDate, given.length === 0 ? [now("new Date()")] : given, new.target);
  }
  for (const name of ["parse", "UTC"] as const) define(HostDate, name, EngineDate[name]);
  define(HostDate, "now", () => now("Date.now()"));
  define(HostDate, "name", "Date");
  define(HostDate, "length", EngineDate.length);
  Object.defineProperty(HostDate, "prototype", { value: EngineDate.prototype, writable: false });
  define(EngineDate.prototype, "constructor", HostDate);
  define(globalThis, "Date", HostDate);
}

/** The engine's clock for measuring is not there either; milliseconds are what the host has. */
export function measureByHost(outside: Outside): void {
  let began: number | undefined;
  define(globalThis, "performance", {
    now() {
      const host = hostIfAny();
      const present = host === undefined ? outside.now("performance.now()") : Number(host.system.nowMs());
      began ??= present;
      return present - began;
    },
  });
}

function randomness(outside: Outside): void {
  /** With a buffer of their own, which the host's need not have. */
  const bytes = (host: Host, count: number) => Uint8Array.from(host.system.random(count));

  // Fetched in blocks that grow: a call that needs one number asks for little, one that needs a million asks seldom.
  let block = new Uint32Array(0);
  let used = 0;
  let blockOf: Host | undefined;
  const word = (host: Host): number => {
    if (used === block.length || blockOf !== host) {
      const size = blockOf === host ? block.byteLength * 4 : 0;
      block = new Uint32Array(bytes(host, Math.min(Math.max(32, size), MOST_RANDOM_BYTES)).buffer);
      used = 0;
      blockOf = host;
    }
    return block[used++] ?? 0;
  };
  define(Math, "random", () => {
    const host = hostIfAny();
    if (host === undefined) return outside.random("Math.random()");
    // 53 bits, as many as a number between 0 and 1 has.
    return ((word(host) >>> 5) * 2 ** 26 + (word(host) >>> 6)) / 2 ** 53;
  });

  const fill = (what: string, target: Uint8Array) => {
    const host = hostIfAny();
    for (let start = 0; start < target.length; start += MOST_RANDOM_BYTES) {
      const count = Math.min(MOST_RANDOM_BYTES, target.length - start);
      target.set(host === undefined ? outside.randomBytes(what, count) : bytes(host, count), start);
    }
  };
  define(globalThis, "crypto", {
    getRandomValues(values: unknown) {
      if (!ArrayBuffer.isView(values) || values instanceof DataView || /Float/.test(values.constructor.name)) {
        throw new TypeError("`getRandomValues` takes an array of whole numbers, such as a Uint8Array");
      }
      if (values.byteLength > MOST_RANDOM_VALUES) {
        throw new RangeError(`\`getRandomValues\` gives at most ${MOST_RANDOM_VALUES} bytes at once`);
      }
      fill("crypto.getRandomValues()", new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      return values;
    },
    randomUUID() {
      const all = new Uint8Array(16);
      fill("crypto.randomUUID()", all);
      all[6] = ((all[6] ?? 0) & 0x0f) | 0x40;
      all[8] = ((all[8] ?? 0) & 0x3f) | 0x80;
      const digits = Array.from(all, (byte) => byte.toString(16).padStart(2, "0")).join("");
      return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    },
  });
}

function define(holder: object, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, writable: true, configurable: true, enumerable: false });
}
