//! The nouns of Parlour: ids, small enums and entities, as plain data.
//!
//! This crate knows nothing of databases, HTTP or the engine, so that all of them can share it. Times are milliseconds
//! since 1970-01-01T00:00:00Z; whoever makes an entity brings its id and its times along.

mod accounts;
mod audit;
mod conversations;
mod definitions;
mod ids;
mod knowledge;
mod names;
mod plugins;
mod runs;
mod secrets;
mod tables;
mod triggers;

pub use accounts::{ApiKey, Role, Session, Tenant, User};
pub use audit::AuditEntry;
pub use conversations::{Conversation, Message, MessageRole, MessageStatus};
pub use definitions::{Definition, DefinitionKind, Version};
pub use ids::{
    ApiKeyId, AuditEntryId, ConversationId, DocumentId, KnowledgeBaseId, MessageId, PluginCallId, PluginId,
    RetrievalTestId, RunId, TenantId, TriggerId, UserId, VersionId,
};
pub use knowledge::{Chunk, Document, DocumentState, Ingestion, KnowledgeBase, ProgressUnit, RetrievalTest};
pub use names::UnknownName;
pub use plugins::{Plugin, PluginCall, PluginVersion};
pub use runs::{Run, RunEvent, RunKind, RunStatus, Wait, WaitKind};
pub use secrets::Secret;
pub use tables::DecisionTable;
pub use triggers::{Tick, TickState, Trigger, TriggerKind};
