import { describe, expect, it } from "vitest";
import { named } from "./dropped-files";

const at = (name: string, ...folders: string[]) => ({ file: new File(["x"], name), folders });

describe("named", () => {
  it("tells files of one name apart by their folders, and leaves the others", () => {
    expect(named([at("readme.md", "docs", "a"), at("readme.md", "docs", "b"), at("price.csv", "docs")]).map((file) => file.name)).toEqual(["docs - a - readme.md", "docs - b - readme.md", "price.csv"]);
  });
});
