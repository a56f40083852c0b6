//! What can go wrong between a request and its answer.
//!
//! `Display` is for the log: which operation failed, with the address and status but without words of the provider, who
//! may repeat the prompt. [`ModelError::author_message`] is for the author of the assistant and has those words.
//! Neither ever holds the key.

use std::error::Error as _;
use std::time::Duration;

use crate::base_url;
use crate::refusal::Refusal;

#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the model's base URL `{given}` cannot be used: {reason}")]
    BaseUrl { given: String, reason: String },
    #[error("the model provider's key holds characters that no HTTP header can carry")]
    Key,
    #[error("the model provider at {base_url} could not be reached")]
    Unreachable {
        base_url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("`{model}` at {base_url} gave no {phase} within {limit:?}")]
    Timeout { base_url: String, model: String, phase: Phase, limit: Duration },
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("the connection to {base_url} broke in the middle of the answer")]
    Broken { base_url: String, detail: String },
    #[error("the answer of {base_url} is not what an OpenAI-compatible provider sends")]
    BadAnswer { base_url: String, detail: String },
}

/// What was being waited for when the time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    FirstToken,
    NextToken,
    WholeAnswer,
    ListOfModels,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::FirstToken => "first word",
            Self::NextToken => "next word",
            Self::WholeAnswer => "whole answer",
            Self::ListOfModels => "list of models",
        })
    }
}

impl ModelError {
    /// Stable, for programs: `timeout rate_limited unavailable unauthorized invalid_request bad_answer`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BaseUrl { .. } => "invalid_request",
            Self::Key => "unauthorized",
            Self::Unreachable { source, .. } if source.is_timeout() => "timeout",
            Self::Unreachable { .. } | Self::Broken { .. } => "unavailable",
            Self::Timeout { .. } => "timeout",
            Self::Refused(refusal) => refusal.code(),
            Self::BadAnswer { .. } => "bad_answer",
        }
    }

    /// How long the provider asks to wait, where it does.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Refused(refusal) => {
                refusal.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
            }
            Self::BaseUrl { .. }
            | Self::Key
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::BadAnswer { .. } => None,
        }
    }

    /// What happened, in the provider's own words where it had any. For the author of the assistant, not for a visitor.
    pub fn author_message(&self) -> String {
        match self {
            Self::BaseUrl { .. } | Self::Key | Self::Timeout { .. } => self.to_string(),
            Self::Unreachable { source, .. } => match root_cause(source) {
                Some(cause) => format!("{self}: {cause}"),
                None => self.to_string(),
            },
            Self::Refused(refusal) => refusal.author_message(),
            Self::Broken { detail, .. } | Self::BadAnswer { detail, .. } => format!("{self}: {detail}"),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BaseUrl { .. } => Some(
                "set PARLOUR_MODEL_BASE_URL to the provider's address, for example `https://api.deepseek.com/v1`"
                    .into(),
            ),
            Self::Key => Some("copy the key again into PARLOUR_MODEL_API_KEY, without line breaks or quotes".into()),
            Self::Unreachable { base_url, .. } => Some(if base_url::is_ollama(base_url) {
                "is Ollama running? start it with `ollama serve`".into()
            } else if base_url::is_local(base_url) {
                "is the model server running, and on this port? in a container `localhost` is the container itself"
                    .into()
            } else {
                "check PARLOUR_MODEL_BASE_URL, the network, and whether a proxy is needed (HTTPS_PROXY)".into()
            }),
            Self::Timeout { phase: Phase::FirstToken, base_url, .. } if base_url::is_local(base_url) => Some(
                "a local model is slow while it loads and when memory is short: try again, or take a smaller model"
                    .into(),
            ),
            Self::Timeout { .. } => {
                Some("try again; if it stays slow, take a faster model or ask for fewer tokens".into())
            }
            Self::Refused(refusal) => refusal.hint.clone(),
            Self::Broken { .. } => Some("try again; if it keeps breaking, look into the provider's own log".into()),
            Self::BadAnswer { .. } => {
                Some("check PARLOUR_MODEL_BASE_URL: it should be the address whose `/chat/completions` answers".into())
            }
        }
    }
}

/// The innermost reason ("Connection refused", "failed to lookup address information"), which is the one that helps.
fn root_cause(error: &reqwest::Error) -> Option<String> {
    let mut cause = error.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}
