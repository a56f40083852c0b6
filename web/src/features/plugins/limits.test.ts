import { expect, test } from "vitest";
import { limitsOf, typedOf } from "./limits";

const most = { cpu_ms: 1000, http_requests: 50 };

test("an empty field is the server's own limit", () => {
  expect(typedOf(most, { cpu_ms: 200 })).toEqual({ cpu_ms: "200", http_requests: "" });
  expect(limitsOf(most, { cpu_ms: " 200 ", http_requests: "" })).toEqual({ limits: { cpu_ms: 200 }, wrong: new Set() });
  expect(limitsOf(most, { cpu_ms: "1,000" }).limits).toEqual({ cpu_ms: 1000 });
});

test("what is no whole number, or more than the server allows, is no limit", () => {
  for (const text of ["0", "1001", "1.5", "-1", "1e2", "many"]) {
    expect(limitsOf(most, { cpu_ms: text })).toEqual({ limits: {}, wrong: new Set(["cpu_ms"]) });
  }
});
