// The chat page: the conversations at the side, the words in the middle, the counter below.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useRouterState } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import type { Problem } from "@/api/client";
import { assistantsQuery, conversationsQuery } from "@/api/queries";
import type { AssistantSummary, Conversation } from "@/api/types";
import { Avatar } from "@/ui/avatar";
import { IconButton } from "@/ui/button";
import { Drawer } from "@/ui/dialog";
import { Down, Menu, Plus } from "@/ui/icons";
import { Markdown } from "@/ui/markdown";
import { PersonMenu, Places, Wordmark } from "@/ui/navigation";
import { EmptyState, Loading, useTitle } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { Words } from "@/ui/words";
import { Composer } from "./composer";
import { ConversationList } from "./conversation-list";
import { MessageView } from "./message-view";
import type { MessageActions } from "./message-view";
import { ChatSession, sessionOf } from "./session";
import { useStickToEnd } from "./use-stick-to-end";

export interface ChatPageProps {
  assistant: string;
  conversation?: string | undefined;
}

declare module "@tanstack/react-router" {
  interface HistoryState {
    /** A question chosen on another page of ours, to be asked on arrival. Never read from the address. */
    ask?: string | undefined;
  }
}

export function ChatPage({ assistant, conversation }: ChatPageProps) {
  const { t } = useTranslation();
  const assistants = useQuery(assistantsQuery);
  const [drawer, setDrawer] = useState(false);
  const navigate = useNavigate();
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!event.altKey || event.ctrlKey || event.metaKey || event.code !== "KeyN") return;
      event.preventDefault();
      void navigate({ to: "/c/$assistant", params: { assistant } });
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [assistant, navigate]);
  const found = assistants.data?.find((one) => one.name === assistant);
  const title = found?.title || assistant;
  useTitle(title);
  return (
    <div className="flex h-full min-h-0">
      <aside className="hidden w-66 shrink-0 flex-col border-e border-line bg-wall md:flex">
        <ConversationList assistant={assistant} current={conversation} />
      </aside>
      <Drawer open={drawer} onClose={() => setDrawer(false)} label={t("nav.menu")}>
        <div className="flex h-full flex-col">
          <div className="flex items-center justify-between border-b border-line p-3"><Wordmark /><PersonMenu /></div>
          <div className="border-b border-line p-2"><Places upright onGo={() => setDrawer(false)} /></div>
          <ConversationList assistant={assistant} current={conversation} onGo={() => setDrawer(false)} />
        </div>
      </Drawer>
      <section className="flex min-w-0 flex-1 flex-col bg-paper">
        <div className="flex h-14 shrink-0 items-center gap-2 border-b border-line px-2 sm:px-4 md:hidden">
          <IconButton label={t("chat.open_list")} onClick={() => setDrawer(true)} data-testid="open-drawer"><Menu /></IconButton>
          <h1 className="min-w-0 flex-1 truncate font-display text-lg font-semibold">{title}</h1>
          <Link to="/c/$assistant" params={{ assistant }} aria-label={t("chat.new")} title={t("chat.new")}
            className="inline-flex size-9 items-center justify-center rounded-lg text-quiet hover:bg-wash hover:text-ink"><Plus /></Link>
        </div>
        {assistants.isPending && <div className="px-6"><Loading label={t("common.loading")} /></div>}
        {assistants.isError && <div className="p-6"><ProblemNotice problem={asProblem(assistants.error)} onRetry={() => void assistants.refetch()} /></div>}
        {assistants.isSuccess && !found && <UnknownAssistant name={assistant} />}
        {found && <Desk assistant={found} conversation={conversation} />}
      </section>
    </div>
  );
}

function UnknownAssistant({ name }: { name: string }) {
  const { t } = useTranslation();
  return (
    <div className="p-6">
      <EmptyState title={t("not_found.title")}>
        <p><Words text={t("chat.unknown_title", { name })} /></p>
        <p>{t("chat.unknown_text")}</p>
        <p><Link to="/" className="underline decoration-brass underline-offset-4">{t("not_found.home")}</Link></p>
      </EmptyState>
    </div>
  );
}

/** Stands in where no conversation has begun: it never loads and holds nothing. */
const nobody = new ChatSession("");

function Desk({ assistant, conversation }: { assistant: AssistantSummary; conversation: string | undefined }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const session = useMemo(() => (conversation ? sessionOf(conversation) : nobody), [conversation]);
  const state = useSyncExternalStore(session.subscribe, session.snapshot);
  const [problem, setProblem] = useState<Problem | null>(null);
  const { view, content, away, toEnd } = useStickToEnd();
  const title = assistant.title || assistant.name;
  const newestRun = state.messages.at(-1)?.run;

  useEffect(() => {
    if (conversation) void session.load();
  }, [conversation, session]);

  useEffect(() => {
    // The list takes a conversation's title from its first words, and its place from its last.
    if (conversation) void queries.invalidateQueries({ queryKey: conversationsQuery.queryKey });
  }, [conversation, state.busy, newestRun, queries]);

  const ask = useCallback(async (text: string): Promise<boolean> => {
    setProblem(null);
    if (conversation) {
      void session.send(text);
      toEnd();
      return true;
    }
    try {
      const made = await request<Conversation>("/api/v1/conversations", { method: "POST", body: { assistant: assistant.name } });
      void sessionOf(made.id).send(text);
      await navigate({ to: "/c/$assistant/$conversation", params: { assistant: assistant.name, conversation: made.id } });
      return true;
    } catch (error) {
      setProblem(asProblem(error));
      return false;
    }
  }, [assistant.name, conversation, navigate, session, toEnd]);

  useAskOnArrival(ask);
  const actions = useMemo((): MessageActions => ({
    retry: (key) => void session.retry(key),
    say: (text) => { void session.send(text); toEnd(); },
    fill: (wait, fields, words) => session.fill(wait, fields, words),
    reload: () => void session.load(),
  }), [session, toEnd]);
  const gone = state.problem?.status === 404;
  return (
    <>
      <div className="relative min-h-0 flex-1">
        <div ref={view} className="h-full overflow-y-auto overscroll-contain [scrollbar-gutter:stable_both-edges]">
          <div ref={content} role="log" aria-live="off" aria-label={t("chat.log", { title })} className="mx-auto flex min-h-full max-w-3xl flex-col gap-6 px-4 py-6 sm:px-6 sm:py-8">
            {conversation ? <Opening assistant={assistant} /> : <Welcome assistant={assistant} onAsk={ask} />}
            {gone && <EmptyState title={t("chat.gone_title")}><p>{t("chat.gone_text")}</p></EmptyState>}
            {state.problem && !gone && <ProblemNotice problem={state.problem} onRetry={() => void session.load()} />}
            {state.loading && state.messages.length === 0 && <Loading label={t("common.loading")} />}
            {state.messages.map((message) => (
              <MessageView key={message.key} message={message} title={title} reconnecting={state.reconnecting} busy={state.busy} actions={actions} />
            ))}
            {problem && <ProblemNotice problem={problem} />}
          </div>
        </div>
        {away && (
          <button type="button" onClick={toEnd} data-testid="newest"
            className="absolute bottom-3 left-1/2 inline-flex min-h-9 -translate-x-1/2 animate-rise items-center gap-1.5 rounded-full border border-brass bg-raised px-3.5 text-sm shadow-desk hover:bg-brass-wash">
            <Down />{t("chat.newest")}
          </button>
        )}
      </div>
      <Announcer session={session} title={title} />
      {!gone && (
        <Composer key={conversation ?? `new-${assistant.name}`} draftName={conversation ?? `new-${assistant.name}`} title={title}
          busy={state.busy} stopping={state.stopping} onSend={ask} onStop={() => void session.stop()} />
      )}
    </>
  );
}

/** Sends a question that a suggestion on another page left in the history entry, once. */
function useAskOnArrival(ask: (text: string) => Promise<boolean>): void {
  const question = useRouterState({ select: (state) => state.location.state.ask });
  const asked = useRef(false);
  const navigate = useNavigate();
  useEffect(() => {
    if (!question || asked.current) return;
    asked.current = true;
    void navigate({ to: ".", replace: true, state: (old) => ({ ...old, ask: undefined }) }).then(() => ask(question));
  }, [question, ask, navigate]);
}

function Welcome({ assistant, onAsk }: { assistant: AssistantSummary; onAsk: (text: string) => Promise<boolean> }) {
  const title = assistant.title || assistant.name;
  return (
    <div className="m-auto flex w-full max-w-xl flex-col items-center py-6 text-center">
      <Avatar title={title} size="lg" />
      <h1 className="mt-4 hidden font-display text-lg text-quiet md:block">{title}</h1>
      {assistant.opening ? (
        <div className="mt-3 font-display text-2xl leading-snug font-medium text-balance sm:text-3xl [&_.prose-answer]:leading-snug [&_.prose-answer>div+div]:text-lg [&_.prose-answer>div+div]:font-normal [&_.prose-answer>div+div]:text-quiet"><Markdown text={assistant.opening} /></div>
      ) : (
        assistant.description && <p className="mt-3 text-lg text-quiet">{assistant.description}</p>
      )}
      {assistant.suggestions && assistant.suggestions.length > 0 && (
        <ul className="mt-8 flex flex-wrap justify-center gap-2">
          {assistant.suggestions.map((text) => (
            <li key={text}>
              <button type="button" data-testid="suggestion" onClick={() => void onAsk(text)}
                className="min-h-10 rounded-full border border-line bg-raised px-4 text-[0.95rem] transition-colors hover:border-brass hover:bg-brass-wash">
                {text}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Opening({ assistant }: { assistant: AssistantSummary }) {
  const title = assistant.title || assistant.name;
  return (
    <div className="flex items-start gap-3 border-b border-line pb-5">
      <div className="hidden sm:block"><Avatar title={title} size="sm" /></div>
      <div>
        <p className="text-sm text-faint">{title}</p>
        {assistant.opening && <div className="font-display text-lg"><Markdown text={assistant.opening} /></div>}
      </div>
    </div>
  );
}

/** Says to a screen reader that an answer began and, when it is whole, what it is; reading every token aloud helps nobody. */
function Announcer({ session, title }: { session: ChatSession; title: string }) {
  const { t } = useTranslation();
  const state = useSyncExternalStore(session.subscribe, session.snapshot);
  const last = state.messages.at(-1);
  const live = useRef(false);
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (state.busy && !live.current) setSaid(t("chat.answering", { title }));
    if (!state.busy && live.current && last?.role === "assistant") setSaid(t("chat.answered", { title, text: last.content }));
    live.current = state.busy;
  }, [state.busy, last, t, title]);
  return <p role="status" aria-live="polite" className="sr-only">{said}</p>;
}
