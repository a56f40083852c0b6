//! The workflow engine: YAML in, a [`Program`] out, and a [`Run`] of it that asks for effects and is told their outcomes.
//!
//! The engine performs nothing. It knows no clock, no files, no network, no randomness and no tenants; whoever drives a
//! run performs the [`Effect`]s that its [`Event`]s ask for and calls [`Run::resume`] with each [`Outcome`]. Between any
//! two calls a run can be serialized, stored, and taken up by another process.
//!
//! * `yaml` reads text into a small tree in which every key and value knows its place.
//! * `compile` turns that tree into a [`Program`], and says everything that is wrong with it.
//! * `nodes` has one file per kind of node.
//! * `run` executes programs.
//! * `assistant` lowers an assistant's document into a program of the same nodes.

mod assistant;
mod catalog;
mod compile;
mod cron;
mod diagnostic;
mod duration;
mod effect;
mod event;
mod expression;
mod input;
mod language_reference;
mod language_schema;
mod names;
mod node;
mod nodes;
mod program;
mod run;
mod schema;
mod segments;
mod slices;
mod table;
mod template;
mod trigger;
mod yaml;

pub use assistant::{
    Assistant, AssistantDocument, AssistantIntent, Fallback, KnowledgeChoice, Memory, ModelChoice, compile_assistant,
};
pub use catalog::{Catalog, ToolSpec, WorkflowSignature};
pub use compile::{LimitsAsked, compile_workflow, signature, tables_of};
pub use diagnostic::{Compiled, Diagnostic, Severity};
pub use effect::{
    CacheKey, CacheScope, Delta, Effect, EffectError, EffectId, EmbedPurpose, HttpAuth, HttpBody, HttpRequest, Message,
    MessageRole, Outcome, Question, QuestionKind, QuestionOption, RequestedEffect, ResponseFormat, SearchMode,
    SecretPart, SecretText, ToolCall, ToolDefinition,
};
pub use event::{Event, RunError, RunStatus};
pub use input::{ChatContext, ChatTurn, InputProblem, Limits, RunInput};
pub use language_reference::workflow_reference;
pub use language_schema::workflow_json_schema;
pub use node::{NodeKindInfo, PortsInfo, Words};
pub use nodes::{CODE_PLUGINS, node_kinds};
pub use program::{NodeInfo, Program};
pub use run::{PastNode, RerunError, Run};
pub use table::{Table, TableError};
pub use trigger::{Hmac, Schedule, Trigger, Webhook, WebhookResponse};
