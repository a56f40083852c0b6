//! Searches the tenant's knowledge bases.

use serde_json::{Value, json};
use workflow_engine::{Outcome, SearchMode};

use super::{Surroundings, refused};
use crate::app::knowledge::Search;
use crate::app::passages::{Finish, Found, flat};

pub(super) async fn perform(around: &Surroundings, bases: Vec<String>, request: Search, finish: Finish) -> Outcome {
    match around.app.search_passages(around.tenant, &bases, request, finish).await {
        Err(error) => refused(error),
        Ok(Found { hits, status, reason }) => {
            let hits: Vec<Value> = hits.iter().map(flat).collect();
            Outcome::Ok { value: json!({ "hits": hits, "status": status.as_str(), "reason": reason }) }
        }
    }
}

pub(super) fn mode(mode: SearchMode) -> knowledge::SearchMode {
    match mode {
        SearchMode::Hybrid => knowledge::SearchMode::Hybrid,
        SearchMode::Dense => knowledge::SearchMode::Dense,
        SearchMode::Lexical => knowledge::SearchMode::Lexical,
    }
}
