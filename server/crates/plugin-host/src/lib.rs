//! Runs plugins: WebAssembly components that see nothing but what is handed to them. wasmtime lives in this crate and
//! nowhere else.
//!
//! [`PluginHost::load`] turns an uploaded file into a [`Plugin`] (accept, compile, ask for its manifest in a sandbox,
//! validate), [`PluginHost::call`] runs one of its tools in an instance of its own. What a guest may reach is decided twice:
//! its manifest must ask for it and the tenant must have granted it ([`Grants`]); the data itself comes through
//! [`ServerAccess`], which the server implements, so this crate knows neither tenants nor SQL nor HTTP.

mod accept;
mod access;
mod bindings;
mod cache;
mod call;
mod capabilities;
mod component;
mod engine;
mod error;
mod explain;
mod grants;
mod host;
mod icon;
mod limits;
mod manifest;
mod meter;
mod pool;
mod schema;
mod turns;
mod wasi;

pub use accept::{Import, imports};
pub use access::{Answer, NoServer, ServerAccess};
pub use call::{CallContext, CallReport, Tokens};
pub use capabilities::http::{HttpHeader, HttpRequest, HttpResponse, HttpRules, without_secrets};
pub use capabilities::knowledge::{
    Entry, Hit, ListRequest, Page, QueryRequest, Rows, SearchMode, SearchRequest, SearchResult, SearchStatus,
};
pub use capabilities::log::{LogLevel, LogLine};
pub use capabilities::model::{Author, Completion, EmbedPurpose, EmbedRequest, Embeddings, ModelMessage, ModelRequest};
pub use capabilities::storage::{KeyPage, SetValue, StoredValue};
pub use capabilities::system::{OperatingSystem, SystemSource};
pub use component::Plugin;
pub use engine::Allocation;
pub use error::{CallError, CallErrorKind, HostError, PluginError};
pub use futures::future::BoxFuture;
pub use grants::Grants;
pub use host::{HostConfig, PluginHost};
pub use limits::{Limits, LowerLimits};
pub use manifest::{
    Declared, Effects, Example, HttpPermission, KnowledgePermission, Localized, Manifest, ModelPermission, Permissions,
    StoragePermission, Tool,
};
