// What went wrong, in words: what happened, what helps, and a way to try again. Known codes are said in the reader's
// language; the server's own detail stands below when it says more.
import type { TFunction } from "i18next";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { Problem } from "@/api/client";
import type { RunErrorBody } from "@/api/types";
import { sayNotice } from "@/i18n/notices";
import { Button } from "./button";
import { Retry, Warning } from "./icons";
import { Words } from "./words";

/** An error of a run, or a refusal of the server, which also brings a headline in the reader's language. */
export type ShownError = Pick<RunErrorBody, "code" | "message" | "hint"> & { title?: string };

interface Said {
  title: string;
  detail: string;
  hint: string;
}

/** Codes whose own words say everything; the server's detail would only repeat it, perhaps in another language. */
const SELF_EXPLAINED = new Set(["model_not_configured", "server_unreachable", "stream_broken"]);

/** The words for an error code, its message and its hint. */
export function sayError(t: TFunction, error: ShownError): Said {
  // The server may send a code that these files do not know; the default stands for it.
  const key = error.code as "timeout";
  const known = t(`errors.code.${key}`, { defaultValue: "" });
  const ownHint = t(`errors.code_hint.${key}`, { defaultValue: "" });
  const title = known || error.title || error.message || t("errors.unknown");
  const detail = title !== error.message && !SELF_EXPLAINED.has(error.code) ? error.message : "";
  return { title, detail, hint: ownHint || error.hint || "" };
}

function fromProblem(problem: Problem): ShownError {
  return { code: problem.code, title: problem.title, message: problem.detail, hint: problem.hint };
}

interface NoticeProps {
  error: ShownError;
  onRetry?: (() => void) | undefined;
  retryLabel?: string;
  requestId?: string | null;
  heading?: string;
  /** The single things that are wrong, where there are several. */
  errors?: string[];
}

export function ErrorNotice({ error, onRetry, retryLabel, requestId, heading, errors = [] }: NoticeProps) {
  const { t } = useTranslation();
  const said = sayError(t, error);
  return (
    <div role="alert" data-testid="error-notice" className="rounded-xl border border-seal/35 bg-seal-wash px-4 py-3 text-[0.95rem]">
      <div className="flex gap-3">
        <span className="mt-0.5 text-seal"><Warning /></span>
        <div className="min-w-0 flex-1">
          <p className="font-medium">{heading ? `${heading}${/[\u3400-\u9fff]/.test(heading) ? "：" : ": "}` : ""}<Words text={said.title} /></p>
          {said.detail && <p className="mt-1 max-h-60 overflow-auto text-quiet"><Words text={said.detail} /></p>}
          {errors.length > 0 && (
            <ul className="mt-1 max-h-60 list-disc space-y-0.5 overflow-auto ps-5 text-quiet">
              {errors.map((one, index) => <li key={index}><Words text={one} /></li>)}
            </ul>
          )}
          {said.hint && <p className="mt-1 text-quiet"><span className="font-medium text-ink">{t("errors.hint")}</span> · <Words text={said.hint} /></p>}
          {error.code === "model_not_configured" && (
            <p className="mt-1"><Link to="/" hash="model" className="underline decoration-brass underline-offset-4">{t("errors.to_models")}</Link></p>
          )}
          {requestId && <p className="mt-1 text-xs text-faint">{t("errors.request", { id: requestId })}</p>}
          {onRetry && (
            <Button className="mt-3" onClick={onRetry}><Retry />{retryLabel ?? t("common.retry")}</Button>
          )}
        </div>
      </div>
    </div>
  );
}

export function ProblemNotice({ problem, onRetry }: { problem: Problem; onRetry?: () => void }) {
  // Where only one thing is wrong, the detail often says it already.
  const { i18n } = useTranslation();
  const errors = problem.errors.filter((one) => one.message !== problem.detail).map((one) => sayNotice(i18n.language, one));
  return <ErrorNotice error={fromProblem(problem)} errors={errors} onRetry={onRetry} requestId={problem.requestId} />;
}
