// The run as stored, and while it goes on, with its events on top. A run that waits is left alone until it is answered,
// here or elsewhere; then its events are followed again from where they were left.
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { follow } from "@/api/event-stream";
import { runQuery } from "@/api/queries";
import { applyFrame, fromDetail, isOver } from "@/api/run-progress";
import type { RunProgress } from "@/api/run-progress";
import type { RunDetail } from "@/api/types";

export interface LiveRun {
  run: RunProgress;
  reconnecting: boolean;
  /** To be called when what the run waited for has been answered. */
  resume: () => void;
}

/** Events come in bursts; so often, in milliseconds, is enough for the eye. */
const DRAW_MS = 30;

export function useLiveRun(detail: RunDetail): LiveRun {
  const queries = useQueryClient();
  const stored = useMemo(() => fromDetail(detail), [detail]);
  const [live, setLive] = useState<RunProgress | null>(null);
  const [reconnecting, setReconnecting] = useState(false);
  const [resumed, setResumed] = useState(false);
  const last = useRef<string | null>(null);
  const newest = useRef<RunProgress | null>(null);
  const over = isOver(stored.status);
  const moving = !over && (stored.status !== "waiting" || resumed);
  useEffect(() => {
    if (!moving) return;
    const abort = new AbortController();
    let drawing = false;
    // The stream begins from what was stored when the page opened, or from where it was left; later reads of the detail
    // do not restart it.
    let run = newest.current ?? stored;
    void follow({
      run: detail.id, after: last.current, signal: abort.signal, onWaiting: setReconnecting,
      onFrame: (frame) => {
        last.current = frame.id ?? last.current;
        run = applyFrame(run, frame);
        newest.current = run;
        if (drawing) return;
        // A replay of many events is one change on the screen.
        drawing = true;
        setTimeout(() => { drawing = false; if (!abort.signal.aborted) setLive(run); }, DRAW_MS);
      },
    }).catch(() => undefined).then(async () => {
      if (abort.signal.aborted) return;
      setLive(run);
      await queries.invalidateQueries({ queryKey: runQuery(detail.id).queryKey });
      setResumed(false);
    });
    return () => abort.abort();
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [detail.id, moving]);
  const resume = useCallback(() => setResumed(true), []);
  return { run: over || !live ? stored : live, reconnecting: reconnecting && moving, resume };
}
