// What a run is called: the title of the assistant or workflow it belongs to, rather than the name in the file.
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { assistantsQuery, workflowsQuery } from "@/api/queries";
import type { RunSummary } from "@/api/types";
import { local } from "@/i18n";

export function useRunTitle(): (run: RunSummary) => string {
  const { i18n } = useTranslation();
  const assistants = useQuery(assistantsQuery).data;
  const workflows = useQuery(workflowsQuery).data;
  return (run) => {
    const owner = (run.kind === "chat" ? assistants : workflows)?.find((one) => one.name === run.name);
    return local(run.title, i18n.language) || owner?.title || run.name;
  };
}
