// A language model that says the same few words slowly, in the OpenAI wire format: the browser tests use it to see an
// answer while it is being written, to stop one, and to reload in the middle of one. `node e2e/slow-model.mjs PORT`.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

/** Pause between two words, in milliseconds, and how many words: together ten seconds, time enough to press a button. */
const PAUSE_MS = 100;
const WORDS = 100;

export function startSlowModel(port) {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (request.url?.endsWith("/models")) return reply(response, { object: "list", data: [{ id: "slow", object: "model", created: 0, owned_by: "e2e" }] });
    const asked = body === "" ? {} : JSON.parse(body);
    const frame = (delta, finish_reason = null) => ({ id: "slow-1", object: "chat.completion.chunk", created: 0, model: "slow", choices: [{ index: 0, delta, finish_reason }] });
    if (asked.response_format) {
      // Asked to classify: an empty object is no usable answer, so the asker takes its own way out.
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      return response.end(`data: ${JSON.stringify(frame({ role: "assistant", content: "{}" }, "stop"))}\n\ndata: [DONE]\n\n`);
    }
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (let word = 0; word < WORDS && !response.destroyed; word++) {
      response.write(`data: ${JSON.stringify(frame({ role: "assistant", content: `慢慢说${word} ` }))}\n\n`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    response.end(`data: ${JSON.stringify(frame({}, "stop"))}\n\ndata: [DONE]\n\n`);
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}

function reply(response, value) {
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const port = Number(process.argv[2] ?? 9099);
  await startSlowModel(port);
  process.stdout.write(`slow model at http://127.0.0.1:${port}/v1\n`);
}
