// What a run waits for, and the way to answer it: approve or reject, one of the options, fields, or a text of one's own.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { TFunction } from "i18next";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { answerWait } from "@/api/answer-wait";
import type { WaitAnswer } from "@/api/answer-wait";
import { asProblem } from "@/api/client";
import { waitsQuery } from "@/api/queries";
import { millis } from "@/api/run-progress";
import type { Wait } from "@/api/types";
import { local } from "@/i18n";
import { Button } from "./button";
import { INPUT } from "./field";
import { Markdown } from "./markdown";
import { ErrorNotice, ProblemNotice } from "./problem-notice";
import { SchemaFields, useSchemaForm } from "./schema-fields";
import { formatMoment } from "./time";

interface WaitPanelProps {
  run: string;
  wait: Wait;
  /** Called when the run goes on: by this answer, or by somebody else's before it. */
  onAnswered?: () => void;
}

export function WaitPanel({ run, wait, onAnswered }: WaitPanelProps) {
  const { i18n } = useTranslation();
  const queries = useQueryClient();
  const over = () => {
    void queries.invalidateQueries({ queryKey: waitsQuery.queryKey });
    onAnswered?.();
  };
  const answer = useMutation({ mutationFn: (given: WaitAnswer) => answerWait(run, wait.effect, given), onSuccess: over });
  if (wait.kind === "timer") return <p data-testid="wait-timer"><Due wait={wait} /></p>;
  const closed = answer.isPending || answer.isSuccess || (answer.error !== null && asProblem(answer.error).status === 409);
  const title = local(wait.title, i18n.language);
  return (
    <section aria-label={title || wait.node} data-testid={`wait-${wait.kind}`} className="max-w-2xl space-y-3">
      <div className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
        {title && <h3 className="font-display text-lg font-semibold">{title}</h3>}
        <p className="text-sm text-quiet"><Due wait={wait} /></p>
      </div>
      {wait.question && <Markdown text={wait.question} />}
      {wait.kind === "approve" ? <Verdict disabled={closed} onAnswer={answer.mutate} /> : <Reply wait={wait} disabled={closed} onAnswer={answer.mutate} />}
      {answer.error && <Refusal error={answer.error} wait={wait} onAnswered={over} />}
    </section>
  );
}

/** A role in the reader's language; the server may know more of them than these files. */
function sayRole(t: TFunction, role: string): string {
  return t(`roles.${role as "owner"}`, { defaultValue: role });
}

/** Until when, and for whom. */
function Due({ wait }: { wait: Wait }) {
  const { t, i18n } = useTranslation();
  const due = millis(wait.due_at);
  const moment = due === null ? "" : formatMoment(due, i18n.language);
  if (wait.kind === "timer") return due === null ? t("waits.timer_open") : t("waits.timer", { moment });
  const parts = [...(wait.who ? [t("waits.who", { role: sayRole(t, wait.who) })] : []), ...(moment ? [t("waits.due", { moment })] : [])];
  return parts.join(" · ");
}

interface AnswerProps {
  disabled: boolean;
  onAnswer: (answer: WaitAnswer) => void;
}

function Verdict({ disabled, onAnswer }: AnswerProps) {
  const { t } = useTranslation();
  const [comment, setComment] = useState("");
  const id = useId();
  const decide = (approved: boolean) => onAnswer({ approved, ...(comment.trim() ? { comment: comment.trim() } : {}) });
  return (
    <div className="space-y-3">
      <div>
        <label htmlFor={id} className="mb-1.5 block text-sm font-medium">{t("waits.comment")} <span className="text-xs font-normal text-faint">{t("common.optional")}</span></label>
        <textarea id={id} rows={2} className={`${INPUT} py-2`} value={comment} onChange={(event) => setComment(event.target.value)} />
      </div>
      <div className="flex flex-wrap gap-2">
        <Button weight="primary" disabled={disabled} data-testid="approve" onClick={() => decide(true)}>{t("waits.approve")}</Button>
        <Button disabled={disabled} data-testid="reject" className="!text-seal" onClick={() => decide(false)}>{t("waits.reject")}</Button>
      </div>
    </div>
  );
}

function Reply({ wait, disabled, onAnswer }: AnswerProps & { wait: Wait }) {
  const { t } = useTranslation();
  const [text, setText] = useState("");
  const id = useId();
  return (
    <div className="space-y-4">
      <Options wait={wait} disabled={disabled} onChoose={(option) => onAnswer({ option: option.name })} />
      {wait.fields && <FieldsForm key={wait.effect} wait={wait} disabled={disabled} onFields={(fields) => onAnswer({ fields })} />}
      <form className="flex flex-wrap items-end gap-2" onSubmit={(event) => { event.preventDefault(); if (text.trim()) onAnswer({ text: text.trim() }); }}>
        <div className="min-w-0 flex-1 basis-56">
          <label htmlFor={id} className="mb-1.5 block text-sm font-medium">{wait.fields || wait.options?.length ? t("waits.own_words") : t("waits.text")}</label>
          <input id={id} className={INPUT} value={text} onChange={(event) => setText(event.target.value)} />
        </div>
        <Button type="submit" disabled={disabled || text.trim() === ""}>{t("waits.send")}</Button>
      </form>
    </div>
  );
}

interface OptionsProps {
  wait: Wait;
  disabled: boolean;
  onChoose: (option: { name: string; title: string }) => void;
}

export function Options({ wait, disabled, onChoose }: OptionsProps) {
  const { t } = useTranslation();
  if (!wait.options || wait.options.length === 0) return null;
  return (
    <ul aria-label={t("waits.options")} className="flex flex-wrap gap-2">
      {wait.options.map((option) => (
        <li key={option.name}>
          <button type="button" disabled={disabled} data-testid={`option-${option.name}`} onClick={() => onChoose(option)}
            className="min-h-10 rounded-full border border-brass/70 bg-raised px-4 text-start text-[0.95rem] transition-colors hover:border-brass hover:bg-brass-wash disabled:opacity-55">
            {option.title || option.name}
          </button>
        </li>
      ))}
    </ul>
  );
}

interface FieldsFormProps {
  wait: Wait;
  disabled: boolean;
  onFields: (fields: Record<string, unknown>) => void;
}

export function FieldsForm({ wait, disabled, onFields }: FieldsFormProps) {
  const { t } = useTranslation();
  const form = useSchemaForm(wait.fields);
  const submit = () => {
    const fields = form.read();
    if (fields) onFields(fields);
  };
  return (
    <form noValidate data-testid="wait-fields" className="space-y-3" onSubmit={(event) => { event.preventDefault(); submit(); }}>
      <SchemaFields form={form} />
      <Button type="submit" weight="primary" disabled={disabled}>{t("waits.send")}</Button>
    </form>
  );
}

/** Refusals that belong to answering have words of their own. */
export function Refusal({ error, wait, onAnswered }: { error: unknown; wait: Wait; onAnswered: () => void }) {
  const { t } = useTranslation();
  const problem = asProblem(error);
  if (problem.status === 409) {
    return (
      <p role="alert" data-testid="wait-taken" className="flex flex-wrap items-center gap-x-3 text-sm text-quiet">
        {t("waits.taken")} <Button weight="bare" onClick={onAnswered}>{t("waits.look")}</Button>
      </p>
    );
  }
  if (problem.status === 403 && wait.who) return <ErrorNotice error={{ code: problem.code, message: problem.detail, title: t("waits.denied", { role: sayRole(t, wait.who) }), hint: problem.hint }} />;
  return <ProblemNotice problem={problem} />;
}
