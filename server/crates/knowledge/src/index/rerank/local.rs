//! A cross-encoder inside the process: the model reads query and text in one sequence, and says how well they fit.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::{RerankError, Reranker};
use crate::model::{DownloadProgress, LocalModel, LocalModelConfig, Model, ModelState, Use};

/// Tokens of query and text together, as the rerankers that are known were trained; the text is cut to what is left.
const MAX_SEQUENCE: usize = 512;
/// Begin, two between query and text, end.
const MARKS: usize = 4;

/// Cheap to share; every method can be called concurrently.
pub struct LocalReranker {
    model: LocalModel,
    timeout: Duration,
}

impl LocalReranker {
    /// `timeout`: for one call, once the model is in memory.
    pub fn new(config: LocalModelConfig, client: reqwest::Client, timeout: Duration) -> LocalReranker {
        LocalReranker { model: LocalModel::new(config, Use::Score, client), timeout }
    }

    pub fn state(&self) -> ModelState {
        self.model.state()
    }

    /// Fetches the model's files unless they are there. Can be cancelled; the next call goes on where this one stopped.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub async fn ensure(&self, progress: &(dyn Fn(DownloadProgress) + Send + Sync)) -> Result<(), RerankError> {
        self.model.ensure(progress).await.map_err(|reason| RerankError::Failed { reason })
    }

    async fn scores(&self, query: &str, texts: &[String]) -> Result<Vec<f64>, RerankError> {
        let failed = |reason: String| RerankError::Failed { reason };
        let model = self.model.get().await.map_err(|state| match state {
            ModelState::Missing | ModelState::Ready => RerankError::Missing,
            ModelState::Downloading { done, total } => RerankError::Downloading { done, total },
            ModelState::Failed { reason } => RerankError::Failed { reason },
        })?;
        let (cutter, query, texts) = (model.clone(), query.to_owned(), texts.to_vec());
        let scored = async {
            let pairs = tokio::task::spawn_blocking(move || pairs(&cutter, &query, &texts)).await;
            self.model.run(&model, pairs.map_err(|error| error.to_string())?).await
        };
        // Whoever asked waits no longer; of what is not scored by then, no more than what runs at this moment is finished.
        let logits = tokio::time::timeout(self.timeout, scored)
            .await
            .map_err(|_| RerankError::Slow { seconds: self.timeout.as_secs() })?
            .map_err(failed)?;
        // As sentence-transformers shows the single label of a cross-encoder: 0 to 1.
        let scores = logits.iter().filter_map(|it| it.first()).map(|it| 1.0 / (1.0 + (-f64::from(*it)).exp()));
        Ok(scores.collect())
    }
}

/// `<s> query </s></s> text </s>` for each text. A query takes at most half of it.
fn pairs(model: &Arc<Model>, query: &str, texts: &[String]) -> Vec<Vec<u32>> {
    let room = model.longest().min(MAX_SEQUENCE).saturating_sub(MARKS);
    let (begin, end) = (model.tokenizer.begin(), model.tokenizer.end());
    let mut query = model.tokenizer.pieces(query);
    query.truncate(room / 2);
    let pair = |text: &String| {
        let mut pieces = model.tokenizer.pieces(text);
        pieces.truncate(room - query.len());
        [&[begin], query.as_slice(), &[end, end], &pieces, &[end]].concat()
    };
    texts.iter().map(pair).collect()
}

impl Reranker for LocalReranker {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn rerank<'a>(&'a self, query: &'a str, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<f64>, RerankError>> {
        Box::pin(self.scores(query, texts))
    }
}
