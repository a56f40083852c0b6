//! What the runs of a tenant may use.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Body;
use crate::app::accounts::Caller;
use crate::app::limits::RunLimits;
use crate::app::{App, Result};

#[derive(Serialize, ToSchema)]
pub(crate) struct LimitsView {
    /// What the tenant has set; null leaves a limit to the server.
    #[serde(flatten)]
    tenant: RunLimits,
    /// What the server allows at most; null is no limit.
    server: RunLimits,
}

pub(super) async fn show(State(app): State<App>, caller: Caller) -> Result<Json<LimitsView>> {
    let tenant = app.tenant_limits(caller.tenant.id).await?;
    Ok(Json(LimitsView { tenant, server: app.server_limits() }))
}

pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<RunLimits>,
) -> Result<Json<LimitsView>> {
    app.set_tenant_limits(caller.tenant.id, body).await?;
    show(State(app), caller).await
}
