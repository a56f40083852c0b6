// What the kinds of steps are called, from the three places that know: the engine's built-in kinds, the installed
// plugins' manifests, and the workflows. A step without a title of its own is named by its kind in the live line.
import { queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type { LocalText, Page, WorkflowSummary } from "./types";

interface NodeKind {
  name: string;
  title?: LocalText | null;
}

interface Plugin {
  id: string;
  manifest?: { title?: LocalText; tools?: { name: string; title?: LocalText }[] } | null;
}

export type KindTitles = Record<string, LocalText>;

/** By what a node's `use` says: a kind, `plugin`, `plugin/tool`, or `workflow/name`. */
export function kindTitles(kinds: NodeKind[], plugins: Plugin[], workflows: WorkflowSummary[]): KindTitles {
  const titles: KindTitles = {};
  for (const kind of kinds) if (kind.title) titles[kind.name] = kind.title;
  for (const plugin of plugins) {
    const tools = plugin.manifest?.tools ?? [];
    for (const tool of tools) if (tool.title) titles[`${plugin.id}/${tool.name}`] = tool.title;
    const only = tools.length === 1 ? tools[0]?.title : undefined;
    const title = only ?? plugin.manifest?.title;
    if (title) titles[plugin.id] = title;
  }
  for (const workflow of workflows) if (workflow.title) titles[`workflow/${workflow.name}`] = workflow.title;
  return titles;
}

/** Titles are a courtesy: a reader who may not see the plugins still gets the rest. */
async function items<T>(path: string): Promise<T[]> {
  try {
    return (await request<Page<T>>(path)).items;
  } catch {
    return [];
  }
}

export const kindTitlesQuery = queryOptions({
  queryKey: ["kind-titles"],
  queryFn: async () =>
    kindTitles(
      ...(await Promise.all([items<NodeKind>("/api/v1/node-kinds"), items<Plugin>("/api/v1/plugins"), items<WorkflowSummary>("/api/v1/workflows")])),
    ),
  staleTime: 5 * 60_000,
});
