//! What the server offers to one call. The host has checked the permission before it asks; the implementation sees only the
//! tenant and the plugin that the call belongs to.

use futures::future::BoxFuture;

use crate::capabilities::http::{HttpRequest, HttpResponse};
use crate::capabilities::knowledge::{Entry, ListRequest, Page, QueryRequest, Rows, SearchRequest, SearchResult};
use crate::capabilities::model::{Completion, EmbedRequest, Embeddings, ModelRequest};
use crate::capabilities::storage::{KeyPage, SetValue, StoredValue};
use crate::error::HostError;

pub type Answer<'a, T> = BoxFuture<'a, Result<T, HostError>>;

/// The tenant's side of a call. What an implementation leaves out is answered as unavailable.
pub trait ServerAccess: Send + Sync {
    fn search(&self, request: SearchRequest) -> Answer<'_, SearchResult>;
    fn get(&self, knowledge_base: String, id: String) -> Answer<'_, Entry>;
    fn list(&self, request: ListRequest) -> Answer<'_, Page>;

    fn query(&self, _request: QueryRequest) -> Answer<'_, Rows> {
        nothing_here("tables")
    }

    /// Sends a request. Each address on its way, redirects included, must be one of `request.rules`.
    fn send(&self, _request: HttpRequest) -> Answer<'_, HttpResponse> {
        nothing_here("requests to other services")
    }

    fn complete(&self, _request: ModelRequest) -> Answer<'_, Completion> {
        nothing_here("language models")
    }

    fn embed(&self, _request: EmbedRequest) -> Answer<'_, Embeddings> {
        nothing_here("embedding models")
    }

    fn value(&self, _key: String) -> Answer<'_, Option<StoredValue>> {
        nothing_here("storage")
    }

    /// Answers the new version.
    fn set_value(&self, _set: SetValue) -> Answer<'_, u64> {
        nothing_here("storage")
    }

    fn delete_value(&self, _key: String) -> Answer<'_, bool> {
        nothing_here("storage")
    }

    fn list_values(&self, _prefix: String, _cursor: Option<String>, _limit: u32) -> Answer<'_, KeyPage> {
        nothing_here("storage")
    }
}

fn nothing_here<T: Send + 'static>(what: &str) -> Answer<'static, T> {
    let error = HostError::Unavailable(format!("there are no {what} here"));
    Box::pin(std::future::ready(Err(error)))
}

/// A call with nothing behind it: every knowledge base is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoServer;

impl NoServer {
    fn unknown<T: Send + 'static>(name: &str) -> Answer<'static, T> {
        let error = HostError::NotFound(format!("there is no knowledge base `{name}` here"));
        Box::pin(std::future::ready(Err(error)))
    }
}

impl ServerAccess for NoServer {
    fn search(&self, request: SearchRequest) -> Answer<'_, SearchResult> {
        Self::unknown(&request.knowledge_base)
    }

    fn get(&self, knowledge_base: String, _id: String) -> Answer<'_, Entry> {
        Self::unknown(&knowledge_base)
    }

    fn list(&self, request: ListRequest) -> Answer<'_, Page> {
        Self::unknown(&request.knowledge_base)
    }

    fn query(&self, request: QueryRequest) -> Answer<'_, Rows> {
        Self::unknown(&request.knowledge_base)
    }
}
