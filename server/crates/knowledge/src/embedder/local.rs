//! Embeddings inside the process: multilingual-e5-small, or another model that the operator names.

use std::sync::OnceLock;

use futures::future::BoxFuture;

use super::{EmbedError, Embedder, Prefixes, Purpose, normalise};
use crate::model::{DownloadProgress, LocalModel, LocalModelConfig, Model, ModelSource, ModelState, Use};

/// Of multilingual-e5-small, which is known before it is loaded.
const PACKAGE_DIMENSIONS: usize = 384;
/// Texts longer than this many windows of 510 tokens are cut: their beginning says what they are about.
const MAX_WINDOWS: usize = 8;
/// Models that could take more at once take as much as that: attention's cost grows with the square of the length.
const MAX_WINDOW: usize = 512;

/// Cheap to share; every method can be called concurrently.
pub struct LocalEmbedder {
    model: LocalModel,
    prefixes: Prefixes,
    /// Known once the model was loaded.
    dimensions: OnceLock<usize>,
}

impl LocalEmbedder {
    pub fn new(config: LocalModelConfig, client: reqwest::Client) -> LocalEmbedder {
        let dimensions = OnceLock::new();
        if matches!(config.source, ModelSource::Package { .. }) {
            dimensions.get_or_init(|| PACKAGE_DIMENSIONS);
        }
        let model = LocalModel::new(config, Use::Embed, client);
        LocalEmbedder { prefixes: Prefixes::of_model(model.name()), model, dimensions }
    }

    pub fn state(&self) -> ModelState {
        self.model.state()
    }

    /// Whether the model is in memory now.
    pub async fn is_loaded(&self) -> bool {
        self.model.is_loaded().await
    }

    /// Fetches the model's files unless they are there. Can be cancelled; the next call goes on where this one stopped.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub async fn ensure(&self, progress: &(dyn Fn(DownloadProgress) + Send + Sync)) -> Result<(), EmbedError> {
        self.model.ensure(progress).await.map_err(|reason| EmbedError::Failed { reason })
    }

    async fn vectors(&self, texts: &[String], purpose: Purpose) -> Result<Vec<Vec<f32>>, EmbedError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |reason: String| EmbedError::Failed { reason };
        let model = self.model.get().await.map_err(|state| match state {
            ModelState::Missing | ModelState::Ready => EmbedError::Missing,
            ModelState::Downloading { done, total } => EmbedError::Downloading { done, total },
            ModelState::Failed { reason } => EmbedError::Failed { reason },
        })?;
        let width = *self.dimensions.get_or_init(|| model.width());
        if width != model.width() {
            return Err(failed(format!("the model's file makes vectors of {}, not {width}", model.width())));
        }
        let prefix = match purpose {
            Purpose::Query => &self.prefixes.query,
            Purpose::Passage => &self.prefixes.passage,
        };
        let prefixed: Vec<String> = texts.iter().map(|it| format!("{prefix}{it}")).collect();
        let cutter = model.clone();
        let cut = tokio::task::spawn_blocking(move || windows(&cutter, &prefixed)).await;
        let (texts_of, sequences): (Vec<usize>, Vec<Vec<u32>>) =
            cut.map_err(|error| failed(error.to_string()))?.into_iter().unzip();
        // A long text is the mean of its windows, each with the weight of its own tokens.
        let weights: Vec<f32> = sequences.iter().map(|it| it.len().saturating_sub(2).max(1) as f32).collect();
        let made = self.model.run(&model, sequences).await.map_err(failed)?;
        let mut sums: Vec<Vec<f32>> = vec![vec![0.0; width]; texts.len()];
        for ((text, weight), vector) in texts_of.into_iter().zip(weights).zip(made) {
            if let Some(sum) = sums.get_mut(text) {
                sum.iter_mut().zip(vector).for_each(|(sum, it)| *sum += weight * it);
            }
        }
        sums.iter_mut().for_each(|it| normalise(it));
        Ok(sums)
    }
}

/// The texts' pieces, between begin and end, each with the place of its text; a long text in several parts.
fn windows(model: &Model, texts: &[String]) -> Vec<(usize, Vec<u32>)> {
    let most = model.longest().min(MAX_WINDOW).saturating_sub(2).max(1);
    let tokenizer = &model.tokenizer;
    let mut windows = Vec::with_capacity(texts.len());
    for (text, written) in texts.iter().enumerate() {
        let pieces = tokenizer.pieces(written);
        let parts = pieces.chunks(most).take(MAX_WINDOWS);
        windows.extend(parts.map(|own| (text, [&[tokenizer.begin()], own, &[tokenizer.end()]].concat())));
    }
    windows
}

impl Embedder for LocalEmbedder {
    fn model(&self) -> &str {
        self.model.name()
    }

    fn dimensions(&self) -> usize {
        self.dimensions.get().copied().unwrap_or(0)
    }

    fn embed<'a>(&'a self, texts: &'a [String], purpose: Purpose) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        Box::pin(self.vectors(texts, purpose))
    }
}
