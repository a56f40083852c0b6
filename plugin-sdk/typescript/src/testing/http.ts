// The services that a plugin's requests reach in a test: rules that the test gives, behind the checks of the server.

import type { ContractHeader, ContractRequest, Host } from "../contract.ts";
import type { ToolError } from "../error.ts";
import { refusal, Refusal } from "./refusal.ts";
import { filled, masked, maskedBytes } from "./secrets.ts";
import type { State } from "./state.ts";

// The server's limits; a plugin's test should meet them as its users would.
const MOST_HEADERS = 100;
const MOST_HEADER_BYTES = 32 << 10;
const MOST_URL_BYTES = 8 << 10;
const MOST_REQUESTS = 50;
const MOST_REDIRECTS = 5;
/** What another host gets of the headers after a redirect. */
const SENT_ON = ["accept", "accept-language", "content-type", "range", "user-agent"];
const SET_BY_THE_SERVER =
  /^(connection|content-length|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade)$/i;
const REDIRECTS = [301, 302, 303, 307, 308];

type Answer = { status: number; body: Buffer } | "echo" | ToolError;

/** What a service answers. */
export class Reply {
  readonly answer: Answer;
  readonly headers: ContractHeader[];

  private constructor(answer: Answer, headers: ContractHeader[]) {
    this.answer = answer;
    this.headers = headers;
  }

  static json(value: unknown): Reply {
    return Reply.bytes("application/json", JSON.stringify(value));
  }

  static text(text: string): Reply {
    return Reply.bytes("text/plain; charset=utf-8", text);
  }

  static html(text: string): Reply {
    return Reply.bytes("text/html; charset=utf-8", text);
  }

  /** A body with its `Content-Type`. */
  static bytes(kind: string, body: string | Uint8Array): Reply {
    const answer = { status: 200, body: Buffer.from(body as Uint8Array) };
    return new Reply(answer, [{ name: "content-type", value: kind }]);
  }

  /** An empty answer with this status. */
  static status(status: number): Reply {
    return new Reply({ status, body: Buffer.alloc(0) }, []);
  }

  /** Sends whoever asks on to another address. */
  static redirect(location: string): Reply {
    return Reply.status(302).header("location", location);
  }

  /** Repeats the request's address, headers and body as text: what a service that echoes a secret does. */
  static echo(): Reply {
    return new Reply("echo", []);
  }

  /** There is no answer, for example `new ToolError("unavailable", "…")`. */
  static error(error: ToolError): Reply {
    return new Reply(error, []);
  }

  /** The same answer with another status. */
  withStatus(status: number): Reply {
    const { answer } = this;
    return typeof answer === "object" && "body" in answer ? new Reply({ ...answer, status }, this.headers) : this;
  }

  header(name: string, value: string): Reply {
    return new Reply(this.answer, [...this.headers, { name, value }]);
  }
}

/** A request as it went out, with its secrets filled in. */
export class Sent {
  readonly method: string;
  readonly url: string;
  readonly headers: ContractHeader[];
  readonly body: Buffer;

  constructor(method: string, url: string, headers: ContractHeader[], body: Buffer) {
    this.method = method;
    this.url = url;
    this.headers = headers;
    this.body = body;
  }

  header(name: string): string | undefined {
    return this.headers.find((it) => it.name.toLowerCase() === name.toLowerCase())?.value;
  }

  /** A value of the address's query, decoded. */
  query(name: string): string | undefined {
    return new URL(this.url).searchParams.get(name) ?? undefined;
  }

  json(): unknown {
    return JSON.parse(this.text());
  }

  text(): string {
    return this.body.toString("utf8");
  }
}

/** Replies to requests of a method to addresses that begin so. */
export interface Rule {
  method: string;
  prefix: string;
  replies: Reply[];
}

export function httpOf(state: State): Host["http"] {
  return {
    send(request) {
      try {
        const answer = exchange(state, request);
        const { url, headers, body } = answer;
        state.crosses(`${url} ${JSON.stringify(headers)} ${body.toString("utf8")}`);
        return { ...answer, body: Uint8Array.from(body) };
      } catch (thrown) {
        state.crosses(String(thrown));
        throw thrown;
      }
    },
  };
}

/** Sends a request as the server does: checks, fills secrets in, follows redirects, masks what comes back. */
function exchange(state: State, request: ContractRequest) {
  const used: string[] = [];
  let sent = ready(state, request, used);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
    state.sent.push(sent);
    const reply = replyTo(state, sent);
    if (reply.answer !== "echo" && !("body" in reply.answer)) throw new Refusal(reply.answer);
    const { status, body } = reply.answer === "echo" ? { status: 200, body: echo(sent) } : reply.answer;
    const location = reply.headers.find((it) => it.name.toLowerCase() === "location")?.value;
    if (location === undefined || !REDIRECTS.includes(status)) {
      const headers = reply.headers.map(({ name, value }) => ({ name, value: masked(value, used) }));
      return { status, url: masked(sent.url, used), headers, body: maskedBytes(body, used) };
    }
    sent = redirected(state, sent, status, location, used);
  }
  throw refusal("failed", `\`${sent.url}\` redirects more than ${MOST_REDIRECTS} times`);
}

function ready(state: State, { method, url, headers, body }: ContractRequest, used: string[]): Sent {
  state.requests += 1;
  if (state.requests > MOST_REQUESTS && state.asked !== undefined) {
    throw refusal("failed", `the call has sent its ${MOST_REQUESTS} requests`);
  }
  const size = Buffer.byteLength(url);
  if (size > MOST_URL_BYTES) {
    throw refusal("invalid_input", `the address has ${size} bytes; at most ${MOST_URL_BYTES} are sent`);
  }
  const headerBytes = headers.reduce((sum, { name, value }) => sum + Buffer.byteLength(name + value), 0);
  if (headers.length > MOST_HEADERS || headerBytes > MOST_HEADER_BYTES) {
    throw refusal(
      "invalid_input",
      `a request has at most ${MOST_HEADERS} headers of ${MOST_HEADER_BYTES} bytes together`,
    );
  }
  const [place = "", ...query] = url.split("?");
  if (place.includes("{{secret:")) {
    throw refusal(
      "invalid_input",
      "a secret may stand in the query of an address or in the value of a header only",
    );
  }
  const address = readAddress(place);
  const verb = method.toUpperCase();
  maySend(state, verb, address);
  const search = query.length === 0 ? "" : `?${filled(state, query.join("?"), used, encodeURIComponent)}`;
  const own = headers.find(({ name }) => SET_BY_THE_SERVER.test(name));
  if (own !== undefined) throw refusal("invalid_input", `the header \`${own.name}\` is set by the server`);
  const full = headers.map(({ name, value }) => ({ name, value: filled(state, value, used, (it) => it) }));
  return new Sent(verb, address.href + search, full, Buffer.from(body ?? []));
}

function redirected(state: State, sent: Sent, status: number, location: string, used: string[]): Sent {
  const from = readAddress(sent.url);
  const to = readAddress(location, from);
  const isGet = status <= 303 && sent.method !== "HEAD";
  const method = isGet ? "GET" : sent.method;
  maySend(state, method, to);
  const isSameOrigin = to.origin === from.origin;
  const headers = sent.headers.filter(({ name, value }) => {
    if (isGet && name.toLowerCase() === "content-type") return false;
    return isSameOrigin || (SENT_ON.includes(name.toLowerCase()) && masked(value, used) === value);
  });
  return new Sent(method, to.href, headers, isGet ? Buffer.alloc(0) : sent.body);
}

function readAddress(text: string, base?: URL): URL {
  const address = URL.canParse(text, base?.href) ? new URL(text, base) : undefined;
  if (address === undefined || !/^https?:$/.test(address.protocol) || address.username !== "") {
    throw refusal("invalid_input", `\`${text}\` begins with neither \`https://\` nor \`http://\`, or has a user in it`);
  }
  address.hash = "";
  return address;
}

/** Asked for in the manifest, and not refused by the test. */
function maySend(state: State, method: string, { host }: URL): void {
  const fits = (pattern: string) => {
    if (pattern.startsWith("config:")) {
      const address = state.config.get(pattern.slice("config:".length));
      return typeof address === "string" && URL.canParse(address) && new URL(address).host === host;
    }
    if (pattern.startsWith("*.")) return host.endsWith(pattern.slice(1));
    return pattern === "*" || pattern === host;
  };
  const asked = state.asked?.permissions.http.filter((it) => fits(it.host));
  if (asked?.length === 0) throw refusal("denied", `the manifest does not ask for requests to \`${host}\``);
  if (asked !== undefined && !asked.some((it) => it.methods.includes(method))) {
    throw refusal("denied", `the manifest does not ask for ${method} requests to \`${host}\``);
  }
  const refused = [...state.refused].filter((it) => it.startsWith("http: ")).map((it) => it.slice("http: ".length));
  if (refused.some(fits)) throw refusal("denied", `requests to \`${host}\` are not granted to this plugin`);
}

/** The reply of the longest rule that fits. Of several replies each answers once, the last for ever. */
function replyTo(state: State, { method, url }: Sent): Reply {
  const fitting = state.rules.filter((it) => it.method === method && url.startsWith(it.prefix));
  const rule = fitting.sort((one, other) => other.prefix.length - one.prefix.length)[0];
  const reply = rule === undefined ? undefined : rule.replies.length > 1 ? rule.replies.shift() : rule.replies[0];
  if (reply === undefined) throw refusal("unavailable", `no rule of this test answers ${method} ${url}`);
  return reply;
}

function echo({ method, url, headers, body }: Sent): Buffer {
  const lines = headers.map(({ name, value }) => `${name}: ${value}\n`).join("");
  return Buffer.concat([Buffer.from(`${method} ${url}\n${lines}\n`), body]);
}
