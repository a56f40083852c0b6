// Answers of the stand-in, in the forms of the server's.
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(status === 204 ? undefined : JSON.stringify(body));
}

export function problem(response: ServerResponse, status: number, code: string, detail: string, hint?: string, errors?: string[]): void {
  response.writeHead(status, { "Content-Type": "application/problem+json" });
  response.end(JSON.stringify({ type: `about:${code}`, title: detail, status, code, detail, hint, ...(errors ? { errors: errors.map((message) => ({ code, message })) } : {}), request_id: randomUUID().slice(0, 8) }));
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
