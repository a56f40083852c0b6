//! Work on documents in the background. What is to be done is a row beside its document (`storage::ingestion`); whoever
//! does it holds a lease on that, as on a run, so that a crash or another server costs nothing but the step in progress.

mod embed;
mod fetch;
mod ingest;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::{DocumentId, TenantId};
use serde_json::json;
use tokio::sync::Notify;

use crate::app::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use embed::Moves;
pub(crate) use fetch::document_name;
use ingest::Reading;
pub(crate) use ingest::{Embed, record_of};

/// How long a document that another server has taken in may lie.
const LOOK: Duration = Duration::from_secs(2);
/// How long a project that is loaded waits for a document that somebody else reads.
const PATIENCE: Duration = Duration::from_secs(300);
/// After trouble with the database.
const BREATH: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Jobs {
    /// Told when there is something to do.
    waiting: Notify,
    /// Documents that this process reads.
    reading: AtomicUsize,
    /// Told when vectors are missing, or a base is to get another embedding model.
    moving: Notify,
    pub(crate) moves: Moves,
}

/// Counts a document for as long as it is read.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Counted<'a> {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl App {
    /// Reads what has come in, until the server stops.
    pub fn keep_reading_documents(&self) {
        for _ in 0..self.config().limits.concurrent_documents {
            let app = self.clone();
            self.spawn(async move {
                while !app.is_stopping() {
                    let pause = match app.read_next_document().await {
                        Ok(true) => continue,
                        Ok(false) => LOOK,
                        Err(error) => {
                            tracing::error!(error = %error, "documents that wait cannot be read");
                            BREATH
                        }
                    };
                    tokio::select! {
                        () = app.jobs().waiting.notified() => {}
                        () = tokio::time::sleep(pause) => {}
                        () = app.stopping() => {}
                    }
                }
            });
        }
        self.keep_embedding();
        self.fetch_reranker();
    }

    pub(crate) fn documents_wait(&self) {
        self.jobs().waiting.notify_one();
    }

    pub(crate) fn is_reading_documents(&self) -> bool {
        self.jobs().reading.load(Ordering::SeqCst) > 0
    }

    /// Reads the document that is next; false when there is none. What goes wrong with it is kept beside it.
    pub async fn read_next_document(&self) -> Result<bool> {
        let now = self.clock().now_ms();
        if !self.storage().all_tenants_has_ingestion(now).await? {
            return Ok(false);
        }
        let Some(claimed) = self.storage().all_tenants_claim_ingestion(self.lease(), now).await? else {
            return Ok(false);
        };
        // Whoever is idle as well takes the next one meanwhile.
        self.documents_wait();
        let _counted = Counted::new(&self.jobs().reading);
        let (tenant, id) = (claimed.tenant, claimed.document.id);
        let Some(reading) = Reading::new(self, claimed).await? else { return Ok(true) };
        let held = reading.held().clone();
        // A task of its own: a panic over one document is that document's trouble.
        match tokio::spawn(reading.perform(Embed::Now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::info!(tenant.id = %tenant, document.id = %id, error = %error, "a document was not read");
            }
            Err(panic) => {
                tracing::error!(tenant.id = %tenant, document.id = %id, error = %panic, "reading a document panicked");
                let told = ("it cannot be read: something went wrong on the server".to_owned(), json!({}));
                self.storage().fail_ingestion(tenant, held, told, (None, now)).await?;
            }
        }
        Ok(true)
    }

    /// Reads a document here and now, for commands and for projects that are loaded before the server listens.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) async fn read_at_once(&self, tenant: TenantId, document: DocumentId, embed: Embed) -> Result<()> {
        let claimed = self.storage().claim_ingestion(tenant, document, self.lease(), self.clock().now_ms()).await?;
        // If somebody else has it already, they bring it to its end.
        let Some(claimed) = claimed else { return self.wait_for_reader(tenant, document).await };
        let _counted = Counted::new(&self.jobs().reading);
        match Reading::new(self, claimed).await? {
            Some(reading) => reading.perform(embed).await,
            None => Ok(()),
        }
    }

    async fn wait_for_reader(&self, tenant: TenantId, document: DocumentId) -> Result<()> {
        let until = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < until && !self.is_stopping() {
            let found = self.storage().document(tenant, document).await?;
            match found.and_then(|it| it.ingestion) {
                Some(it) if it.state.is_in_progress() => tokio::time::sleep(LOOK / 40).await,
                Some(it) => {
                    let reason = it.reason.unwrap_or_else(|| "it was stopped".to_owned());
                    return Err(AppError::new(ErrorCode::InvalidDocument, reason));
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }
}
