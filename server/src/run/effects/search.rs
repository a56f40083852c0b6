//! Searches the tenant's knowledge bases.

use serde_json::{Value, json};
use workflow_engine::{Outcome, SearchMode};

use super::{Surroundings, refused};
use crate::app::knowledge::Search;
use crate::app::passages::{Found, flat};

pub(super) async fn perform(around: &Surroundings, bases: Vec<String>, request: Search, expand: u32) -> Outcome {
    match around.app.search_passages(around.tenant, &bases, request, expand).await {
        Err(error) => refused(error),
        Ok(Found { hits, status, reason }) => {
            let hits: Vec<Value> = hits.iter().map(flat).collect();
            Outcome::Ok { value: json!({ "hits": hits, "status": status.as_str(), "reason": reason }) }
        }
    }
}

/// Whose documents a run may see: `user.attributes.groups` if whoever began it said so, else every document.
pub(super) fn groups_of(user: &Value) -> Option<Vec<String>> {
    let groups = user.pointer("/attributes/groups")?.as_array()?;
    Some(groups.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect())
}

pub(super) fn mode(mode: SearchMode) -> knowledge::SearchMode {
    match mode {
        SearchMode::Hybrid => knowledge::SearchMode::Hybrid,
        SearchMode::Dense => knowledge::SearchMode::Dense,
        SearchMode::Lexical => knowledge::SearchMode::Lexical,
    }
}
