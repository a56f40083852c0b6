// After signing in the reader goes back to a page of ours, never to an address that someone put into the link.
import { describe, expect, it } from "vitest";
import { safeNext } from "./safe-next";

describe("safeNext", () => {
  it("keeps our own paths", () => {
    expect(safeNext("/c/huangmenji/1?x=1#y")).toBe("/c/huangmenji/1?x=1#y");
  });
  it("turns everything else into the first page", () => {
    for (const bad of [undefined, "", "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "c/x"]) expect(safeNext(bad)).toBe("/");
  });
});
