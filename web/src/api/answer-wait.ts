// Answers what a run waits for. The server takes the first answer; whoever comes later is told so.
import { request } from "./client";

export type WaitAnswer =
  | { text: string }
  | { option: string }
  | { fields: Record<string, unknown> }
  | { approved: boolean; comment?: string };

export function answerWait(run: string, effect: number, answer: WaitAnswer): Promise<unknown> {
  return request<unknown>(`/api/v1/runs/${encodeURIComponent(run)}/waits/${effect}`, { method: "POST", body: answer });
}
