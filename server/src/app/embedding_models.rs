//! The embedding models that knowledge bases can use: the one inside the server, and the provider's that the operator
//! configured. A base names its model; who names none gets the first there is. And the reranker, of which there is one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::KnowledgeBase;
use knowledge::{
    CachedEmbedder, Embedder, EstimatedTokens, HttpReranker, HttpRerankerConfig, LocalEmbedder, LocalReranker,
    LocalTokens, OpenAiConfig, OpenAiEmbedder, Reranker, TokenCounter,
};

use super::{App, AppError, Result};
use crate::config::{Config, EmbeddingPrefixes, TextModel};

/// Query embeddings that are kept: about 1.5 KB each.
const CACHED_QUERIES: usize = 10_000;

/// A visitor waits for it. A provider's has as long.
const RERANKED_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct EmbeddingModels {
    /// The first one is what a base without a choice uses.
    all: Vec<Arc<dyn Embedder>>,
    local: Option<Arc<LocalEmbedder>>,
    /// The local model's own, once its file is there.
    tokens: OnceLock<Arc<dyn TokenCounter>>,
}

impl EmbeddingModels {
    pub(super) fn new(config: &Config, client: &reqwest::Client) -> EmbeddingModels {
        let local = config.embedding.clone().map(|it| Arc::new(LocalEmbedder::new(it, client.clone())));
        let mut all: Vec<Arc<dyn Embedder>> = Vec::new();
        let cached = |it: Arc<dyn Embedder>| Arc::new(CachedEmbedder::new(it, CACHED_QUERIES)) as Arc<dyn Embedder>;
        if let Some(local) = &local {
            all.push(cached(local.clone()));
        }
        if let Some(provider) = &config.embedding_provider {
            let mut settings = OpenAiConfig::new(&provider.url, &provider.model);
            settings.key.clone_from(&provider.api_key);
            let EmbeddingPrefixes { query, passage } = &config.embedding_prefixes;
            if let Some(query) = query {
                settings.prefixes.query.clone_from(query);
            }
            if let Some(passage) = passage.as_ref().filter(|it| **it != settings.prefixes.passage) {
                settings.prefixes.passage.clone_from(passage);
                // Vectors of passages with another prefix are not compared with these.
                settings.name = format!("{} [{passage}]", provider.model);
            }
            all.push(cached(Arc::new(OpenAiEmbedder::new(settings, client.clone()))));
        }
        EmbeddingModels { all, local, tokens: OnceLock::new() }
    }
}

/// The reranker that the operator configured.
pub(super) enum Reranking {
    None,
    /// Inside the server.
    Local(Arc<LocalReranker>),
    Provider(Arc<dyn Reranker>),
}

impl Reranking {
    pub(super) fn new(config: &Config, client: &reqwest::Client) -> Reranking {
        match &config.reranker {
            None => Reranking::None,
            Some(TextModel::Inside(model)) => {
                Reranking::Local(Arc::new(LocalReranker::new(model.clone(), client.clone(), RERANKED_WITHIN)))
            }
            Some(TextModel::Provider(provider)) => {
                let mut settings = HttpRerankerConfig::new(&provider.url, &provider.model);
                settings.key.clone_from(&provider.api_key);
                Reranking::Provider(Arc::new(HttpReranker::new(settings, client.clone())))
            }
        }
    }
}

impl App {
    /// What a base without a choice, and a classifier, embed with.
    pub fn embedder(&self) -> Option<&Arc<dyn Embedder>> {
        self.0.embedding_models.all.first()
    }

    pub fn embedding_models(&self) -> &[Arc<dyn Embedder>] {
        &self.0.embedding_models.all
    }

    pub(crate) fn embedder_named(&self, model: &str) -> Option<&Arc<dyn Embedder>> {
        self.0.embedding_models.all.iter().find(|it| it.model() == model)
    }

    /// # Errors
    /// `InvalidInput` with the names that there are.
    pub(crate) fn embedder_asked_for(&self, model: &str) -> Result<&Arc<dyn Embedder>> {
        self.embedder_named(model).ok_or_else(|| {
            let names: Vec<String> = self.embedding_models().iter().map(|it| format!("`{}`", it.model())).collect();
            let hint = match names.as_slice() {
                [] => "the server runs without any; see PARLOUR_EMBEDDING and PARLOUR_EMBEDDING_BASE_URL".to_owned(),
                names => format!("there are {}", names.join(", ")),
            };
            AppError::invalid(format!("there is no embedding model `{model}`")).hint(hint)
        })
    }

    /// The model whose vectors answer for a base. None when the server has none, or no longer has the base's.
    pub(crate) fn embedder_of(&self, base: &KnowledgeBase) -> Option<Arc<dyn Embedder>> {
        match &base.embedding_model {
            Some(name) => self.embedder_named(name).cloned(),
            None => self.embedder().cloned(),
        }
    }

    /// Of the embedding model inside the server, or about as many as it has. Reads a file the first time.
    pub(crate) fn token_counter(&self) -> Arc<dyn TokenCounter> {
        let models = &self.0.embedding_models;
        if let Some(tokens) = models.tokens.get() {
            return tokens.clone();
        }
        match self.config().embedding.as_ref().map(LocalTokens::open) {
            Some(Ok(tokens)) => models.tokens.get_or_init(|| Arc::new(tokens)).clone(),
            Some(Err(_)) | None => Arc::new(EstimatedTokens),
        }
    }

    /// The state of the in-process embedding model; none when the server runs without.
    pub fn embedding_state(&self) -> Option<knowledge::ModelState> {
        self.local_model().map(|it| it.state())
    }

    /// None when the operator has set none up.
    pub fn reranker(&self) -> Option<Arc<dyn Reranker>> {
        match &self.0.reranking {
            Reranking::None => None,
            Reranking::Local(local) => Some(local.clone()),
            Reranking::Provider(provider) => Some(provider.clone()),
        }
    }

    /// The reranker that runs inside the server.
    pub fn local_reranker(&self) -> Option<&Arc<LocalReranker>> {
        match &self.0.reranking {
            Reranking::Local(local) => Some(local),
            Reranking::None | Reranking::Provider(_) => None,
        }
    }

    pub fn local_model(&self) -> Option<&Arc<LocalEmbedder>> {
        self.0.embedding_models.local.as_ref()
    }
}
