// Starts a workflow and returns its run as soon as it has one; the run goes on without this connection.
import { Problem, send } from "./client";
import { parseData, readFrames } from "./event-stream";

export async function startWorkflow(name: string, inputs: unknown): Promise<string> {
  const response = await send(`/api/v1/workflows/${encodeURIComponent(name)}/runs`, {
    method: "POST", body: { inputs: inputs ?? {} }, headers: { Accept: "text/event-stream" },
  });
  for await (const frame of readFrames(response)) {
    const run = parseData(frame)["run_id"];
    if (typeof run === "string") return run;
  }
  throw new Problem(0, { code: "stream_broken" });
}
