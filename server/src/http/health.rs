//! Whether the process lives, and whether it can work.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::{App, AppError, Result};
use crate::error_codes::ErrorCode;

pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

pub(super) async fn ready(State(app): State<App>) -> Result<Json<Value>> {
    if app.is_stopping() {
        return Err(AppError::new(ErrorCode::ShuttingDown, "the server is stopping"));
    }
    app.storage().ping().await?;
    Ok(Json(json!({ "status": "ok" })))
}
