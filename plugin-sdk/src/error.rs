//! How a tool or a host call fails. The kind decides whether the workflow engine tries again and what the author reads.

use std::fmt::{self, Display};

/// A failure with its kind.
///
/// It converts with `?` from every standard error (as [`Error::Failed`], with the causes in the text). It is not a
/// standard error itself: Rust allows only one of the two, and converting is what a tool does all day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The caller's input is wrong; the same input again cannot help.
    InvalidInput(String),
    /// What was asked for does not exist, or not for this tenant.
    NotFound(String),
    /// The manifest does not ask for it, or the tenant has not granted it.
    Denied(String),
    /// Too many calls; the seconds to wait, where known. The engine tries again.
    RateLimited(Option<u32>),
    /// Something outside is down or slow. The engine tries again.
    Unavailable(String),
    /// Anything else.
    Failed(String),
}

/// What a tool returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err(Error::invalid_input)`.
    pub fn invalid_input(message: impl Display) -> Self {
        Self::InvalidInput(message.to_string())
    }

    pub fn not_found(message: impl Display) -> Self {
        Self::NotFound(message.to_string())
    }

    pub fn unavailable(message: impl Display) -> Self {
        Self::Unavailable(message.to_string())
    }

    pub fn failed(message: impl Display) -> Self {
        Self::Failed(message.to_string())
    }
}

impl Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidInput(message) => write!(formatter, "invalid input: {message}"),
            Self::NotFound(message) => write!(formatter, "not found: {message}"),
            Self::Denied(message) => write!(formatter, "denied: {message}"),
            Self::RateLimited(Some(seconds)) => write!(formatter, "too many calls; wait {seconds} s"),
            Self::RateLimited(None) => formatter.write_str("too many calls"),
            Self::Unavailable(message) => write!(formatter, "unavailable: {message}"),
            Self::Failed(message) => formatter.write_str(message),
        }
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self::Failed(text)
    }
}
