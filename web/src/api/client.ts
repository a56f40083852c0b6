// The one way to call the server's JSON API. Every refusal becomes a `Problem` that carries words a person can read,
// and two things that concern the whole page (session over, server gone) are announced once, here.
import type { ProblemBody } from "./types";

export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  /** The server's headline for the code, in the reader's language. */
  readonly title: string;
  readonly detail: string;
  readonly hint: string | null;
  readonly errors: NonNullable<ProblemBody["errors"]>;
  readonly requestId: string | null;

  constructor(status: number, body: ProblemBody) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
    this.name = "Problem";
    this.status = status;
    this.code = body.code ?? (status === 0 ? "server_unreachable" : `http_${status}`);
    this.title = body.title ?? "";
    this.detail = body.detail ?? body.title ?? "";
    this.hint = body.hint ?? null;
    this.errors = body.errors ?? [];
    this.requestId = body.request_id ?? null;
  }
}

type Listener = () => void;
const sessionOver = new Set<Listener>();
const reachability = new Set<Listener>();
let reachable = true;

/** Called when a request was refused because nobody is signed in any more. */
export function onSessionOver(listener: Listener): () => void {
  sessionOver.add(listener);
  return () => sessionOver.delete(listener);
}

export function subscribeReachable(listener: Listener): () => void {
  reachability.add(listener);
  return () => reachability.delete(listener);
}

export function isReachable(): boolean {
  return reachable;
}

export function setReachable(value: boolean): void {
  if (value === reachable) return;
  reachable = value;
  for (const listener of reachability) listener();
}

let language = "en";
/** The language the reader chose, which the server's words should follow. */
export function setApiLanguage(value: string): void {
  language = value;
}

export function apiLanguage(): string {
  return language;
}

interface RequestOptions {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
  /** The request outlives the page that sends it. */
  keepalive?: boolean;
}

/** A raw response; throws `Problem` unless it is a success. Used directly by event streams. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", "Accept-Language": language, ...options.headers };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method: options.method ?? "GET",
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
      credentials: "same-origin",
      cache: "no-store",
      keepalive: options.keepalive ?? false,
    });
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    setReachable(false);
    throw new Problem(0, { code: "server_unreachable" });
  }
  // A proxy answers for a server that is gone; the server's own refusals with these numbers are problem documents.
  const own = (response.headers.get("Content-Type") ?? "").includes("json");
  const gateway = !own && (response.status === 502 || response.status === 504);
  setReachable(!gateway);
  if (response.ok) return response;
  throw refused(path, await readProblem(response));
}

/** Announces that the session is over when a refusal says so, and gives the refusal back. */
export function refused(path: string, problem: Problem): Problem {
  const asksWhoItIs = path === "/api/v1/session" || path === "/api/v1/setup";
  // A wrong password is also a 401, but the session goes on.
  const signedOut = problem.status === 401 && (problem.code === "not_authenticated" || problem.code === "http_401");
  if (signedOut && !asksWhoItIs) for (const listener of sessionOver) listener();
  return problem;
}

async function readProblem(response: Response): Promise<Problem> {
  try {
    return new Problem(response.status, (await response.json()) as ProblemBody);
  } catch {
    return new Problem(response.status, { title: response.statusText });
  }
}

export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(path, options);
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Asks quietly whether the server is there again. */
export async function probe(): Promise<boolean> {
  try {
    const response = await fetch("/healthz", { cache: "no-store" });
    setReachable(response.ok);
  } catch {
    setReachable(false);
  }
  return reachable;
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, { code: "unexpected", detail: error instanceof Error ? error.message : String(error) });
}
