// Where a run comes from, when nobody simply started it: an earlier run, a schedule, a webhook.
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { RunOrigin } from "@/api/types";

/** In words, without a link; for lists whose rows are links. */
export function useOriginWords(): (origin: RunOrigin) => string {
  const { t } = useTranslation();
  return (origin) => {
    const run = origin.run?.slice(-8) ?? "";
    if (origin.kind === "rerun") return origin.from ? t("runs.origin_rerun_from", { run, node: origin.from }) : t("runs.origin_rerun", { run });
    if (origin.kind === "replay") return t("runs.origin_replay", { run });
    return origin.kind === "schedule" ? t("runs.origin_schedule") : t("runs.origin_webhook");
  };
}

export function Origin({ origin }: { origin: RunOrigin }) {
  const words = useOriginWords()(origin);
  if (!origin.run) return <span data-testid="origin">{words}</span>;
  return <Link to="/runs/$run" params={{ run: origin.run }} data-testid="origin" className="underline decoration-brass underline-offset-4">{words}</Link>;
}
