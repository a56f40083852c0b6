// Saving one part of a base's settings: the button, whether there is something to save, and what the server said.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseAddress, baseQuery, basesQuery } from "@/api/knowledge";
import type { KnowledgeBase } from "@/api/knowledge";
import { removals } from "@/api/removals";
import { Button } from "@/ui/button";
import { ProblemNotice } from "@/ui/problem-notice";

/** Changes something of a base. */
export function useSave(base: KnowledgeBase, onSaved?: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (body: Record<string, unknown>) => {
      // Documents may be read again, and a passage that was deleted a moment ago is one of what is there now.
      await removals.settle();
      return request<KnowledgeBase>(baseAddress(base.name), { method: "PATCH", body });
    },
    onSuccess: (changed) => {
      queries.setQueryData(baseQuery(base.name).queryKey, changed);
      onSaved?.();
      // Documents may be read again; the list is asked how far they are.
      void queries.invalidateQueries({ queryKey: baseQuery(base.name).queryKey });
      void queries.invalidateQueries({ queryKey: basesQuery.queryKey, exact: true });
    },
  });
}

interface SaveRowProps {
  save: ReturnType<typeof useSave>;
  dirty: boolean;
  disabled?: boolean;
}

export function SaveRow({ save, dirty, disabled = false }: SaveRowProps) {
  const { t } = useTranslation();
  return (
    <>
      {save.error && <div className="mt-4"><ProblemNotice problem={asProblem(save.error)} /></div>}
      <div className="mt-4 flex flex-wrap items-center gap-3">
        <Button type="submit" weight="primary" disabled={!dirty || disabled || save.isPending}>{t("common.save")}</Button>
        <span role="status" className="text-sm text-quiet">{dirty ? t("plugins.unsaved") : save.isSuccess ? t("common.saved") : ""}</span>
      </div>
    </>
  );
}
