// The line of files of one base, and what happens when one has arrived.
import { useQueryClient } from "@tanstack/react-query";
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { baseAddress, baseQuery } from "@/api/knowledge";
import { removals } from "@/api/removals";
import { upload } from "@/api/upload";
import { UploadQueue } from "./upload-queue";

const queues = new Map<string, UploadQueue>();

function queueOf(base: string, queries: QueryClient): UploadQueue {
  const known = queues.get(base);
  if (known) return known;
  const queue = new UploadQueue(
    async (item, onProgress, signal) => {
      // A file under the name of one that was deleted a moment ago is a document of its own, and not to be deleted with it.
      await removals.settle();
      return upload(baseAddress(base, "documents"), item.file, onProgress, { name: item.name, signal, ...(item.columns ? { fields: { columns: item.columns } } : {}) });
    },
    () => void queries.invalidateQueries({ queryKey: baseQuery(base).queryKey }),
  );
  queues.set(base, queue);
  return queue;
}

export function useUploadQueue(base: string) {
  const queue = queueOf(base, useQueryClient());
  const items = useSyncExternalStore(queue.subscribe, queue.read);
  const busy = items.some((item) => item.state !== "failed");
  useEffect(() => {
    if (!busy) return;
    // Closing the tab would lose what has not been sent; the browser asks in its own words.
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [busy]);
  return { items, queue };
}
