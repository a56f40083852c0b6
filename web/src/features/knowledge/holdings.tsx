// What a base may hold, as it is offered to whoever makes one. The server knows no such kinds: a table has fields, and the
// rest follows from what is put in.
import { useTranslation } from "react-i18next";

export const HOLDINGS = ["documents", "table", "questions"] as const;
export type Holding = (typeof HOLDINGS)[number];

export function HoldingWords({ holding }: { holding: Holding }) {
  const { t } = useTranslation();
  return (
    <>
      <span className="block font-medium text-ink">{t(`knowledge.holds_${holding}`)}</span>
      <span className="mt-0.5 block text-sm text-quiet">{t(`knowledge.holds_${holding}_text`)}</span>
    </>
  );
}
