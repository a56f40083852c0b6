//! What a provider has been found to accept. One that calls itself OpenAI-compatible may refuse any optional parameter;
//! which one is learnt from its refusal, tried without, and remembered by the client once that has worked.

use crate::CompletionRequest;
use crate::refusal::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    pub(crate) schema: SchemaMode,
    pub(crate) limit: LimitName,
    /// `stream_options: {include_usage}`: without it most providers report no usage of a stream.
    pub(crate) usage: bool,
    /// OpenAI's reasoning models refuse any temperature but their own.
    pub(crate) temperature: bool,
}

/// The ways to get JSON of a schema, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchemaMode {
    /// The provider enforces the schema.
    Native,
    /// The provider enforces JSON; the schema stands in the prompt.
    JsonObject,
    /// The model is only asked.
    Prompt,
}

/// OpenAI renamed the parameter for its reasoning models, which refuse the old name; others know only the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitName {
    MaxTokens,
    MaxCompletionTokens,
}

impl Default for Abilities {
    fn default() -> Self {
        Self { schema: SchemaMode::Native, limit: LimitName::MaxTokens, usage: true, temperature: true }
    }
}

impl Abilities {
    /// What to try next after this refusal, if there is anything to leave out. Each answer asks for strictly less than
    /// `self`, so that asking again and again ends.
    pub(crate) fn reduced(self, refusal: &Refusal, request: &CompletionRequest) -> Option<Abilities> {
        if !matches!(refusal.status, Some(400 | 415 | 422 | 501)) || refusal.is_too_long() || refusal.is_unknown_model()
        {
            return None;
        }
        if self.usage && refusal.mentions(&["stream_options", "include_usage"]) {
            return Some(Abilities { usage: false, ..self });
        }
        if request.max_tokens.is_some()
            && self.limit == LimitName::MaxTokens
            && refusal.mentions(&["max_completion_tokens"])
        {
            return Some(Abilities { limit: LimitName::MaxCompletionTokens, ..self });
        }
        if request.temperature.is_some() && self.temperature && refusal.mentions(&["temperature"]) {
            return Some(Abilities { temperature: false, ..self });
        }
        if request.schema.is_some() {
            match self.schema {
                SchemaMode::Native => return Some(Abilities { schema: SchemaMode::JsonObject, ..self }),
                SchemaMode::JsonObject => return Some(Abilities { schema: SchemaMode::Prompt, ..self }),
                SchemaMode::Prompt => {}
            }
        }
        // A validator that forbids unknown fields does not always say which one it stumbled over.
        if self.usage && refusal.mentions(&["extra", "unknown", "unexpected", "unrecognized", "not permitted"]) {
            return Some(Abilities { usage: false, ..self });
        }
        None
    }

    /// What to remember for the client's other requests. A refusal of this one schema ("Invalid schema for
    /// response_format") says nothing about the next.
    pub(crate) fn remembered(self, known: Abilities, refused_schema_only: bool) -> Abilities {
        if refused_schema_only { Abilities { schema: known.schema, ..self } } else { self }
    }
}
