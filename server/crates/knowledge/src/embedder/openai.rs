//! Vectors from any provider that speaks OpenAI's `/v1/embeddings`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::http::{Post, PostError};
use super::{EmbedError, Embedder, Prefixes, Purpose, normalise};

/// Where a provider listens, and what it takes.
#[derive(Clone)]
pub struct OpenAiConfig {
    /// With the version, for instance `https://api.openai.com/v1`; `/embeddings` is added.
    pub base_url: String,
    /// As the provider calls it.
    pub model: String,
    /// Identifies the vectors' space, see [`Embedder::model`]; for instance `PROVIDER/MODEL`.
    pub name: String,
    /// Sent as `Authorization: Bearer …`.
    pub key: Option<String>,
    /// How long the vectors are, if it is known; else the first answer says so.
    pub dimensions: Option<usize>,
    /// What the model wants before its texts.
    pub prefixes: Prefixes,
    /// Texts of one request.
    pub batch_texts: usize,
    /// Tokens of one request, as estimated.
    pub batch_tokens: usize,
    /// Longer texts are cut, in estimated tokens: their beginning says what they are about.
    pub longest_text: usize,
    /// Requests at the same time.
    pub concurrency: usize,
    /// For one request, with its retries.
    pub timeout: Duration,
    /// How often a request is repeated that was answered with 429 or 5xx, or not at all.
    pub retries: u32,
}

impl OpenAiConfig {
    /// With the prefixes that are known of the model.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> OpenAiConfig {
        let model = model.into();
        OpenAiConfig {
            base_url: base_url.into(),
            name: model.clone(),
            prefixes: Prefixes::of_model(&model),
            model,
            key: None,
            dimensions: None,
            batch_texts: 64,
            batch_tokens: 100_000,
            longest_text: 8000,
            concurrency: 4,
            timeout: Duration::from_secs(60),
            retries: 4,
        }
    }
}

pub struct OpenAiEmbedder {
    post: Post,
    /// The name of its vectors' space.
    space: String,
    config: OpenAiConfig,
    /// 0 until the first answer; written by it.
    dimensions: AtomicUsize,
    lanes: Semaphore,
}

#[derive(Serialize)]
struct Asked<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'a str,
}

#[derive(Deserialize)]
struct Answered {
    data: Vec<Made>,
}

#[derive(Deserialize)]
struct Made {
    /// Some providers leave it out, and mean the order.
    index: Option<usize>,
    /// Not a number where a provider writes `null`, as JSON has no other way to say so.
    embedding: Vec<Option<f32>>,
}

impl OpenAiEmbedder {
    pub fn new(config: OpenAiConfig, client: reqwest::Client) -> OpenAiEmbedder {
        let url = format!("{}/embeddings", config.base_url.trim_end_matches('/'));
        OpenAiEmbedder {
            post: Post { client, url, key: config.key.clone(), retries: config.retries },
            dimensions: AtomicUsize::new(config.dimensions.unwrap_or(0)),
            lanes: Semaphore::new(config.concurrency.max(1)),
            space: config.name.clone(),
            config,
        }
    }

    async fn embed_all(&self, texts: &[String], purpose: Purpose) -> Result<Vec<Vec<f32>>, EmbedError> {
        let prefix = match purpose {
            Purpose::Query => &self.config.prefixes.query,
            Purpose::Passage => &self.config.prefixes.passage,
        };
        let prepared: Vec<String> =
            texts.iter().map(|it| format!("{prefix}{}", beginning(it, self.config.longest_text))).collect();
        let batches = batches(&prepared, self.config.batch_texts.max(1), self.config.batch_tokens.max(1));
        // Begun together; the lanes say how many are under way.
        let mut running = FuturesOrdered::new();
        for batch in batches {
            running.push_back(self.ask(batch));
        }
        let mut made = Vec::with_capacity(texts.len());
        while let Some(vectors) = running.next().await {
            made.extend(vectors?);
        }
        Ok(made)
    }

    async fn ask(&self, batch: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let _lane = self.lanes.acquire().await.map_err(|error| self.unusable(error.to_string()))?;
        let asked = Asked { model: &self.config.model, input: batch, encoding_format: "float" };
        let answered: Answered = self.post.send(&asked, self.config.timeout).await.map_err(|it| self.told(it))?;
        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; batch.len()];
        if answered.data.len() != batch.len() {
            return Err(self.unusable(format!("it gave {} vectors for {} texts", answered.data.len(), batch.len())));
        }
        for (place, Made { index, embedding }) in answered.data.into_iter().enumerate() {
            let index = index.unwrap_or(place);
            let vector: Vec<f32> = embedding
                .into_iter()
                .map(|it| it.filter(|it| it.is_finite()))
                .collect::<Option<_>>()
                .ok_or_else(|| self.unusable("a vector has members that are no numbers".to_owned()))?;
            let vector = self.fitting(vector)?;
            let slot = vectors
                .get_mut(index)
                .ok_or_else(|| self.unusable(format!("it gave a vector for text {index} of {}", batch.len())))?;
            if slot.replace(vector).is_some() {
                return Err(self.unusable(format!("it gave two vectors for text {index}")));
            }
        }
        vectors
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| self.unusable("it gave no vector for one of the texts".to_owned()))
    }

    /// Normalised, if it is as long as all others.
    fn fitting(&self, mut vector: Vec<f32>) -> Result<Vec<f32>, EmbedError> {
        let known = self.dimensions.compare_exchange(0, vector.len(), Ordering::SeqCst, Ordering::SeqCst);
        let known = known.unwrap_or_else(|known| known);
        if vector.is_empty() || (known != 0 && known != vector.len()) {
            return Err(self.unusable(format!("it gave a vector of {} dimensions instead of {known}", vector.len())));
        }
        if vector.iter().all(|it| *it == 0.0) {
            return Err(self.unusable("it gave a vector of zeros".to_owned()));
        }
        normalise(&mut vector);
        Ok(vector)
    }

    fn unusable(&self, reason: String) -> EmbedError {
        EmbedError::Provider {
            reason: format!("the answer of `{}` cannot be used: {reason}", self.config.model),
            hint: "check that the address belongs to an OpenAI-compatible provider and that the model makes embeddings"
                .to_owned(),
        }
    }

    fn told(&self, error: PostError) -> EmbedError {
        let model = &self.config.model;
        match error {
            PostError::Unreachable(reason) => EmbedError::Provider {
                reason: format!("the provider of `{model}` cannot be reached: {reason}"),
                hint: "check the provider's address and limits, and try again".to_owned(),
            },
            PostError::Refused(reason) => EmbedError::Provider {
                reason: format!("the provider of `{model}` refused: {reason}"),
                hint: "check the provider's key and the model's name".to_owned(),
            },
            PostError::Unusable(reason) => self.unusable(reason),
        }
    }
}

impl Embedder for OpenAiEmbedder {
    fn model(&self) -> &str {
        &self.space
    }

    fn dimensions(&self) -> usize {
        self.dimensions.load(Ordering::SeqCst)
    }

    fn batch(&self) -> usize {
        self.config.batch_texts.max(1).saturating_mul(self.config.concurrency.max(1))
    }

    fn embed<'a>(&'a self, texts: &'a [String], purpose: Purpose) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        Box::pin(self.embed_all(texts, purpose))
    }
}

/// Tokens of a text, never too few: a character outside of ASCII is at most about one and a half, and three letters are one.
fn most_tokens(text: &str) -> usize {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let others = text.chars().count().saturating_sub(ascii);
    ascii.div_ceil(3) + others + others / 2
}

fn beginning(text: &str, tokens: usize) -> &str {
    if most_tokens(text) <= tokens {
        return text;
    }
    // Counted as the dearest characters, so that no second look is needed.
    let characters = tokens.saturating_mul(2) / 3;
    text.char_indices().nth(characters).map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

fn batches(texts: &[String], most_texts: usize, tokens: usize) -> Vec<&[String]> {
    let mut batches = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        let own = most_tokens(text);
        if at > start && (at - start >= most_texts || sum + own > tokens) {
            batches.extend(texts.get(start..at));
            (start, sum) = (at, 0);
        }
        sum += own;
    }
    if start < texts.len() {
        batches.extend(texts.get(start..));
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_to_the_providers_limits() {
        let texts: Vec<String> = ["aaa", "bbb", "豆腐", &"c".repeat(30), "d"].map(str::to_owned).into();
        let sizes = |most, tokens| batches(&texts, most, tokens).iter().map(|it| it.len()).collect::<Vec<_>>();
        assert_eq!(sizes(2, 1000), [2, 2, 1]);
        assert_eq!(sizes(10, 5), [3, 1, 1]);
        assert!(batches(&[], 10, 5).is_empty());
        assert_eq!(beginning("豆腐豆腐豆腐", 3), "豆腐");
        assert_eq!(beginning("tofu", 3), "tofu");
    }
}
