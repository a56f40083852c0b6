//! A scripted language model: OpenAI's wire on a port of its own, inside the test's process.
//!
//! It answers what a test told it to, word by word, and remembers what it was asked. Rules are looked through from the
//! newest to the oldest; one applies when its words stand in the last user message or in the system prompt. It needs
//! nothing but axum, tokio, futures and serde_json, so that other crates' tests and the benchmark can include this file.
#![allow(dead_code, reason = "every test binary uses a part of its own")]
#![allow(clippy::expect_used, reason = "this is test code; what cannot be set up must fail the test")]

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The model's name unless a test gives others.
pub(crate) const MOCK_MODEL: &str = "mock-model";

/// Stops with the test that started it.
pub(crate) struct MockModel {
    base_url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn last_user_message(&self) -> &str {
        last_of(&self.body, "user")
    }

    pub(crate) fn system_prompt(&self) -> &str {
        last_of(&self.body, "system")
    }

    pub(crate) fn wants_json(&self) -> bool {
        wants_json(&self.body)
    }
}

/// What a rule answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    kind: Kind,
    reasoning: Option<String>,
    delay: Duration,
    retry_after: Option<String>,
    times: Option<u32>,
}

#[derive(Clone, Debug)]
enum Kind {
    Text {
        text: String,
        ending: Ending,
    },
    /// The smallest value that the request's schema allows.
    FromSchema,
    Error {
        status: u16,
        message: String,
    },
    /// Takes the request and never says a word.
    Hang,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Finished,
    /// The connection breaks after so many pieces.
    Dropped(usize),
    /// The connection stays open after so many pieces, and nothing more comes.
    Silent(usize),
}

impl Reply {
    pub(crate) fn text(text: impl Into<String>) -> Reply {
        Reply::of(Kind::Text { text: text.into(), ending: Ending::Finished })
    }

    pub(crate) fn json(value: &Value) -> Reply {
        Reply::text(value.to_string())
    }

    pub(crate) fn error(status: u16, message: impl Into<String>) -> Reply {
        Reply::of(Kind::Error { status, message: message.into() })
    }

    pub(crate) fn hang() -> Reply {
        Reply::of(Kind::Hang)
    }

    fn of(kind: Kind) -> Reply {
        Reply { kind, reasoning: None, delay: Duration::ZERO, retry_after: None, times: None }
    }

    /// What the model thinks before it answers, in `reasoning_content`.
    pub(crate) fn reasoning(mut self, reasoning: impl Into<String>) -> Reply {
        self.reasoning = Some(reasoning.into());
        self
    }

    /// Before each piece of a stream, and before an answer in one piece.
    pub(crate) fn delay(mut self, delay: Duration) -> Reply {
        self.delay = delay;
        self
    }

    /// The value of an error's `Retry-After`.
    pub(crate) fn retry_after(mut self, value: impl Into<String>) -> Reply {
        self.retry_after = Some(value.into());
        self
    }

    /// Breaks the connection after so many pieces of the text.
    pub(crate) fn dropped_after(mut self, pieces: usize) -> Reply {
        self.end_with(Ending::Dropped(pieces));
        self
    }

    /// Falls silent after so many pieces of the text, with the connection open.
    pub(crate) fn silent_after(mut self, pieces: usize) -> Reply {
        self.end_with(Ending::Silent(pieces));
        self
    }

    /// The rule applies so many times and is used up then.
    pub(crate) fn times(mut self, times: u32) -> Reply {
        self.times = Some(times);
        self
    }

    fn end_with(&mut self, new: Ending) {
        match &mut self.kind {
            Kind::Text { text: _, ending } => *ending = new,
            Kind::FromSchema | Kind::Error { .. } | Kind::Hang => panic!("only a text can end in the middle"),
        }
    }
}

struct Rule {
    words: String,
    applies: Applies,
    reply: Reply,
}

/// A classifier's question and the visitor's hold the same words; a rule for one shall not answer the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Applies {
    Text,
    Json,
    Both,
}

#[derive(Default)]
struct Script {
    rules: Vec<Rule>,
    default_reply: Option<Reply>,
    models: Vec<String>,
    key: Option<String>,
    asked: Vec<Asked>,
}

#[derive(Default)]
struct Shared(Mutex<Script>);

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().expect("no test thread panics while it holds the script")
    }
}

impl MockModel {
    pub(crate) async fn start() -> MockModel {
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(chat))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on the loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the mock model serves") });
        MockModel { base_url: format!("http://{address}/v1"), shared, server }
    }

    /// Ends in `/v1`.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Answers a request for text in which `words` stand.
    pub(crate) fn reply_to(&self, words: &str, text: &str) -> &Self {
        self.rule(words, Applies::Text, Reply::text(text))
    }

    /// Answers a request for JSON (a classifier's, for one) in which `words` stand.
    pub(crate) fn reply_json_to(&self, words: &str, value: &Value) -> &Self {
        self.rule(words, Applies::Json, Reply::json(value))
    }

    /// Answers any request in which `words` stand, with whatever `reply` does; the empty string stands in all of them.
    pub(crate) fn on(&self, words: &str, reply: Reply) -> &Self {
        self.rule(words, Applies::Both, reply)
    }

    /// For requests for text to which no rule applies. Without it the mock repeats the question, so that a test sees
    /// what arrived. Requests for JSON get the smallest value that their schema allows.
    pub(crate) fn default_reply(&self, text: &str) -> &Self {
        self.shared.script().default_reply = Some(Reply::text(text));
        self
    }

    /// Lists these models and answers 404 to any other. Without it any name is good.
    pub(crate) fn only_models(&self, models: &[&str]) -> &Self {
        self.shared.script().models = models.iter().map(|&model| model.to_owned()).collect();
        self
    }

    /// Answers 401 to whoever does not bring this key.
    pub(crate) fn require_key(&self, key: &str) -> &Self {
        self.shared.script().key = Some(key.to_owned());
        self
    }

    /// The completions that were asked for, oldest first.
    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.shared.script().asked.clone()
    }

    pub(crate) fn forget_requests(&self) -> &Self {
        self.shared.script().asked.clear();
        self
    }

    fn rule(&self, words: &str, applies: Applies, reply: Reply) -> &Self {
        self.shared.script().rules.push(Rule { words: words.to_owned(), applies, reply });
        self
    }
}

impl Drop for MockModel {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Script {
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let key = self.key.as_ref()?;
        if authorization(headers).as_deref() == Some(format!("Bearer {key}").as_str()) {
            return None;
        }
        Some(problem(401, "Incorrect API key provided.", "invalid_api_key"))
    }

    fn reply(&mut self, asked: &Asked) -> Reply {
        let json = asked.wants_json();
        let found = self.rules.iter_mut().rev().find(|rule| {
            let kind = match rule.applies {
                Applies::Text => !json,
                Applies::Json => json,
                Applies::Both => true,
            };
            let words = asked.last_user_message().contains(&rule.words) || asked.system_prompt().contains(&rule.words);
            kind && words && rule.reply.times != Some(0)
        });
        if let Some(rule) = found {
            if let Some(times) = &mut rule.reply.times {
                *times -= 1;
            }
            return rule.reply.clone();
        }
        if json {
            return Reply::of(Kind::FromSchema);
        }
        self.default_reply.clone().unwrap_or_else(|| Reply::text(format!("You said: {}", asked.last_user_message())))
    }
}

async fn models(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let script = shared.script();
    if let Some(refusal) = script.refusal(&headers) {
        return refusal;
    }
    let named = if script.models.is_empty() { vec![MOCK_MODEL.to_owned()] } else { script.models.clone() };
    let data: Vec<Value> = named
        .iter()
        .map(|name| json!({ "id": name, "object": "model", "created": 1_700_000_000, "owned_by": "tests" }))
        .collect();
    axum::Json(json!({ "object": "list", "data": data })).into_response()
}

async fn chat(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return problem(400, "We could not parse the JSON body of your request.", "invalid_json");
    };
    if !body.get("messages").is_some_and(Value::is_array) {
        return problem(400, "Invalid type for 'messages': expected an array of objects.", "invalid_type");
    }
    let asked =
        Asked { path: "/v1/chat/completions".to_owned(), authorization: authorization(&headers), body: body.clone() };
    let reply = {
        let mut script = shared.script();
        if let Some(refusal) = script.refusal(&headers) {
            return refusal;
        }
        let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
        if !script.models.is_empty() && !script.models.iter().any(|it| it == model) {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            return problem(404, &message, "model_not_found");
        }
        let reply = script.reply(&asked);
        script.asked.push(asked);
        reply
    };
    let (text, ending) = match reply.kind.clone() {
        Kind::Text { text, ending } => (text, ending),
        Kind::FromSchema => (smallest(schema_of(&body)).to_string(), Ending::Finished),
        Kind::Hang => return std::future::pending().await,
        Kind::Error { status, message } => {
            tokio::time::sleep(reply.delay).await;
            let mut response = problem(status, &message, "scripted");
            if let Some(wait) = &reply.retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, wait.parse().expect("a header's value"));
            }
            return response;
        }
    };
    if body.get("stream") == Some(&Value::Bool(true)) {
        streamed(&body, &reply, &text, ending)
    } else {
        tokio::time::sleep(reply.delay).await;
        in_one_piece(&body, &reply, &text)
    }
}

/// One frame of the stream.
enum Frame {
    Event(String),
    Drop,
    Silence,
}

fn streamed(body: &Value, reply: &Reply, text: &str, ending: Ending) -> Response {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": body["model"],
            "choices": choices, "usage": usage,
        });
        Frame::Event(format!("data: {chunk}\n\n"))
    };
    let delta = |delta: Value| chunk(json!([{ "index": 0, "delta": delta, "finish_reason": null }]), Value::Null);
    let mut frames = vec![delta(json!({ "role": "assistant", "content": "" }))];
    if let Some(reasoning) = &reply.reasoning {
        frames.extend(pieces(reasoning).into_iter().map(|piece| delta(json!({ "reasoning_content": piece }))));
    }
    let words = pieces(text);
    let told = match ending {
        Ending::Finished => words.len(),
        Ending::Dropped(count) | Ending::Silent(count) => count.min(words.len()),
    };
    frames.extend(words.iter().take(told).map(|piece| delta(json!({ "content": piece }))));
    match ending {
        Ending::Dropped(_) => frames.push(Frame::Drop),
        Ending::Silent(_) => frames.push(Frame::Silence),
        Ending::Finished => {
            frames.push(chunk(json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]), Value::Null));
            if body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)) {
                frames.push(chunk(json!([]), usage(body, text)));
            }
            frames.push(Frame::Event("data: [DONE]\n\n".to_owned()));
        }
    }
    let delay = reply.delay;
    let stream = futures::stream::iter(frames).then(move |frame| async move {
        tokio::time::sleep(delay).await;
        match frame {
            Frame::Event(text) => Ok(text),
            Frame::Drop => Err(std::io::Error::other("the script drops the connection here")),
            Frame::Silence => std::future::pending().await,
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
}

fn in_one_piece(body: &Value, reply: &Reply, text: &str) -> Response {
    let mut message = json!({ "role": "assistant", "content": text });
    if let Some(reasoning) = &reply.reasoning {
        message["reasoning_content"] = json!(reasoning);
    }
    axum::Json(json!({
        "id": "chatcmpl-mock", "object": "chat.completion", "created": 1_700_000_000, "model": body["model"],
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": usage(body, text),
    }))
    .into_response()
}

fn problem(status: u16, message: &str, code: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": code } });
    (status, axum::Json(body)).into_response()
}

/// As models cut it, about: a Chinese character, or a Latin word with the blank after it.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for character in text.chars() {
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
        if character.is_whitespace() || !character.is_ascii() {
            pieces.push(String::new());
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn usage(body: &Value, text: &str) -> Value {
    let messages = body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let input: usize = messages.iter().map(|message| pieces(content(message)).len()).sum();
    let output = pieces(text).len();
    json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output })
}

fn authorization(headers: &HeaderMap) -> Option<String> {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn last_of<'a>(body: &'a Value, role: &str) -> &'a str {
    let messages = body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let last = messages.iter().rev().find(|message| message.get("role").and_then(Value::as_str) == Some(role));
    last.map(content).unwrap_or_default()
}

fn content(message: &Value) -> &str {
    message.get("content").and_then(Value::as_str).unwrap_or_default()
}

fn wants_json(body: &Value) -> bool {
    body.pointer("/response_format/type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("json"))
}

fn schema_of(body: &Value) -> &Value {
    body.pointer("/response_format/json_schema/schema").unwrap_or(&Value::Null)
}

/// The smallest value of a schema: first of an enum, required members only, empty lists and texts, zero.
fn smallest(schema: &Value) -> Value {
    if let Some(value) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return value.clone();
    }
    let either = ["anyOf", "oneOf"].into_iter().find_map(|name| schema.get(name)?.get(0));
    if let Some(first) = either {
        return smallest(first);
    }
    let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    match kind {
        Some("string") => json!(""),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(0)),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        Some("null") => Value::Null,
        Some(_) | None => {
            let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let member = |name: &Value| {
                let name = name.as_str()?;
                Some((name.to_owned(), smallest(schema.get("properties")?.get(name)?)))
            };
            Value::Object(required.iter().filter_map(member).collect())
        }
    }
}
