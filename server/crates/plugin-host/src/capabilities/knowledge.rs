//! The tenant's knowledge bases for a guest. The manifest asks (`permissions.knowledge`), the tenant grants
//! ([`Grants`]), and both are checked here at every call; only then the server's [`ServerAccess`] is reached.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::ServerAccess;
use crate::bindings::parlour::plugin::knowledge as wit;
use crate::bindings::parlour::plugin::types;
use crate::call::Guest;
use crate::error::HostError;
use crate::grants::Grants;
use crate::manifest::Manifest;

/// Stands for every knowledge base, in a manifest and in a grant.
pub(crate) const EVERY_BASE: &str = "*";
/// As the contract says; long enough for any question, short enough for an embedding model.
const MAX_QUERY_BYTES: usize = 8 << 10;
const MAX_TOP_K: u32 = 100;
const MAX_LIST_LIMIT: u32 = 1_000;

/// How hits are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    /// By meaning and by words, fused.
    #[default]
    Hybrid,
    /// By meaning.
    Dense,
    /// By words.
    Lexical,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchRequest {
    pub knowledge_base: String,
    pub query: String,
    /// 1 to 100.
    pub top_k: u32,
    pub mode: SearchMode,
    pub min_score: Option<f64>,
    /// Typed field filter, a JSON object.
    pub filter: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListRequest {
    pub knowledge_base: String,
    /// Typed field filter, a JSON object; none for everything.
    pub filter: Option<Value>,
    pub cursor: Option<String>,
    /// 1 to 1000.
    pub limit: u32,
}

/// Rows and sums over a base's records. What the members of `query` mean is the server's to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryRequest {
    pub knowledge_base: String,
    pub query: Map<String, Value>,
}

/// What a query gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    pub rows: Vec<Value>,
    /// How many there would be without the query's limit.
    pub total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchStatus {
    Ok,
    Empty,
    BelowThreshold,
    Degraded,
}

/// One record or passage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub id: String,
    /// Name of the document it came from.
    pub document: String,
    pub text: String,
    pub fields: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    pub entry: Entry,
    pub score: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    pub status: SearchStatus,
    /// Why there may be better hits than these.
    pub reason: Option<String>,
    pub hits: Vec<Hit>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub next_cursor: Option<String>,
}

/// What may grow in a search travels as JSON; a member nobody knows is an error, not a silent difference.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SearchOptions {
    filter: Option<Value>,
    mode: SearchMode,
    min_score: Option<f64>,
}

fn search_request(request: wit::SearchRequest) -> Result<SearchRequest, HostError> {
    let wit::SearchRequest { knowledge_base, query, top_k, options_json } = request;
    if query.len() > MAX_QUERY_BYTES {
        return Err(HostError::InvalidInput(format!(
            "the query has {} bytes; at most {MAX_QUERY_BYTES} are searched for",
            query.len()
        )));
    }
    check_range("top_k", top_k, MAX_TOP_K)?;
    let options: SearchOptions = if options_json.trim().is_empty() {
        SearchOptions::default()
    } else {
        serde_json::from_str(&options_json)
            .map_err(|error| HostError::InvalidInput(format!("the search options cannot be read: {error}")))?
    };
    let SearchOptions { filter, mode, min_score } = options;
    Ok(SearchRequest { knowledge_base, query, top_k, mode, min_score, filter: checked_filter(filter)? })
}

fn list_request(request: wit::ListRequest) -> Result<ListRequest, HostError> {
    let wit::ListRequest { knowledge_base, filter_json, cursor, limit } = request;
    check_range("limit", limit, MAX_LIST_LIMIT)?;
    let filter = if filter_json.trim().is_empty() {
        None
    } else {
        serde_json::from_str(&filter_json)
            .map_err(|error| HostError::InvalidInput(format!("the filter cannot be read: {error}")))?
    };
    Ok(ListRequest { knowledge_base, filter: checked_filter(filter)?, cursor, limit })
}

fn query_request(knowledge_base: String, query: &str) -> Result<QueryRequest, HostError> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(HostError::InvalidInput(format!(
            "the query has {} bytes; at most {MAX_QUERY_BYTES} are read",
            query.len()
        )));
    }
    match serde_json::from_str(query) {
        Ok(Value::Object(query)) => Ok(QueryRequest { knowledge_base, query }),
        Ok(_) => Err(HostError::InvalidInput("the query must be a JSON object".to_owned())),
        Err(error) => Err(HostError::InvalidInput(format!("the query cannot be read: {error}"))),
    }
}

fn check_range(name: &str, value: u32, most: u32) -> Result<(), HostError> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(HostError::InvalidInput(format!("`{name}` is {value}; it goes from 1 to {most}")))
}

fn checked_filter(filter: Option<Value>) -> Result<Option<Value>, HostError> {
    match filter {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(Value::Object(members))),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(HostError::InvalidInput("the filter must be a JSON object".to_owned()))
        }
    }
}

/// Ask ∧ grant. The refusal names the grant that would allow the call.
fn check_permission(manifest: Option<&Manifest>, grants: &Grants, base: &str) -> Result<(), HostError> {
    let Some(manifest) = manifest else {
        return Err(HostError::Denied("nothing is granted while a plugin describes itself".to_owned()));
    };
    let asked = &manifest.permissions.knowledge;
    if !asked.iter().any(|permission| permission.name == EVERY_BASE || permission.name == base) {
        return Err(HostError::Denied(format!(
            "the manifest does not ask for the knowledge base `{base}`, so no grant can allow it; its `permissions` would \
             need `knowledge: {base}`"
        )));
    }
    if !grants.knowledge.contains(EVERY_BASE) && !grants.knowledge.contains(base) {
        return Err(HostError::Denied(format!(
            "the knowledge base `{base}` is not granted to this plugin; the grant `knowledge: {base}` would allow it"
        )));
    }
    Ok(())
}

impl Guest {
    /// Counts the call against the budget, checks the permission, and lets the server answer.
    async fn ask<T: Send + 'static>(
        &mut self,
        base: &str,
        question: impl FnOnce(Arc<dyn ServerAccess>) -> BoxFuture<'static, Result<T, HostError>>,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        let checked = check_permission(self.manifest.as_deref(), &self.grants, base);
        self.ask_if(checked, || format!("knowledge: {base}"), question).await
    }
}

impl wit::Host for Guest {
    async fn search(
        &mut self,
        request: wit::SearchRequest,
    ) -> wasmtime::Result<Result<wit::SearchResult, types::Error>> {
        let base = request.knowledge_base.clone();
        let request = match search_request(request) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error.into())),
        };
        let found = self.ask(&base, |access| Box::pin(async move { access.search(request).await })).await?;
        Ok(found.map(wit::SearchResult::from))
    }

    async fn get(&mut self, base: String, id: String) -> wasmtime::Result<Result<wit::Entry, types::Error>> {
        let name = base.clone();
        let found = self.ask(&name, |access| Box::pin(async move { access.get(base, id).await })).await?;
        Ok(found.map(wit::Entry::from))
    }

    async fn list(&mut self, request: wit::ListRequest) -> wasmtime::Result<Result<wit::Page, types::Error>> {
        let base = request.knowledge_base.clone();
        let request = match list_request(request) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error.into())),
        };
        let found = self.ask(&base, |access| Box::pin(async move { access.list(request).await })).await?;
        Ok(found.map(wit::Page::from))
    }

    async fn query(&mut self, base: String, query: String) -> wasmtime::Result<Result<wit::QueryResult, types::Error>> {
        let request = match query_request(base.clone(), &query) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error.into())),
        };
        let found = self.ask(&base, |access| Box::pin(async move { access.query(request).await })).await?;
        Ok(found.map(|Rows { rows, total }| wit::QueryResult { rows_json: Value::Array(rows).to_string(), total }))
    }
}

impl From<Entry> for wit::Entry {
    fn from(entry: Entry) -> Self {
        let Entry { id, document, text, fields } = entry;
        Self { id, document, text, fields_json: Value::Object(fields).to_string() }
    }
}

impl From<SearchResult> for wit::SearchResult {
    fn from(result: SearchResult) -> Self {
        let SearchResult { status, reason, hits } = result;
        let status = match status {
            SearchStatus::Ok => wit::Status::Ok,
            SearchStatus::Empty => wit::Status::Empty,
            SearchStatus::BelowThreshold => wit::Status::BelowThreshold,
            SearchStatus::Degraded => wit::Status::Degraded,
        };
        let hits = hits.into_iter().map(|Hit { entry, score }| wit::Hit { entry: entry.into(), score }).collect();
        Self { status, reason, hits }
    }
}

impl From<Page> for wit::Page {
    fn from(page: Page) -> Self {
        let Page { entries, next_cursor } = page;
        Self { entries: entries.into_iter().map(wit::Entry::from).collect(), next_cursor }
    }
}

impl From<HostError> for types::Error {
    fn from(error: HostError) -> Self {
        match error {
            HostError::InvalidInput(message) => Self::InvalidInput(message),
            HostError::NotFound(message) => Self::NotFound(message),
            HostError::Denied(message) => Self::Denied(message),
            HostError::RateLimited(seconds) => Self::RateLimited(seconds),
            HostError::Unavailable(message) => Self::Unavailable(message),
            HostError::Failed(message) => Self::Failed(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(asked: &[&str]) -> Manifest {
        let knowledge: Vec<Value> =
            asked.iter().map(|name| json!({"name": name, "reason": {"en": "a", "zh": "a"}})).collect();
        serde_json::from_value(json!({
            "id": "menu", "version": "1.0.0", "title": {"en": "a", "zh": "a"}, "description": {"en": "a", "zh": "a"},
            "tools": [], "permissions": {"knowledge": knowledge}
        }))
        .expect("a manifest")
    }

    fn grants(granted: &[&str]) -> Grants {
        Grants { knowledge: granted.iter().map(|name| (*name).to_owned()).collect(), ..Grants::default() }
    }

    #[test]
    fn only_what_is_asked_and_granted_is_allowed() {
        for (asked, granted, allowed) in [
            (&["menu"][..], &["menu"][..], true),
            (&["*"], &["menu"], true),
            (&["menu"], &["*"], true),
            (&["*"], &["*"], true),
            (&[], &["*"], false),
            (&["menu"], &[], false),
            (&["menu"], &["ads"], false),
            (&["ads"], &["menu"], false),
        ] {
            let result = check_permission(Some(&manifest(asked)), &grants(granted), "menu");
            assert_eq!(result.is_ok(), allowed, "asked {asked:?}, granted {granted:?}: {result:?}");
            if let Err(refusal) = result {
                assert!(refusal.to_string().contains("`knowledge: menu`"), "{refusal}");
            }
        }
        assert!(check_permission(None, &grants(&["*"]), "menu").is_err(), "nothing is granted to `describe`");
    }

    #[test]
    fn requests_are_read_strictly() {
        let request = |top_k, options: &str| {
            search_request(wit::SearchRequest {
                knowledge_base: "menu".to_owned(),
                query: "辣".to_owned(),
                top_k,
                options_json: options.to_owned(),
            })
        };
        let good = request(8, r#"{"mode": "lexical", "filter": {"spice_level": {"gte": 2}}}"#).expect("it is fine");
        assert_eq!(good.mode, SearchMode::Lexical);
        assert_eq!(good.filter, Some(json!({"spice_level": {"gte": 2}})));
        assert!(request(0, "").is_err());
        assert!(request(101, "").is_err());
        assert!(request(8, r#"{"model": "lexical"}"#).is_err(), "a misspelt option is not ignored");
        assert!(request(8, r#"{"filter": [1]}"#).is_err());
    }
}
