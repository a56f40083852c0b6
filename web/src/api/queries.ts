// The server's resources as TanStack Query definitions, one place for keys and addresses.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { Problem, request } from "./client";
import type {
  AssistantSummary, Conversation, ModelsStatus, Page, RunDetail, RunSummary, Session, WorkflowSummary,
} from "./types";
import { isOver } from "./run-progress";

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async (): Promise<Session | null> => {
    try {
      return await request<Session>("/api/v1/session");
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 5 * 60_000,
});

export const setupQuery = queryOptions({
  queryKey: ["setup"],
  queryFn: () => request<{ needed: boolean }>("/api/v1/setup"),
});

export const assistantsQuery = queryOptions({
  queryKey: ["assistants"],
  queryFn: async () => (await request<Page<AssistantSummary>>("/api/v1/assistants")).items,
});

export const conversationsQuery = queryOptions({
  queryKey: ["conversations"],
  queryFn: async () => (await request<Page<Conversation>>("/api/v1/conversations?limit=100")).items,
});

/** While the embedding model is on its way its progress is worth asking for often. */
const DOWNLOAD_POLL_MS = 2000;

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: () => request<ModelsStatus>("/api/v1/models"),
  refetchInterval: (query) => (query.state.data?.embedding?.state === "downloading" ? DOWNLOAD_POLL_MS : false),
});

export interface RunFilter {
  status?: string | undefined;
  workflow?: string | undefined;
}

export const runsQuery = (filter: RunFilter) =>
  infiniteQueryOptions({
    queryKey: ["runs", filter],
    queryFn: ({ pageParam }) => {
      const search = new URLSearchParams({ limit: "30" });
      if (filter.status) search.set("status", filter.status);
      if (filter.workflow) search.set("workflow", filter.workflow);
      if (pageParam) search.set("cursor", pageParam);
      return request<Page<RunSummary>>(`/api/v1/runs?${search}`);
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? null,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some((run) => !isOver(run.status))) ? 3000 : false,
  });

export const runQuery = (id: string) =>
  queryOptions({ queryKey: ["run", id], queryFn: () => request<RunDetail>(`/api/v1/runs/${encodeURIComponent(id)}`) });

export const workflowsQuery = queryOptions({
  queryKey: ["workflows"],
  queryFn: async () => (await request<Page<WorkflowSummary>>("/api/v1/workflows")).items,
});

export const workflowQuery = (name: string) =>
  queryOptions({
    queryKey: ["workflow", name],
    queryFn: () => request<WorkflowSummary>(`/api/v1/workflows/${encodeURIComponent(name)}`),
  });
