// What an answer ends with while its run waits: the options of its question as buttons, fields as a small form, and words
// for a wait that somebody else ends. The question itself is part of the answer's text, and free words answer it as well.
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { millis } from "@/api/run-progress";
import type { RunProgress } from "@/api/run-progress";
import type { Wait } from "@/api/types";
import { local } from "@/i18n";
import { sayFields } from "@/ui/schema-form";
import { formatMoment } from "@/ui/time";
import { FieldsForm, Options, Refusal } from "@/ui/wait-panel";
import type { MessageActions } from "./message-view";
import type { ChatMessage } from "./session";

interface OpenQuestionsProps {
  message: ChatMessage;
  progress: RunProgress;
  busy: boolean;
  actions: MessageActions;
}

export function OpenQuestions({ message, progress, busy, actions }: OpenQuestionsProps) {
  return (
    <div className="mt-3 space-y-4">
      {progress.waits.map((wait) =>
        wait.kind === "ask" ? <Question key={wait.effect} wait={wait} busy={busy} actions={actions} /> : <Elsewhere key={wait.effect} wait={wait} run={message.run} />,
      )}
    </div>
  );
}

function Question({ wait, busy, actions }: Omit<OpenQuestionsProps, "message" | "progress"> & { wait: Wait }) {
  const { t, i18n } = useTranslation();
  const words = (fields: Record<string, unknown>) => sayFields(wait.fields, fields, { yes: t("form.yes"), no: t("form.no"), separator: t("form.separator") });
  const fill = useMutation({ mutationFn: (fields: Record<string, unknown>) => actions.fill(wait, fields, words(fields)) });
  const due = millis(wait.due_at);
  return (
    <div data-testid="open-question" className="space-y-3">
      <Options wait={wait} disabled={busy || fill.isPending} onChoose={(option) => actions.say(option.title || option.name)} />
      {wait.fields && (
        <div className="max-w-md rounded-2xl border border-line bg-raised p-4">
          <FieldsForm wait={wait} disabled={busy || fill.isPending} onFields={fill.mutate} />
        </div>
      )}
      {fill.error && <Refusal error={fill.error} wait={wait} onAnswered={actions.reload} />}
      <p className="text-sm text-faint">
        {wait.options?.length || wait.fields ? t("chat.or_write") : t("chat.waits_for_you")}
        {due !== null && ` · ${t("waits.due", { moment: formatMoment(due, i18n.language) })}`}
      </p>
    </div>
  );
}

function Elsewhere({ wait, run }: { wait: Wait; run: string | null }) {
  const { t, i18n } = useTranslation();
  const due = millis(wait.due_at);
  const title = local(wait.title, i18n.language);
  const moment = due === null ? "" : formatMoment(due, i18n.language);
  return (
    <p data-testid="waits-elsewhere" className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-quiet">
      <span aria-hidden="true" className="size-2 animate-lamp rounded-full bg-brass" />
      <span>{wait.kind === "approve" ? t("chat.waits_for_approval", { title: title || wait.node }) : moment ? t("waits.timer", { moment }) : t("waits.timer_open")}</span>
      {run && wait.kind === "approve" && <Link to="/runs/$run" params={{ run }} className="underline decoration-brass underline-offset-4">{t("chat.waits_open")}</Link>}
    </p>
  );
}
