// Plugins of the stand-in. Uploading any file installs `sms_notice`, a second time a version that asks for more; a file
// with `bad` in its name is refused, and one with `slow` takes a while.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { json, problem, sleep } from "./mock-http.ts";

interface Manifest {
  title: object;
  description: object;
  icon?: string | null;
  homepage?: string | null;
  license?: string | null;
  tools: { name: string; title: object; description: object; input: object; idempotent?: boolean; effects?: string; examples?: object[] }[];
  config?: { properties: Record<string, { secret?: boolean; type?: string }>; required?: string[] } | null;
  permissions: { knowledge?: { name: string; reason: object }[]; http?: { host: string; methods: string[]; reason: object }[]; model?: { roles: string[]; max_tokens_per_call: number; reason: object } | null; storage?: { max_bytes: number; reason: object } | null };
}

interface Installed {
  id: string;
  version: string;
  sha256: string;
  system: boolean;
  enabled: boolean;
  installed_at: number;
  manifest: Manifest;
  grants: { knowledge: string[]; http: string[]; model: string[]; model_tokens: number | null; storage: boolean };
  config: Record<string, unknown>;
  versions: { sha256: string; version: string; installed_at: number; manifest: Manifest }[];
}

const both = (en: string, zh: string) => ({ en, zh });
const HOUR = 3_600_000;
const none = () => ({ knowledge: [] as string[], http: [] as string[], model: [] as string[], model_tokens: null, storage: false });
const hash = () => (randomUUID() + randomUUID()).replaceAll("-", "");

const report: Manifest = {
  title: both("Advertising report", "广告报表"), description: both("Advertising figures from a knowledge base, by campaign and day, and the days that leave a campaign's usual range.", "从知识库读取广告数据，按计划和日期汇总，并找出偏离近期水平的异常。"),
  icon: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#1d4ed8" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round"><path d="M4 4v16h16"/><path d="M8 16v-4"/><path d="M12 16V9"/><path d="M16 16v-6"/><path d="m7 8 4-3 4 2 5-4" stroke="#ea580c"/></svg>',
  license: "Apache-2.0",
  tools: [{
    name: "daily", title: both("Daily report", "每日报表"), description: both("Adds up spend and clicks over some days.\n\nA ratio whose divisor is zero is null.", "汇总一段日期内的花费与点击。\n\n除数为零时为 null。"), effects: "reads", idempotent: true,
    input: { type: "object", additionalProperties: false, properties: {
      knowledge_base: { type: "string", default: "ads", description: "Where the figures are", "x-description": { zh: "数据所在的知识库" } },
      period: { anyOf: [{ oneOf: [{ type: "string", enum: ["yesterday", "today"] }, { type: "string", const: "last_7_days", description: "The seven whole days before today" }] }, { type: "null" }], description: "Which days", "x-description": { zh: "统计哪些天" } },
      top: { type: "integer", minimum: 1, maximum: 50, default: 10 },
    } },
    examples: [{ title: both("Yesterday", "昨天"), input: { period: "yesterday" } }, { title: both("A week", "最近一周"), input: { period: "last_7_days", top: 5 } }],
  }],
  config: { properties: { currency: { type: "string" } } },
  permissions: { knowledge: [{ name: "*", reason: both("Reads the advertising records of the knowledge base that the workflow names.", "读取工作流所指定知识库中的广告数据。") }] },
};

const spicy: Manifest = {
  title: both("Filter spicy dishes", "筛选辣味菜"), description: both("Keeps the dishes at or above a spice level.", "保留达到指定辣度的菜品。"), license: "Apache-2.0",
  tools: [{ name: "filter_spicy_dishes", title: both("Filter spicy dishes", "筛选辣味菜"), description: both("Keeps what is hot enough.", "保留够辣的菜。"), effects: "none", idempotent: true, input: { type: "object", properties: { dishes: { type: "array" }, at_least: { type: "integer", minimum: 0, maximum: 5 } }, required: ["dishes"] } }],
  config: null, permissions: {},
};

const crm: Manifest = {
  title: both("Customer desk", "客户服务台"), description: both("Looks customers up in your CRM, writes notes for them, and drafts answers. Needs the address of `https://` your CRM.", "在您的 CRM 中查询客户、写入备注并起草回复。需要填写 CRM 的 `https://` 地址。"), homepage: "https://example.com/customer-desk", license: "MIT",
  tools: [
    { name: "find", title: both("Find a customer", "查询客户"), description: both("By name, number or e-mail.", "按姓名、编号或邮箱查询。"), effects: "reads", idempotent: true, input: { type: "object", properties: { query: { type: "string", title: "Query", "x-title": { zh: "关键词" } }, active: { type: ["boolean", "null"], description: "Only those who bought something this year", "x-description": { zh: "只看今年有消费的客户" } } }, required: ["query"] }, examples: [{ title: both("By e-mail", "按邮箱"), input: { query: "li@example.com" } }] },
    { name: "note", title: both("Write a note", "写备注"), description: both("Adds a note to a customer.", "给客户添加备注。"), effects: "writes", idempotent: false, input: { type: "object", properties: { customer: { type: "string" }, text: { type: "string", maxLength: 2000 } }, required: ["customer", "text"] } },
    { name: "raw", title: both("Raw request", "原始请求"), description: both("Sends any object to the CRM.", "向 CRM 发送任意对象。"), effects: "writes", idempotent: false, input: { type: "object" } },
  ],
  config: { required: ["address", "api_key"], properties: {
    address: { type: "string", title: "Address", "x-title": { zh: "地址" }, description: "Of your CRM, with `https://`", "x-description": { zh: "CRM 的地址，含 `https://`" } } as never,
    api_key: { type: "string", secret: true, title: "API key", "x-title": { zh: "API 密钥" } } as never,
    signature: { type: "string", secret: true, title: "Signing key", "x-title": { zh: "签名密钥" } } as never,
    region: { enum: ["eu", "cn", "us"], default: "eu", title: "Region", "x-title": { zh: "地区" } } as never,
  } },
  permissions: {
    knowledge: [{ name: "faq", reason: both("To answer from what you have written.", "依据您写好的内容作答。") }],
    http: [
      { host: "config:address", methods: ["GET", "POST"], reason: both("To read customers and write notes.", "读取客户并写入备注。") },
      { host: "*.avatars.example.net", methods: ["GET"], reason: both("Pictures of customers.", "客户头像。") },
      { host: "*", methods: ["GET", "HEAD"], reason: both("To look at links in a customer's messages.", "查看客户消息中的链接。") },
    ],
    model: { roles: ["default", "fast"], max_tokens_per_call: 8000, reason: both("To draft answers.", "起草回复。") },
    storage: { max_bytes: 1 << 20, reason: both("Remembers which notes were written.", "记录已写入的备注。") },
  },
};

const sms = (more: boolean): Manifest => ({
  title: both("Text messages", "短信通知"), description: both("Sends text messages to customers.", "向客户发送短信。"), license: "Apache-2.0",
  tools: [{ name: "send", title: both("Send", "发送"), description: both("Sends one message.", "发送一条短信。"), effects: "writes", idempotent: false, input: { type: "object", properties: { to: { type: "string" }, text: { type: "string", maxLength: 500 } }, required: ["to", "text"] }, examples: [{ title: both("A greeting", "问候"), input: { to: "+86 138 0000 0000", text: "您好！" } }] }],
  config: { required: ["api_key"], properties: { api_key: { type: "string", secret: true } } },
  permissions: {
    http: [{ host: "sms.example.com", methods: more ? ["POST", "DELETE"] : ["POST"], reason: both("To hand the messages in.", "提交短信。") }],
    model: more ? { roles: ["fast"], max_tokens_per_call: 2000, reason: both("To shorten long messages.", "缩短过长的短信。") } : null,
    storage: { max_bytes: more ? 4 << 20 : 1 << 20, reason: both("The numbers that asked for silence.", "退订的号码。") },
  },
});

function made(id: string, version: string, manifest: Manifest, rest: Partial<Installed> = {}): Installed {
  const sha256 = hash();
  const installed_at = Date.now() - 70 * HOUR;
  return { id, version, sha256, system: false, enabled: true, installed_at, manifest, grants: none(), config: {}, versions: [{ sha256, version, installed_at, manifest }], ...rest };
}

let plugins: Installed[] = [
  made("ad_report", "1.0.0", report, { system: true, grants: { ...none(), knowledge: ["*"] }, config: { currency: "¥" } }),
  made("customer_desk", "0.4.1", crm, { grants: { ...none(), http: ["config:address"], model: ["fast"], model_tokens: 4000 }, config: { api_key: { set: true }, region: "cn" } }),
  made("filter_spicy_dishes", "1.0.0", spicy, { system: true, enabled: false }),
];
const crmCalls = Array.from({ length: 27 }, (_, at) => ({
  id: randomUUID(), version: at < 20 ? "0.4.1" : "0.4.0", tool: at % 5 === 3 ? "note" : "find", run: at % 3 === 0 ? null : randomUUID(), node: at % 3 === 0 ? null : "lookup", at: Date.now() - at * 1_700_000,
  duration_us: 180_000 + at * 900, cpu_us: 240 + at * 11, memory_bytes: 1_179_648, tokens: at % 4 === 1 ? 812 : 0,
  error: at % 5 === 3 ? { code: "denied", message: "plugin `customer_desk` 0.4.1, tool `note`: requests to `crm.example.com` are not granted to this plugin" } : null,
  logs: at % 2 === 0 ? [{ level: "info", message: "asked the CRM" }, { level: "warn", message: "two customers of that name; the first was taken" }] : [],
}));
const calls = new Map<string, typeof crmCalls>([["customer_desk", crmCalls]]);

function view(installed: Installed) {
  const plugin: Partial<Installed> & Omit<Installed, "versions"> = { ...installed };
  delete plugin.versions;
  const { permissions } = plugin.manifest;
  const lacks = (kind: string, wanted: string[], there: string[]) => wanted.filter((one) => !there.includes(one) && !there.includes("*")).map((one) => `${kind}: ${one}`);
  const missing = [
    ...lacks("knowledge", permissions.knowledge?.map((one) => one.name) ?? [], plugin.grants.knowledge),
    ...lacks("http", permissions.http?.map((one) => one.host) ?? [], plugin.grants.http),
    ...lacks("model", permissions.model?.roles ?? [], plugin.grants.model),
    ...(permissions.storage && !plugin.grants.storage ? ["storage"] : []),
  ];
  return { ...plugin, missing };
}

interface Call { method: string; path: (string | undefined)[]; body: Record<string, unknown>; url: URL }

export function routePlugins(response: ServerResponse, { method, path: [id, part, name, last], body, url }: Call): void {
  if (!id) return json(response, 200, { items: plugins.map(view) });
  const plugin = plugins.find((one) => one.id === id);
  if (!plugin) return problem(response, 404, "not_found", "There is no plugin of this name.");
  if (method === "DELETE") {
    if (id === "customer_desk") return problem(response, 409, "in_use", "`customer_desk` is used by workflow `refund`, workflow `book_table`", "change or delete those workflows first");
    plugins = plugins.filter((one) => one !== plugin);
    return json(response, 204, null);
  }
  if (part === "grants") plugin.grants = { ...none(), ...body };
  if (part === "enabled") plugin.enabled = body["enabled"] === true;
  if (part === "config") return configure(response, plugin, body["values"] as Record<string, unknown>);
  if (part === "calls") {
    const all = calls.get(id) ?? [];
    const from = Number(url.searchParams.get("cursor") ?? 0);
    return json(response, 200, { items: all.slice(from, from + 10), next_cursor: all.length > from + 10 ? String(from + 10) : null });
  }
  if (part === "versions" && last === "restore") {
    const found = plugin.versions.find((one) => one.sha256 === name);
    if (!found) return problem(response, 404, "not_found", "There is no such version.");
    Object.assign(plugin, { version: found.version, sha256: found.sha256, manifest: found.manifest });
  } else if (part === "versions") {
    return json(response, 200, { items: plugin.system ? [] : plugin.versions.map(({ sha256, version, installed_at }) => ({ sha256, version, installed_at, current: sha256 === plugin.sha256 })) });
  }
  if (part === "tools") return call(response, plugin, name ?? "", (body["input"] ?? {}) as Record<string, unknown>);
  json(response, 200, view(plugin));
}

function configure(response: ServerResponse, plugin: Installed, values: Record<string, unknown>): void {
  const properties = plugin.manifest.config?.properties ?? {};
  if (typeof values["address"] === "string" && !values["address"].startsWith("https://")) {
    return problem(response, 422, "invalid_input", `the settings of \`${plugin.id}\` do not fit`, "compare them with `config` of the plugin's manifest", ["at `/address`: it does not begin with `https://`", "at `/address`: it is too short"]);
  }
  const kept = Object.entries(plugin.config).filter(([name]) => properties[name]?.secret && !(name in values));
  const given = Object.entries(values).filter(([, value]) => value !== null).map(([name, value]) => [name, properties[name]?.secret ? { set: true } : value]);
  plugin.config = Object.fromEntries([...kept, ...given]) as Record<string, unknown>;
  json(response, 200, view(plugin));
}

function call(response: ServerResponse, plugin: Installed, tool: string, input: Record<string, unknown>): void {
  if (!plugin.enabled) return problem(response, 409, "conflict", `the plugin \`${plugin.id}\` is switched off`, "an administrator can switch it on again");
  const crash = JSON.stringify(input).includes("crash");
  const denied = tool === "note";
  const message = crash ? "the guest panicked" : "requests to `crm.example.com` are not granted to this plugin; the grant `http: crm.example.com` would allow them";
  const error = crash || denied ? { kind: crash ? "trap" : "denied", message: `plugin \`${plugin.id}\` ${plugin.version}, tool \`${tool}\`: ${message}`, hint: crash ? null : "grant `http: crm.example.com`", retry_after_ms: null, detail: crash ? "panicked at src/lib.rs:42:9:\nno customer\n  0: find\n  1: invoke" : null } : null;
  const logs = [{ level: "info", message: `called with ${Object.keys(input).length} fields` }];
  const report = { logs, dropped_log_lines: 0, duration_us: 184_210, cpu_us: 391, memory_peak_bytes: 1_179_648, tokens: { input: 640, output: 172 } };
  const mine = calls.get(plugin.id) ?? [];
  mine.unshift({ id: randomUUID(), version: plugin.version, tool, run: null, node: null, at: Date.now(), duration_us: 184_210, cpu_us: 391, memory_bytes: 1_179_648, tokens: 812, error: error && { code: crash ? "plugin_trap" : "denied", message: error.message }, logs });
  calls.set(plugin.id, mine);
  json(response, 200, { ok: !error, output: error ? null : { input, customers: [{ id: "C-1042", name: "李雷", spent: 1288.5 }, { id: "C-2042", name: "Ann Example", spent: 96 }] }, error, report });
}

/** Reads a multipart body as far as the stand-in has to. */
export async function uploadPlugin(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let head = "";
  for await (const chunk of request) if (head.length < 2000) head += (chunk as Buffer).subarray(0, 2000).toString("latin1");
  const name = /filename="([^"]*)"/.exec(head)?.[1] ?? "";
  await sleep(name.includes("slow") ? 4000 : 600);
  if (name.includes("bad")) {
    return problem(response, 422, "invalid_plugin", "the plugin's manifest has 2 problem(s): at `/id`: \"Bad!\" does not match \"^[a-z][a-z0-9_]{0,62}$\"; the icon cannot be shown safely: the element `script` is not allowed", "Every problem is listed; `plugin-sdk/manifest.schema.json` describes the manifest. Correct them and build again.");
  }
  const known = plugins.find((one) => one.id === "sms_notice");
  const manifest = sms(known !== undefined);
  const next = { sha256: hash(), version: known ? `1.${known.versions.length}.0` : "1.0.0", installed_at: Date.now(), manifest };
  if (known) Object.assign(known, { version: next.version, sha256: next.sha256, installed_at: next.installed_at, manifest, versions: [next, ...known.versions] });
  else plugins.push(made("sms_notice", next.version, manifest, { sha256: next.sha256, installed_at: next.installed_at, versions: [next] }));
  json(response, 200, view(plugins.find((one) => one.id === "sms_notice")!));
}

export function clearPlugins(): void {
  plugins = [];
}
