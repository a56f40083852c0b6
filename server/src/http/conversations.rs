//! Conversations and their messages.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::{Conversation, ConversationId, Message, MessageStatus, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::body::{Asked, Body, In};
use super::event_stream::{respond_begun, wants_events};
use super::runs::page_size;
use crate::app::accounts::Caller;
use crate::app::{App, AppError, Result};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConversation {
    /// The assistant's name.
    assistant: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMessage {
    content: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationView {
    id: String,
    assistant: String,
    /// The beginning of the first message.
    title: String,
    created_at: i64,
    updated_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationList {
    items: Vec<ConversationView>,
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MessageView {
    id: String,
    /// `user` or `assistant`
    role: String,
    content: String,
    /// `complete`, `streaming`, `failed` or `cancelled`
    status: String,
    #[schema(value_type = Object)]
    error: Value,
    /// The run that wrote it.
    run: Option<String>,
    created_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MessageList {
    items: Vec<MessageView>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Answered {
    message: MessageView,
    run: super::runs::RunSummary,
}

#[derive(Deserialize)]
pub(crate) struct Paging {
    assistant: Option<String>,
    cursor: Option<String>,
    limit: Option<i64>,
}

/// Messages that one request shows; older ones are asked for by `before` in the page's own time.
const MAX_MESSAGES: i64 = 500;

fn conversation_view(it: Conversation) -> ConversationView {
    ConversationView {
        id: it.id.to_string(),
        assistant: it.assistant,
        title: it.title,
        created_at: it.created_at,
        updated_at: it.updated_at,
    }
}

async fn message_view(app: &App, tenant: TenantId, it: Message) -> Result<MessageView> {
    // "streaming" in the database and nobody writing: the process was killed; the run goes on after the next start.
    let orphaned = match it.run {
        Some(run) if it.status == MessageStatus::Streaming => !app.is_driven(tenant, run).await?,
        Some(_) | None => false,
    };
    let status = if orphaned { MessageStatus::Failed } else { it.status };
    Ok(MessageView {
        id: it.id.to_string(),
        role: it.role.as_str().to_owned(),
        content: it.content,
        status: status.as_str().to_owned(),
        error: it.error.unwrap_or(Value::Null),
        run: it.run.map(|it| it.to_string()),
        created_at: it.created_at,
    })
}

pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<Paging>,
) -> Result<Json<ConversationList>> {
    let user = caller.user.as_ref().map(|it| it.id);
    let limit = page_size(query.limit);
    let page = app.storage().list_conversations(caller.tenant.id, user, query.cursor.as_deref(), limit).await?;
    let all = caller.sees_all_conversations();
    let items = page
        .items
        .into_iter()
        .filter(|it| it.user == user || all)
        .filter(|it| query.assistant.as_ref().is_none_or(|name| *name == it.assistant));
    Ok(Json(ConversationList { items: items.map(conversation_view).collect(), next_cursor: page.next_cursor }))
}

pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<NewConversation>,
) -> Result<Json<ConversationView>> {
    Ok(Json(conversation_view(app.create_conversation(&caller, &body.assistant).await?)))
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    In(id): In<ConversationId>,
) -> Result<Json<ConversationView>> {
    Ok(Json(conversation_view(app.conversation(&caller, id).await?)))
}

pub(super) async fn remove(State(app): State<App>, caller: Caller, In(id): In<ConversationId>) -> Result<StatusCode> {
    app.conversation(&caller, id).await?;
    for run in app.storage().unfinished_runs_of(caller.tenant.id, id).await? {
        app.cancel_run(caller.tenant.id, run).await?;
    }
    if !app.storage().delete_conversation(caller.tenant.id, id).await? {
        return Err(AppError::not_found("conversation", id));
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn messages(
    State(app): State<App>,
    caller: Caller,
    In(id): In<ConversationId>,
) -> Result<Json<MessageList>> {
    app.conversation(&caller, id).await?;
    let mut items = Vec::new();
    for message in app.storage().recent_messages(caller.tenant.id, id, MAX_MESSAGES).await? {
        items.push(message_view(&app, caller.tenant.id, message).await?);
    }
    Ok(Json(MessageList { items }))
}

pub(super) async fn send(
    State(app): State<App>,
    caller: Caller,
    In(id): In<ConversationId>,
    headers: HeaderMap,
    Body(body): Body<NewMessage>,
) -> Result<Response> {
    let (_, answer, started) = app.send(&caller, id, &body.content).await?;
    let tenant = caller.tenant.id;
    if wants_events(&headers) {
        return Ok(respond_begun(app, tenant, started));
    }
    started.done().await;
    let all = app.storage().recent_messages(tenant, id, MAX_MESSAGES).await?;
    let message = all.into_iter().find(|it| it.id == answer.id).unwrap_or(answer);
    let run = app.run(tenant, started.run.id).await?;
    let message = message_view(&app, tenant, message).await?;
    Ok(Json(Answered { message, run: super::runs::summary(&run) }).into_response())
}
