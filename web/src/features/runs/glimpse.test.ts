// A value in a few words.
import { expect, it } from "vitest";
import { glimpseOf } from "./glimpse";

it("calls a thing by what it is usually called by", () => {
  expect([glimpseOf("a\n  b"), glimpseOf(7), glimpseOf({ id: 3, name: "鱼香肉丝" }), glimpseOf({ id: 3 }), glimpseOf({ 名称: "面" })]).toEqual(["a b", "7", "鱼香肉丝", "3", "面"]);
  expect([glimpseOf({}), glimpseOf(null), glimpseOf([1]), glimpseOf(undefined)]).toEqual(["", "", "", ""]);
  expect([...glimpseOf("长".repeat(200))]).toHaveLength(60);
});
