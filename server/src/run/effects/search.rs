//! Searches the tenant's knowledge bases.

use serde_json::{Value, json};
use workflow_engine::{Outcome, SearchMode};

use super::{Surroundings, refused};
use crate::app::knowledge::Search;

pub(super) async fn perform(around: &Surroundings, bases: Vec<String>, request: Search) -> Outcome {
    match around.app.search(around.tenant, &bases, request).await {
        Err(error) => refused(error),
        Ok(found) => {
            let hits: Vec<Value> = found.hits.iter().map(crate::app::knowledge::flat_hit).collect();
            Outcome::Ok { value: json!({ "hits": hits, "status": found.status.as_str(), "reason": found.reason }) }
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
