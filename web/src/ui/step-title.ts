// What a step is called for a reader: its own title, else its kind's, else its id.
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { kindTitlesQuery } from "@/api/kind-titles";
import type { NodeProgress } from "@/api/run-progress";
import { local } from "@/i18n";

export function useStepTitle(): (node: NodeProgress) => string {
  const { i18n } = useTranslation();
  const kinds = useQuery(kindTitlesQuery).data;
  return (node) => {
    const own = local(node.title, i18n.language);
    // A step without a title is sent under its id.
    if (own && own !== node.id) return own;
    return local(kinds?.[node.kind], i18n.language) || node.id;
  };
}
