import { describe, expect, it } from "vitest";
import { chosenOf, everything, NOTHING, stretched, toggled } from "./selection";
import type { Selection } from "./selection";

const shown = ["a", "b", "c", "d", "e"];
const said = (selection: Selection) => [...selection.chosen].sort().join("");

describe("selection", () => {
  it("takes one and lets it go", () => {
    const one = toggled(NOTHING, shown, "b", false);
    expect(said(one)).toBe("b");
    expect(said(toggled(one, shown, "b", false))).toBe("");
  });

  it("takes a range in both directions, and lets go of one", () => {
    const down = toggled(toggled(NOTHING, shown, "b", false), shown, "d", true);
    expect(said(down)).toBe("bcd");
    expect(said(toggled(toggled(NOTHING, shown, "d", false), shown, "b", true))).toBe("bcd");
    const without = toggled(toggled(everything(shown), shown, "e", false), shown, "c", true);
    expect(said(without)).toBe("ab");
  });

  it("takes only the row itself where the range's beginning is not shown any more", () => {
    expect(said(toggled({ chosen: new Set(), anchor: "x" }, shown, "c", true))).toBe("c");
    expect(said(toggled(NOTHING, shown, "c", true))).toBe("c");
  });

  it("stretches and shrinks by key around where it began", () => {
    let selection = toggled(NOTHING, shown, "c", false);
    selection = stretched(selection, shown, "c", "d");
    selection = stretched(selection, shown, "d", "e");
    expect(said(selection)).toBe("cde");
    selection = stretched(selection, shown, "e", "d");
    expect(said(selection)).toBe("cd");
    selection = stretched(stretched(selection, shown, "d", "c"), shown, "c", "b");
    expect(said(selection)).toBe("bc");
  });

  it("counts only what is shown", () => {
    expect(chosenOf(everything(["a", "z"]), [{ id: "a" }, { id: "b" }])).toEqual([{ id: "a" }]);
  });
});
