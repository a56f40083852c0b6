//! Secrets: names and times come out, values only go in.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, In};
use crate::app::accounts::Caller;
use crate::app::{App, Result};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretBody {
    /// Kept sealed and never shown again.
    value: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SecretView {
    /// What workflows write: `secrets.NAME`.
    name: String,
    created_at: i64,
    /// When its value was last set.
    updated_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SecretList {
    items: Vec<SecretView>,
}

impl From<domain::Secret> for SecretView {
    fn from(secret: domain::Secret) -> SecretView {
        let domain::Secret { name, sealed: _, created_at, updated_at } = secret;
        SecretView { name, created_at, updated_at }
    }
}

pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<SecretList>> {
    let items = app.secrets(caller.tenant.id).await?;
    Ok(Json(SecretList { items: items.into_iter().map(Into::into).collect() }))
}

pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Body(body): Body<SecretBody>,
) -> Result<Json<SecretView>> {
    Ok(Json(app.put_secret(&caller, &name, &body.value).await?.into()))
}

pub(super) async fn remove(State(app): State<App>, caller: Caller, In(name): In<String>) -> Result<StatusCode> {
    app.delete_secret(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
