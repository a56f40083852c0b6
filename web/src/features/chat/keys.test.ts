// Enter and input methods: choosing a Chinese word must never send half a sentence.
import { describe, expect, it } from "vitest";
import { sends } from "./keys";
import type { KeyStroke } from "./keys";

const enter: KeyStroke = { key: "Enter", shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, isComposing: false, keyCode: 13 };

describe("sends", () => {
  it("sends on Enter, also with Ctrl or Command", () => {
    expect(sends(enter, false)).toBe(true);
    expect(sends({ ...enter, ctrlKey: true }, false)).toBe(true);
    expect(sends({ ...enter, metaKey: true }, false)).toBe(true);
  });

  it("starts a line on Shift + Enter and leaves other keys alone", () => {
    expect(sends({ ...enter, shiftKey: true }, false)).toBe(false);
    expect(sends({ ...enter, altKey: true }, false)).toBe(false);
    expect(sends({ ...enter, key: "a", keyCode: 65 }, false)).toBe(false);
  });

  it("never sends while an input method composes", () => {
    // Chrome and Firefox: the key belongs to the composition.
    expect(sends({ ...enter, isComposing: true, keyCode: 229 }, true)).toBe(false);
    expect(sends({ ...enter, key: "Process", keyCode: 229 }, true)).toBe(false);
    // Safari: the composition has just ended, the confirming Enter follows, and only the key code tells.
    expect(sends({ ...enter, isComposing: false, keyCode: 229 }, false)).toBe(false);
    // A composition that our own listeners saw begin and not end.
    expect(sends(enter, true)).toBe(false);
  });
});
