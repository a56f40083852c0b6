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

use futures::future::BoxFuture;
use std::error::Error;

use super::scope::{Gathered, Nothing, Question};
use super::stage::Staged;
use super::tenant::TenantIndex;
use super::vector_index::VectorIndex;
use super::{BaseRef, IndexState, Timings};
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
}

impl VectorIndex for QdrantIndex {
    fn address(&self) -> Option<&str> {
        Some(&self.server.url)
    }

    fn state(&self) -> BoxFuture<'_, IndexState> {
        Box::pin(async { IndexState::Qdrant { problem: self.server.problem().await } })
    }

    fn upsert<'a>(
        &'a self,
        index: &'a TenantIndex,
        base: &'a BaseRef,
        staged: Staged,
    ) -> BoxFuture<'a, Result<(), KnowledgeError>> {
        Box::pin(self.push_staged(index, base, staged))
    }

    fn swap<'a>(&'a self, index: &'a TenantIndex, base: &'a BaseRef, look_again: bool) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.bring_into_step(index, base, look_again).await {
                warn(index, &error);
            }
        })
    }

    fn delete<'a>(&'a self, index: &'a TenantIndex) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let _one = index.telling.lock().await;
            if let Err(error) = self.sweep(index).await {
                warn(index, &error);
            }
        })
    }

    fn leave<'a>(
        &'a self,
        index: &'a TenantIndex,
        base: &'a str,
        model: &'a str,
    ) -> BoxFuture<'a, Result<(), KnowledgeError>> {
        Box::pin(async move {
            index.leave_model(base, model).await?;
            self.delete(index).await;
            Ok(())
        })
    }

    fn search<'a>(
        &'a self,
        index: &'a TenantIndex,
        question: &'a Question<'a>,
        timings: &'a mut Timings,
    ) -> BoxFuture<'a, Result<Result<Gathered, Nothing>, KnowledgeError>> {
        Box::pin(self.gather(index, question, timings))
    }
}

fn warn(index: &TenantIndex, error: &KnowledgeError) {
    let error: &(dyn Error + 'static) = error;
    tracing::warn!(tenant.id = index.tenant, error, "Qdrant will be told of a change before the next search");
}
