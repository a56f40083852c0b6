// Knowledge of the stand-in: a base of manuals with documents in every state, a menu whose model is being changed, and one of
// questions. What is brought goes through the states in a few seconds; a name with `bad` in it fails, and `.exe` is refused.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dishTable, field, paragraph } from "./mock-knowledge-data.ts";
import type { Chunk, Field } from "./mock-knowledge-data.ts";
import { json, problem } from "./mock-http.ts";
import { search } from "./mock-search.ts";

export interface MockDocument {
  id: string; name: string; state: string; done: number; total: number; unit: string; version: number; records: number; size_bytes: number; media_type: string;
  source: { url: string } | null; groups: string[]; metadata: object; reason: string | null; hint: string | null; errors: { code: string; message: string; line?: number; path?: string }[]; warnings: string[]; answering: boolean; created_at: number; updated_at: number; chunks: Chunk[];
}

interface Test { id: string; query: string; filter: unknown; expected: { document: string; contains?: string; ordinal?: number }[] }
interface Report { at: number; recall: number; mrr: number }

export interface MockBase {
  name: string; title: string | null; description: string | null; fields: Record<string, Field>; splitting: object; words: string[];
  embedding: { model: string | null; state: string; done: number; total: number; reason: string | null; next: string | null };
  docs: MockDocument[]; tests: Test[]; last: Report | null; created_at: number; updated_at: number;
}

type Body = Record<string, unknown>;
interface Form { fields: Record<string, string>; file: { name: string; text: string; bytes: number } | null }

const MODEL = "local/multilingual-e5-small";
const models = [
  { model: MODEL, title: "multilingual-e5-small", dimensions: 384, state: "ready" },
  { model: "siliconflow/BAAI/bge-m3", title: "BAAI/bge-m3 (siliconflow)", dimensions: 1024, state: "ready" },
];
const bases = new Map<string, MockBase>();
const chunkOf = (ordinal: number, text: string, more: Partial<Chunk> = {}): Chunk => ({ ordinal, text, answer: null, fields: {}, position: {}, tokens: Math.ceil([...text].length * 0.7), enabled: true, edited: false, ...more });

const failed = (code: string, reason: string) => ({ reason, hint: "Mend it and upload it again.", errors: [{ code, message: reason }] });

function addBase(name: string, more: Partial<MockBase> = {}): MockBase {
  const embedding = { model: MODEL, state: "ready", done: 0, total: 0, reason: null, next: null };
  const base = { name, title: null, description: null, fields: {}, splitting: { tokens: 400, overlap: 0.15, parent: null }, words: [], embedding, docs: [], tests: [], last: null, created_at: Date.now(), updated_at: Date.now(), ...more };
  bases.set(name, base);
  return base;
}

function addDocument(base: MockBase, name: string, more: Partial<MockDocument> = {}): MockDocument {
  const made = { id: randomUUID(), name, state: "ready", done: 0, total: 0, unit: "records", version: 1, records: more.chunks?.length ?? 0, size_bytes: 1000, media_type: "text/plain", source: null, groups: [], metadata: {}, reason: null, hint: null, errors: [], warnings: [], answering: false, created_at: Date.now(), updated_at: Date.now(), chunks: [], ...more };
  base.docs.unshift(made);
  return made;
}

const manuals = addBase("product_manuals", { title: "产品手册", description: "空气净化器 X5-Pro 与 X7 的说明书和售后政策。\nManuals of the air purifiers, in Chinese and English." });
addDocument(manuals, "售后政策-2026版.pdf", {
  size_bytes: 2_400_000, media_type: "application/pdf", version: 3, groups: ["客服", "sales"], metadata: { year: 2026, department: "售后服务部" },
  chunks: Array.from({ length: 260 }, (_, at) => chunkOf(at, paragraph(at + 1), { position: { page: 1 + Math.floor(at / 4), headings: ["售后政策", `第${Math.ceil((at + 1) / 10)}章 退换货`], overlap: at ? 14 : 0 } })),
});
addDocument(manuals, "X5-Pro user guide (EN, revision 7).docx", {
  size_bytes: 840_000, media_type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document", warnings: ["2 pictures have no text and were left out.", "The table on page 4 has no header row: its first row was taken for one."],
  chunks: Array.from({ length: 12 }, (_, at) => chunkOf(at, `Error E10${at}: the filter is missing or was not put in correctly. Open the cover and check that the arrow points upward.`, { position: { headings: ["Troubleshooting", "Error codes"] } })),
});
addDocument(manuals, "扫描件-质检报告.pdf", { state: "failed", size_bytes: 12_000_000, media_type: "application/pdf", ...failed("document_without_text", "`扫描件-质检报告.pdf` cannot be read: it is scanned: its pages are pictures, and there is no text in them") });
addDocument(manuals, "各门店价目表.xlsx", { state: "failed", size_bytes: 52_000, media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ...failed("invalid_document", "`各门店价目表.xlsx` has 2 problems: row 14, column `价格`: …"), errors: [{ code: "invalid_document", message: "`面议` is no number", line: 14, path: "价格" }, { code: "invalid_document", message: "`约30` is no number", line: 27, path: "价格" }] });
addDocument(manuals, "2025年全部订单记录.csv", { state: "embedding", done: 3100, total: 880_000, size_bytes: 31_000_000, version: 2, answering: true, media_type: "text/csv" });
const menu = addBase("menu", {
  title: "菜单", description: "门店菜品、价格与辣度", embedding: { model: MODEL, state: "working", done: 320, total: 900, reason: null, next: "siliconflow/BAAI/bge-m3" },
  fields: { dish: field("keyword", "菜名"), description: field("text", "描述"), price: field("number", "价格"), spice_level: field("number", "辣度"), vegetarian: field("boolean", "素食") },
});
addDocument(menu, "menu.csv", { media_type: "text/csv", chunks: dishTable.map((row, at) => chunkOf(at, `菜名：${row.dish}\n描述：${row.description}`, { fields: row, position: { row: at + 2 } })) });
const faq = addBase("faq", { title: "Frequently asked questions", embedding: { model: null, state: "off", done: 0, total: 0, reason: null, next: null } });
addDocument(faq, "常见问题", { chunks: [chunkOf(0, "你们几点关门？", { answer: "每天晚上十点关门，周五、周六延长到十一点。" }), chunkOf(1, "可以开发票吗？", { answer: "可以，结账时告诉店员抬头和税号即可。", enabled: false, edited: true })] });

export function clearKnowledge(): void {
  bases.clear();
}

const STEPS = ["queued", "parsing", "embedding", "indexing", "ready"];
const isWorkedOn = (document: MockDocument) => !["ready", "failed", "cancelled"].includes(document.state);
const working = setInterval(() => {
  for (const { embedding, docs } of bases.values()) {
    if (embedding.state === "working") {
      embedding.done += 4;
      if (embedding.done >= embedding.total) Object.assign(embedding, { model: embedding.next ?? embedding.model, next: null, state: "ready" });
    }
    for (const document of docs.filter(isWorkedOn)) step(document);
  }
}, 400);
// The build loads this file as well, and has to end.
working.unref();

function step(document: MockDocument): void {
  document.done += Math.min(60, Math.max(1, document.total / 4));
  if (document.done < document.total) return;
  if (/bad/.test(document.name) && document.state === "parsing") return void Object.assign(document, { state: "failed", ...failed("invalid_document", `\`${document.name}\` cannot be read: it does not begin like what its name says: it is damaged, or of another kind`) });
  const state = STEPS[STEPS.indexOf(document.state) + 1] ?? "ready";
  Object.assign(document, { state, done: 0, unit: state === "parsing" ? "bytes" : "records", total: state === "parsing" ? Math.min(200, document.size_bytes) : document.chunks.length });
  if (state === "ready") Object.assign(document, { records: document.chunks.length, answering: false, updated_at: Date.now() });
}

const viewOf = (base: MockBase) => ({ ...base, docs: undefined, tests: undefined, last: undefined, documents: base.docs.length, records: base.docs.reduce((sum, one) => sum + one.records, 0) });
const documentView = (document: MockDocument) => ({ ...document, chunks: undefined });

function bring(base: MockBase, name: string, bytes: number, chunks: Chunk[], more: Partial<MockDocument> = {}): MockDocument {
  const fresh = { state: "queued", done: 0, total: 4, unit: "bytes", size_bytes: bytes, chunks, reason: null, errors: [], updated_at: Date.now(), ...more };
  const old = base.docs.find((one) => one.name === name);
  if (!old) return Object.assign(addDocument(base, name, fresh), { records: 0 });
  return Object.assign(old, fresh, { version: old.version + 1, answering: old.state === "ready" });
}

/** Answers everything below `/knowledge-bases`, and `/embedding-models`. */
export async function routeKnowledge(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const [place, name, part, id, sub, ordinal] = url.pathname.slice("/api/v1/".length).split("/").map(decodeURIComponent);
  const method = request.method ?? "GET";
  const parts: Buffer[] = [];
  for await (const piece of request) parts.push(piece as Buffer);
  const raw = Buffer.concat(parts);
  const type = request.headers["content-type"] ?? "";
  const form = type.startsWith("multipart/") ? readForm(raw, type) : null;
  const body = form || raw.length === 0 ? {} : (JSON.parse(raw.toString("utf8")) as Body);
  if (place === "embedding-models") return json(response, 200, { items: models, reranker: "bge-reranker-v2-m3" });
  if (!name) {
    if (method === "GET") return json(response, 200, { items: [...bases.values()].map(viewOf) });
    if (bases.has(String(body["name"]))) return problem(response, 409, "conflict", `There is a knowledge base \`${String(body["name"])}\` already.`, "Choose another name.");
    return json(response, 201, viewOf(addBase(String(body["name"]), { title: (body["title"] as string) ?? null, description: (body["description"] as string) ?? null, fields: (body["fields"] as Record<string, Field>) ?? {} })));
  }
  const base = bases.get(name);
  if (!base) return problem(response, 404, "not_found", "There is no such knowledge base.");
  if (!part) return routeBase(response, method, base, body);
  if (part === "export") { response.writeHead(200, { "Content-Type": "application/zip", "Content-Disposition": `attachment; filename="${name}.zip"` }); response.end("PK"); return; }
  if (part === "columns") return json(response, 200, columnsOf(base, form));
  if (part === "search") return json(response, 200, search(base, body));
  if (part === "tests") return routeTests(response, method, base, id, body);
  if (!id) return routeDocuments(response, method, base, url, body, form);
  const document = base.docs.find((one) => one.id === id);
  if (!document) return problem(response, 404, "not_found", "There is no such document.");
  if (sub === "chunks") return routeChunks(response, method, document, ordinal, url, body);
  if (sub === "file") { response.writeHead(200, { "Content-Type": "application/octet-stream" }); response.end("original"); return; }
  if (sub === "retry") Object.assign(document, { state: "queued", done: 0, total: 4, reason: null, errors: [] });
  if (sub === "cancel") document.state = "cancelled";
  if (!sub && method === "PATCH") Object.assign(document, body);
  if (!sub && method === "DELETE") { base.docs = base.docs.filter((one) => one !== document); return json(response, 204, null); }
  json(response, 200, documentView(document));
}

function routeBase(response: ServerResponse, method: string, base: MockBase, body: Body): void {
  if (method === "DELETE") {
    if (base.name === "menu") return problem(response, 409, "in_use", "`menu` is used by assistant `huangmenji`");
    bases.delete(base.name);
    return json(response, 204, null);
  }
  const { embedding_model: model, ...rest } = body;
  Object.assign(base, rest);
  if (model === null) base.embedding = { ...base.embedding, model: null, state: "off" };
  else if (model !== undefined) base.embedding = { ...base.embedding, state: "working", done: 0, total: 100, next: String(model) };
  if (rest["fields"] || rest["splitting"] || rest["words"]) for (const one of base.docs) if (one.state === "ready") Object.assign(one, { state: "queued", done: 0, total: 4, answering: true });
  json(response, 200, viewOf(base));
}

/** Whether what is looked for stands in one of these. */
function has(url: URL, texts: string[]): boolean {
  const q = (url.searchParams.get("q") ?? "").trim().toLowerCase();
  return texts.some((text) => text.toLowerCase().includes(q));
}

function routeDocuments(response: ServerResponse, method: string, base: MockBase, url: URL, body: Body, form: Form | null): void {
  if (method === "GET") {
    const after = Number(url.searchParams.get("after") ?? 0);
    const limit = Number(url.searchParams.get("limit") ?? 50);
    const docs = base.docs.filter((one) => has(url, [one.name, ...one.groups]));
    return json(response, 200, { items: docs.slice(after, after + limit).map(documentView), next_cursor: after + limit < docs.length ? String(after + limit) : null });
  }
  if (form?.file) {
    const { name, text, bytes } = form.file;
    if (/\.exe$/.test(name)) return problem(response, 415, "unsupported_media_type", `\`${name}\` cannot be read.`, "Upload txt, md, html, pdf, docx, pptx, xlsx, csv, json, jsonl, epub, or a zip of these.");
    const columns = form.fields["columns"] ? (JSON.parse(form.fields["columns"]) as Record<string, string>) : {};
    return json(response, 202, documentView(bring(base, name, bytes, /\.csv$/.test(name) ? rowChunks(base, text, columns) : text.split(/\n\s*\n/).filter(Boolean).map((one, at) => chunkOf(at, one.trim())))));
  }
  const address = String(body["url"] ?? "");
  if (address) return json(response, 202, documentView(bring(base, address, 900, [chunkOf(0, "A page.")], { source: { url: address } })));
  if (body["sitemap"]) return json(response, 202, { items: ["a", "b", "c"].map((page) => new URL(page, String(body["sitemap"])).href).map((page) => documentView(bring(base, page, 900, [chunkOf(0, "A page.")], { source: { url: page } }))) });
  const records = (body["records"] ?? []) as { question?: string; text?: string; answer?: string }[];
  json(response, 202, documentView(bring(base, `${String(body["name"])}.json`, 900, records.map((one, at) => chunkOf(at, one.question ?? one.text ?? "", { answer: one.answer ?? null })))));
}

function routeChunks(response: ServerResponse, method: string, document: MockDocument, ordinal: string | undefined, url: URL, body: Body): void {
  if (ordinal === undefined && method === "GET") {
    const after = Number(url.searchParams.get("after") ?? -1);
    const limit = Number(url.searchParams.get("limit") ?? 50);
    const rest = document.chunks.filter((one) => one.ordinal > after && has(url, [one.text, one.answer ?? ""]));
    return json(response, 200, { items: rest.slice(0, limit), next_cursor: rest.length > limit ? String(rest[limit - 1]?.ordinal) : null });
  }
  if (ordinal === undefined) {
    const made = chunkOf(Math.max(-1, ...document.chunks.map((one) => one.ordinal)) + 1, String(body["text"] ?? ""), { answer: (body["answer"] as string) ?? null, fields: (body["fields"] as Chunk["fields"]) ?? {}, edited: true });
    document.chunks.push(made);
    document.records += 1;
    return json(response, 201, made);
  }
  const chunk = document.chunks.find((one) => one.ordinal === Number(ordinal));
  if (!chunk) return problem(response, 404, "not_found", "There is no such passage.");
  if (method === "DELETE") {
    document.chunks = document.chunks.filter((one) => one !== chunk);
    document.records -= 1;
    return json(response, 204, null);
  }
  json(response, 200, Object.assign(chunk, body, { edited: chunk.edited || "text" in body || "answer" in body }));
}

function routeTests(response: ServerResponse, method: string, base: MockBase, id: string | undefined, body: Body): void {
  if (id === "run") {
    const cases = base.tests.map((test) => {
      const { hits, status } = search(base, { ...body, query: test.query });
      const found = test.expected.map((one) => hits.findIndex((hit) => hit.document === one.document && (!one.contains || hit.text.includes(one.contains)))).map((at) => (at < 0 ? null : at + 1));
      const ranks = found.filter((rank) => rank !== null);
      return { id: test.id, query: test.query, found, recall: ranks.length / Math.max(1, found.length), reciprocal_rank: ranks.length > 0 ? 1 / Math.min(...ranks) : 0, status };
    });
    const mean = (key: "recall" | "reciprocal_rank") => cases.reduce((sum, one) => sum + one[key], 0) / Math.max(1, cases.length);
    const before = base.last && { at: base.last.at, recall: base.last.recall, mrr: base.last.mrr };
    const report = { at: Date.now(), settings: body, cases, recall: mean("recall"), mrr: mean("reciprocal_rank"), before };
    base.last = report;
    return json(response, 200, report);
  }
  if (method === "POST") {
    const test = { id: randomUUID(), filter: null, ...body } as unknown as Test;
    base.tests.push(test);
    return json(response, 201, test);
  }
  if (method === "DELETE") {
    base.tests = base.tests.filter((one) => one.id !== id);
    return json(response, 204, null);
  }
  json(response, 200, { items: base.tests, last: base.last });
}

const rowsOf = (text: string) => text.trim().split(/\r?\n/).map((line) => line.split(","));

function rowChunks(base: MockBase, text: string, columns: Record<string, string>): Chunk[] {
  const [head = [], ...rows] = rowsOf(text);
  return rows.map((cells, at) => {
    const filled = head.flatMap((header, column) => {
      const name = columns[header] ?? header;
      const known = base.fields[name];
      return known ? [[name, known.type === "number" ? Number(cells[column]) : cells[column]] as const] : [];
    });
    return chunkOf(at, head.flatMap((header, column) => (columns[header] === "" ? [] : [`${header}：${cells[column] ?? ""}`])).join("\n"), { fields: Object.fromEntries(filled), position: { row: at + 2 } });
  });
}

function columnsOf(base: MockBase, form: Form | null) {
  const [head = [], ...rows] = rowsOf(form?.file?.text ?? "");
  if (!/\.csv$/.test(form?.file?.name ?? "")) return { kind: "text", columns: [] };
  if (head.includes("问题") || head.includes("question")) return { kind: "questions", columns: [] };
  return {
    kind: "table",
    columns: head.map((header, column) => {
      const samples = rows.slice(0, 3).map((cells) => cells[column] ?? "");
      const type = samples.every((one) => one !== "" && !Number.isNaN(Number(one))) ? "number" : (samples[0]?.length ?? 0) > 12 ? "text" : "keyword";
      return { header, samples, field: header in base.fields ? header : null, suggestion: { name: /^[a-z][a-z0-9_]*$/.test(header) ? header : `column_${column + 1}`, ...field(type, header) } };
    }),
  };
}

function readForm(raw: Buffer, type: string): Form {
  const form: Form = { fields: {}, file: null };
  const boundary = `--${/boundary=(.+)$/.exec(type)?.[1] ?? ""}`;
  for (const part of raw.toString("latin1").split(boundary).slice(1, -1)) {
    const end = part.indexOf("\r\n\r\n");
    const head = Buffer.from(part.slice(0, end), "latin1").toString("utf8");
    const content = Buffer.from(part.slice(end + 4, -2), "latin1");
    const name = /filename="([^"]*)"/.exec(head)?.[1];
    if (name !== undefined) form.file = { name, text: content.toString("utf8"), bytes: content.length };
    else form.fields[/name="([^"]*)"/.exec(head)?.[1] ?? ""] = content.toString("utf8");
  }
  return form;
}
