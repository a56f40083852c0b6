//! A second opinion on the order of the best candidates, from a model that reads query and text together: inside the process,
//! or over HTTP, in the form that Jina, Cohere, Xinference, vLLM and llama.cpp share:
//! `POST …/rerank {model, query, documents, top_n}`.

mod local;

use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::embedder::{Post, PostError, share};
use crate::notice::{Notice, notice};

pub use local::LocalReranker;

/// Why there is no second opinion. The text is for the owner of the server; it never holds a key.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.notice())]
pub enum RerankError {
    Unreachable { reason: String },
    Refused { reason: String },
    Unusable { reason: String },
    Missing,
    Downloading { done: u64, total: Option<u64> },
    Failed { reason: String },
    Slow { seconds: u64 },
}

impl RerankError {
    pub(super) fn notice(&self) -> Notice {
        match self.clone() {
            RerankError::Unreachable { reason } => {
                notice!("reranker_unreachable", "the reranker cannot be reached: {reason}", reason)
            }
            RerankError::Refused { reason } => notice!("reranker_refused", "the reranker refused: {reason}", reason),
            RerankError::Unusable { reason } => {
                notice!("reranker_unusable", "the reranker's answer cannot be used: {reason}", reason)
            }
            RerankError::Missing => notice!("reranker_missing", "the reranking model is not there yet"),
            RerankError::Downloading { done, total } => {
                let share = share(done, total);
                notice!("reranker_downloading", "the reranking model is being fetched ({share})", share)
            }
            RerankError::Failed { reason } => {
                notice!("reranker_failed", "the reranking model cannot be used: {reason}", reason)
            }
            RerankError::Slow { seconds } => notice!(
                "reranker_slow",
                "the reranking model took longer than {seconds} s: a smaller one, or fewer hits, take less",
                seconds,
            ),
        }
    }
}

pub trait Reranker: Send + Sync {
    /// Told in traces and reasons.
    fn name(&self) -> &str;
    /// How well each text answers the query, in the order of the texts; higher is better.
    fn rerank<'a>(&'a self, query: &'a str, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<f64>, RerankError>>;
}

impl std::fmt::Debug for dyn Reranker + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reranker({})", self.name())
    }
}

/// Where a reranker listens, and what it takes.
#[derive(Clone)]
pub struct HttpRerankerConfig {
    /// The whole address, for instance `https://api.jina.ai/v1/rerank`; without `/rerank` at its end, that is added.
    pub url: String,
    pub model: String,
    /// Sent as `Authorization: Bearer …`.
    pub key: Option<String>,
    /// For one call, with its retry.
    pub timeout: Duration,
    /// Texts are cut to so many characters: rerankers read some hundred tokens.
    pub longest_text: usize,
}

impl HttpRerankerConfig {
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> HttpRerankerConfig {
        HttpRerankerConfig {
            url: url.into(),
            model: model.into(),
            key: None,
            timeout: Duration::from_secs(10),
            longest_text: 4000,
        }
    }
}

pub struct HttpReranker {
    post: Post,
    model: String,
    timeout: Duration,
    longest_text: usize,
}

#[derive(Serialize)]
struct Asked<'a> {
    model: &'a str,
    query: &'a str,
    documents: Vec<&'a str>,
    top_n: usize,
    return_documents: bool,
}

#[derive(Deserialize)]
struct Answered {
    results: Vec<Scored>,
}

#[derive(Deserialize)]
struct Scored {
    index: usize,
    relevance_score: f64,
}

impl HttpReranker {
    pub fn new(config: HttpRerankerConfig, client: reqwest::Client) -> HttpReranker {
        let HttpRerankerConfig { url, model, key, timeout, longest_text } = config;
        let plain = url.trim_end_matches('/');
        let url = if plain.ends_with("/rerank") { plain.to_owned() } else { format!("{plain}/rerank") };
        HttpReranker { post: Post { client, url, key, retries: 1 }, model, timeout, longest_text }
    }

    async fn ask(&self, query: &str, texts: &[String]) -> Result<Vec<f64>, RerankError> {
        let cut = |it: &'_ str| it.char_indices().nth(self.longest_text).map_or(it.len(), |(at, _)| at);
        let documents: Vec<&str> = texts.iter().map(|it| it.get(..cut(it)).unwrap_or(it)).collect();
        let asked = Asked { model: &self.model, query, documents, top_n: texts.len(), return_documents: false };
        let answered: Answered = self.post.send(&asked, self.timeout).await.map_err(|error| match error {
            PostError::Unreachable(reason) => RerankError::Unreachable { reason },
            PostError::Refused(reason) => RerankError::Refused { reason },
            PostError::Unusable(reason) => RerankError::Unusable { reason },
        })?;
        let unusable = |reason: String| RerankError::Unusable { reason };
        let mut scores: Vec<Option<f64>> = vec![None; texts.len()];
        for Scored { index, relevance_score } in answered.results {
            if !relevance_score.is_finite() {
                return Err(unusable("a score is not a number".to_owned()));
            }
            let slot =
                scores.get_mut(index).ok_or_else(|| unusable(format!("it scored text {index} of {}", texts.len())))?;
            if slot.replace(relevance_score).is_some() {
                return Err(unusable(format!("it scored text {index} twice")));
            }
        }
        let given = scores.iter().flatten().count();
        scores
            .into_iter()
            .collect::<Option<Vec<f64>>>()
            .ok_or_else(|| unusable(format!("it scored {given} of {} texts", texts.len())))
    }
}

impl Reranker for HttpReranker {
    fn name(&self) -> &str {
        &self.model
    }

    fn rerank<'a>(&'a self, query: &'a str, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<f64>, RerankError>> {
        Box::pin(self.ask(query, texts))
    }
}
