//! Questions that runs wait for: which are open, and answers to them.

use axum::Json;
use axum::extract::State;
use domain::{RunId, Wait};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::body::{Asked, Body, In};
use super::runs::{RunSummary, page_size, seen, summary};
use crate::app::accounts::Caller;
use crate::app::waits::Reply;
use crate::app::{App, Result};

#[derive(Serialize, ToSchema)]
pub(crate) struct WaitView {
    run: String,
    /// Together with the run it is where the answer goes: `/api/v1/runs/{run}/waits/{effect}`.
    effect: i64,
    /// `ask`, `approve`, or `timer` for a moment that nobody can answer.
    kind: String,
    node: String,
    title: String,
    question: String,
    /// `{name, title}`
    #[schema(value_type = Vec<Object>)]
    options: Value,
    /// JSON Schema of `fields`.
    #[schema(value_type = Object)]
    fields: Value,
    /// The least role that may answer; none is whoever the conversation is with.
    who: Option<String>,
    conversation: Option<String>,
    /// Milliseconds since the epoch.
    created_at: i64,
    /// When it is too late.
    due_at: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WaitList {
    items: Vec<WaitView>,
    next_cursor: Option<String>,
}

/// To a question: `text`, `option` or `fields`. To an approval: `approved`, and a `comment` if there is something to say.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplyBody {
    text: Option<String>,
    /// The name of one of the options.
    option: Option<String>,
    #[schema(value_type = Object)]
    fields: Option<Value>,
    approved: Option<bool>,
    comment: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct WaitQuery {
    cursor: Option<String>,
    limit: Option<i64>,
}

pub(super) fn wait_view(wait: &Wait) -> WaitView {
    let part = |key: &str| wait.body.get(key).cloned().unwrap_or(Value::Null);
    WaitView {
        run: wait.run.to_string(),
        effect: wait.effect,
        kind: wait.kind.as_str().to_owned(),
        node: wait.node.clone(),
        title: wait.title.clone(),
        question: part("text").as_str().unwrap_or_default().to_owned(),
        options: part("options"),
        fields: part("fields"),
        who: wait.who.map(|it| it.as_str().to_owned()),
        conversation: wait.conversation.map(|it| it.to_string()),
        created_at: wait.created_at,
        due_at: wait.due_at,
    }
}

pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<WaitQuery>,
) -> Result<Json<WaitList>> {
    let page = app.waits(&caller, query.cursor.as_deref(), page_size(query.limit)).await?;
    Ok(Json(WaitList { items: page.items.iter().map(wait_view).collect(), next_cursor: page.next_cursor }))
}

pub(super) async fn answer(
    State(app): State<App>,
    caller: Caller,
    In((run, effect)): In<(RunId, i64)>,
    Body(body): Body<ReplyBody>,
) -> Result<Json<RunSummary>> {
    let ReplyBody { text, option, fields, approved, comment } = body;
    let run = app.run(caller.tenant.id, run).await?;
    let seen = seen(&app, &caller, &run).await;
    let reply = Reply { text, option, fields, approved, comment };
    Ok(Json(summary(&app.answer(&caller, (&run, seen), effect, reply).await?)))
}
