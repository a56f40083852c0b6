// The server's resources as TanStack Query definitions, one place for keys and addresses.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { Problem, request } from "./client";
import type {
  AssistantSummary, Conversation, LimitsView, ModelsStatus, OpenWait, Page, RunDetail, RunSummary, Secret, Session, Trigger, WorkflowSummary,
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

/** While a model is on its way its progress is worth asking for often. */
const DOWNLOAD_POLL_MS = 2000;
/** A search server that is away comes back by itself. */
const AWAY_POLL_MS = 10_000;

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: () => request<ModelsStatus>("/api/v1/models"),
  refetchInterval: ({ state: { data } }) => {
    if ([data?.embedding, data?.reranking].some((model) => model?.state === "downloading")) return DOWNLOAD_POLL_MS;
    return data?.index?.state === "unavailable" ? AWAY_POLL_MS : false;
  },
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

/** How often a run that waits is looked at: somebody elsewhere may have answered. */
export const WAITING_POLL_MS = 5000;

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id],
    queryFn: () => request<RunDetail>(`/api/v1/runs/${encodeURIComponent(id)}`),
    refetchInterval: (query) => (query.state.data?.status === "waiting" ? WAITING_POLL_MS : false),
  });

/** How often the list of open questions is read again, in milliseconds. */
const WAITS_POLL_MS = 20_000;

export const waitsQuery = infiniteQueryOptions({
  queryKey: ["waits"],
  queryFn: ({ pageParam }) => request<Page<OpenWait>>(`/api/v1/waits?limit=50${pageParam ? `&cursor=${encodeURIComponent(pageParam)}` : ""}`),
  initialPageParam: "",
  getNextPageParam: (last) => last.next_cursor ?? null,
  // Whoever may not see the list does not ask again and again.
  refetchInterval: (query) => (query.state.status === "error" ? false : WAITS_POLL_MS),
});

export const triggersQuery = queryOptions({
  queryKey: ["triggers"],
  queryFn: async () => (await request<Page<Trigger>>("/api/v1/triggers")).items,
});

export const secretsQuery = queryOptions({
  queryKey: ["secrets"],
  queryFn: async () => (await request<Page<Secret>>("/api/v1/secrets")).items,
});

export const limitsQuery = queryOptions({ queryKey: ["limits"], queryFn: () => request<LimitsView>("/api/v1/limits") });

export const workflowsQuery = queryOptions({
  queryKey: ["workflows"],
  queryFn: async () => (await request<Page<WorkflowSummary>>("/api/v1/workflows")).items,
});

export const workflowQuery = (name: string) =>
  queryOptions({
    queryKey: ["workflow", name],
    queryFn: () => request<WorkflowSummary>(`/api/v1/workflows/${encodeURIComponent(name)}`),
  });
