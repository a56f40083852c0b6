//! Runs that are made from other runs.

use axum::Json;
use axum::extract::State;
use domain::RunId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{Body, In};
use super::runs::{RunSummary, summary};
use crate::app::accounts::Caller;
use crate::app::again::WithVersion;
use crate::app::{App, Result};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rerun {
    /// The outermost node to begin from; what was finished before it is kept.
    from: String,
    /// With the version that is published now, instead of the one that the run used.
    #[serde(default)]
    latest: bool,
}

pub(super) async fn rerun(
    State(app): State<App>,
    caller: Caller,
    In(id): In<RunId>,
    Body(body): Body<Rerun>,
) -> Result<Json<RunSummary>> {
    let with = if body.latest { WithVersion::Latest } else { WithVersion::Same };
    let started = app.rerun(caller.tenant.id, id, (&body.from, with)).await?;
    Ok(Json(summary(&started.run)))
}

pub(super) async fn replay(State(app): State<App>, caller: Caller, In(id): In<RunId>) -> Result<Json<RunSummary>> {
    Ok(Json(summary(&app.replay(caller.tenant.id, id).await?.run)))
}
