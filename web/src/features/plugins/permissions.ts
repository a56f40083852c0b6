// What a plugin asks for, what is granted of it, and both in words. Pure: the server checks every grant again.
import type { TFunction } from "i18next";
import type { Grants, InstalledPlugin, Permissions } from "@/api/plugins";
import type { LocalText } from "@/api/types";
import { fieldsOf } from "@/ui/schema-form";
import { formatBytes } from "@/ui/size";

/** One thing that can be granted or refused. `key` is what the server calls it in `missing`. */
export type Ask = { key: string; reasons: LocalText[] } & (
  | { kind: "knowledge"; name: string }
  | { kind: "http"; host: string; methods: string[] }
  | { kind: "model"; role: string; tokens: number }
  | { kind: "storage"; bytes: number }
);

const EVERY = "*";
const BELOW = "*.";
const FROM_SETTING = "config:";
/** Methods that only look. */
const READING = new Set(["GET", "HEAD"]);

export function asksOf(permissions: Permissions | undefined): Ask[] {
  const { knowledge = [], http = [], model, storage } = permissions ?? {};
  const hosts = [...new Set(http.map((one) => one.host))];
  return [
    ...knowledge.map((one): Ask => ({ kind: "knowledge", key: `knowledge: ${one.name}`, name: one.name, reasons: [one.reason] })),
    // A host is granted once, however often and with whichever methods the manifest names it.
    ...hosts.map((host): Ask => {
      const same = http.filter((one) => one.host === host);
      return { kind: "http", key: `http: ${host}`, host, methods: [...new Set(same.flatMap((one) => one.methods))], reasons: same.map((one) => one.reason) };
    }),
    ...(model?.roles ?? []).map((role): Ask => ({ kind: "model", key: `model: ${role}`, role, tokens: model!.max_tokens_per_call, reasons: [model!.reason] })),
    ...(storage ? [storage] : []).map((one): Ask => ({ kind: "storage", key: "storage", bytes: one.max_bytes, reasons: [one.reason] })),
  ];
}

/** Whether fewer than all that it names can be granted of it. */
export function isWide(ask: Ask): boolean {
  return (ask.kind === "knowledge" && ask.name === EVERY) || (ask.kind === "http" && (ask.host === EVERY || ask.host.startsWith(BELOW)));
}

/** Whether it is more than an ordinary thing to grant: any address at all. */
export function isOpenEnded(ask: Ask): boolean {
  return ask.kind === "http" && ask.host === EVERY;
}

export interface Decision {
  granted: boolean;
  /** Of a wide one, the names that are granted instead of all, separated by commas; empty for all. */
  only: string;
}

export interface Decisions {
  of: Record<string, Decision>;
  /** Tokens of one call, as typed. */
  tokens: string;
}

/** What the grants say about each thing asked for. */
export function decisionsOf(asks: Ask[], grants: Grants): Decisions {
  const bases = new Set(asks.map((ask) => (ask.kind === "knowledge" ? ask.name : "")));
  const hosts = asks.flatMap((ask) => (ask.kind === "http" ? [ask.host] : []));
  const all = (names: string[], name: string) => names.includes(name) || names.includes(EVERY);
  const some = (names: string[]): Decision => ({ granted: names.length > 0, only: names.join(", ") });
  const whole = { granted: true, only: "" };
  const of = Object.fromEntries(asks.map((ask): [string, Decision] => {
    switch (ask.kind) {
      case "knowledge":
        if (all(grants.knowledge, ask.name)) return [ask.key, whole];
        return [ask.key, some(isWide(ask) ? grants.knowledge.filter((name) => !bases.has(name)) : [])];
      case "http":
        if (all(grants.http, ask.host)) return [ask.key, whole];
        return [ask.key, some(grants.http.filter((host) => narrowest(hosts, host) === ask.host))];
      case "model":
        return [ask.key, { granted: grants.model.includes(ask.role), only: "" }];
      case "storage":
        return [ask.key, { granted: grants.storage, only: "" }];
    }
  }));
  const most = mostTokens(asks);
  return { of, tokens: most === null ? "" : String(grants.model_tokens === null ? most : Math.min(grants.model_tokens, most)) };
}

/** Of the hosts that are asked for, the one that a granted host is meant for: of `*.example.org` and `*`, the former. */
function narrowest(asked: string[], host: string): string | undefined {
  if (asked.includes(host)) return host;
  const below = asked.filter((pattern) => pattern.startsWith(BELOW) && host.endsWith(pattern.slice(1)) && host.length >= pattern.length);
  return below.sort((one, other) => other.length - one.length)[0] ?? asked.find((pattern) => pattern === EVERY);
}

export function mostTokens(asks: Ask[]): number | null {
  return asks.reduce<number | null>((most, ask) => (ask.kind === "model" ? Math.max(most ?? 0, ask.tokens) : most), null);
}

/** Names separated by commas, spaces or lines, in either script. */
export function namesIn(text: string): string[] {
  return [...new Set(text.split(/[\s,，、;；]+/).filter((name) => name !== ""))];
}

/** Grants to be sent, or null when the number of tokens is none that can be granted. */
export function grantsOf(asks: Ask[], decisions: Decisions): Grants | null {
  const grants: Grants = { knowledge: [], http: [], model: [], model_tokens: null, storage: false };
  for (const ask of asks) {
    const { granted, only } = decisions.of[ask.key] ?? { granted: false, only: "" };
    if (!granted) continue;
    const some = isWide(ask) ? namesIn(only) : [];
    if (ask.kind === "knowledge") grants.knowledge.push(...(some.length > 0 ? some : [ask.name]));
    else if (ask.kind === "http") grants.http.push(...(some.length > 0 ? some : [ask.host]));
    else if (ask.kind === "model") grants.model.push(ask.role);
    else grants.storage = true;
  }
  if (grants.model.length > 0) {
    // Always a number: a later version that asks for more does not get more by itself.
    const tokens = Number(decisions.tokens.trim());
    const most = mostTokens(asks) ?? 0;
    if (!Number.isInteger(tokens) || tokens < 1 || tokens > most) return null;
    grants.model_tokens = tokens;
  }
  return { ...grants, knowledge: [...new Set(grants.knowledge)], http: [...new Set(grants.http)] };
}

/** Asked for and not granted, not even a part of it. */
export function missingOf(plugin: InstalledPlugin): string[] {
  const decisions = decisionsOf(asksOf(plugin.manifest.permissions), plugin.grants);
  return plugin.missing.filter((key) => !decisions.of[key]?.granted);
}

/** Titles of settings that are needed and not filled in. */
export function unfilledOf(plugin: InstalledPlugin, language: string): string[] {
  const given = (name: string) => plugin.config[name] !== undefined && plugin.config[name] !== null && plugin.config[name] !== "";
  return fieldsOf(plugin.manifest.config, language).filter((field) => field.required && !given(field.name)).map((field) => field.label);
}

export interface Said {
  title: string;
  /** What it means beyond its title. */
  detail: string;
}

/** What granting it allows. `config` are the plugin's settings, which may name a host. */
export function sayAsk(t: TFunction, language: string, ask: Ask, config: Record<string, unknown>): Said {
  switch (ask.kind) {
    case "knowledge":
      return ask.name === EVERY ? { title: t("plugins.ask_knowledge_all"), detail: "" } : { title: t("plugins.ask_knowledge", { name: ask.name }), detail: "" };
    case "http":
      return { title: sayHost(t, ask.host), detail: [sayMethods(t, ask.methods), sayWhere(t, ask.host, config)].filter(Boolean).join(" ") };
    case "model":
      return { title: t("plugins.ask_model", { role: ask.role }), detail: t("plugins.ask_model_tokens", { tokens: ask.tokens.toLocaleString(language) }) };
    case "storage":
      return { title: t("plugins.ask_storage", { size: formatBytes(ask.bytes, language) }), detail: t("plugins.ask_storage_detail") };
  }
}

function sayHost(t: TFunction, host: string): string {
  if (host === EVERY) return t("plugins.ask_http_all");
  if (host.startsWith(BELOW)) return t("plugins.ask_http_below", { host: host.slice(BELOW.length) });
  if (host.startsWith(FROM_SETTING)) return t("plugins.ask_http_setting", { setting: host.slice(FROM_SETTING.length) });
  return t("plugins.ask_http", { host });
}

function sayMethods(t: TFunction, methods: string[]): string {
  const writing = methods.filter((method) => !READING.has(method));
  return writing.length === 0 ? t("plugins.reads_only", { methods: methods.join(", ") }) : t("plugins.may_change", { methods: writing.join(", ") });
}

function sayWhere(t: TFunction, host: string, config: Record<string, unknown>): string {
  if (host === EVERY) return t("plugins.ask_http_all_detail");
  if (host.startsWith(BELOW)) return t("plugins.ask_http_below_detail", { host: host.slice(BELOW.length) });
  if (!host.startsWith(FROM_SETTING)) return "";
  const named = hostOf(config[host.slice(FROM_SETTING.length)]);
  return named ? t("plugins.setting_now", { host: named }) : t("plugins.setting_empty");
}

function hostOf(address: unknown): string | null {
  return typeof address === "string" && URL.canParse(address) ? new URL(address).host : null;
}
