//! What finds records by meaning and by words: memory that is filled from the tenant's file, or a Qdrant server. The file
//! stays the truth in either case, and keeps the texts; whoever changes it says so here.

use futures::future::BoxFuture;

use super::scope::{Gathered, Nothing, Question};
use super::stage::Staged;
use super::tenant::TenantIndex;
use super::{BaseRef, IndexState, Timings};
use crate::error::KnowledgeError;

/// Tenant, bases, filters, groups and the version that answers are a part of every search, wherever it is made.
pub(super) trait VectorIndex: Send + Sync {
    /// Where it is; none in this process.
    fn address(&self) -> Option<&str>;

    fn is_elsewhere(&self) -> bool {
        self.address().is_some()
    }

    /// What it is, and whether it answers now.
    fn state(&self) -> BoxFuture<'_, IndexState>;

    /// Takes in the records of a version that is complete, beside those that answer.
    fn upsert<'a>(
        &'a self,
        index: &'a TenantIndex,
        base: &'a BaseRef,
        staged: Staged,
    ) -> BoxFuture<'a, Result<(), KnowledgeError>>;

    /// Lets that answer which answers in the file now, after a base was changed there. With `look_again`, also records
    /// whose vectors came meanwhile. What cannot be done now is done before the next search.
    fn swap<'a>(&'a self, index: &'a TenantIndex, base: &'a BaseRef, look_again: bool) -> BoxFuture<'a, ()>;

    /// Lets go of what is not in the file any more; what cannot be done now is done before the next search.
    fn delete<'a>(&'a self, index: &'a TenantIndex) -> BoxFuture<'a, ()>;

    /// Lets go of a base's vectors of a model that it was moved away from.
    fn leave<'a>(
        &'a self,
        index: &'a TenantIndex,
        base: &'a str,
        model: &'a str,
    ) -> BoxFuture<'a, Result<(), KnowledgeError>>;

    /// Both lists of a search, as far as each is wanted and can be made.
    fn search<'a>(
        &'a self,
        index: &'a TenantIndex,
        question: &'a Question<'a>,
        timings: &'a mut Timings,
    ) -> BoxFuture<'a, Result<Result<Gathered, Nothing>, KnowledgeError>>;
}

/// Segments in memory, which every search makes anew where the file has changed: there is nothing to tell them.
pub(super) struct Embedded;

impl VectorIndex for Embedded {
    fn address(&self) -> Option<&str> {
        None
    }

    fn state(&self) -> BoxFuture<'_, IndexState> {
        Box::pin(std::future::ready(IndexState::Embedded))
    }

    fn upsert<'a>(
        &'a self,
        _: &'a TenantIndex,
        _: &'a BaseRef,
        _: Staged,
    ) -> BoxFuture<'a, Result<(), KnowledgeError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn swap<'a>(&'a self, _: &'a TenantIndex, _: &'a BaseRef, _: bool) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn delete<'a>(&'a self, _: &'a TenantIndex) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn leave<'a>(&'a self, _: &'a TenantIndex, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), KnowledgeError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn search<'a>(
        &'a self,
        index: &'a TenantIndex,
        question: &'a Question<'a>,
        timings: &'a mut Timings,
    ) -> BoxFuture<'a, Result<Result<Gathered, Nothing>, KnowledgeError>> {
        Box::pin(index.gather(question, timings))
    }
}
