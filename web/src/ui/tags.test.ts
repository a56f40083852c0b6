import { describe, expect, it } from "vitest";
import { addTags, endsTag, splitTags } from "./tags";

describe("tags", () => {
  it("are told apart by commas of both languages and by lines, not by spaces", () => {
    expect(splitTags("小炒黄, iPhone 15  Pro，金龙鱼、\r\nX5-Pro\n\n;；\t")).toEqual(["小炒黄", "iPhone 15 Pro", "金龙鱼", "X5-Pro"]);
    expect(splitTags(" ")).toEqual([]);
    expect(endsTag("小炒黄、")).toBe(true);
    expect(endsTag("iPhone 15")).toBe(false);
  });

  it("are kept once, however they are written", () => {
    expect(addTags(["X5-Pro"], "x5-pro，Ｘ5-Pro、小炒黄,小炒黄")).toEqual({ tags: ["X5-Pro", "小炒黄"], twice: ["x5-pro", "Ｘ5-Pro", "小炒黄"] });
  });
});
