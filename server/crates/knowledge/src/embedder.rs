//! Turning text into vectors: the trait that every provider has, and a cache of queries around any of them.

mod cache;
mod http;
mod local;
mod openai;
mod prefixes;

use futures::future::BoxFuture;

use crate::notice::{Notice, notice};

pub use cache::CachedEmbedder;
pub(crate) use http::{Post, PostError};
pub use local::LocalEmbedder;
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
#[error("{}", self.notice())]
pub enum EmbedError {
    Missing,
    Downloading {
        done: u64,
        total: Option<u64>,
    },
    Failed {
        reason: String,
    },
    /// A provider outside of this process. The reason never holds a key.
    Provider {
        reason: String,
        hint: String,
    },
}

impl EmbedError {
    pub(crate) fn notice(&self) -> Notice {
        match self {
            EmbedError::Missing => notice!("embedding_missing", "the embedding model is not there yet"),
            EmbedError::Downloading { done, total } => {
                let share = share(*done, *total);
                notice!("embedding_downloading", "the embedding model is being fetched ({share})", share)
            }
            EmbedError::Failed { reason } => {
                let reason = reason.clone();
                notice!("embedding_failed", "the embedding model cannot be used: {reason}", reason)
            }
            EmbedError::Provider { reason, .. } => {
                let reason = reason.clone();
                notice!("embedding_provider_failed", "{reason}", reason)
            }
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            EmbedError::Missing => {
                Some("`parlour models fetch` gets it; or put its files into the model folder".to_owned())
            }
            EmbedError::Downloading { .. } => Some("try again in a moment".to_owned()),
            EmbedError::Failed { .. } => Some(
                "check the network or the model folder; `parlour models fetch` tries again and tells more".to_owned(),
            ),
            EmbedError::Provider { hint, .. } => Some(hint.clone()),
        }
    }
}

/// How much of a download is there.
pub(crate) fn share(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) if total > 0 => format!("{} %", done.saturating_mul(100) / total),
        Some(_) | None => format!("{} MB", done >> 20),
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
