// Keeps the newest words in view while an answer grows, and lets go as soon as the reader scrolls up.
import { useCallback, useEffect, useRef, useState } from "react";

/** Within this distance of the end, in pixels, the reader counts as being at the end. */
const NEAR = 64;

export function useStickToEnd() {
  const [view, setView] = useState<HTMLElement | null>(null);
  const [content, setContent] = useState<HTMLElement | null>(null);
  const [away, setAway] = useState(false);
  const stuck = useRef(true);

  useEffect(() => {
    if (!view || !content) return;
    let top = view.scrollTop;
    const onScroll = () => {
      const distance = view.scrollHeight - view.scrollTop - view.clientHeight;
      // Only a movement upwards lets go: content that grows also widens the distance, without anyone moving.
      if (view.scrollTop < top - 1 && distance > NEAR) stuck.current = false;
      else if (distance <= NEAR) stuck.current = true;
      top = view.scrollTop;
      setAway(!stuck.current);
    };
    const resized = new ResizeObserver(() => {
      if (stuck.current) view.scrollTo({ top: view.scrollHeight });
    });
    resized.observe(content);
    resized.observe(view);
    view.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      resized.disconnect();
      view.removeEventListener("scroll", onScroll);
    };
  }, [view, content]);

  const toEnd = useCallback(() => {
    stuck.current = true;
    setAway(false);
    view?.scrollTo({ top: view.scrollHeight });
  }, [view]);

  return { view: setView, content: setContent, away, toEnd };
}
