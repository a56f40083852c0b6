// What was ticked and not saved yet, in sight however long the list of hits is.
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { Button } from "@/ui/button";
import { ProblemNotice } from "@/ui/problem-notice";
import type { Expectations } from "./use-expectations";

export function SaveTest({ expectations }: { expectations: Expectations }) {
  const { t } = useTranslation();
  const { dirty, expected, saved, save, discard } = expectations;
  if (!dirty) return <p role="status" className="mt-3 text-sm text-quiet">{save.isSuccess ? t("knowledge.test_saved") : ""}</p>;
  return (
    <div data-testid="save-test" className="sticky bottom-3 z-10 mt-4 rounded-xl border border-brass bg-raised px-4 py-3 shadow-desk">
      <div className="flex flex-wrap items-center gap-2">
        <p className="me-auto text-sm">{expected.length > 0 ? t("knowledge.expected_count", { count: expected.length }) : t("knowledge.expected_none")}</p>
        <Button onClick={discard}>{t("knowledge.discard")}</Button>
        <Button weight="primary" disabled={save.isPending} onClick={() => save.mutate()}>{t(expected.length === 0 ? "knowledge.test_remove" : saved ? "knowledge.test_change" : "knowledge.test_save")}</Button>
      </div>
      {save.error && <div className="mt-3"><ProblemNotice problem={asProblem(save.error)} /></div>}
    </div>
  );
}
