//! What a run asks of the outside world, and what comes back. The engine performs none of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names one request of one run; never used twice within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub u64);

/// An effect on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestedEffect {
    pub id: EffectId,
    pub node: String,
    /// 1 for the first attempt; `retry` makes more.
    pub attempt: u32,
    pub effect: Effect,
    /// Of this attempt, in milliseconds; none leaves it to the server.
    pub timeout_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Effect {
    /// Ask a language model. Ok: `{text, reasoning?, usage: {input_tokens, output_tokens}, model, finish_reason}`.
    Complete {
        model: String,
        messages: Vec<Message>,
        temperature: Option<f64>,
        max_tokens: Option<u32>,
        schema: Option<Value>,
    },
    /// Turn texts into vectors. Ok: `{vectors: [[f32]], model}`.
    Embed { texts: Vec<String>, purpose: EmbedPurpose },
    /// Search knowledge bases. Ok: `{hits: [{id, document, text, score, …fields}], status, reason?}`.
    Search {
        knowledge_bases: Vec<String>,
        query: String,
        top_k: u32,
        min_score: Option<f64>,
        mode: SearchMode,
        filter: Option<Value>,
    },
    /// Call a plugin's tool. Ok: the tool's result.
    CallTool { plugin: String, tool: String, arguments: Value },
    /// Run another workflow. Ok: `{outputs, text}`.
    RunWorkflow { workflow: String, inputs: Value },
    /// Let time pass. Ok: null.
    Wait { ms: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: MessageRole,
    pub content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    System,
    User,
    Assistant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbedPurpose {
    Query,
    Passage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    #[default]
    Hybrid,
    Dense,
    Lexical,
}

/// How an effect ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outcome {
    Ok { value: Value },
    Failed { error: EffectError },
}

/// Why an effect failed. Codes are snake_case and stable, for example `timeout`, `rate_limited`, `unavailable`, `error`,
/// `invalid_input`, `not_found`, `denied`, `model_not_configured`, `embedding_unavailable`, `plugin_trap`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EffectError {
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub hint: Option<String>,
    /// What the other side asked for (`Retry-After`), in milliseconds.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

/// What an effect says before it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delta {
    Text(String),
    Reasoning(String),
}
