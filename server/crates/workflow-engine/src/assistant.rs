//! Assistants: what a visitor chats with. A document is lowered into a [`Program`] of the ordinary node kinds, so that a
//! chat turn is a run like any other, with the same trace.
//!
//! `read` reads the document; `lower` makes nodes of it, each standing at the assistant's own line.

mod lower;
mod read;

use indexmap::IndexMap;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::compile::{Context, Inputs, LimitsAsked, compile_program};
use crate::diagnostic::Compiled;
use crate::program::Program;

/// A compiled assistant.
#[derive(Debug)]
pub struct Assistant {
    pub document: AssistantDocument,
    pub program: Program,
}

/// What an assistant's document says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssistantDocument {
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub model: ModelChoice,
    pub system_prompt: Option<String>,
    pub opening: Option<String>,
    pub suggestions: Vec<String>,
    pub memory: Memory,
    pub knowledge: KnowledgeChoice,
    pub intents: IndexMap<String, AssistantIntent>,
    pub fallback: Fallback,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelChoice {
    #[serde(rename = "use")]
    pub use_: String,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
}

/// What the model's answers rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KnowledgeChoice {
    /// Names of knowledge bases.
    #[serde(rename = "use")]
    pub use_: Vec<String>,
    /// The model that makes one query of the conversation and the message; none searches for the message as it is.
    pub rewrite: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Turns of the conversation that the model sees.
    pub window: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AssistantIntent {
    pub title: Option<String>,
    pub description: Option<String>,
    pub examples: Vec<String>,
    /// The workflow that answers; with neither `run` nor `say` the fallback does.
    pub run: Option<String>,
    pub say: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The model answers, with the system prompt, the conversation and what the knowledge bases say.
    #[default]
    Chat,
    Workflow(String),
    Say(String),
}

/// Compiles an assistant's document.
#[must_use]
pub fn compile_assistant(text: &str, catalog: &Catalog) -> Compiled<Assistant> {
    let mut context = Context::new(text, catalog);
    let Some(root) = crate::yaml::parse(text, &mut context.diagnostics) else {
        return context.diagnostics.finish(None);
    };
    let document = read::document(&mut context, &root);
    let assistant = document.and_then(|document| {
        let (sources, signature) = lower::lower(&root, &document);
        let program =
            compile_program(&mut context, signature, (Inputs::none(), LimitsAsked::default()), (sources, None))?;
        Some(Assistant { document, program })
    });
    context.diagnostics.finish(assistant)
}
