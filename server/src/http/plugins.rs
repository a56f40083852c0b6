//! Plugins: what is installed, what it asks for, what is granted, and calling a tool once.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use plugin_host::Grants;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::body::{Body, In, upload as take_file};
use crate::app::accounts::Caller;
use crate::app::plugins::{Installed, report_json};
use crate::app::{App, Result};

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginView {
    id: String,
    version: String,
    sha256: String,
    /// Ships with Parlour.
    system: bool,
    enabled: bool,
    installed_at: i64,
    /// Titles, tools with their schemas, and the permissions it asks for.
    #[schema(value_type = Object)]
    manifest: Value,
    /// What the tenant has granted of it.
    #[schema(value_type = Object)]
    grants: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginList {
    items: Vec<PluginView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantsBody {
    /// Names of knowledge bases, or `*` where the manifest asks for all.
    knowledge: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallBody {
    #[schema(value_type = Object)]
    input: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CallView {
    ok: bool,
    #[schema(value_type = Object)]
    output: Value,
    #[schema(value_type = Object)]
    error: Value,
    /// Log lines, times in microseconds, peak memory in bytes.
    #[schema(value_type = Object)]
    report: Value,
}

fn view(it: Installed) -> PluginView {
    let Installed { record, manifest: _, grants } = it;
    PluginView {
        id: record.plugin_id,
        version: record.version,
        sha256: record.sha256,
        system: record.system,
        enabled: record.enabled,
        installed_at: record.installed_at,
        manifest: record.manifest,
        grants: serde_json::to_value(grants).unwrap_or_default(),
    }
}

pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<PluginList>> {
    let items = app.plugins(caller.tenant.id).await?.into_iter().map(view).collect();
    Ok(Json(PluginList { items }))
}

pub(super) async fn upload(State(app): State<App>, caller: Caller, request: Request) -> Result<Json<PluginView>> {
    let file = take_file(request, &app).await?;
    Ok(Json(view(app.install_plugin(caller.tenant.id, file.bytes.to_vec()).await?)))
}

pub(super) async fn show(State(app): State<App>, caller: Caller, In(id): In<String>) -> Result<Json<PluginView>> {
    Ok(Json(view(app.installed(caller.tenant.id, &id).await?)))
}

pub(super) async fn remove(State(app): State<App>, caller: Caller, In(id): In<String>) -> Result<StatusCode> {
    app.delete_plugin(caller.tenant.id, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn put_grants(
    State(app): State<App>,
    caller: Caller,
    In(id): In<String>,
    Body(body): Body<GrantsBody>,
) -> Result<Json<PluginView>> {
    let grants = Grants { knowledge: body.knowledge.into_iter().collect() };
    Ok(Json(view(app.set_grants(caller.tenant.id, &id, grants).await?)))
}

pub(super) async fn call(
    State(app): State<App>,
    caller: Caller,
    In((id, tool)): In<(String, String)>,
    Body(body): Body<CallBody>,
) -> Result<Json<CallView>> {
    let report = app.call_tool(caller.tenant.id, &id, &tool, body.input).await?;
    let told = report_json(&report);
    Ok(Json(match report.result {
        Ok(output) => CallView { ok: true, output, error: Value::Null, report: told },
        Err(error) => CallView {
            ok: false,
            output: Value::Null,
            // Whoever may call a tool directly is its author or admin: the guest's own panic text is for them.
            error: serde_json::to_value(error).unwrap_or_default(),
            report: told,
        },
    }))
}
