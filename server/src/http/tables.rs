//! Decision tables: list, put, delete.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::DecisionTable;
use serde::Serialize;
use utoipa::ToSchema;
use workflow_engine::Table;

use super::body::{In, upload};
use crate::app::accounts::Caller;
use crate::app::{App, Result};

#[derive(Serialize, ToSchema)]
pub(crate) struct TableView {
    /// As workflows refer to it.
    name: String,
    columns: Vec<String>,
    rows: usize,
    /// Milliseconds since the epoch.
    updated_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TableList {
    items: Vec<TableView>,
}

fn view((stored, table): (DecisionTable, Table)) -> TableView {
    TableView { name: stored.name, columns: table.header, rows: table.rows.len(), updated_at: stored.updated_at }
}

pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<TableList>> {
    Ok(Json(TableList { items: app.tables(caller.tenant.id).await?.into_iter().map(view).collect() }))
}

pub(super) async fn add(State(app): State<App>, caller: Caller, request: Request) -> Result<Json<TableView>> {
    let file = upload(request, &app).await?;
    Ok(Json(view(app.put_table(caller.tenant.id, &file.name, file.bytes.to_vec()).await?)))
}

pub(super) async fn remove(State(app): State<App>, caller: Caller, In(name): In<String>) -> Result<StatusCode> {
    app.delete_table(caller.tenant.id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
