// What the page expects must be what the server's OpenAPI document says it sends: `tsc` fails here when the two part.
// Fields that the document leaves open (statuses as plain text, values of any shape) are compared by the page at run time.

import type { Citation, Chunk, KnowledgeBase, KnowledgeDocument } from "./knowledge";
import type { InstalledPlugin, PluginCall, PluginVersion, ToolResult } from "./plugins";
import type { components } from "./schema";
import type {
  AssistantSummary, Conversation, LimitsView, Message, OpenWait, RunDetail, RunNode, RunSummary, Secret, Trigger, Wait, WorkflowSummary,
} from "./types";

type Sent = components["schemas"];
type Accepts<Page, Server extends Page> = Server;
type Open =
  | "kind" | "role" | "status" | "error" | "graph" | "nodes" | "inputs" | "logs" | "origin" | "waiting_for" | "saved" | "options" | "fields"
  | "manifest" | "grants" | "most" | "config" | "output" | "report";

export type Contract = [
  Accepts<AssistantSummary, Sent["AssistantView"]>,
  Accepts<Conversation, Sent["ConversationView"]>,
  Accepts<Omit<Message, Open>, Sent["MessageView"]>,
  Accepts<Omit<RunSummary, Open>, Sent["RunSummary"]>,
  Accepts<Omit<RunDetail, Open>, Sent["RunView"]>,
  Accepts<Omit<RunNode, Open>, Sent["NodeView"]>,
  Accepts<Omit<WorkflowSummary, "inputs">, Sent["WorkflowSummary"]>,
  Accepts<Omit<Wait, Open>, Sent["WaitView"]>,
  Accepts<Omit<OpenWait, Open>, Sent["WaitView"]>,
  Accepts<Omit<Trigger, Open>, Sent["TriggerView"]>,
  Accepts<Secret, Sent["SecretView"]>,
  Accepts<Partial<LimitsView>, Partial<Sent["LimitsView"]>>,
  Accepts<Omit<InstalledPlugin, Open>, Sent["PluginView"]>,
  Accepts<PluginVersion, Sent["VersionView"]>,
  Accepts<Omit<PluginCall, Open>, Sent["PluginCallView"]>,
  Accepts<Omit<ToolResult, Open>, Sent["CallView"]>,
  Accepts<Omit<KnowledgeBase, Open | "splitting" | "embedding">, Sent["BaseView"]>,
  Accepts<Omit<KnowledgeDocument, Open | "state" | "unit" | "metadata" | "columns" | "errors">, Sent["DocumentView"]>,
  Accepts<Omit<Chunk, Open | "position">, Sent["ChunkView"]>,
  Accepts<Omit<Citation, "position">, Sent["Citation"]>,
];
