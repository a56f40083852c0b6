//! Looks an output up that was kept for equal input.

use workflow_engine::{CacheKey, Outcome};

use super::{Surroundings, refused};

pub(super) async fn perform(around: &Surroundings, key: &CacheKey) -> Outcome {
    match around.app.recall(around.tenant, &around.user, key).await {
        Ok(value) => Outcome::Ok { value },
        Err(error) => refused(error),
    }
}
