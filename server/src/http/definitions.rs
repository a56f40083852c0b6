//! Assistants and workflows: list, show, publish, delete, check.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{DefinitionKind, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::body::{Body, In};
use crate::app::accounts::Caller;
use crate::app::definitions::check;
use crate::app::error::problems;
use crate::app::{App, Problem, Result};

/// A document as text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    yaml: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AssistantView {
    name: String,
    title: Option<String>,
    description: Option<String>,
    /// What the assistant says before the visitor does.
    opening: Option<String>,
    suggestions: Vec<String>,
    version: i64,
    updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    yaml: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AssistantList {
    items: Vec<AssistantView>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowSummary {
    name: String,
    title: Option<String>,
    description: Option<String>,
    /// JSON Schema of the inputs.
    #[schema(value_type = Object)]
    inputs: Value,
    outputs: Vec<String>,
    version: i64,
    updated_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowList {
    items: Vec<WorkflowSummary>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowView {
    #[serde(flatten)]
    summary: WorkflowSummary,
    yaml: String,
    /// Nodes with their dependencies, for drawing.
    #[schema(value_type = Object)]
    graph: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Published {
    name: String,
    version: i64,
    /// Warnings; a document with errors is not published.
    diagnostics: Vec<Problem>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Validation {
    ok: bool,
    diagnostics: Vec<Problem>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NodeKindList {
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
}

pub(super) async fn list_assistants(State(app): State<App>, caller: Caller) -> Result<Json<AssistantList>> {
    let mut items = Vec::new();
    for it in app.definitions(caller.tenant.id, DefinitionKind::Assistant).await? {
        items.push(assistant(&app, &caller, &it.name, &it.version).await?);
    }
    Ok(Json(AssistantList { items }))
}

async fn assistant(app: &App, caller: &Caller, name: &str, version: &Version) -> Result<AssistantView> {
    // One that no longer compiles (its plugin is gone) is still listed; talking to it says what is wrong.
    let ready = app.assistant_program(caller.tenant.id, version).await.ok();
    let document = ready.as_ref().map(|it| &it.document);
    Ok(AssistantView {
        name: name.to_owned(),
        title: version.title.clone(),
        description: version.description.clone(),
        opening: document.and_then(|it| it.opening.clone()),
        suggestions: document.map(|it| it.suggestions.clone()).unwrap_or_default(),
        version: version.number,
        updated_at: version.created_at,
        yaml: None,
    })
}

pub(super) async fn show_assistant(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
) -> Result<Json<AssistantView>> {
    let version = app.definition(caller.tenant.id, DefinitionKind::Assistant, &name).await?;
    let mut view = assistant(&app, &caller, &name, &version).await?;
    view.yaml = Some(version.yaml.clone());
    Ok(Json(view))
}

pub(super) async fn put_assistant(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Body(body): Body<Document>,
) -> Result<Json<Published>> {
    publish(&app, &caller, DefinitionKind::Assistant, name, &body.yaml).await
}

pub(super) async fn put_workflow(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Body(body): Body<Document>,
) -> Result<Json<Published>> {
    publish(&app, &caller, DefinitionKind::Workflow, name, &body.yaml).await
}

async fn publish(
    app: &App,
    caller: &Caller,
    kind: DefinitionKind,
    name: String,
    yaml: &str,
) -> Result<Json<Published>> {
    let author = caller.user.as_ref().map(|it| it.name.clone());
    let (version, diagnostics) = app.publish(caller.tenant.id, Some((kind, &name)), yaml, author).await?;
    Ok(Json(Published { name, version: version.number, diagnostics: problems(&diagnostics) }))
}

pub(super) async fn delete_assistant(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
) -> Result<StatusCode> {
    app.delete_definition(caller.tenant.id, DefinitionKind::Assistant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete_workflow(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
) -> Result<StatusCode> {
    app.delete_definition(caller.tenant.id, DefinitionKind::Workflow, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn summary(name: &str, version: &Version) -> WorkflowSummary {
    let signature = workflow_engine::signature(&version.yaml);
    WorkflowSummary {
        name: name.to_owned(),
        title: version.title.clone(),
        description: version.description.clone(),
        inputs: signature.as_ref().map_or(Value::Null, |it| it.inputs.clone()),
        outputs: signature.map(|it| it.outputs).unwrap_or_default(),
        version: version.number,
        updated_at: version.created_at,
    }
}

pub(super) async fn list_workflows(State(app): State<App>, caller: Caller) -> Result<Json<WorkflowList>> {
    let all = app.definitions(caller.tenant.id, DefinitionKind::Workflow).await?;
    Ok(Json(WorkflowList { items: all.iter().map(|it| summary(&it.name, &it.version)).collect() }))
}

pub(super) async fn show_workflow(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
) -> Result<Json<WorkflowView>> {
    let version = app.definition(caller.tenant.id, DefinitionKind::Workflow, &name).await?;
    let program = app.program(caller.tenant.id, &version).await?;
    let graph = crate::run::frames::graph(&program.nodes());
    Ok(Json(WorkflowView { summary: summary(&name, &version), yaml: version.yaml.clone(), graph }))
}

pub(super) async fn validate(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<Document>,
) -> Result<Json<Validation>> {
    let (checked, diagnostics) = check(&body.yaml, &app.catalog(caller.tenant.id).await?);
    Ok(Json(Validation { ok: checked.is_some(), diagnostics: problems(&diagnostics) }))
}

pub(super) async fn node_kinds() -> Result<Json<NodeKindList>> {
    let items = workflow_engine::node_kinds().into_iter().filter_map(|it| serde_json::to_value(it).ok()).collect();
    Ok(Json(NodeKindList { items }))
}
