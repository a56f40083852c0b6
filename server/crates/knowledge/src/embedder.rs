//! Turning text into vectors: the trait that every provider has, and a cache of queries around any of them.

mod cache;
mod http;
mod local;
mod openai;
mod prefixes;

use futures::future::BoxFuture;

pub use cache::CachedEmbedder;
pub(crate) use http::{Post, PostError};
pub use local::{DownloadProgress, LocalEmbedder, LocalModelConfig, LocalTokens, ModelState};
pub use openai::{OpenAiConfig, OpenAiEmbedder};
pub use prefixes::Prefixes;

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
    /// A provider outside of this process. The reason never holds a key.
    #[error("{reason}")]
    Provider { reason: String, hint: String },
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
            EmbedError::Provider { hint, .. } => Some(hint.clone()),
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
    /// How long its vectors are; 0 while that is not known, which is until the first text was embedded.
    fn dimensions(&self) -> usize;
    /// How many texts are handed over at once where there are many.
    fn batch(&self) -> usize {
        64
    }
    /// One normalised vector for each text, in order. Prefixes that the model wants are added here.
    fn embed<'a>(&'a self, texts: &'a [String], purpose: Purpose) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>>;
}

impl std::fmt::Debug for dyn Embedder + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedder({})", self.model())
    }
}

fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|it| *it /= length);
}
