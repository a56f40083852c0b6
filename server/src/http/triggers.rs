//! Triggers: list, switch, fire, give a new address; and the addresses themselves.

use axum::Json;
use axum::body::Body as RawBody;
use axum::extract::{Form, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::{Trigger, TriggerId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use workflow_engine::WebhookResponse;

use super::body::{Asked, Body, In, is_json, parse, read};
use crate::app::accounts::Caller;
use crate::app::triggers::{HOOKS, Switch, parts};
use crate::app::{App, AppError, Result};
use crate::error_codes::ErrorCode;

/// Headers in which senders name a delivery; the first one that is there counts.
const DELIVERY_HEADERS: [&str; 3] = ["idempotency-key", "x-github-delivery", "x-shopify-webhook-id"];
/// Headers that are for the server or for a proxy, and secret: no workflow and no trace sees them.
const PRIVATE_HEADERS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

#[derive(Serialize, ToSchema)]
pub(crate) struct TriggerView {
    id: String,
    workflow: String,
    /// `schedule` or `webhook`
    kind: String,
    enabled: bool,
    /// A schedule's cron expression.
    cron: Option<String>,
    /// None means the server's own zone.
    time_zone: Option<String>,
    /// A schedule's fixed inputs.
    #[schema(value_type = Object)]
    inputs: Value,
    /// When a schedule is due next, in milliseconds since the epoch.
    next_at: Option<i64>,
    /// The last tick, or when the last request came.
    last_at: Option<i64>,
    last_run: Option<String>,
    /// Why the last tick has no run: `{code, message}`.
    #[schema(value_type = Object)]
    last_error: Value,
    /// A webhook's address; without the host where the server was not told its public address.
    url: Option<String>,
    /// The name of the secret that a webhook's requests are signed with.
    secret: Option<String>,
    /// What a webhook answers: `accepted` or `outputs`
    #[schema(value_type = Option<String>)]
    response: Option<WebhookResponse>,
    updated_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TriggerList {
    items: Vec<TriggerView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TriggerBody {
    enabled: bool,
}

/// A run that was started and is not waited for.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartedRun {
    run: String,
}

fn view(app: &App, trigger: Trigger) -> Result<TriggerView> {
    let (schedule, webhook) = parts(&trigger)?;
    let Trigger {
        id,
        workflow,
        kind,
        position: _,
        spec: _,
        token,
        enabled,
        next_at,
        last_at,
        last_run,
        last_error,
        created_at: _,
        updated_at,
    } = trigger;
    let host = app.config().public_url.clone().unwrap_or_default();
    let (cron, time_zone, inputs) =
        schedule.map_or((None, None, Value::Null), |it| (Some(it.cron), it.time_zone, Value::Object(it.inputs)));
    Ok(TriggerView {
        id: id.to_string(),
        workflow,
        kind: kind.as_str().to_owned(),
        enabled,
        cron,
        time_zone,
        inputs,
        next_at,
        last_at,
        last_run: last_run.map(|it| it.to_string()),
        last_error: last_error.unwrap_or(Value::Null),
        url: token.map(|it| format!("{host}{HOOKS}{it}")),
        secret: webhook.as_ref().and_then(|it| it.hmac.as_ref()).map(|it| it.secret.clone()),
        response: webhook.map(|it| it.response),
        updated_at,
    })
}

pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<TriggerList>> {
    let triggers = app.triggers(caller.tenant.id).await?;
    let items = triggers.into_iter().map(|it| view(&app, it)).collect::<Result<_>>()?;
    Ok(Json(TriggerList { items }))
}

pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    In(id): In<TriggerId>,
    Body(body): Body<TriggerBody>,
) -> Result<Json<TriggerView>> {
    let switch = if body.enabled { Switch::On } else { Switch::Off };
    let trigger = app.switch_trigger(&caller, id, switch).await?;
    Ok(Json(view(&app, trigger)?))
}

pub(super) async fn rotate(State(app): State<App>, caller: Caller, In(id): In<TriggerId>) -> Result<Json<TriggerView>> {
    let trigger = app.rotate_trigger(&caller, id).await?;
    Ok(Json(view(&app, trigger)?))
}

pub(super) async fn fire(State(app): State<App>, caller: Caller, In(id): In<TriggerId>) -> Result<Response> {
    let run = app.fire_trigger(&caller, id).await?;
    Ok(accepted(run))
}

fn accepted(run: domain::RunId) -> Response {
    (StatusCode::ACCEPTED, Json(StartedRun { run: run.to_string() })).into_response()
}

pub(super) async fn receive(
    State(app): State<App>,
    In(token): In<String>,
    Asked(query): Asked<Vec<(String, String)>>,
    request: Request,
) -> Result<Response> {
    let hook = app.hook(&token).await?;
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let body = read(body, app.config().limits.json_bytes).await?;
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
    app.check_signature(&hook, &body, text).await?;
    let delivery = DELIVERY_HEADERS.iter().find_map(|name| Some(format!("{name}: {}", text(name)?)));
    let request = json!({
        "method": parts.method.as_str(),
        "headers": shown(&headers),
        "query": by_name(query),
        "body": meaning(&headers, body).await?,
    });
    let run = app.deliver(&hook, &request, delivery.as_deref()).await?;
    match hook.webhook.response {
        WebhookResponse::Accepted => Ok(accepted(run)),
        WebhookResponse::Outputs => Ok(Json(app.hook_outputs(&hook, run).await?).into_response()),
    }
}

/// Headers by their names in small letters, as far as they are text.
fn shown(headers: &HeaderMap) -> Value {
    let public = headers.iter().filter(|(name, _)| !PRIVATE_HEADERS.contains(&name.as_str()));
    let pairs = public.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    by_name(pairs)
}

/// A name that is given more than once gives a list.
fn by_name(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    let mut map = Map::new();
    for (name, value) in pairs {
        match map.get_mut(&name) {
            None => {
                map.insert(name, Value::String(value));
            }
            Some(Value::Array(all)) => all.push(Value::String(value)),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    Value::Object(map)
}

/// The body as a value: JSON, a form's fields, or text.
async fn meaning(headers: &HeaderMap, body: Vec<u8>) -> Result<Value> {
    let kind = headers.get(header::CONTENT_TYPE);
    if body.is_empty() {
        return Ok(Value::Null);
    }
    if is_json(kind) {
        return parse(&body);
    }
    let name = kind.and_then(|it| it.to_str().ok()).unwrap_or("text/plain").to_ascii_lowercase();
    if name.starts_with("application/x-www-form-urlencoded") {
        let form = Request::post("/").header(header::CONTENT_TYPE, name).body(RawBody::from(body));
        let form = form.map_err(AppError::internal)?;
        let fields = Form::<Vec<(String, String)>>::from_request(form, &()).await;
        return fields.map(|Form(it)| by_name(it)).map_err(|it| AppError::invalid(it.body_text()));
    }
    if !name.starts_with("text/") && !name.starts_with("application/xml") {
        return Err(AppError::new(ErrorCode::UnsupportedMediaType, format!("a webhook does not take `{name}`"))
            .hint("send JSON, a form, or text"));
    }
    String::from_utf8(body).map(Value::String).map_err(|_| AppError::invalid("the body is not UTF-8"))
}
