// Which key strokes in the message box send. Apart from the component because it must be right for people who write
// Chinese, Japanese or Korean: while an input method is composing, Enter chooses a word and must never send.

export interface KeyStroke {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  isComposing: boolean;
  keyCode: number;
}

/** What `keyCode` is while an input method handles the key. Safari ends the composition before the Enter that confirmed
    it arrives, so `isComposing` is false there, and only this number tells. */
const HANDLED_BY_INPUT_METHOD = 229;

export function sends(stroke: KeyStroke, composing: boolean): boolean {
  if (stroke.key !== "Enter" || stroke.shiftKey || stroke.altKey) return false;
  return !composing && !stroke.isComposing && stroke.keyCode !== HANDLED_BY_INPUT_METHOD;
}
