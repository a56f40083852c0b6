// Requests to other services. Needs the permission `http` and the tenant's grant.
//
//     const found = http
//       .get("https://api.example.com/v1/search", { query: { q: input.query }, bearer: config.secret("api_key") })
//       .expectOk()
//       .json<Found>();

import type { ContractResponse } from "./contract.ts";
import { ToolError } from "./error.ts";
import { ask } from "./host.ts";
import { looksLikeSecret, Part, Secret } from "./secret.ts";
import { utf8fromStringLoose, utf8toStringLoose } from "./utf8.js";

/** As much of an answer's own words as an error repeats. */
const QUOTED_CHARACTERS = 300;

type Value = string | number | boolean | Secret | Part;

export interface Options {
  /** Added to the address's query, encoded. What is undefined is left out. */
  query?: Record<string, Value | undefined>;
  headers?: Record<string, Value | undefined>;
  /** `Authorization: Bearer …`. */
  bearer?: Secret;
  /** A body, in one of these shapes. `json` and `form` set `Content-Type`; a `body` is sent as it is. */
  json?: unknown;
  form?: Record<string, string>;
  body?: string | Uint8Array;
  /** For everything together, redirects and the whole answer; 30 000 unless said otherwise. */
  timeoutMs?: number;
}

export function get(url: string, options?: Options): Response {
  return request("GET", url, options);
}

export function head(url: string, options?: Options): Response {
  return request("HEAD", url, options);
}

export function post(url: string, options?: Options): Response {
  return request("POST", url, options);
}

export function put(url: string, options?: Options): Response {
  return request("PUT", url, options);
}

export function patch(url: string, options?: Options): Response {
  return request("PATCH", url, options);
}

function del(url: string, options?: Options): Response {
  return request("DELETE", url, options);
}
export { del as delete };

/**
 * Any status is an answer. Throws `denied` when the host or the method is not granted, `unavailable` when there was no answer,
 * `invalid_input` when the request cannot be sent at all, `failed` when a secret is not filled in or the call's budget is
 * used up.
 */
export function request(method: string, url: string, options: Options = {}): Response {
  if (looksLikeSecret(url)) {
    throw new ToolError(
      "invalid_input",
      "the address has a secret's placeholder in it; secrets go into `query` or `headers`",
    );
  }
  const { contentType, body } = bodyOf(options);
  const headers = new Map<string, { name: string; value: string }>();
  const add = (name: string, value: Value) => headers.set(name.toLowerCase(), { name, value: headerValue(name, value) });
  if (contentType !== undefined) add("Content-Type", contentType);
  if (options.bearer !== undefined) add("Authorization", options.bearer.after("Bearer "));
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (value !== undefined) add(name, value);
  }
  const request = {
    method,
    url: withQuery(url, options.query ?? {}),
    headers: [...headers.values()],
    body,
    timeoutMs: options.timeoutMs === undefined ? null : Math.max(0, Math.round(options.timeoutMs)),
  };
  return new Response(ask("http", (host) => host.http.send(request)));
}

/** What came back. Any status is an answer; `expectOk` makes an error of the bad ones. */
export class Response {
  readonly status: number;
  /** The last address, after redirects. */
  readonly url: string;
  /** By their names in small letters; of several with one name the first. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;

  constructor({ status, url, headers, body }: ContractResponse) {
    this.status = status;
    this.url = url;
    const byName: Record<string, string> = {};
    for (const { name, value } of headers) byName[name.toLowerCase()] ??= value;
    this.headers = byName;
    this.bytes = body instanceof Uint8Array ? body : Uint8Array.from(body);
  }

  header(name: string): string | undefined {
    return this.headers[name.toLowerCase()];
  }

  /** The body as UTF-8; what is not becomes `U+FFFD`. */
  text(): string {
    return utf8toStringLoose(this.bytes);
  }

  /** The body as JSON. Nothing checks that it is what the type says. */
  json<Body = unknown>(): Body {
    try {
      return JSON.parse(this.text()) as Body;
    } catch (error) {
      throw new ToolError("failed", `the answer of ${this.#place()} is no JSON: ${(error as Error).message}`);
    }
  }

  /**
   * Passes 2xx on. Otherwise: 404 is `not_found`, 401 and 403 are `denied`, 408 and 429 are `rate_limited` for as many
   * seconds as `Retry-After` says, 5xx is `unavailable`, and anything else `failed`.
   */
  expectOk(): this {
    const { status } = this;
    if (status >= 200 && status < 300) return this;
    const said = this.#said();
    const message = `${this.#place()} answered ${status}${said === "" ? "" : `: ${said}`}`;
    if (status === 404) throw new ToolError("not_found", message);
    if (status === 401 || status === 403) throw new ToolError("denied", message);
    if (status === 408 || status === 429) {
      // A date there is not read: the engine has a pause of its own.
      const wait = this.header("Retry-After")?.trim() ?? "";
      throw new ToolError("rate_limited", message, { retryAfter: /^\d+$/.test(wait) ? Number(wait) : undefined });
    }
    throw new ToolError(status >= 500 && status < 600 ? "unavailable" : "failed", message);
  }

  /** The address without its query, which may say what a visitor asked. */
  #place(): string {
    return `\`${this.url.split(/[?#]/, 1)[0]}\``;
  }

  /** The beginning of what the other side said, on one line. A page would say nothing to anybody. */
  #said(): string {
    const kind = (this.header("Content-Type") ?? "").toLowerCase();
    const isText = kind === "" || kind.includes("json") || kind.startsWith("text/");
    if (kind.includes("html") || !isText) return "";
    const characters = Array.from(this.text().trim().replace(/\s+/g, " "));
    const said = characters.slice(0, QUOTED_CHARACTERS).join("");
    return characters.length > QUOTED_CHARACTERS ? `${said}…` : said;
  }
}

function bodyOf({ json, form, body }: Options): { contentType?: string; body: Uint8Array | null } {
  if (json !== undefined) return { contentType: "application/json", body: utf8fromStringLoose(JSON.stringify(json)) };
  if (form !== undefined) {
    const pairs = Object.entries(form).map(([name, value]) => `${encode(name)}=${encode(value)}`);
    return { contentType: "application/x-www-form-urlencoded", body: utf8fromStringLoose(pairs.join("&")) };
  }
  if (body === undefined) return { body: null };
  return { body: typeof body === "string" ? utf8fromStringLoose(body) : body };
}

function headerValue(name: string, value: Value): string {
  const { text, placeholder } = parts(value);
  if (looksLikeSecret(text)) {
    throw new ToolError("invalid_input", `the header \`${name}\` has a secret's placeholder in its text`);
  }
  return text + placeholder;
}

function withQuery(url: string, query: Record<string, Value | undefined>): string {
  // A fragment never leaves a browser either, and a query after it would be part of it.
  const [address = ""] = url.split("#", 1);
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    const { text, placeholder } = parts(value);
    pairs.push(`${encode(name)}=${encode(text)}${placeholder}`);
  }
  if (pairs.length === 0) return address;
  return `${address}${address.includes("?") ? "&" : "?"}${pairs.join("&")}`;
}

/**
 * Text and placeholder apart, so that a text which only looks like a placeholder, because a visitor wrote it, is never
 * filled in.
 */
function parts(value: Value): { text: string; placeholder: string } {
  const part = value instanceof Secret ? value.after("") : value;
  return part instanceof Part
    ? { text: part.text, placeholder: Part.placeholderOf(part) }
    : { text: String(part), placeholder: "" };
}

/** Everything but letters, digits and `-._~` becomes `%XX`, so braces in a text can never look like a placeholder. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (it) => `%${it.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
