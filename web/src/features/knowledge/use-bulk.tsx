// What is being done with several documents at once, how far that is, and what came of it.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { request } from "@/api/client";
import { baseQuery, documentAddress } from "@/api/knowledge";
import type { KnowledgeDocument } from "@/api/knowledge";
import { removals } from "@/api/removals";
import { IconButton } from "@/ui/button";
import { Cross } from "@/ui/icons";
import { sayError } from "@/ui/problem-notice";
import { Words } from "@/ui/words";
import { groupsAfter, performAll } from "./bulk";
import type { Act, Failure, GroupChange } from "./bulk";

type Doing = Act | "groups";

interface Work {
  what: Doing;
  done: number;
  total: number;
  /** Null while it goes on. */
  failures: Failure[] | null;
}

export type Bulk = ReturnType<typeof useBulk>;

/** `onDone` hears the ids of those with which it failed: they stay chosen. */
export function useBulk(base: string, onDone: (failed: string[]) => void) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [work, setWork] = useState<Work | null>(null);
  const changed = () => queries.invalidateQueries({ queryKey: baseQuery(base).queryKey });
  const perform = async (what: Doing, documents: readonly KnowledgeDocument[], act: (document: KnowledgeDocument) => Promise<unknown>) => {
    const total = documents.length;
    setWork({ what, done: 0, total, failures: null });
    await removals.settle();
    const failures = await performAll(documents, act, (done) => setWork({ what, done, total, failures: null }));
    await changed();
    setWork({ what, done: total, total, failures });
    onDone(failures.map((failure) => failure.id));
  };
  const send = (document: KnowledgeDocument, what: "retry" | "cancel") => request<unknown>(documentAddress(base, document.id, what), { method: "POST" });
  return {
    isBusy: work !== null && work.failures === null,
    act: (act: Act, documents: readonly KnowledgeDocument[]) => perform(act, documents, (document) => send(document, act === "cancel" ? "cancel" : "retry")),
    setGroups: (change: GroupChange, groups: readonly string[], documents: readonly KnowledgeDocument[]) =>
      perform("groups", documents, (document) => request<unknown>(documentAddress(base, document.id), { method: "PATCH", body: { groups: groupsAfter(change, document.groups, groups) } })),
    remove: (documents: readonly KnowledgeDocument[]) => {
      setWork(null);
      removals.add("document", documents.map(({ id, name }) => ({ address: documentAddress(base, id), name })), changed);
    },
    parts: work && (
      <div data-testid="bulk-result" className="flex items-start gap-2 border-t border-line py-1.5 ps-4 pe-2 text-sm sm:ps-5">
        <div className="min-w-0 flex-1 py-1">
          <p role="status">{work.failures === null ? t("knowledge.bulk_working", { done: work.done, total: work.total }) : t(`knowledge.bulk_${work.what}`, { count: work.total - work.failures.length })}</p>
          {work.failures && work.failures.length > 0 && (
            <div role="alert" className="mt-1">
              <p className="text-seal">{t("knowledge.bulk_failed", { count: work.failures.length })}</p>
              <ul className="mt-0.5 max-h-40 list-disc space-y-0.5 overflow-auto ps-5">
                {work.failures.map(({ id, name, problem }) => {
                  const said = sayError(t, { code: problem.code, title: problem.title, message: problem.detail, hint: problem.hint });
                  return <li key={id}><span className="wrap-anywhere">{name}</span>{t("form.separator")}<span className="text-quiet"><Words text={[said.title, said.detail].filter(Boolean).join(" ")} /></span></li>;
                })}
              </ul>
            </div>
          )}
        </div>
        {work.failures && <IconButton label={t("common.close")} onClick={() => setWork(null)}><Cross /></IconButton>}
      </div>
    ),
  };
}
