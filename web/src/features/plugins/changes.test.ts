// What a new version asks for beyond the old one.
import i18next from "i18next";
import { describe, expect, it } from "vitest";
import type { Permissions } from "@/api/plugins";
import en from "@/i18n/en.json";
import { changesBetween, sayChange } from "./changes";

const reason = { en: "Because.", zh: "因为。" };
const before: Permissions = {
  http: [{ host: "api.example.com", methods: ["GET"], reason }], model: { roles: ["fast"], max_tokens_per_call: 1000, reason }, storage: { max_bytes: 1024, reason },
};

describe("changesBetween", () => {
  it("finds what is new, and more of what was there", async () => {
    const changes = changesBetween(before, {
      knowledge: [{ name: "menu", reason }], http: [{ host: "api.example.com", methods: ["GET", "DELETE"], reason }],
      model: { roles: ["fast", "default"], max_tokens_per_call: 4000, reason }, storage: { max_bytes: 4096, reason },
    });
    expect(changes.map((change) => [change.what, change.ask.key])).toEqual([
      ["new", "knowledge: menu"], ["methods", "http: api.example.com"], ["more", "model: fast"], ["new", "model: default"], ["more", "storage"],
    ]);
    const t = await i18next.createInstance().init({ lng: "en", resources: { en: { translation: en } }, interpolation: { escapeValue: false } });
    expect(changes.map((change) => sayChange(t, "en", change, {}))).toEqual([
      "Read the knowledge base `menu`", "Send requests to `api.example.com`: now also with DELETE", "Use the language model `fast`: up to 4,000 tokens in one call instead of 1,000",
      "Use the language model `default`", "Keep up to 4 KiB of its own data instead of 1 KiB",
    ]);
  });

  it("is silent about the same and about less", () => {
    expect(changesBetween(before, before)).toEqual([]);
    expect(changesBetween(before, { ...before, http: [], storage: { max_bytes: 10, reason } })).toEqual([]);
  });
});
