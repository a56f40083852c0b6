// What somebody types, once they have paused: the server is not asked for every letter.
import { useEffect, useState } from "react";

const PAUSE_MS = 250;

export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    if (text === settled) return;
    // What is emptied is wanted back at once.
    const timer = setTimeout(() => setSettled(text), text === "" ? 0 : PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, settled]);
  return settled;
}
