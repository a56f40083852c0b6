//! Plugins: what is installed, what it asks for, what is granted, and calling a tool once.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::{PluginVersion, TenantId};
use plugin_host::{Grants, LowerLimits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::{Asked, Body, In, upload as take_file};
use super::runs::page_size;
use crate::app::accounts::Caller;
use crate::app::plugins::openapi::Import;
use crate::app::plugins::{Installed, has_api, report_json, without_api};
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
    /// What the tenant has granted of it, and the lower limits of a call.
    #[schema(value_type = Object)]
    grants: Value,
    /// What a call may use at most on this server, by name; null where there is no code to limit.
    #[schema(value_type = Object)]
    most: Value,
    /// What it asks for and has not been granted, as people write permissions: `http: api.example.com`.
    missing: Vec<String>,
    /// What is filled in of its settings; of a secret only `{"set": true}`.
    #[schema(value_type = Object)]
    config: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginList {
    items: Vec<PluginView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantsBody {
    /// Names of knowledge bases, or `*` where the manifest asks for all.
    #[serde(default)]
    knowledge: Vec<String>,
    /// Hosts as the manifest writes them; where it asks for many, also some of them.
    #[serde(default)]
    http: Vec<String>,
    /// Roles of models.
    #[serde(default)]
    model: Vec<String>,
    /// Tokens of one call; without it as many as the manifest asks for.
    #[serde(default)]
    model_tokens: Option<u64>,
    #[serde(default)]
    storage: bool,
    /// What one call may use, where that is less than `most`: for example `{"cpu_ms": 200}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    limits: LowerLimits,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigBody {
    /// By the manifest's `config` schema. A secret that is left out stays; null takes a setting away.
    #[schema(value_type = Object)]
    values: Map<String, Value>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportBody {
    /// What workflows write; taken from the document's title if there is none.
    #[serde(default)]
    id: Option<String>,
    /// OpenAPI 3.0 or 3.1, as JSON or YAML.
    document: String,
    /// Instead of the document's own server.
    #[serde(default)]
    server: Option<String>,
    /// Only these, by operation id or `GET /path`; all of them if there are none, at most 64.
    #[serde(default)]
    operations: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnabledBody {
    enabled: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct VersionView {
    sha256: String,
    version: String,
    /// False for one that was published and that nobody has installed yet.
    installed: bool,
    /// When it was installed last, or published.
    at: i64,
    /// Whether it is the one that answers.
    current: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct VersionList {
    items: Vec<VersionView>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PublishedView {
    published: VersionView,
    /// As it is in use; a plugin that was not there before is switched off.
    plugin: PluginView,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginCallView {
    id: String,
    version: String,
    tool: String,
    /// None when it was tried by hand.
    run: Option<String>,
    node: Option<String>,
    at: i64,
    duration_us: i64,
    cpu_us: i64,
    memory_bytes: i64,
    /// Of models.
    tokens: i64,
    /// `{code, message}`; null when it went well.
    #[schema(value_type = Object)]
    error: Value,
    /// `[{level, message}]`
    #[schema(value_type = Vec<Object>)]
    logs: Value,
}

#[derive(Deserialize)]
pub(crate) struct CallQuery {
    cursor: Option<String>,
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginCallList {
    items: Vec<PluginCallView>,
    next_cursor: Option<String>,
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

async fn view(app: &App, tenant: TenantId, it: Installed) -> Result<PluginView> {
    let config = app.shown_settings(tenant, &it.manifest).await?;
    let Installed { record, manifest, grants } = it;
    let missing = Grants::all_of(&manifest.permissions).without(&grants);
    let is_api = has_api(&record.manifest);
    Ok(PluginView {
        id: record.plugin_id,
        version: record.version,
        sha256: record.sha256,
        system: record.system,
        enabled: record.enabled,
        installed_at: record.installed_at,
        manifest: without_api(&record.manifest),
        grants: serde_json::to_value(grants).unwrap_or_default(),
        most: if is_api { Value::Null } else { serde_json::to_value(app.plugin_limits()).unwrap_or_default() },
        missing,
        config: Value::Object(config),
    })
}

pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<PluginList>> {
    let mut items = Vec::new();
    for it in app.plugins(caller.tenant.id).await? {
        items.push(view(&app, caller.tenant.id, it).await?);
    }
    Ok(Json(PluginList { items }))
}

pub(super) async fn upload(State(app): State<App>, caller: Caller, request: Request) -> Result<Json<PluginView>> {
    let file = take_file(request, &app).await?;
    let installed = app.install_plugin(caller.tenant.id, file.bytes.to_vec()).await?;
    app.note_change(&caller, "plugin.install", &installed.record.plugin_id).await?;
    Ok(Json(view(&app, caller.tenant.id, installed).await?))
}

pub(super) async fn import_openapi(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<ImportBody>,
) -> Result<Json<PluginView>> {
    let ImportBody { id, document, server, operations } = body;
    let import = Import::of(id, &document, server, operations)?;
    let installed = app.import_openapi(caller.tenant.id, import).await?;
    app.note_change(&caller, "plugin.import", &installed.record.plugin_id).await?;
    Ok(Json(view(&app, caller.tenant.id, installed).await?))
}

pub(super) async fn show(State(app): State<App>, caller: Caller, In(id): In<String>) -> Result<Json<PluginView>> {
    let installed = app.installed(caller.tenant.id, &id).await?;
    Ok(Json(view(&app, caller.tenant.id, installed).await?))
}

pub(super) async fn remove(State(app): State<App>, caller: Caller, In(id): In<String>) -> Result<StatusCode> {
    app.delete_plugin(caller.tenant.id, &id).await?;
    app.note_change(&caller, "plugin.delete", &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn put_grants(
    State(app): State<App>,
    caller: Caller,
    In(id): In<String>,
    Body(body): Body<GrantsBody>,
) -> Result<Json<PluginView>> {
    let GrantsBody { knowledge, http, model, model_tokens, storage, limits } = body;
    let grants = Grants {
        knowledge: knowledge.into_iter().collect(),
        http: http.into_iter().collect(),
        model: model.into_iter().collect(),
        model_tokens,
        storage,
        limits,
    };
    let installed = app.set_grants(caller.tenant.id, &id, grants).await?;
    app.note_change(&caller, "plugin.grants", &id).await?;
    Ok(Json(view(&app, caller.tenant.id, installed).await?))
}

pub(super) async fn put_config(
    State(app): State<App>,
    caller: Caller,
    In(id): In<String>,
    Body(body): Body<ConfigBody>,
) -> Result<Json<PluginView>> {
    let installed = app.set_plugin_settings(&caller, &id, body.values).await?;
    Ok(Json(view(&app, caller.tenant.id, installed).await?))
}

pub(super) async fn put_enabled(
    State(app): State<App>,
    caller: Caller,
    In(id): In<String>,
    Body(body): Body<EnabledBody>,
) -> Result<Json<PluginView>> {
    let installed = app.set_plugin_enabled(&caller, &id, body.enabled).await?;
    Ok(Json(view(&app, caller.tenant.id, installed).await?))
}

pub(super) async fn versions(State(app): State<App>, caller: Caller, In(id): In<String>) -> Result<Json<VersionList>> {
    let current = app.installed(caller.tenant.id, &id).await?.record.sha256;
    let items = app.plugin_versions(caller.tenant.id, &id).await?.into_iter();
    Ok(Json(VersionList { items: items.map(|it| version_view(it, &current)).collect() }))
}

fn version_view(version: PluginVersion, current: &str) -> VersionView {
    let PluginVersion { sha256, version, installed, at } = version;
    VersionView { current: sha256 == current, sha256, version, installed, at }
}

pub(super) async fn publish(State(app): State<App>, caller: Caller, request: Request) -> Result<Json<PublishedView>> {
    let file = take_file(request, &app).await?;
    let (installed, published) = app.publish_plugin(&caller, file.bytes.to_vec()).await?;
    let published = version_view(published, &installed.record.sha256);
    Ok(Json(PublishedView { plugin: view(&app, caller.tenant.id, installed).await?, published }))
}

pub(super) async fn restore(
    State(app): State<App>,
    caller: Caller,
    In((id, sha256)): In<(String, String)>,
) -> Result<Json<PluginView>> {
    let installed = app.restore_plugin(&caller, &id, &sha256).await?;
    Ok(Json(view(&app, caller.tenant.id, installed).await?))
}

pub(super) async fn calls(
    State(app): State<App>,
    caller: Caller,
    In(id): In<String>,
    Asked(query): Asked<CallQuery>,
) -> Result<Json<PluginCallList>> {
    let page = app.plugin_calls(caller.tenant.id, &id, query.cursor.as_deref(), page_size(query.limit)).await?;
    let items = page.items.into_iter().map(|it| PluginCallView {
        id: it.id.to_string(),
        version: it.version,
        tool: it.tool,
        run: it.run.map(|it| it.to_string()),
        node: it.node,
        at: it.at,
        duration_us: it.duration_us,
        cpu_us: it.cpu_us,
        memory_bytes: it.memory_bytes,
        tokens: it.tokens,
        error: it.error.unwrap_or_default(),
        logs: it.logs,
    });
    Ok(Json(PluginCallList { items: items.collect(), next_cursor: page.next_cursor }))
}

pub(super) async fn call(
    State(app): State<App>,
    caller: Caller,
    In((id, tool)): In<(String, String)>,
    Body(body): Body<CallBody>,
) -> Result<Json<CallView>> {
    let report = app.call_tool(caller.tenant.id, (&id, &tool), body.input, (None, caller.groups)).await?;
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
