// The conversations with one assistant: a column beside the chat, or inside the drawer on a phone.
import * as Dropdown from "@radix-ui/react-dropdown-menu";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { conversationsQuery } from "@/api/queries";
import { millis } from "@/api/run-progress";
import type { Conversation } from "@/api/types";
import { buttonClass } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Dots, Plus, Trash } from "@/ui/icons";
import { ProblemNotice } from "@/ui/problem-notice";
import { forgetSession } from "./session";

interface ListProps {
  assistant: string;
  current: string | undefined;
  onGo?: () => void;
}

export function ConversationList({ assistant, current, onGo }: ListProps) {
  const { t } = useTranslation();
  const conversations = useQuery(conversationsQuery);
  const [doomed, setDoomed] = useState<Conversation | null>(null);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: (conversation: Conversation) => request<void>(`/api/v1/conversations/${encodeURIComponent(conversation.id)}`, { method: "DELETE" }),
    onSuccess: async (_, conversation) => {
      forgetSession(conversation.id);
      if (conversation.id === current) await navigate({ to: "/c/$assistant", params: { assistant } });
      await queries.invalidateQueries({ queryKey: conversationsQuery.queryKey });
    },
  });
  const mine = (conversations.data ?? []).filter((one) => one.assistant === assistant);
  const go = onGo ? { onClick: onGo } : {};
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="p-3">
        <Link to="/c/$assistant" params={{ assistant }} {...go} data-testid="new-conversation" className={buttonClass("plain", "w-full")}>
          <Plus />{t("chat.new")}
        </Link>
      </div>
      <nav aria-label={t("chat.conversations")} className="min-h-0 flex-1 overflow-y-auto px-3 pb-4">
        {conversations.isSuccess && mine.length === 0 && <p className="px-2 py-3 text-sm text-faint">{t("chat.none")}</p>}
        {remove.error && <ProblemNotice problem={asProblem(remove.error)} />}
        {groups(mine).map(([label, items]) => (
          <section key={label}>
            <h2 className="px-2 pt-4 pb-1 text-xs text-faint">{t(label)}</h2>
            <ul>
              {items.map((one) => (
                <Row key={one.id} conversation={one} assistant={assistant} go={go} onDelete={() => setDoomed(one)} />
              ))}
            </ul>
          </section>
        ))}
      </nav>
      <Confirm open={doomed !== null} onClose={() => setDoomed(null)} title={t("chat.delete_title")} action={t("common.delete")}
        text={t("chat.delete_text", { title: doomed?.title || t("chat.untitled") })} onConfirm={() => doomed && remove.mutate(doomed)} />
    </div>
  );
}

interface RowProps {
  conversation: Conversation;
  assistant: string;
  go: { onClick?: () => void };
  onDelete: () => void;
}

function Row({ conversation, assistant, go, onDelete }: RowProps) {
  const { t } = useTranslation();
  const title = conversation.title || t("chat.untitled");
  return (
    <li className="group relative">
      <Link to="/c/$assistant/$conversation" params={{ assistant, conversation: conversation.id }} {...go} data-testid="conversation"
        className="block truncate rounded-lg py-2 ps-3 pe-10 text-[0.92rem] text-quiet hover:bg-wash hover:text-ink"
        activeProps={{ className: "bg-wash !text-ink font-medium shadow-[inset_3px_0_0_var(--brass)]", "aria-current": "page" }}>
        {title}
      </Link>
      <Dropdown.Root modal={false}>
        <Dropdown.Trigger aria-label={t("chat.more_actions", { title })}
          className="absolute end-1 top-1 inline-flex size-8 items-center justify-center rounded-md text-faint hover:bg-line hover:text-ink focus-visible:opacity-100 data-[state=open]:opacity-100 [@media(hover:hover)]:opacity-0 [@media(hover:hover)]:group-hover:opacity-100">
          <Dots />
        </Dropdown.Trigger>
        <Dropdown.Content align="end" className="z-50 rounded-xl border border-line bg-raised p-1.5 text-ink shadow-desk">
          <Dropdown.Item onSelect={onDelete} className="flex cursor-pointer items-center gap-2 rounded-md px-3 py-2 text-sm text-seal outline-none data-[highlighted]:bg-seal-wash">
            <Trash />{t("chat.delete")}
          </Dropdown.Item>
        </Dropdown.Content>
      </Dropdown.Root>
    </li>
  );
}

type GroupLabel = "chat.today" | "chat.yesterday" | "chat.earlier";

function groups(conversations: Conversation[]): [GroupLabel, Conversation[]][] {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const found = new Map<GroupLabel, Conversation[]>();
  const when = (one: Conversation) => millis(one.updated_at) ?? millis(one.created_at) ?? 0;
  for (const one of [...conversations].sort((a, b) => when(b) - when(a))) {
    const label = when(one) >= midnight ? "chat.today" : when(one) >= midnight - 86_400_000 ? "chat.yesterday" : "chat.earlier";
    found.set(label, [...(found.get(label) ?? []), one]);
  }
  return [...found];
}
