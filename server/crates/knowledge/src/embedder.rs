//! Turning text into vectors: the trait that every provider has, and a cache of queries around any of them.

mod cache;
mod local;

use futures::future::BoxFuture;

pub use cache::CachedEmbedder;
pub use local::{DownloadProgress, LocalEmbedder, LocalModelConfig, LocalTokens, ModelState};

/// What a text is for. Models such as e5 are trained with another prefix for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    Query,
    Passage,
}

/// Why no vectors came back. The text is for the owner of the server; `hint` says what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EmbedError {
    #[error("the embedding model is not there yet")]
    Missing,
    #[error("the embedding model is being fetched ({})", crate::embedder::share(*done, *total))]
    Downloading { done: u64, total: Option<u64> },
    #[error("the embedding model cannot be used: {reason}")]
    Failed { reason: String },
}

impl EmbedError {
    pub fn hint(&self) -> Option<String> {
        match self {
            EmbedError::Missing => Some(
                "`parlour models fetch` gets it (about 90 MB); or put `e5-small-q4.bin` into the model folder"
                    .to_owned(),
            ),
            EmbedError::Downloading { .. } => Some("try again in a moment".to_owned()),
            EmbedError::Failed { .. } => Some(
                "check the network or the model folder; `parlour models fetch` tries again and tells more".to_owned(),
            ),
        }
    }
}

pub(crate) fn share(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) if total > 0 => format!("{} %", done.saturating_mul(100) / total),
        Some(_) | None => format!("{} MB so far", done >> 20),
    }
}

pub trait Embedder: Send + Sync {
    /// Identifies the vectors' space: vectors of models with different names are never compared.
    fn model(&self) -> &str;
    fn dimensions(&self) -> usize;
    /// One normalised vector for each text, in order. Prefixes that the model wants are added here.
    fn embed<'a>(&'a self, texts: &'a [String], purpose: Purpose) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>>;
}
