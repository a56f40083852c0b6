// What can be done with one document, in the list and on its own page, with the parts that belong to it.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { asProblem, request } from "@/api/client";
import { baseAddress, baseQuery, documentAddress } from "@/api/knowledge";
import type { KnowledgeDocument } from "@/api/knowledge";
import { removals } from "@/api/removals";
import { ProblemNotice } from "@/ui/problem-notice";
import { AboutDialog } from "./about-dialog";
import { useUploadQueue } from "./use-upload-queue";

/** `onDelete` is told before the lists leave the document out. */
export function useDocumentActs(base: string, document: KnowledgeDocument, onDelete?: () => void) {
  const queries = useQueryClient();
  const { queue } = useUploadQueue(base);
  const chooser = useRef<HTMLInputElement>(null);
  const [about, setAbout] = useState(false);
  const changed = () => queries.invalidateQueries({ queryKey: baseQuery(base).queryKey });
  const act = useMutation({
    mutationFn: async (what: "retry" | "cancel" | "fetch") => {
      // A passage that was deleted a moment ago is one of what is there now.
      await removals.settle();
      return what === "fetch"
        ? request<unknown>(baseAddress(base, "documents"), { method: "POST", body: { url: document.source?.url, name: document.name } })
        : request<unknown>(documentAddress(base, document.id, what), { method: "POST" });
    },
    onSettled: changed,
  });
  const ending = /\.[^.]+$/.exec(document.name)?.[0];
  const parts = (
    <>
      {/* The new version keeps the name, which is what makes it one; so it has to be a file of the same kind. */}
      <input ref={chooser} type="file" className="hidden" tabIndex={-1} aria-hidden="true" data-testid="replace-file" {...(ending ? { accept: ending } : {})}
        onChange={(event) => { const [file] = event.target.files ?? []; if (file) queue.add([file], { name: document.name }); event.target.value = ""; }} />
      {act.error && <div className="mt-3"><ProblemNotice problem={asProblem(act.error)} /></div>}
      <AboutDialog base={base} document={document} open={about} onClose={() => setAbout(false)} />
    </>
  );
  return {
    act, parts,
    /** What came from the web is fetched from there once more; of a file another is asked for. */
    replace: () => (document.source ? act.mutate("fetch") : chooser.current?.click()),
    askAbout: () => setAbout(true),
    remove: () => {
      onDelete?.();
      removals.add("document", [{ address: documentAddress(base, document.id), name: document.name }], changed);
    },
  };
}
