//! Runs: start, list, look into, follow, stop.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::{Run, RunId, RunStatus, TenantId};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use storage::RunFilter;
use utoipa::ToSchema;

use super::body::{Asked, Body, In};
use super::event_stream::{last_event_id, respond, respond_begun, wants_events};
use super::waits::{WaitView, wait_view};
use crate::app::accounts::{Caller, Scope};
use crate::app::runs::Started;
use crate::app::waits::Seen;
use crate::app::{App, AppError, Result};
use crate::run::live::Frame;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRun {
    /// The workflow's inputs by name.
    #[serde(default)]
    #[schema(value_type = Object)]
    inputs: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CitationList {
    items: Vec<crate::app::citations::Citation>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RunSummary {
    id: String,
    /// `workflow` or `chat`
    kind: String,
    /// The workflow's or assistant's name.
    name: String,
    status: String,
    /// Milliseconds since the epoch.
    started_at: i64,
    finished_at: Option<i64>,
    /// The run whose node started this one.
    parent_run: Option<String>,
    conversation: Option<String>,
    /// What started it, where it was not simply asked for: `{kind: rerun | replay | schedule | webhook, run?, from?, trigger?}`.
    #[schema(value_type = Object)]
    origin: Value,
}

impl RunSummary {
    fn is_over(&self) -> bool {
        self.finished_at.is_some()
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RunList {
    items: Vec<RunSummary>,
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NodeView {
    id: String,
    kind: String,
    title: String,
    /// `waiting`, `running`, `done`, `kept`, `skipped` or `failed`
    state: String,
    port: Option<String>,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    duration_ms: Option<i64>,
    attempts: u32,
    #[schema(value_type = Object)]
    input: Value,
    #[schema(value_type = Object)]
    output: Value,
    #[schema(value_type = Object)]
    error: Value,
    /// Whether the run went on in spite of the error, by the node's `on_error`.
    handled: bool,
    /// Lines that a plugin wrote.
    #[schema(value_type = Vec<Object>)]
    logs: Vec<Value>,
    child_run: Option<String>,
    /// The tokens that an output kept from an earlier run did not take again.
    #[schema(value_type = Object)]
    saved: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RunView {
    #[serde(flatten)]
    summary: RunSummary,
    #[schema(value_type = Object)]
    inputs: Value,
    #[schema(value_type = Object)]
    outputs: Value,
    answer: String,
    #[schema(value_type = Object)]
    error: Value,
    /// Nodes with their dependencies, for drawing.
    #[schema(value_type = Object)]
    graph: Value,
    nodes: Vec<NodeView>,
    /// What it waits for without anybody working on it: people's answers and moments, those of nested runs included.
    waiting_for: Vec<WaitView>,
    /// The number of the last stored event.
    last_event_id: i64,
}

#[derive(Deserialize)]
pub(crate) struct RunQuery {
    workflow: Option<String>,
    conversation: Option<String>,
    status: Option<String>,
    cursor: Option<String>,
    limit: Option<i64>,
}

/// The most that one page of a list holds.
const MAX_PAGE: i64 = 100;

pub(super) fn page_size(asked: Option<i64>) -> i64 {
    asked.unwrap_or(20).clamp(1, MAX_PAGE)
}

pub(super) fn summary(run: &Run) -> RunSummary {
    RunSummary {
        id: run.id.to_string(),
        kind: run.kind.as_str().to_owned(),
        name: run.name.clone(),
        status: run.status.as_str().to_owned(),
        started_at: run.started_at,
        finished_at: run.finished_at,
        parent_run: run.parent_run.map(|it| it.to_string()),
        conversation: run.conversation.map(|it| it.to_string()),
        origin: run.origin.clone().unwrap_or(Value::Null),
    }
}

pub(super) async fn start(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    headers: HeaderMap,
    Body(body): Body<NewRun>,
) -> Result<Response> {
    let inputs = if body.inputs.is_null() { json!({}) } else { body.inputs };
    let tenant = caller.tenant.id;
    let started = app.start_workflow(tenant, &name, inputs, caller.as_workflow_user()).await?;
    if wants_events(&headers) {
        return Ok(respond_begun(app, tenant, started));
    }
    if started.live.is_none() {
        return Ok(Json(view_at_once(started)).into_response());
    }
    started.done().await;
    Ok(Json(view(&app, tenant, started.run.id).await?).into_response())
}

pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<RunQuery>,
) -> Result<Json<RunList>> {
    let filter = RunFilter {
        name: query.workflow,
        conversation: match query.conversation {
            Some(text) => Some(text.parse().map_err(|_| AppError::not_found("conversation", text))?),
            None => None,
        },
        status: match query.status {
            Some(text) => {
                let known: Vec<&str> = RunStatus::ALL.iter().map(|it| it.as_str()).collect();
                let status = text
                    .parse()
                    .map_err(|_| AppError::invalid(format!("there is no status `{text}`")))
                    .map_err(|it| it.hint(known.join(", ")))?;
                Some(status)
            }
            None => None,
        },
        ..RunFilter::default()
    };
    let limit = page_size(query.limit);
    let page = app.storage().list_runs(caller.tenant.id, &filter, query.cursor.as_deref(), limit).await?;
    Ok(Json(RunList { items: page.items.iter().map(summary).collect(), next_cursor: page.next_cursor }))
}

/// A run that this caller may see: with the scope `run` any of the tenant, else those of their own conversations.
pub(super) async fn seen(app: &App, caller: &Caller, run: &Run) -> Seen {
    if caller.may(Scope::Run) {
        return Seen::Yes;
    }
    let Some(conversation) = run.conversation else { return Seen::No };
    match app.conversation(caller, conversation).await {
        Ok(_) => Seen::Yes,
        Err(_) => Seen::No,
    }
}

async fn visible(app: &App, caller: &Caller, id: RunId) -> Result<Run> {
    let run = app.run(caller.tenant.id, id).await?;
    match seen(app, caller, &run).await {
        Seen::Yes => Ok(run),
        Seen::No => Err(AppError::not_found("run", id)),
    }
}

pub(super) async fn show(State(app): State<App>, caller: Caller, In(id): In<RunId>) -> Result<Json<RunView>> {
    Ok(Json(view(&app, caller.tenant.id, id).await?))
}

pub(super) async fn events(
    State(app): State<App>,
    caller: Caller,
    In(id): In<RunId>,
    headers: HeaderMap,
) -> Result<Response> {
    let run = visible(&app, &caller, id).await?;
    Ok(respond(app, caller.tenant.id, run.id, last_event_id(&headers)))
}

pub(super) async fn citations(State(app): State<App>, caller: Caller, In(id): In<RunId>) -> Result<Json<CitationList>> {
    let run = visible(&app, &caller, id).await?;
    Ok(Json(CitationList { items: app.citations(caller.tenant.id, run.id).await? }))
}

pub(super) async fn cancel(State(app): State<App>, caller: Caller, In(id): In<RunId>) -> Result<Json<RunSummary>> {
    visible(&app, &caller, id).await?;
    Ok(Json(summary(&app.cancel_run(caller.tenant.id, id).await?)))
}

pub(super) async fn view(app: &App, tenant: TenantId, id: RunId) -> Result<RunView> {
    let run = app.run(tenant, id).await?;
    let mut folded = Folded::default();
    loop {
        let page = app.storage().run_events(tenant, id, folded.last_event_id, 500).await?;
        if page.is_empty() {
            break;
        }
        for event in page {
            folded.take(event.seq, &event.name, &event.data);
        }
    }
    for child in app.storage().child_runs(tenant, id).await? {
        let node = child.parent_node.as_deref().and_then(|it| it.split('#').next());
        if let Some(node) = node.and_then(|it| folded.nodes.get_mut(it)) {
            node.child_run = Some(child.id.to_string());
        }
    }
    let mut view = folded.view(run);
    if !view.summary.is_over() {
        view.waiting_for = app.storage().open_waits(tenant, id).await?.iter().map(wait_view).collect();
    }
    Ok(view)
}

/// A run that was over with its first step; nothing of it has to be read back.
fn view_at_once(started: Started) -> RunView {
    let mut folded = Folded::default();
    for frame in &started.frames {
        if let Frame::Stored { seq, name, data } = frame {
            folded.take(*seq, name, data);
        }
    }
    folded.view(started.run)
}

/// What the events of a run come to.
#[derive(Default)]
struct Folded {
    nodes: IndexMap<String, NodeView>,
    graph: Value,
    last_event_id: i64,
}

impl Folded {
    fn take(&mut self, seq: i64, name: &str, data: &str) {
        self.last_event_id = seq;
        let data: Value = serde_json::from_str(data).unwrap_or(Value::Null);
        if name == "run.started" {
            self.graph = data.get("graph").cloned().unwrap_or(Value::Null);
            self.nodes = waiting_nodes(&self.graph);
        } else {
            self.meet(&data);
            fold(&mut self.nodes, name, &data);
        }
    }

    /// A node of a container is met when its execution is told of for the first time.
    fn meet(&mut self, data: &Value) {
        let Some(id) = data.get("node").and_then(Value::as_str).filter(|it| !self.nodes.contains_key(*it)) else {
            return;
        };
        let own = crate::run::frames::own_id(id);
        let nodes = self.graph.get("nodes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if let Some(node) = nodes.iter().find(|it| it.get("id").and_then(Value::as_str) == Some(own)) {
            self.nodes.insert(id.to_owned(), NodeView::waiting(node, id.to_owned()));
        }
    }

    fn view(mut self, run: Run) -> RunView {
        if run.status.is_terminal() {
            // An answer that had begun to wait for a node that failed will never go on.
            for node in self.nodes.values_mut().filter(|it| it.state == "running" || it.state == "waiting") {
                node.state = "skipped".to_owned();
            }
        }
        RunView {
            summary: summary(&run),
            inputs: run.inputs,
            outputs: run.outputs.unwrap_or(Value::Null),
            answer: run.answer.unwrap_or_default(),
            error: run.error.unwrap_or(Value::Null),
            graph: self.graph,
            nodes: self.nodes.into_values().collect(),
            waiting_for: Vec::new(),
            last_event_id: self.last_event_id,
        }
    }
}

/// The outermost nodes. Those of containers come as they are executed, once for every item or iteration.
fn waiting_nodes(graph: &Value) -> IndexMap<String, NodeView> {
    let nodes = graph.get("nodes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let outermost = nodes.iter().filter(|it| it.get("parent").is_none_or(Value::is_null));
    outermost.map(|node| NodeView::waiting(node, text_of(node, "id"))).map(|it| (it.id.clone(), it)).collect()
}

fn text_of(node: &Value, key: &str) -> String {
    node.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl NodeView {
    /// A node of the graph that has not begun, under the id that a trace gives it.
    fn waiting(node: &Value, id: String) -> NodeView {
        NodeView {
            id,
            kind: text_of(node, "kind"),
            title: text_of(node, "title"),
            state: "waiting".to_owned(),
            port: None,
            started_at: None,
            finished_at: None,
            duration_ms: None,
            attempts: 0,
            input: Value::Null,
            output: Value::Null,
            error: Value::Null,
            handled: false,
            logs: Vec::new(),
            child_run: None,
            saved: Value::Null,
        }
    }
}

/// Brings a node's view up to date with one stored event.
fn fold(nodes: &mut IndexMap<String, NodeView>, name: &str, data: &Value) {
    let Some(node) = data.get("node").and_then(Value::as_str).and_then(|it| nodes.get_mut(it)) else { return };
    let at = data.get("at").and_then(Value::as_i64);
    let take = |key: &str| data.get(key).cloned().unwrap_or(Value::Null);
    match name {
        "node.started" => {
            node.state = "running".to_owned();
            node.started_at = at;
            node.attempts = 1;
            node.input = take("input");
        }
        "node.retrying" => {
            node.attempts = u32::try_from(data.get("attempt").and_then(Value::as_u64).unwrap_or(1)).unwrap_or(1)
        }
        "node.finished" | "node.failed" => {
            node.state = if name == "node.finished" { "done" } else { "failed" }.to_owned();
            node.finished_at = at;
            node.duration_ms = data.get("duration_ms").and_then(Value::as_i64);
            node.port = data.get("port").and_then(Value::as_str).map(str::to_owned);
            node.output = take("output");
            node.saved = take("saved");
            node.error = take("error");
            node.handled = take("handled") == json!(true);
            node.logs = data.get("logs").and_then(Value::as_array).cloned().unwrap_or_default();
        }
        "node.kept" => {
            node.state = "kept".to_owned();
            node.finished_at = at;
            node.port = data.get("port").and_then(Value::as_str).map(str::to_owned);
            node.output = take("output");
        }
        "node.skipped" => node.state = "skipped".to_owned(),
        _ => {}
    }
}
