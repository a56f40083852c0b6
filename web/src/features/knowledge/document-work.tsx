// How far a document is, what came of it, and where it is from, as its row in the list and its own page say it.
import { useTranslation } from "react-i18next";
import { isWorkedOn } from "@/api/knowledge";
import type { KnowledgeDocument } from "@/api/knowledge";
import { sayNotice } from "@/i18n/notices";
import { safeLink } from "@/ui/safe-link";
import { Words } from "@/ui/words";
import { sayFailure } from "./failure";
import { partDone, sayProgress, sayState } from "./progress";

/** Progress while it is worked on, and what came of it. */
export function Work({ document }: { document: KnowledgeDocument }) {
  const { t, i18n } = useTranslation();
  const part = partDone(document);
  const words = sayProgress(t, i18n.language, document);
  /** Of the attempt before this one, while it is worked on. */
  const failure = sayFailure(t, i18n.language, document);
  return (
    <>
      {isWorkedOn(document) && (
        <div className="mt-2 max-w-xl">
          {/* Whatever waits for its turn has no progress that could be drawn. */}
          {document.state !== "queued" && <progress aria-label={`${document.name}: ${sayState(t, document.state)}`} max={1} {...(part === null ? {} : { value: part })} className="meter block w-full" />}
          <p className="mt-1 text-sm text-quiet tabular-nums">{words}{document.answering && <span className="text-faint">{words && " · "}{t("knowledge.answering")}</span>}</p>
          {document.reason && <p className="mt-1 text-sm text-brass-ink">{t("knowledge.tries_again")} <Words text={failure.title} />{failure.detail && <span className="block text-faint wrap-anywhere"><Words text={failure.detail} /></span>}</p>}
        </div>
      )}
      {document.state === "failed" && <FailureWords document={document} />}
      {document.state === "ready" && document.reason && <p className="mt-1.5 text-sm text-brass-ink">{t("knowledge.words_only")} <span className="text-faint"><Words text={document.reason} /></span></p>}
      {document.warnings.length > 0 && (
        <details className="mt-1.5 text-sm">
          <summary className="w-fit text-brass-ink">{t("knowledge.warnings", { count: document.warnings.length })}</summary>
          <ul className="mt-1 list-disc space-y-0.5 ps-5 text-quiet">{document.warnings.map((warning, index) => <li key={index} title={warning.message}><Words text={sayNotice(i18n.language, warning)} /></li>)}</ul>
        </details>
      )}
    </>
  );
}

function FailureWords({ document }: { document: KnowledgeDocument }) {
  const { t, i18n } = useTranslation();
  const { title, hint, detail, points } = sayFailure(t, i18n.language, document);
  return (
    <div data-testid="document-reason" className="mt-1.5 space-y-1 text-sm">
      <p className="text-seal"><Words text={title} />{document.answering && <span className="text-quiet"> {t("knowledge.answering_failed")}</span>}</p>
      {points.length > 0 && <ul className="max-h-40 list-disc space-y-0.5 overflow-auto ps-5 text-quiet">{points.map((point, index) => <li key={index}><Words text={point} /></li>)}</ul>}
      {hint && <p className="text-quiet"><span className="font-medium text-ink">{t("errors.hint")}</span> · <Words text={hint} /></p>}
      {detail && <p className="wrap-anywhere text-faint"><Words text={detail} /></p>}
    </div>
  );
}

export function SourceLink({ document }: { document: KnowledgeDocument }) {
  const { t } = useTranslation();
  const address = safeLink(document.source?.url);
  if (!address) return null;
  return <a href={address} target="_blank" rel="noopener noreferrer nofollow" title={address} className="underline decoration-line underline-offset-4 hover:decoration-brass">{t("knowledge.source")} ↗</a>;
}

const LOOK: Record<string, string> = { ready: "bg-wash text-ink", failed: "bg-seal-wash text-seal", cancelled: "bg-wash text-quiet line-through decoration-1" };

export function StateTag({ state }: { state: string }) {
  const { t } = useTranslation();
  const live = !(state in LOOK);
  return (
    <span data-testid="document-state" className={`inline-flex shrink-0 items-center gap-1.5 rounded-full px-2 text-xs leading-5 ${LOOK[state] ?? "bg-brass-wash text-brass-ink"}`}>
      {live && <span aria-hidden="true" className="size-1.5 animate-lamp rounded-full bg-brass" />}
      {sayState(t, state)}
    </span>
  );
}
