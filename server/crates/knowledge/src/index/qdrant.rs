//! The second back end: a Qdrant server finds what is held in memory otherwise. A tenant's file stays the truth, and keeps
//! the texts; points are made of it, and it remembers what the server was told.

mod collection;
mod filter;
mod lists;
mod point;
mod server;
mod step;
mod told;

pub(super) use lists::There;
pub use server::QdrantConfig;

use super::BaseRef;
use super::tenant::TenantIndex;
use crate::error::KnowledgeError;
use server::Server;

pub(super) struct QdrantIndex {
    server: Server,
}

impl QdrantIndex {
    /// Nothing is asked of the server before it is needed.
    pub(super) fn new(config: &QdrantConfig) -> Result<QdrantIndex, KnowledgeError> {
        Ok(QdrantIndex { server: Server::new(config)? })
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    /// Why it does not answer now; none if it does.
    pub(super) async fn problem(&self) -> Option<String> {
        self.server.problem().await
    }

    /// After a change of one base. A server that cannot be reached now is told before the next search.
    pub(super) async fn tell(&self, index: &TenantIndex, base: &BaseRef, look_again: bool) {
        if let Err(error) = self.bring_into_step(index, base, look_again).await {
            warn(index, &error);
        }
    }

    /// After something was taken away.
    pub(super) async fn tell_what_left(&self, index: &TenantIndex) {
        let _one = index.telling.lock().await;
        if let Err(error) = self.sweep(index).await {
            warn(index, &error);
        }
    }

    /// A base was moved away from a model.
    pub(super) async fn leave(&self, index: &TenantIndex, base: &str, model: &str) -> Result<(), KnowledgeError> {
        index.leave_model(base, model).await?;
        self.tell_what_left(index).await;
        Ok(())
    }
}

fn warn(index: &TenantIndex, error: &KnowledgeError) {
    tracing::warn!(tenant.id = index.tenant, error = %error, "Qdrant will be told of a change before the next search");
}
