// Triggers, secrets and limits of the stand-in.
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { json, problem } from "./mock-http.ts";

const HOUR = 3_600_000;
const secrets = new Map([["CRM_TOKEN", { created_at: Date.now() - 90 * HOUR, updated_at: Date.now() - 90 * HOUR }], ["SMS_KEY", { created_at: Date.now() - 30 * HOUR, updated_at: Date.now() - 2 * HOUR }]]);
const server = { max_steps: 10_000, max_parallel: 16, max_tokens: 2_000_000, max_cost: null, max_time_ms: 24 * HOUR, max_depth: 8 };
let limits: Record<string, unknown> = { max_steps: 2000, max_parallel: null, max_tokens: null, max_cost: 2.5, max_time_ms: 900_000, max_depth: null };

const address = () => `https://parlour.example.com/hooks/${randomUUID().replaceAll("-", "")}`;
export const triggers = [
  { id: "t1", workflow: "daily_report", kind: "schedule", cron: "0 8 * * 1-5", time_zone: "Asia/Shanghai", next_at: Date.now() + 9 * HOUR, last_at: Date.now() - 15 * HOUR, last_run: null as string | null, enabled: true, url: null as string | null, secret: null as string | null },
  { id: "t2", workflow: "price_orders", kind: "webhook", cron: null, time_zone: null, next_at: null, last_at: null, last_run: null, enabled: true, url: address(), secret: "SHOP_WEBHOOK" },
  { id: "t3", workflow: "price_orders", kind: "schedule", cron: "*/30 * * * *", time_zone: "UTC", next_at: Date.now() + HOUR / 3, last_at: null, last_run: null, enabled: false, url: null, secret: null as string | null },
];

interface Call { method: string; path: (string | undefined)[]; body: Record<string, unknown> }

export function routeTriggers(response: ServerResponse, { method, path: [id, part], body }: Call, fire: (workflow: string) => unknown): void {
  if (!id) return json(response, 200, { items: triggers });
  const trigger = triggers.find((one) => one.id === id);
  if (!trigger) return problem(response, 404, "not_found", "There is no such trigger.");
  if (part === "fire") return json(response, 201, fire(trigger.workflow));
  if (part === "rotate") trigger.url = address();
  if (method === "PUT") trigger.enabled = body["enabled"] === true;
  json(response, 200, trigger);
}

export function routeSecrets(response: ServerResponse, { method, path: [name], body }: Call): void {
  if (!name) return json(response, 200, { items: [...secrets].map(([name, times]) => ({ name, ...times })) });
  if (method === "DELETE") { secrets.delete(name); return json(response, 204, null); }
  if (!/^\w+$/.test(name)) return problem(response, 422, "invalid_name", "A secret's name has letters, digits and underscores only.", "For example `CRM_TOKEN`.");
  if (!body["value"]) return problem(response, 422, "invalid_input", "`value` is empty.");
  secrets.set(name, { created_at: secrets.get(name)?.created_at ?? Date.now(), updated_at: Date.now() });
  json(response, 200, { name, ...secrets.get(name) });
}

export function routeLimits(response: ServerResponse, { method, body }: Call): void {
  if (method === "PUT") limits = body;
  json(response, 200, { ...limits, server });
}
