// The first page: who can be spoken to here.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { assistantsQuery } from "@/api/queries";
import type { AssistantSummary } from "@/api/types";
import { Avatar } from "@/ui/avatar";
import { CodeBlock } from "@/ui/code-block";
import { EmptyState, Loading, useTitle } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { Words } from "@/ui/words";
import { ModelNotice } from "./model-notice";

/** Suggestions shown on a card; the chat page shows them all. */
const SHOWN = 3;

export function AssistantsPage() {
  const { t } = useTranslation();
  const assistants = useQuery(assistantsQuery);
  useTitle(t("nav.assistants"));
  const hour = new Date().getHours();
  const greeting = hour >= 4 && hour < 12 ? t("assistants.morning") : hour >= 12 && hour < 18 ? t("assistants.afternoon") : t("assistants.evening");
  return (
    <>
      <div className="counter !border-t-0 !border-b-[3px] text-on-lacquer">
        <div className="mx-auto w-full max-w-5xl px-4 pt-10 pb-20 sm:px-6 sm:pt-16 sm:pb-24">
          <h1 className="font-display leading-tight font-semibold">
            <span className="block text-lg text-on-lacquer/75">{greeting}</span>
            <span className="mt-1 block text-3xl sm:text-[2.6rem]">{t("assistants.who")}</span>
          </h1>
        </div>
      </div>
      <div className="relative mx-auto -mt-11 w-full max-w-5xl px-4 pb-14 sm:-mt-14 sm:px-6">
        {assistants.isPending && <div className="rounded-2xl border border-line bg-raised px-6"><Loading label={t("common.loading")} /></div>}
        {assistants.isError && <ProblemNotice problem={asProblem(assistants.error)} onRetry={() => void assistants.refetch()} />}
        {assistants.isSuccess && assistants.data.length === 0 && <Empty />}
        <ul className="grid grid-cols-1 gap-5 sm:grid-cols-2">
          {assistants.data?.map((assistant) => <li key={assistant.name} className="flex"><Card assistant={assistant} /></li>)}
        </ul>
        <div className="mt-8"><ModelNotice /></div>
      </div>
    </>
  );
}

function Card({ assistant }: { assistant: AssistantSummary }) {
  const { t } = useTranslation();
  const title = assistant.title || assistant.name;
  return (
    <article data-testid="assistant" className="relative flex w-full flex-col rounded-2xl border border-line bg-raised shadow-desk transition-colors focus-within:border-brass hover:border-brass">
      <div className="flex flex-1 gap-4 p-5 sm:p-6">
        <Avatar title={title} size="lg" />
        <div className="min-w-0 flex-1">
          <h2 className="font-display text-xl font-semibold">
            {/* The whole card is the link; the suggestions below lie above it. */}
            <Link to="/c/$assistant" params={{ assistant: assistant.name }} aria-label={t("assistants.talk", { title })} className="after:absolute after:inset-0 after:rounded-2xl">{title}</Link>
          </h2>
          {assistant.description && <p className="mt-1 text-quiet">{assistant.description}</p>}
        </div>
      </div>
      {assistant.suggestions && assistant.suggestions.length > 0 && (
        <ul className="relative flex flex-wrap gap-2 rounded-b-2xl border-t border-line bg-paper px-5 py-3.5 sm:px-6">
          {assistant.suggestions.slice(0, SHOWN).map((question) => (
            <li key={question} className="max-w-full">
              <Link to="/c/$assistant" params={{ assistant: assistant.name }} state={{ ask: question }} aria-label={t("assistants.ask", { title, question })}
                className="relative block truncate rounded-full border border-line bg-raised px-3 py-1 text-sm text-quiet hover:border-brass hover:bg-brass-wash hover:text-ink">
                {question}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </article>
  );
}

function Empty() {
  const { t } = useTranslation();
  return (
    <EmptyState title={t("assistants.empty_title")}>
      <p>{t("assistants.empty_text")}</p>
      <CodeBlock text="parlour serve --project DIR" />
      <p className="text-sm"><Words text={t("assistants.empty_hint")} /></p>
    </EmptyState>
  );
}
