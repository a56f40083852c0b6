//! The way to a language model: any provider that speaks OpenAI's chat completions, through `async-openai`.
//!
//! Providers agree on the shape of that wire and differ in the rest: which optional parameters they refuse, where they
//! put a model's reasoning, what an error looks like, whether a JSON schema is obeyed. This crate takes those differences
//! upon itself. A caller gives messages and gets text and calls of tools, with deltas on the way, or one [`ModelError`] that says in words
//! what went wrong and what to do. Dropping the future of a call cancels it and closes the connection.

mod abilities;
mod answer;
mod base_url;
mod client;
mod error;
mod json_answer;
mod ollama;
mod refusal;
mod request;
mod retry;
mod stream;
mod think;
mod tool_calls;

use std::fmt;
use std::sync::Once;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use client::ModelClient;
pub use error::{ModelError, Phase};
pub use ollama::find_ollama;
pub use refusal::Refusal;

/// How to reach one model. The time to connect belongs to the `reqwest::Client` that [`ModelClient::new`] is given.
#[derive(Clone)]
pub struct ModelConfig {
    /// The provider's address as people paste it: with or without `/v1`, a trailing slash, or `/chat/completions`.
    pub base_url: String,
    /// Sent as `Authorization: Bearer …`; nothing is sent when there is none.
    pub api_key: Option<String>,
    pub model: String,
    /// From sending the request to the first word of the answer (or of the model's reasoning).
    pub first_token_timeout: Duration,
    /// The longest silence inside an answer.
    pub between_tokens_timeout: Duration,
    /// Everything together, with retries and the waits between them.
    pub total_timeout: Duration,
    /// How often a request is sent again after 408, 429, 5xx or a lost connection, before the first word came.
    pub max_retries: u32,
    /// The wait before the first retry; each further one doubles it.
    pub first_backoff: Duration,
}

impl ModelConfig {
    /// The usual limits: a cold local model may load for two minutes before its first word; a run of ten minutes is
    /// longer than any answer a person waits for.
    pub fn new(base_url: &str, model: &str) -> ModelConfig {
        ModelConfig {
            base_url: base_url.to_owned(),
            api_key: None,
            model: model.to_owned(),
            first_token_timeout: Duration::from_secs(120),
            between_tokens_timeout: Duration::from_secs(60),
            total_timeout: Duration::from_secs(600),
            max_retries: 2,
            first_backoff: Duration::from_millis(500),
        }
    }
}

/// Leaves the key out.
impl fmt::Debug for ModelConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            base_url,
            api_key,
            model,
            first_token_timeout,
            between_tokens_timeout,
            total_timeout,
            max_retries,
            first_backoff,
        } = self;
        formatter
            .debug_struct("ModelConfig")
            .field("base_url", &base_url::without_credentials(base_url))
            .field("api_key", &api_key.as_ref().map(|_| "…"))
            .field("model", model)
            .field("first_token_timeout", first_token_timeout)
            .field("between_tokens_timeout", between_tokens_timeout)
            .field("total_timeout", total_timeout)
            .field("max_retries", max_retries)
            .field("first_backoff", first_backoff)
            .finish()
    }
}

/// Who said a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
    /// What a tool answered to the call that the message names.
    Tool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub content: String,
    /// Addresses of pictures, `https:` or `data:`; for models that can see.
    pub images: Vec<String>,
    /// What an assistant's message asked to be called.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's message answers.
    pub tool_call_id: Option<String>,
}

impl Message {
    pub fn new(role: Role, content: impl Into<String>) -> Message {
        Message { role, content: content.into(), images: Vec::new(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// A function that the model may ask to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// `[a-zA-Z0-9_-]{1,64}`, as providers want it.
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: Value,
}

/// A call that the model asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// An object; the model's own text where it wrote none.
    pub arguments: Value,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompletionRequest {
    pub messages: Vec<Message>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    /// The answer shall be JSON of this schema. Where the provider cannot enforce it the model is asked in words, so the
    /// caller validates what comes back.
    pub schema: Option<Value>,
    /// None of them must be called; which one the model wants is in [`Completion::tool_calls`].
    pub tools: Vec<Tool>,
}

/// A piece of the answer, in the order in which it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelDelta {
    Text(String),
    Reasoning(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// All text deltas together. With a schema, the JSON alone: code fences and words around it are taken off.
    pub text: String,
    /// What the model thought aloud, if it did.
    pub reasoning: Option<String>,
    /// In the order in which the model asked; empty where it only answered.
    pub tool_calls: Vec<ToolCall>,
    pub usage: Usage,
    /// The model's name as the provider tells it, which may be more exact than the one asked for.
    pub model: String,
    /// The provider's word: `stop`, `length`, `content_filter`, `tool_calls`, …; `stop` where it ends without one.
    pub finish_reason: String,
}

/// Tokens by the provider's own count; zeros with `reported: false` where it tells none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub reported: bool,
}

/// Makes ring the process's TLS provider, once; a provider that the process has installed already stays.
///
/// reqwest is built without one of its own, so this must have happened before a `reqwest::Client` is made.
pub fn install_tls_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("a TLS provider is installed already; it is used for model providers too");
        }
    });
}
