//! Vectors that are still missing, knowledge bases on their way to another embedding model, and the files of models.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{KnowledgeBase, KnowledgeBaseId, TenantId};
use knowledge::{BaseRef, Progress};

use crate::app::{App, AppError, Result};

/// How often somebody looks whether a model that could not be used can be used again.
const AGAIN: Duration = Duration::from_secs(60);
/// How often the local model is fetched once more that could not be had.
const FETCH_AGAIN: Duration = Duration::from_secs(600);

/// How far bases have come on their way to another model, in records. It lives as long as the process: what is done is in
/// the index and is not done again.
#[derive(Debug, Default)]
pub(crate) struct Moves(Mutex<HashMap<(TenantId, KnowledgeBaseId), Progress>>);

impl Moves {
    pub(crate) fn of(&self, tenant: TenantId, base: KnowledgeBaseId) -> Option<Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(tenant, base)).copied()
    }

    fn note(&self, tenant: TenantId, base: KnowledgeBaseId, progress: Progress) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((tenant, base), progress);
    }

    fn forget(&self, tenant: TenantId, base: KnowledgeBaseId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant, base));
    }
}

impl App {
    /// Looks after vectors until the server stops: now, whenever somebody says that some are missing, and every minute.
    pub(super) fn keep_embedding(&self) {
        let app = self.clone();
        self.spawn(async move {
            let (mut fetch_at, mut told) = (Instant::now(), None::<String>);
            loop {
                if let Some(local) = app.local_model().cloned().filter(|_| Instant::now() >= fetch_at) {
                    let fetched = tokio::select! {
                        fetched = local.ensure(&|_| {}) => fetched,
                        () = app.stopping() => return,
                    };
                    if let Err(error) = fetched {
                        tracing::warn!(error = %error, "the embedding model cannot be had; search goes by words only");
                        fetch_at = Instant::now() + FETCH_AGAIN;
                    }
                }
                let trouble = app.embed_everything().await.err().map(|it| it.to_string());
                // The same trouble every minute is told once.
                if let Some(error) = trouble.as_ref().filter(|it| told.as_ref() != Some(it)) {
                    tracing::warn!(error, "not everything could be embedded; it will be tried again");
                }
                told = trouble;
                tokio::select! {
                    () = app.jobs().moving.notified() => {}
                    () = tokio::time::sleep(AGAIN) => {}
                    () = app.stopping() => return,
                }
            }
        });
    }

    /// Has the reranker's files fetched, where it runs inside the server.
    pub(super) fn fetch_reranker(&self) {
        let Some(reranker) = self.local_reranker().cloned() else { return };
        let app = self.clone();
        self.spawn(async move {
            loop {
                let fetched = tokio::select! {
                    fetched = reranker.ensure(&|_| {}) => fetched,
                    () = app.stopping() => return,
                };
                let Err(error) = fetched else { return };
                tracing::warn!(error = %error, "the reranking model cannot be had; hits stay in the order of the search");
                tokio::select! {
                    () = tokio::time::sleep(FETCH_AGAIN) => {}
                    () = app.stopping() => return,
                }
            }
        });
    }

    pub(crate) fn vectors_are_missing(&self) {
        self.jobs().moving.notify_one();
    }

    /// Makes the vectors that are missing, in every tenant, and moves bases to the models that they are to have.
    ///
    /// # Errors
    /// The database cannot be read. What goes wrong with one base is kept beside it and holds up no other.
    pub async fn embed_everything(&self) -> Result<()> {
        let mut first = None;
        for tenant in self.storage().all_tenants_list_tenants().await? {
            for base in self.storage().list_knowledge_bases(tenant.id).await? {
                if self.is_stopping() {
                    return Ok(());
                }
                let done = match &base.next_embedding_model {
                    None => self.embed_base(tenant.id, &base).await,
                    Some(next) => self.move_base(tenant.id, &base, next).await,
                };
                if let Err(error) = done {
                    first.get_or_insert(error);
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    async fn embed_base(&self, tenant: TenantId, base: &KnowledgeBase) -> Result<()> {
        let waiting = self.storage().documents_with_reason(tenant, base.id).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let reference = self.base_ref(base)?;
        if reference.embedder.is_none() {
            return Ok(());
        }
        self.catch_up(tenant, base).await?;
        let report = self.make_vectors(tenant, &reference, &|_| {}).await?;
        if report.embedded > 0 {
            tracing::info!(knowledge.base = base.name, records = report.embedded, "embedded what was waiting");
        }
        if report.missing == 0 && !report.stopped {
            for document in waiting {
                self.storage().set_document_reason(tenant, document, None).await?;
            }
        }
        Ok(())
    }

    async fn make_vectors(
        &self,
        tenant: TenantId,
        reference: &BaseRef,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<knowledge::EmbedReport> {
        let stop = || self.is_stopping();
        Ok(self.knowledge_index().embed_missing(&tenant.to_string(), reference, progress, &stop).await?)
    }

    /// Embeds all of a base with its next model, while the present one answers; then lets the next one answer.
    async fn move_base(&self, tenant: TenantId, base: &KnowledgeBase, next: &str) -> Result<()> {
        let moved = self.move_base_to(tenant, base, next).await;
        let problem = match &moved {
            Ok(()) => return Ok(()),
            Err(error) => error.hint.as_ref().map_or(error.detail.clone(), |hint| format!("{}\n{hint}", error.detail)),
        };
        if base.embedding_problem.as_ref() != Some(&problem) {
            self.storage().set_embedding_problem(tenant, base.id, next, Some(problem)).await?;
        }
        moved
    }

    async fn move_base_to(&self, tenant: TenantId, base: &KnowledgeBase, next: &str) -> Result<()> {
        let embedder = self.embedder_asked_for(next)?.clone();
        self.catch_up(tenant, base).await?;
        let before = self.embedder_of(base);
        let spec = self.base_ref(base)?.spec;
        let reference = BaseRef::new(base.id.to_string(), spec, Some(Arc::clone(&embedder)));
        let note = |it: Progress| self.jobs().moves.note(tenant, base.id, it);
        let report = self.make_vectors(tenant, &reference, &note).await;
        self.jobs().moves.forget(tenant, base.id);
        let report = report?;
        if report.stopped {
            return Ok(());
        }
        if report.missing > 0 {
            return Err(AppError::new(
                crate::error_codes::ErrorCode::EmbeddingUnavailable,
                report.reason.unwrap_or_else(|| format!("{} records are not embedded", report.missing)),
            ));
        }
        // False when somebody has chosen another model meanwhile.
        if !self.storage().finish_embedding_move(tenant, base.id, next, self.clock().now_ms()).await? {
            return Ok(());
        }
        if let Some(before) = before.filter(|it| it.model() != next) {
            self.knowledge_index().forget_model(&tenant.to_string(), &base.id.to_string(), before.model()).await?;
        }
        for document in self.storage().documents_with_reason(tenant, base.id).await? {
            self.storage().set_document_reason(tenant, document, None).await?;
        }
        tracing::info!(knowledge.base = base.name, model = next, "another embedding model answers");
        Ok(())
    }
}
