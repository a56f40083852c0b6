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
    /// Ask a language model. Ok: `{text, reasoning?, tool_calls?: [{id, name, arguments}], usage: {input_tokens,
    /// output_tokens, cost?}, model, finish_reason}`; `arguments` is an object, or a text where the model wrote no JSON.
    Complete {
        model: String,
        messages: Vec<Message>,
        temperature: Option<f64>,
        max_tokens: Option<u32>,
        schema: Option<Value>,
        /// Functions that the model may ask to be called.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tools: Vec<ToolDefinition>,
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
        #[serde(default)]
        rerank: bool,
        /// How many neighbouring passages are put around each hit.
        #[serde(default)]
        expand: u32,
    },
    /// Ask a knowledge base for rows, or groups with sums, of its typed fields; `query` has the members of the plugin contract's
    /// `knowledge.query`. Ok: `{rows: [{…columns}], total}`.
    Query { knowledge_base: String, query: serde_json::Map<String, Value> },
    /// Call a plugin's tool. Ok: the tool's result.
    CallTool { plugin: String, tool: String, arguments: Value },
    /// Run another workflow. Ok: `{outputs, text, usage: {input_tokens, output_tokens, cost?}}`.
    RunWorkflow {
        workflow: String,
        /// A published version by its number; none is the current one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<i64>,
        inputs: Value,
    },
    /// Send an HTTP request. Ok: `{status, ok, headers: {name: value}, body}`.
    Fetch(Box<HttpRequest>),
    /// Read a file. Ok: `{text, pages: [text], tables: [[row]], metadata}`.
    ParseDocument { file: Value },
    /// Ask a person. Ok for a question: `{text?, option?, fields?, by?}`; for an approval: `{approved, comment?, by?}`;
    /// for either: `{timed_out: true}` when nobody answered in time.
    AskHuman(Box<Question>),
    /// Let time pass. Ok: null.
    Wait { ms: u64 },
    /// Let time pass until a moment: RFC 3339, or a date, or date and time, of the server's zone. Ok: null.
    WaitUntil { time: String },
    /// Look an output up that was kept for equal input. Ok: `{hit: false}`, or `{hit: true, ports, output, usage}`.
    Recall(Box<CacheKey>),
}

/// A function that a model may ask to be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// `[a-zA-Z0-9_-]{1,64}`, as model providers want it.
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: Value,
}

/// A call that a model asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    /// In the document's order; a name may come twice.
    pub headers: Vec<(String, SecretText)>,
    pub query: Vec<(String, String)>,
    pub body: HttpBody,
    pub auth: HttpAuth,
    pub response: ResponseFormat,
    /// A longer body is an error.
    pub max_bytes: u64,
}

/// Text in which secrets are only named. Whoever performs the effect puts them in; nothing else ever sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub Vec<SecretPart>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretPart {
    Text(String),
    Secret(String),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpBody {
    #[default]
    None,
    Text(String),
    /// Sent as `application/json` unless a header says otherwise.
    Json(Value),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpAuth {
    #[default]
    None,
    Bearer(SecretText),
    Basic {
        username: SecretText,
        password: SecretText,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// By the answer's content type.
    #[default]
    Auto,
    Json,
    Text,
    /// `{name, media_type, base64}`
    File,
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub kind: QuestionKind,
    /// For lists of open questions; the node's title if the document gives no other.
    pub title: String,
    pub text: String,
    pub options: Vec<QuestionOption>,
    /// JSON Schema of an object; the answer may bring `fields` that fit it.
    pub fields: Option<Value>,
    /// The least role that may answer; none is whoever the conversation is with.
    pub who: Option<String>,
    pub timeout_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    Ask,
    Approve,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionOption {
    pub name: String,
    pub title: String,
}

/// What makes two calls of a node equal, and for how long and for whom an output is kept. The performer adds the versions
/// of the models and knowledge bases that are named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheKey {
    /// The kind, the node's configuration as written, and its evaluated input or its `key`.
    pub material: Value,
    pub models: Vec<String>,
    pub knowledge_bases: Vec<String>,
    pub ttl_ms: u64,
    pub scope: CacheScope,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheScope {
    #[default]
    Tenant,
    User,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub role: MessageRole,
    pub content: String,
    /// Addresses of pictures: `https:` or `data:`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// What an assistant's message asked to be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    pub(crate) fn new(role: MessageRole, content: impl Into<String>) -> Message {
        Message { role, content: content.into(), images: Vec::new(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    System,
    User,
    Assistant,
    Tool,
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

impl Outcome {
    /// A value that is nested so deeply that nobody could store it is a failure.
    pub(crate) fn bounded(self) -> Outcome {
        match self {
            Outcome::Ok { value } => match crate::expression::bounded(value) {
                Ok(value) => Outcome::Ok { value },
                Err(error) => Outcome::Failed { error },
            },
            Outcome::Failed { error } => Outcome::Failed { error },
        }
    }
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
