// Takes files that are dropped anywhere in the window, and tells while some are held over it.
import { useEffect, useRef, useState } from "react";
import { droppedFiles } from "./dropped-files";

export function useDrop(take: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(take);
  useEffect(() => { latest.current = take; });
  useEffect(() => {
    // The window tells of every element that is entered and left; only the balance says whether the file is still here.
    let depth = 0;
    const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => { if (carriesFiles(event)) { depth += 1; setOver(true); } };
    const leave = (event: DragEvent) => { if (carriesFiles(event)) { depth -= 1; if (depth <= 0) { depth = 0; setOver(false); } } };
    const hold = (event: DragEvent) => { if (carriesFiles(event)) event.preventDefault(); };
    const drop = (event: DragEvent) => {
      if (!carriesFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      void droppedFiles(event.dataTransfer).then((files) => latest.current(files));
    };
    const listeners = [["dragenter", enter], ["dragleave", leave], ["dragover", hold], ["drop", drop]] as const;
    for (const [name, listener] of listeners) addEventListener(name, listener);
    return () => { for (const [name, listener] of listeners) removeEventListener(name, listener); };
  }, []);
  return over;
}
