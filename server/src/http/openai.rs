//! The OpenAI-compatible surface: `model` is an assistant's name, and the official clients work unchanged.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::{DefinitionKind, RunStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use workflow_engine::ChatTurn;

use super::body::{Body, In};
use crate::app::accounts::Caller;
use crate::app::chat::LooseTurn;
use crate::app::runs::Started;
use crate::app::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use crate::run::effects::Usage;
use crate::run::live::Frame;

#[derive(Deserialize)]
pub(super) struct ChatRequest {
    model: String,
    messages: Vec<Turn>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: Content,
}

/// Text, or parts of which the texts count.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
    Nothing(()),
}

#[derive(Deserialize)]
struct Part {
    r#type: String,
    text: Option<String>,
}

impl Content {
    fn text(self) -> Result<String> {
        match self {
            Content::Text(text) => Ok(text),
            Content::Nothing(()) => Ok(String::new()),
            Content::Parts(parts) => {
                if let Some(other) = parts.iter().find(|it| it.r#type != "text") {
                    return Err(AppError::invalid(format!("content of type `{}` is not understood", other.r#type))
                        .hint("send text"));
                }
                Ok(parts.into_iter().filter_map(|it| it.text).collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

fn model_json(name: &str, created_ms: i64) -> Value {
    json!({ "id": name, "object": "model", "created": created_ms / 1000, "owned_by": "parlour" })
}

pub(super) async fn models(State(app): State<App>, caller: Caller) -> Result<Json<Value>> {
    let all = app.definitions(caller.tenant.id, DefinitionKind::Assistant).await?;
    let data: Vec<Value> = all.iter().map(|it| model_json(&it.name, it.created_at)).collect();
    Ok(Json(json!({ "object": "list", "data": data })))
}

pub(super) async fn model(State(app): State<App>, caller: Caller, In(name): In<String>) -> Result<Json<Value>> {
    let version = app.definition(caller.tenant.id, DefinitionKind::Assistant, &name).await?;
    Ok(Json(model_json(&name, version.created_at)))
}

pub(super) async fn chat(State(app): State<App>, caller: Caller, Body(body): Body<ChatRequest>) -> Result<Response> {
    let include_usage = body.stream_options.as_ref().is_some_and(|it| it.include_usage);
    let stream = body.stream;
    let model = body.model.clone();
    let turn = loose_turn(body)?;
    let usage: Arc<Usage> = Arc::default();
    let created = app.clock().now_ms() / 1000;
    let started = app.send_loose(&caller, turn, usage.clone()).await?;
    let reply = Reply { id: format!("chatcmpl-{}", started.run.id), model, created, usage };
    if stream {
        return Ok(reply.stream(app, caller, started, include_usage));
    }
    started.done().await;
    let (_, text) = ended(&app, &caller, &started).await?;
    Ok(Json(json!({
        "id": reply.id,
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": text, "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": reply.usage_json(),
    }))
    .into_response())
}

/// The last message is what is asked; what stands before it is the history. The assistant has its own system prompt, so
/// the caller's system messages are part of the history and cannot replace it.
fn loose_turn(body: ChatRequest) -> Result<LooseTurn> {
    let mut turns = Vec::new();
    for turn in body.messages {
        let role = match turn.role.as_str() {
            "user" | "assistant" | "system" => turn.role,
            "developer" => "system".to_owned(),
            "tool" | "function" => continue,
            other => {
                return Err(AppError::invalid(format!("there is no role `{other}`")).hint("user, assistant, system"));
            }
        };
        turns.push(ChatTurn { role, content: turn.content.text()? });
    }
    match turns.pop() {
        Some(last) if last.role == "user" => {
            Ok(LooseTurn { assistant: body.model, message: last.content, history: turns })
        }
        Some(_) => Err(AppError::invalid("the last message must be the user's")),
        None => Err(AppError::invalid("`messages` is empty")),
    }
}

/// The answer of a run that is over, or its error in OpenAI's terms.
async fn ended(app: &App, caller: &Caller, started: &Started) -> Result<(RunStatus, String)> {
    let run = match &started.live {
        Some(_) => app.run(caller.tenant.id, started.run.id).await?,
        None => started.run.clone(),
    };
    let text = run.answer.unwrap_or_default();
    // One that waits has said what it had to say for now.
    if matches!(run.status, RunStatus::Finished | RunStatus::Waiting) {
        return Ok((run.status, text));
    }
    let error = run.error.unwrap_or(Value::Null);
    let field = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    let code = match field("code").as_deref() {
        Some("model_not_configured") => ErrorCode::ModelNotConfigured,
        Some("timeout" | "rate_limited" | "unavailable" | "unauthorized" | "bad_answer" | "invalid_request") => {
            ErrorCode::ModelFailed
        }
        Some(_) | None => ErrorCode::RunFailed,
    };
    let message = field("message").unwrap_or_else(|| format!("the run was {}", run.status.as_str()));
    Err(AppError::new(code, message).maybe_hint(field("hint")))
}

struct Reply {
    id: String,
    model: String,
    created: i64,
    usage: Arc<Usage>,
}

impl Reply {
    fn usage_json(&self) -> Value {
        let input = self.usage.input_tokens.load(Ordering::Relaxed);
        let output = self.usage.output_tokens.load(Ordering::Relaxed);
        json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output })
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }],
        })
    }

    fn stream(self, app: App, caller: Caller, started: Started, include_usage: bool) -> Response {
        let (sender, receiver) = mpsc::channel::<std::result::Result<Event, Infallible>>(64);
        tokio::spawn(async move {
            // A client that hung up needs no more chunks.
            let _ = self.tell(&app, &caller, started, &Chunks { sender, include_usage }).await;
        });
        Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()).into_response()
    }

    async fn tell(&self, app: &App, caller: &Caller, started: Started, chunks: &Chunks) -> std::result::Result<(), ()> {
        let send = |value: Value| chunks.send(value.to_string());
        send(self.chunk(&json!({ "role": "assistant", "content": "" }), None)).await?;
        let mut sent = String::new();
        if let Some(live) = &started.live {
            let mut reader = live.subscribe();
            let mut more = std::mem::take(&mut reader.text);
            loop {
                if !more.is_empty() {
                    sent.push_str(&more);
                    send(self.chunk(&json!({ "content": more }), None)).await?;
                    more = String::new();
                }
                tokio::select! {
                    biased;
                    frame = reader.frames.recv() => match frame {
                        Ok(Frame::Delta { text }) => more = text.to_string(),
                        Ok(Frame::Stored { .. } | Frame::Note { .. }) | Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => break,
                    },
                    () = live.done.cancelled() => break,
                }
            }
        }
        match ended(app, caller, &started).await {
            Ok((_, text)) => {
                // Whatever a lagging reader missed is in the whole text.
                if let Some(rest) = text.strip_prefix(&sent).filter(|it| !it.is_empty()) {
                    send(self.chunk(&json!({ "content": rest }), None)).await?;
                }
                send(self.chunk(&json!({}), Some("stop"))).await?;
                if chunks.include_usage {
                    let mut usage = self.chunk(&json!({}), None);
                    if let Value::Object(map) = &mut usage {
                        map.insert("choices".into(), json!([]));
                        map.insert("usage".into(), self.usage_json());
                    }
                    send(usage).await?;
                }
            }
            Err(error) => {
                let message = match &error.hint {
                    Some(hint) => format!("{} ({hint})", error.detail),
                    None => error.detail.clone(),
                };
                send(json!({ "error": { "message": message, "type": "server_error", "code": error.code.code() } }))
                    .await?;
            }
        }
        chunks.send("[DONE]".to_owned()).await
    }
}

/// Where a streamed reply goes, and what its reader wants.
struct Chunks {
    sender: mpsc::Sender<std::result::Result<Event, Infallible>>,
    include_usage: bool,
}

impl Chunks {
    async fn send(&self, data: String) -> std::result::Result<(), ()> {
        self.sender.send(Ok(Event::default().data(data))).await.map_err(|_| ())
    }
}
