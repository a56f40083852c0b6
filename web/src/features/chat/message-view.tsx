// One message: the visitor's note, or the assistant's answer with what it is doing, what went wrong, and how it came about.
import { memo } from "react";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { currentNode } from "@/api/run-progress";
import type { Wait } from "@/api/types";
import { Avatar } from "@/ui/avatar";
import { Beads } from "@/ui/beads";
import { Button } from "@/ui/button";
import { CopyButton } from "@/ui/copy-button";
import { Retry, Steps } from "@/ui/icons";
import { Markdown } from "@/ui/markdown";
import { ErrorNotice, sayError } from "@/ui/problem-notice";
import { useStepTitle } from "@/ui/step-title";
import { OpenQuestions } from "./open-questions";
import { Sources } from "./sources";
import type { ChatMessage } from "./session";

interface MessageViewProps {
  message: ChatMessage;
  title: string;
  reconnecting: boolean;
  busy: boolean;
  actions: MessageActions;
}

export interface MessageActions {
  retry: (key: string) => void;
  /** Gives a chosen option's title as the visitor's words. */
  say: (text: string) => void;
  /** Answers an open question with fields; `words` is how the conversation shows it. */
  fill: (wait: Wait, fields: Record<string, unknown>, words: string) => Promise<void>;
  reload: () => void;
}

export const MessageView = memo(function MessageView(props: MessageViewProps) {
  return props.message.role === "user" ? <Note {...props} /> : <Answer {...props} />;
});

function Note({ message, busy, actions }: MessageViewProps) {
  const { t } = useTranslation();
  const unsent = message.status === "unsent";
  return (
    <article aria-label={t("chat.you")} data-testid="message-user" className="group flex flex-col items-end">
      <div className={`max-w-[85%] rounded-2xl rounded-ee-sm px-4 py-2.5 leading-relaxed break-words whitespace-pre-wrap ${unsent ? "border border-dashed border-seal/60 bg-seal-wash" : "bg-wash"}`}>
        {message.content}
      </div>
      {unsent && (
        <div role="alert" className="mt-1.5 flex flex-wrap items-center justify-end gap-x-2 text-sm text-seal">
          <span>{t("chat.not_sent")}{message.error ? ` · ${sayError(t, message.error).title}` : ""}</span>
          <Button weight="bare" className="!min-h-8" disabled={busy} onClick={() => actions.retry(message.key)}><Retry />{t("chat.retry")}</Button>
        </div>
      )}
    </article>
  );
}

function Answer({ message, title, reconnecting, busy, actions }: MessageViewProps) {
  const { t } = useTranslation();
  const streaming = message.status === "streaming";
  const empty = message.content.trim() === "";
  return (
    <article aria-label={title} aria-busy={streaming} data-testid="message-assistant" data-status={message.status} className="group flex gap-3">
      <div className="hidden pt-0.5 sm:block"><Avatar title={title} size="sm" /></div>
      <div className="min-w-0 flex-1">
        {!empty && <div data-testid="answer-text"><Markdown text={message.content} streaming={streaming} /></div>}
        {streaming && <LiveLine message={message} reconnecting={reconnecting} />}
        {message.status === "waiting" && message.progress && <OpenQuestions message={message} progress={message.progress} busy={busy} actions={actions} />}
        {message.status === "cancelled" && (
          <p className={`text-sm text-quiet italic ${empty ? "" : "mt-3"}`}>{empty ? t("chat.stopped_empty") : t("chat.stopped")}</p>
        )}
        {message.status === "complete" && empty && <p className="text-quiet italic">{t("chat.empty_answer")}</p>}
        {message.status === "failed" && (
          <div className={empty ? "" : "mt-3"}>
            <ErrorNotice heading={t("chat.failed")} error={message.error ?? { code: "unknown", message: t("errors.unknown_text") }}
              {...(busy ? {} : { onRetry: () => actions.retry(message.key) })} retryLabel={t("chat.retry")} />
          </div>
        )}
        {message.status === "complete" && message.run && <Sources run={message.run} />}
        {!streaming && <Footer message={message} />}
      </div>
    </article>
  );
}

/** What is happening now, from the titles that the run's own graph gives its steps. */
function LiveLine({ message, reconnecting }: { message: ChatMessage; reconnecting: boolean }) {
  const { t } = useTranslation();
  const titleOf = useStepTitle();
  const node = message.progress ? currentNode(message.progress) : null;
  const step = node ? titleOf(node) : "";
  const said = reconnecting ? t("chat.reconnecting") : step ? t("chat.doing", { step }) : t("chat.working");
  return (
    <div data-testid="live-line" className="mt-2 flex min-h-8 animate-rise items-center gap-3 text-sm text-quiet">
      {message.progress && message.progress.nodes.length > 0 ? (
        <Beads nodes={message.progress.nodes} />
      ) : (
        <span aria-hidden="true" className="size-2 animate-lamp rounded-full bg-brass" />
      )}
      <span className="min-w-0 truncate">{said}</span>
    </div>
  );
}

function Footer({ message }: { message: ChatMessage }) {
  const { t } = useTranslation();
  return (
    <div className="mt-1.5 -ms-2 flex items-center gap-1 text-sm text-faint">
      {message.run && (
        <Link to="/runs/$run" params={{ run: message.run }} data-testid="how"
          className="inline-flex min-h-9 items-center gap-2 rounded-lg px-2 hover:bg-wash hover:text-ink">
          {message.progress && message.progress.nodes.length > 0 ? <Beads nodes={message.progress.nodes} /> : <Steps />}
          {t("chat.how")}
        </Link>
      )}
      {message.content !== "" && (
        <CopyButton text={message.content} label={t("chat.copy")}
          className="!text-faint transition-opacity focus-visible:opacity-100 hover:!text-ink [@media(hover:hover)]:opacity-0 [@media(hover:hover)]:group-hover:opacity-100 [@media(hover:hover)]:focus-visible:opacity-100" />
      )}
    </div>
  );
}
