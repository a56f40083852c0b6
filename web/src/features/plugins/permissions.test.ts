// What a plugin asks for: read from its manifest, said in both languages, and turned into grants and back.
import i18next from "i18next";
import type { TFunction } from "i18next";
import { describe, expect, it } from "vitest";
import type { Grants, InstalledPlugin, Permissions } from "@/api/plugins";
import en from "@/i18n/en.json";
import zh from "@/i18n/zh-CN.json";
import { asksOf, decisionsOf, grantsOf, isOpenEnded, isWide, missingOf, mostTokens, namesIn, sayAsk, unfilledOf } from "./permissions";

const reason = { en: "Because.", zh: "因为。" };
const permissions: Permissions = {
  knowledge: [{ name: "menu", reason }, { name: "*", reason }],
  http: [
    { host: "api.example.com", methods: ["GET"], reason }, { host: "api.example.com", methods: ["POST"], reason: { en: "To write.", zh: "写入。" } },
    { host: "*.example.org", methods: ["GET", "HEAD"], reason }, { host: "*", methods: ["GET"], reason }, { host: "config:address", methods: ["GET", "DELETE"], reason },
  ],
  model: { roles: ["fast", "default"], max_tokens_per_call: 4000, reason },
  storage: { max_bytes: 1_572_864, reason },
};
const nothing: Grants = { knowledge: [], http: [], model: [], model_tokens: null, storage: false };
const asks = asksOf(permissions);

function plugin(rest: Partial<InstalledPlugin>): InstalledPlugin {
  const manifest = { title: "", description: "", tools: [], permissions };
  return { id: "p", version: "1.0.0", sha256: "", system: false, enabled: true, installed_at: 0, manifest, grants: nothing, missing: [], config: {}, most: null, ...rest };
}

async function words(language: "en" | "zh-CN"): Promise<TFunction> {
  const instance = i18next.createInstance();
  return instance.init({ lng: language, resources: { en: { translation: en }, "zh-CN": { translation: zh } }, interpolation: { escapeValue: false } });
}

describe("asksOf", () => {
  it("names each thing as the server does, a host once with all its methods", () => {
    expect(asks.map((ask) => ask.key)).toEqual([
      "knowledge: menu", "knowledge: *", "http: api.example.com", "http: *.example.org", "http: *", "http: config:address", "model: fast", "model: default", "storage",
    ]);
    expect(asks[2]).toMatchObject({ methods: ["GET", "POST"], reasons: [reason, { en: "To write." }] });
    expect(asks.filter(isWide).map((ask) => ask.key)).toEqual(["knowledge: *", "http: *.example.org", "http: *"]);
    expect(asks.filter(isOpenEnded).map((ask) => ask.key)).toEqual(["http: *"]);
    expect(mostTokens(asks)).toBe(4000);
    expect([asksOf(undefined), asksOf({ model: null, storage: null }), mostTokens([])]).toEqual([[], [], null]);
  });
});

describe("sayAsk", () => {
  it("says in English what a grant would allow", async () => {
    const t = await words("en");
    const said = asks.map((ask) => sayAsk(t, "en", ask, { address: "https://crm.example.net:8443/api" }));
    expect(said.map((one) => one.title)).toEqual([
      "Read the knowledge base `menu`", "Read every knowledge base of this workspace", "Send requests to `api.example.com`", "Send requests to hosts below `example.org`",
      "Send requests to any address on the internet", "Send requests to the address in the setting `address`", "Use the language model `fast`", "Use the language model `default`", "Keep up to 1.5 MiB of its own data",
    ]);
    expect(said[2]!.detail).toBe("May also change things there (POST).");
    expect(said[3]!.detail).toBe("Only looks (GET, HEAD). Any name that ends in `.example.org`, not `example.org` itself.");
    expect(said[4]!.detail).toContain("to anybody");
    expect(said[5]!.detail).toBe("May also change things there (DELETE). At present that is `crm.example.net:8443`.");
    expect(said[6]!.detail).toContain("4,000 tokens");
  });

  it("says the same in Chinese, and that a setting is empty or no address", async () => {
    const t = await words("zh-CN");
    expect(sayAsk(t, "zh-CN", asks[0]!, {}).title).toBe("读取知识库 `menu`");
    for (const config of [{}, { address: "crm" }, { address: 7 }]) expect(sayAsk(t, "zh-CN", asks[5]!, config).detail).toContain("还没有填写");
  });
});

describe("decisions and grants", () => {
  it("go there and back", () => {
    const stored: Grants = { knowledge: ["menu", "faq"], http: ["a.example.org", "b.example.net", "config:address"], model: ["fast"], model_tokens: 1500, storage: true };
    const decisions = decisionsOf(asks, stored);
    expect(decisions.tokens).toBe("1500");
    expect(decisions.of["knowledge: *"]).toEqual({ granted: true, only: "faq" });
    expect(decisions.of["http: *.example.org"]).toEqual({ granted: true, only: "a.example.org" });
    expect(decisions.of["http: api.example.com"]!.granted).toBe(false);
    const sent = grantsOf(asks, decisions)!;
    for (const key of ["knowledge", "http", "model"] as const) expect([...sent[key]].sort()).toEqual([...stored[key]].sort());
    expect([sent.model_tokens, sent.storage]).toEqual([1500, true]);
  });

  it("count everything below a star as granted with it", () => {
    const { of } = decisionsOf(asks, { ...nothing, knowledge: ["*"], http: ["*"] });
    for (const ask of asks) expect(of[ask.key]!.granted, ask.key).toBe(ask.kind === "knowledge" || ask.kind === "http");
    expect(decisionsOf(asks, { ...nothing, http: ["example.org", "badexample.org"] }).of["http: *.example.org"]!.granted).toBe(false);
  });

  it("send a number of tokens with every grant of a model, and none that was not asked for", () => {
    const decided = (tokens: string, granted = true) => grantsOf(asks, { of: { "model: fast": { granted, only: "" } }, tokens });
    expect(decided("4000")).toEqual({ ...nothing, model: ["fast"], model_tokens: 4000 });
    for (const wrong of ["", "0", "4001", "1.5", "many"]) expect(decided(wrong), wrong).toBeNull();
    expect(decided("", false)).toEqual(nothing);
    // A grant from when the plugin asked for more.
    expect(decisionsOf(asks, { ...nothing, model: ["fast"], model_tokens: 9000 }).tokens).toBe("4000");
  });

  it("take names as people separate them", () => {
    expect(namesIn(" a.example.org, b.example.org，c.example.org\nb.example.org ")).toEqual(["a.example.org", "b.example.org", "c.example.org"]);
    const some = grantsOf(asks, { of: { "http: *": { granted: true, only: "a.example.net" }, "http: api.example.com": { granted: true, only: "ignored" } }, tokens: "" });
    expect(some!.http).toEqual(["api.example.com", "a.example.net"]);
  });
});

describe("what is missing", () => {
  it("is what nothing was granted of, and whatever else the server names", () => {
    const missing = ["knowledge: *", "http: *.example.org", "http: *", "tomorrow: something"];
    expect(missingOf(plugin({ grants: { ...nothing, http: ["a.example.org"] }, missing }))).toEqual(["knowledge: *", "http: *", "tomorrow: something"]);
  });

  it("is in the settings what is needed and empty", () => {
    const config = { required: ["key", "address", "region"], properties: { key: { type: "string", secret: true, title: "Key", "x-title": { zh: "密钥" } }, address: { type: "string" }, region: { default: "eu" }, note: {} } };
    const at = (filled: Record<string, unknown>) => unfilledOf(plugin({ manifest: { title: "", description: "", tools: [], config }, config: filled }), "zh-CN");
    expect(at({})).toEqual(["密钥", "address"]);
    expect(at({ key: { set: true }, address: "" })).toEqual(["address"]);
    expect(unfilledOf(plugin({}), "en")).toEqual([]);
  });
});
