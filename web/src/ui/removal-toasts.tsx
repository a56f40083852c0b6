// Tells of what was deleted a moment ago and offers to bring it back; and of what could not be deleted.
import { useEffect, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { removals } from "@/api/removals";
import type { RemovalBatch } from "@/api/removals";
import { IconButton } from "./button";
import { Cross } from "./icons";
import { sayError } from "./problem-notice";
import { Words } from "./words";

/** The addresses of everything that lists leave out already. */
export function useGone(): ReadonlySet<string> {
  return useSyncExternalStore(removals.subscribe, () => removals.gone);
}

export function RemovalToasts() {
  const { t } = useTranslation();
  const batches = useSyncExternalStore(removals.subscribe, () => removals.batches);
  useEffect(() => {
    const leave = () => removals.leave();
    const key = (event: KeyboardEvent) => {
      const undoes = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z";
      const latest = removals.batches.findLast((batch) => batch.state === "waiting");
      // In a text the keys undo what was typed.
      const writes = event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
      if (!undoes || !latest || writes) return;
      event.preventDefault();
      removals.undo(latest.key);
    };
    addEventListener("pagehide", leave);
    addEventListener("keydown", key);
    return () => {
      removeEventListener("pagehide", leave);
      removeEventListener("keydown", key);
      leave();
    };
  }, []);
  return (
    <div role="region" aria-label={t("removals.label")} aria-live="polite" className="pointer-events-none fixed inset-x-0 bottom-0 z-40 flex flex-col items-center gap-2 p-4">
      {batches.map((batch) => (batch.state === "failed" ? <Failure key={batch.key} batch={batch} /> : <Offer key={batch.key} batch={batch} />))}
    </div>
  );
}

function Offer({ batch }: { batch: RemovalBatch }) {
  const { t } = useTranslation();
  const [only] = batch.items;
  const text = batch.items.length === 1 && only ? t(`removals.one_${batch.kind}`, { name: only.name }) : t(`removals.${batch.kind}`, { count: batch.items.length });
  return (
    <div data-testid="removal" onPointerEnter={() => removals.hold(batch.key)} onPointerLeave={() => removals.release(batch.key)} onFocus={() => removals.hold(batch.key)} onBlur={() => removals.release(batch.key)}
      className="pointer-events-auto flex max-w-full animate-rise items-center gap-3 rounded-xl bg-ink py-2 ps-4 pe-2 text-paper shadow-desk sm:max-w-lg">
      <p className="min-w-0 flex-1 truncate" title={text}>{text}</p>
      {batch.state === "waiting" && (
        <button type="button" title={t("removals.undo_key")} onClick={() => removals.undo(batch.key)} className="min-h-9 shrink-0 rounded-lg px-3 font-medium underline decoration-brass decoration-2 underline-offset-4 hover:bg-paper/15">{t("removals.undo")}</button>
      )}
    </div>
  );
}

/** How many names are told with their reasons. */
const NAMED = 20;

function Failure({ batch }: { batch: RemovalBatch }) {
  const { t } = useTranslation();
  return (
    <div role="alert" data-testid="removal-failed" className="pointer-events-auto flex w-full max-w-lg animate-rise items-start gap-2 rounded-xl border border-seal/35 bg-seal-wash py-3 ps-4 pe-2 shadow-desk">
      <div className="min-w-0 flex-1">
        <p className="font-medium">{t("removals.failed", { count: batch.failed.length })}</p>
        <ul className="mt-1 max-h-48 space-y-1 overflow-auto text-sm">
          {batch.failed.slice(0, NAMED).map(({ name, problem }, index) => {
            const said = sayError(t, { code: problem.code, title: problem.title, message: problem.detail, hint: problem.hint });
            return <li key={index}><span className="wrap-anywhere">{name}</span>{t("form.separator")}<span className="text-quiet"><Words text={[said.title, said.detail].filter(Boolean).join(" ")} /></span></li>;
          })}
        </ul>
        {batch.failed.length > NAMED && <p className="mt-1 text-sm text-quiet">{t("removals.and_more", { count: batch.failed.length - NAMED })}</p>}
      </div>
      <IconButton label={t("common.close")} onClick={() => removals.dismiss(batch.key)}><Cross /></IconButton>
    </div>
  );
}
