//! Replays cassettes: for each, a server on the loopback checks what the client sends and answers with recorded bytes, and
//! the client's outcome is compared with what the cassette promises. A cassette is one provider's behaviour on one occasion.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is test code; what fails here fails the test")]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use futures::{StreamExt, stream};
use model_client::{
    CompletionRequest, Message, ModelClient, ModelConfig, ModelDelta, ModelError, Role, Tool, ToolCall,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// In every cassette, and so in no error.
const KEY: &str = "sk-test-4711";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cassette {
    #[expect(dead_code, reason = "for whoever reads the cassette")]
    about: String,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    schema: Option<Value>,
    #[serde(default)]
    tools: Vec<Offered>,
    /// What was said after the first two messages, which are always the same.
    #[serde(default)]
    said: Vec<Said>,
    /// The client asks this often, one after the other, to show what it remembers.
    #[serde(default = "once")]
    asks: u32,
    exchanges: Vec<Exchange>,
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offered {
    name: String,
    description: String,
    parameters: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    role: Role,
    #[serde(default)]
    content: String,
    #[serde(default)]
    images: Vec<String>,
    #[serde(default)]
    tool_calls: Vec<Called>,
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Called {
    id: String,
    name: String,
    arguments: Value,
}

impl From<&Said> for Message {
    fn from(said: &Said) -> Message {
        let call = |it: &Called| ToolCall { id: it.id.clone(), name: it.name.clone(), arguments: it.arguments.clone() };
        Message {
            role: said.role,
            content: said.content.clone(),
            images: said.images.clone(),
            tool_calls: said.tool_calls.iter().map(call).collect(),
            tool_call_id: said.tool_call_id.clone(),
        }
    }
}

fn once() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    first_token_ms: u64,
    between_tokens_ms: u64,
    total_ms: u64,
    max_retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { first_token_ms: 20_000, between_tokens_ms: 20_000, total_ms: 60_000, max_retries: 2 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    #[serde(default)]
    expect: Expect,
    respond: Respond,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    path: Option<String>,
    /// Members that the body must have, with these values.
    body: Map<String, Value>,
    /// Members that the body must not have.
    absent: Vec<String>,
    /// Words that stand in the first message.
    system: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Respond {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: String,
    /// After the body.
    #[serde(default)]
    pieces: Vec<Piece>,
    #[serde(default)]
    end: End,
}

fn ok() -> u16 {
    200
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Piece {
    Text(String),
    /// Bytes that are no text by themselves, such as one third of a Chinese character.
    Hex(String),
    WaitMs(u64),
    Repeat {
        text: String,
        times: usize,
    },
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    #[default]
    Close,
    Drop,
    Hang,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Outcome {
    Completion(Box<Completed>),
    Error(Box<Refused>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Completed {
    text: Option<String>,
    text_chars: Option<usize>,
    reasoning: Option<String>,
    #[serde(default)]
    tool_calls: Vec<Called>,
    finish_reason: Option<String>,
    model: Option<String>,
    usage: Option<[u64; 2]>,
    deltas: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    code: String,
    says: Vec<String>,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    retry_after_ms: Option<u64>,
    /// What the caller had seen by then.
    #[serde(default)]
    after: String,
}

#[derive(Default)]
struct Tape {
    exchanges: VecDeque<Exchange>,
    problems: Vec<String>,
}

type Shared = Arc<Mutex<Tape>>;

async fn serve(State(tape): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut tape = tape.lock().unwrap();
    let Some(Exchange { expect, respond }) = tape.exchanges.pop_front() else {
        tape.problems.push(format!("{method} {uri} came after the last exchange"));
        return Response::builder().status(StatusCode::IM_A_TEAPOT).body(Body::empty()).unwrap();
    };
    let mut problems = Vec::new();
    let mut check = |what: &str, is: &Value, should: &Value| {
        if is != should {
            problems.push(format!("{what} is {is}, should be {should}"));
        }
    };
    let path = expect.path.unwrap_or_else(|| "/v1/chat/completions".to_owned());
    check("path", &json!(uri.path()), &json!(path));
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap());
    check("authorization", &json!(authorization), &json!(format!("Bearer {KEY}")));
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if method == Method::POST {
        check("stream", &body["stream"], &json!(true));
    }
    for (name, should) in &expect.body {
        check(name, &body[name], should);
    }
    for name in &expect.absent {
        check(name, &body[name], &Value::Null);
    }
    for words in &expect.system {
        let system = body["messages"][0]["content"].as_str().unwrap_or_default();
        check(words, &json!(system.contains(words)), &json!(true));
    }
    tape.problems.extend(problems);
    respond.play()
}

impl Respond {
    fn play(self) -> Response {
        let Respond { status, headers, body, mut pieces, end } = self;
        let mut response = Response::builder().status(status);
        if !headers.contains_key("content-type") {
            let kind = if status == 200 { "text/event-stream; charset=utf-8" } else { "application/json" };
            response = response.header("content-type", kind);
        }
        for (name, value) in &headers {
            response = response.header(name, value.as_str().unwrap());
        }
        pieces.insert(0, Piece::Text(body));
        let pieces = stream::iter(pieces).then(|piece| async move {
            // Far enough apart that each arrives by itself.
            tokio::time::sleep(Duration::from_millis(5)).await;
            match piece {
                Piece::Text(text) => text.into_bytes(),
                Piece::Hex(digits) => bytes_of(&digits),
                Piece::WaitMs(wait) => {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    Vec::new()
                }
                Piece::Repeat { text, times } => text.repeat(times).into_bytes(),
            }
        });
        let pieces = pieces.filter(|bytes| std::future::ready(!bytes.is_empty())).map(Ok::<_, std::io::Error>);
        let end = stream::once(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            match end {
                End::Close => Ok(Vec::new()),
                End::Drop => Err(std::io::Error::other("the cassette drops the connection")),
                End::Hang => std::future::pending().await,
            }
        });
        response.body(Body::from_stream(pieces.chain(end))).unwrap()
    }
}

fn bytes_of(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits.split_whitespace().collect();
    digits.iter().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

async fn replay(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let cassette: Cassette = match serde_saphyr::from_str(&text) {
        Ok(cassette) => cassette,
        Err(error) => return vec![error.to_string()],
    };
    let tape: Shared = Arc::new(Mutex::new(Tape { exchanges: cassette.exchanges.into(), problems: Vec::new() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(serve).with_state(tape.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let Limits { first_token_ms, between_tokens_ms, total_ms, max_retries } = cassette.limits;
    let mut config = ModelConfig::new(&format!("http://{address}"), "qwen");
    config.api_key = Some(KEY.to_owned());
    config.first_token_timeout = Duration::from_millis(first_token_ms);
    config.between_tokens_timeout = Duration::from_millis(between_tokens_ms);
    config.total_timeout = Duration::from_millis(total_ms);
    config.max_retries = max_retries;
    config.first_backoff = Duration::from_millis(10);
    model_client::install_tls_provider();
    let client = ModelClient::new(config, reqwest::Client::builder().no_proxy().build().unwrap()).unwrap();
    let mut problems = Vec::new();
    for _ in 0..cassette.asks {
        let mut messages = vec![Message::new(Role::System, "你是餐厅的助手。"), Message::new(Role::User, "几点关门")];
        messages.extend(cassette.said.iter().map(Message::from));
        let tools = cassette.tools.iter().map(|Offered { name, description, parameters }| Tool {
            name: name.clone(),
            description: description.clone(),
            parameters: parameters.clone(),
        });
        let request = CompletionRequest {
            messages,
            temperature: cassette.temperature,
            max_tokens: cassette.max_tokens,
            schema: cassette.schema.clone(),
            tools: tools.collect(),
        };
        let mut deltas = Vec::new();
        let result = client.complete(request, &mut |delta| deltas.push(delta)).await;
        problems.extend(cassette.outcome.compare(result, &deltas));
    }
    let mut tape = tape.lock().unwrap();
    problems.append(&mut tape.problems);
    if !tape.exchanges.is_empty() {
        problems.push(format!("{} exchanges were not asked for", tape.exchanges.len()));
    }
    server.abort();
    problems
}

impl Outcome {
    fn compare(&self, result: Result<model_client::Completion, ModelError>, deltas: &[ModelDelta]) -> Vec<String> {
        let seen: String = deltas
            .iter()
            .map(|delta| match delta {
                ModelDelta::Text(text) => text.as_str(),
                ModelDelta::Reasoning(_) => "",
            })
            .collect();
        let mut problems = Vec::new();
        match (self, result) {
            (Outcome::Completion(should), Ok(is)) => {
                let Completed { text, text_chars, reasoning, tool_calls, finish_reason, model, usage, deltas: count } =
                    &**should;
                let mut check = |what: &str, is: Value, should: Option<Value>| {
                    if should.as_ref().is_some_and(|should| *should != is) {
                        problems.push(format!("{what} is {is}, should be {}", should.unwrap_or_default()));
                    }
                };
                if text_chars.is_none() {
                    check("text by deltas", json!(seen.contains(is.text.trim())), Some(json!(true)));
                }
                check("text", json!(is.text), text.as_ref().map(|text| json!(text)));
                check("text_chars", json!(is.text.chars().count()), text_chars.map(|count| json!(count)));
                check("reasoning", json!(is.reasoning), Some(json!(reasoning)));
                let calls: Vec<_> = is
                    .tool_calls
                    .iter()
                    .map(|it| json!({ "id": it.id, "name": it.name, "arguments": it.arguments }))
                    .collect();
                let should_call =
                    tool_calls.iter().map(|it| json!({ "id": it.id, "name": it.name, "arguments": it.arguments }));
                check("tool_calls", json!(calls), Some(should_call.collect()));
                check("finish_reason", json!(is.finish_reason), finish_reason.as_ref().map(|reason| json!(reason)));
                check("model", json!(is.model), model.as_ref().map(|model| json!(model)));
                let counted = is.usage.reported.then_some([is.usage.input_tokens, is.usage.output_tokens]);
                check("usage", json!(counted), Some(json!(usage)));
                check("deltas", json!(deltas.len()), count.map(|count| json!(count)));
            }
            (Outcome::Error(should), Err(is)) => {
                let Refused { code, says, hint, retry_after_ms, after } = &**should;
                let message = is.author_message();
                let advice = is.hint().unwrap_or_default();
                if is.code() != code {
                    problems.push(format!("code is {}, should be {code}: {message}", is.code()));
                }
                for words in says {
                    if !message.contains(words) {
                        problems.push(format!("`{words}` is not in: {message}"));
                    }
                }
                if hint.as_ref().is_some_and(|hint| !advice.contains(hint)) {
                    problems.push(format!("`{}` is not in the hint: {advice}", hint.as_deref().unwrap_or_default()));
                }
                if is.retry_after_ms() != *retry_after_ms {
                    problems.push(format!("retry_after_ms is {:?}", is.retry_after_ms()));
                }
                if seen != *after {
                    problems.push(format!("the caller saw {seen:?} before the error, should be {after:?}"));
                }
                for text in [message, advice, is.to_string(), format!("{is:?}")] {
                    if text.contains(KEY) {
                        problems.push(format!("the key stands in: {text}"));
                    }
                }
            }
            (Outcome::Completion(_), Err(error)) => {
                problems.push(format!("failed: {} (hint: {:?})", error.author_message(), error.hint()));
            }
            (Outcome::Error(_), Ok(completion)) => problems.push(format!("did not fail: {completion:?}")),
        }
        problems
    }
}

#[tokio::test]
async fn every_cassette_plays_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cassettes");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(paths.len() >= 25, "only {} cassettes were found", paths.len());
    let mut report = String::new();
    for path in &paths {
        for problem in replay(path).await {
            report.push_str(&format!("\n{}: {problem}", path.file_name().unwrap().to_string_lossy()));
        }
    }
    assert!(report.is_empty(), "{report}");
}
