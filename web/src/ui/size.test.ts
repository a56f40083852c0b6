// Bytes and short times as people read them.
import { expect, it } from "vitest";
import { formatBytes } from "./size";
import { formatMicros } from "./time";

it("bytes are said in the largest unit that leaves a number above one", () => {
  expect([0, 1023, 1024, 1536, 20_480, 1_179_648, 64 << 20].map((bytes) => formatBytes(bytes, "en"))).toEqual(["0 B", "1,023 B", "1 KiB", "1.5 KiB", "20 KiB", "1.1 MiB", "64 MiB"]);
});

it("short times keep their microseconds", () => {
  expect([13, 999, 1250, 184_210, 2_500_000].map((us) => formatMicros(us, "en"))).toEqual(["13 µs", "999 µs", "1.3 ms", "184 ms", "2.5 s"]);
});
