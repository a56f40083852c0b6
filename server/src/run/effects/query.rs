//! Asks one of the tenant's knowledge bases for rows.

use serde_json::{Map, Value, json};
use workflow_engine::Outcome;

use super::search::groups_of;
use super::{Surroundings, refused};

pub(super) async fn perform(around: &Surroundings, base: &str, query: &Map<String, Value>) -> Outcome {
    let groups = groups_of(&around.user);
    match around.app.query(around.tenant, base, query, groups.as_deref()).await {
        Err(error) => refused(error),
        Ok(knowledge::Rows { rows, total }) => Outcome::Ok { value: json!({ "rows": rows, "total": total }) },
    }
}
