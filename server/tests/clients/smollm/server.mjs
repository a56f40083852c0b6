// A small language model behind OpenAI's wire, for the tests and the demonstration: `/v1/models`, `/v1/chat/completions`
// (streaming and not, JSON schema enforced by grammar) and `/health`. It answers one question at a time, as one thread can.
//
//   THREADS=1 PORT=18091 node server.mjs MODEL.gguf
//
// It prints one line, `listening on http://127.0.0.1:PORT`, when the model is loaded. PORT=0 takes a free one.

import { createServer } from "node:http";
import { basename } from "node:path";
import { getLlama, LlamaChat, LlamaLogLevel } from "node-llama-cpp";

const MAX_BODY_BYTES = 1 << 20;
const CONTEXT_TOKENS = 2048;
const DEFAULT_MAX_TOKENS = 256;

const modelPath = process.argv[2];
if (!modelPath) {
  console.error("usage: node server.mjs MODEL.gguf");
  process.exit(2);
}
// More threads than free cores make it many times slower, for they wait for each other without sleeping.
const threads = Number(process.env.THREADS ?? 1);
const name = basename(modelPath, ".gguf");

const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: CONTEXT_TOKENS, threads });
const sequence = context.getSequence();

// The model has one context, so questions wait for each other.
let turn = Promise.resolve();
function oneAtATime(work) {
  const result = turn.then(work);
  turn = result.catch(() => {});
  return result;
}

class Refused extends Error {
  constructor(status, message, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const server = createServer((request, response) => {
  handle(request, response).catch((error) => {
    const status = error.status ?? 500;
    if (status >= 500) console.error(error);
    if (response.headersSent) return response.destroy();
    sendJson(response, status, {
      error: { message: error.message, type: "invalid_request_error", param: null, code: error.code ?? null },
    });
  });
});

async function handle(request, response) {
  const route = `${request.method} ${new URL(request.url, "http://localhost").pathname}`;
  switch (route) {
    case "GET /health":
      return sendJson(response, 200, { status: "ok" });
    case "GET /v1/models":
      return sendJson(response, 200, {
        object: "list",
        data: [{ id: name, object: "model", created: 0, owned_by: "local" }],
      });
    case "POST /v1/chat/completions":
      return chat(await readBody(request), response);
    default:
      throw new Refused(404, `There is nothing at ${route}.`, "not_found");
  }
}

async function chat(body, response) {
  if (body.model !== name) {
    throw new Refused(404, `The model \`${body.model}\` does not exist; there is \`${name}\`.`, "model_not_found");
  }
  const history = historyOf(body.messages);
  const grammar = await grammarOf(body.response_format);
  const head = { id: `chatcmpl-${Date.now().toString(36)}`, created: Math.floor(Date.now() / 1000), model: name };
  const abort = new AbortController();
  response.on("close", () => abort.abort());
  const stream = body.stream === true ? startStream(response, head) : null;
  const { text, finishReason, usage } = await oneAtATime(() =>
    generate(history, {
      grammar,
      signal: abort.signal,
      temperature: body.temperature ?? 0,
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? DEFAULT_MAX_TOKENS,
      onText: (piece) => stream?.chunk({ content: piece }, null),
    }),
  );
  if (abort.signal.aborted) return;
  if (stream) {
    stream.chunk({}, finishReason);
    if (body.stream_options?.include_usage) stream.usage(usage);
    stream.end();
  } else {
    const message = { role: "assistant", content: text };
    const choices = [{ index: 0, message, finish_reason: finishReason }];
    sendJson(response, 200, { ...head, object: "chat.completion", choices, usage });
  }
}

async function generate(history, { grammar, signal, temperature, maxTokens, onText }) {
  if (signal.aborted) return {};
  await sequence.clearHistory();
  const before = sequence.tokenMeter.getState();
  const llamaChat = new LlamaChat({ contextSequence: sequence });
  try {
    const { response, metadata } = await llamaChat.generateResponse([...history, { type: "model", response: [] }], {
      grammar,
      signal,
      temperature,
      maxTokens,
      stopOnAbortSignal: true,
      onTextChunk: onText,
    });
    const used = sequence.tokenMeter.diff(before);
    return {
      text: response,
      finishReason: metadata.stopReason === "maxTokens" ? "length" : "stop",
      usage: {
        prompt_tokens: used.usedInputTokens,
        completion_tokens: used.usedOutputTokens,
        total_tokens: used.usedInputTokens + used.usedOutputTokens,
      },
    };
  } finally {
    llamaChat.dispose({ disposeSequence: false });
  }
}

function historyOf(messages) {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new Refused(400, "`messages` must be a list with at least one message.", "invalid_type");
  }
  return messages.map(({ role, content }) => {
    if (typeof content !== "string") throw new Refused(400, "`content` must be text.", "invalid_type");
    switch (role) {
      case "system":
      case "developer":
        return { type: "system", text: content };
      case "user":
        return { type: "user", text: content };
      case "assistant":
        return { type: "model", response: [content] };
      default:
        throw new Refused(400, `There is no role \`${role}\` here.`, "invalid_value");
    }
  });
}

async function grammarOf(format) {
  switch (format?.type) {
    case undefined:
    case "text":
      return undefined;
    case "json_object":
      return llama.getGrammarFor("json");
    case "json_schema":
      try {
        return await llama.createGrammarForJsonSchema(format.json_schema.schema);
      } catch (error) {
        throw new Refused(400, `Invalid schema for response_format: ${error.message}`, "invalid_schema");
      }
    default:
      throw new Refused(400, `There is no response_format \`${format.type}\`.`, "invalid_value");
  }
}

function startStream(response, head) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const send = (rest) =>
    response.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...rest })}\n\n`);
  const chunk = (delta, reason) => send({ choices: [{ index: 0, delta, finish_reason: reason }] });
  chunk({ role: "assistant", content: "" }, null);
  return {
    chunk,
    usage: (usage) => send({ choices: [], usage }),
    end: () => response.end("data: [DONE]\n\n"),
  };
}

async function readBody(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new Refused(413, "The request is too large.", "too_large");
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    throw new Refused(400, "The request is not JSON.", "invalid_json");
  }
}

function sendJson(response, status, value) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
server.listen(Number(process.env.PORT ?? 18091), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
