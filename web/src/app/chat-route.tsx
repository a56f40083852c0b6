// The chat page at its two addresses. One component for both, so that the page stays as it is when a new conversation
// gets an address of its own.
import { getRouteApi, useParams } from "@tanstack/react-router";
import { ChatPage } from "@/features/chat";

const chat = getRouteApi("/house/c/$assistant");

export function ChatRoute() {
  const { assistant } = chat.useParams();
  const { conversation } = useParams({ strict: false });
  return <ChatPage key={assistant} assistant={assistant} conversation={conversation} />;
}
