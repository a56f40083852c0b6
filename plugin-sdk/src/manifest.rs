//! What a plugin says about itself: the JSON that `describe` returns, published as `manifest.schema.json`.

use serde::Serialize;
use serde_json::Value;

use crate::text::Text;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    pub id: String,
    /// Semantic version; the crate's own.
    pub version: String,
    pub title: Text,
    pub description: Text,
    /// SVG source.
    pub icon: Option<String>,
    pub homepage: Option<String>,
    /// SPDX expression; the crate's own.
    pub license: Option<String>,
    pub tools: Vec<Tool>,
    /// JSON Schema of the tenant's settings for this plugin.
    pub config: Option<Value>,
    pub permissions: Permissions,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tool {
    pub name: String,
    pub title: Text,
    pub description: Text,
    /// JSON Schema 2020-12 of the argument object.
    pub input: Value,
    /// JSON Schema 2020-12 of the result.
    pub output: Value,
    /// Whether the engine may call it again with the same input.
    pub idempotent: bool,
    pub effects: Effects,
    pub examples: Vec<Example>,
}

/// What a tool does to the world outside its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effects {
    /// Computes only.
    None,
    /// Reads what belongs to the tenant.
    Reads,
    /// Changes something.
    Writes,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    pub title: Text,
    pub input: Value,
    /// The exact result, for tools that depend on nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// What the plugin asks the tenant to grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Permissions {
    pub knowledge: Vec<KnowledgePermission>,
    pub http: Vec<HttpPermission>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelPermission>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StoragePermission>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnowledgePermission {
    /// A knowledge base by name, or `*` for whichever the caller names.
    pub name: String,
    pub reason: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpPermission {
    /// `api.example.com`; `*.example.com` for every host below it; `*` for whichever the plugin names; `config:KEY` for the
    /// host of the address in that setting.
    pub host: String,
    pub methods: Vec<String>,
    pub reason: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelPermission {
    /// What the models are for, as the tenant names them.
    pub roles: Vec<String>,
    /// Input and output together, in one call of a tool.
    pub max_tokens_per_call: u64,
    pub reason: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoragePermission {
    /// Keys and values together.
    pub max_bytes: u64,
    pub reason: Text,
}
