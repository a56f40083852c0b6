//! Runs plugins: WebAssembly components that see nothing but what is handed to them. wasmtime lives in this crate and
//! nowhere else.
//!
//! [`PluginHost::load`] turns an uploaded file into a [`Plugin`] (accept, compile, ask for its manifest in a sandbox,
//! validate), [`PluginHost::call`] runs one of its tools in an instance of its own. What a guest may reach is decided twice:
//! its manifest must ask for it and the tenant must have granted it ([`Grants`]); the data itself comes through
//! [`KnowledgeAccess`], which the server implements, so this crate knows neither tenants nor SQL nor HTTP.

mod accept;
mod bindings;
mod cache;
mod call;
mod capabilities;
mod component;
mod engine;
mod error;
mod explain;
mod host;
mod icon;
mod limits;
mod manifest;
mod meter;
mod pool;
mod schema;

pub use accept::{Import, imports};
pub use call::{CallContext, CallReport};
pub use capabilities::knowledge::{
    Entry, Grants, Hit, KnowledgeAccess, ListRequest, NoKnowledge, Page, SearchMode, SearchRequest, SearchResult,
    SearchStatus,
};
pub use capabilities::log::{LogLevel, LogLine};
pub use capabilities::system::{OperatingSystem, SystemSource};
pub use component::Plugin;
pub use engine::Allocation;
pub use error::{CallError, CallErrorKind, HostError, PluginError};
pub use futures::future::BoxFuture;
pub use host::{HostConfig, PluginHost};
pub use limits::Limits;
pub use manifest::{Effects, Example, KnowledgePermission, Localized, Manifest, Permissions, Tool};
