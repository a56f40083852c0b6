//! Set-up link, sign-in, account and API keys.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{ApiKeyId, Tenant, User};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, In};
use super::caller::{SESSION_COOKIE, session_token};
use crate::app::accounts::{AccountChange, Caller, SignedIn};
use crate::app::{App, AppError, Result};
use crate::error_codes::ErrorCode;

#[derive(Serialize, ToSchema)]
pub(crate) struct SetupState {
    needed: bool,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct SetupToken {
    token: String,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Credentials {
    email: String,
    password: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UserView {
    id: String,
    name: String,
    email: Option<String>,
    role: String,
    /// False: the account can only be reached by a one-time link until it gets a password.
    has_password: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TenantView {
    id: String,
    name: String,
    slug: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// None for an API key.
    user: Option<UserView>,
    tenant: TenantView,
    scopes: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountBody {
    name: Option<String>,
    email: Option<String>,
    password: Option<String>,
    /// Needed to change a password that is set.
    current_password: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    name: String,
    /// `chat`, `run`, `manage`
    scopes: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct KeyView {
    id: String,
    name: String,
    /// The key's first characters, to tell it from others.
    prefix: String,
    scopes: Vec<String>,
    created_at: i64,
    last_used_at: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    #[serde(flatten)]
    view: KeyView,
    /// The key itself. It is not stored and cannot be shown again.
    key: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct KeyList {
    items: Vec<KeyView>,
}

impl From<&User> for UserView {
    fn from(user: &User) -> UserView {
        UserView {
            id: user.id.to_string(),
            name: user.name.clone(),
            email: user.email.clone(),
            role: user.role.as_str().to_owned(),
            has_password: user.password_hash.is_some(),
        }
    }
}

impl From<&Tenant> for TenantView {
    fn from(tenant: &Tenant) -> TenantView {
        TenantView { id: tenant.id.to_string(), name: tenant.name.clone(), slug: tenant.slug.clone() }
    }
}

pub(super) async fn needs_setup(State(app): State<App>) -> Result<Json<SetupState>> {
    Ok(Json(SetupState { needed: app.needs_setup().await? }))
}

pub(super) async fn use_setup_link(
    State(app): State<App>,
    headers: HeaderMap,
    Body(body): Body<SetupToken>,
) -> Result<Response> {
    let signed_in = app.use_setup_link(&body.token).await?;
    Ok(with_cookie(&app, &headers, signed_in))
}

pub(super) async fn sign_in(
    State(app): State<App>,
    headers: HeaderMap,
    Body(body): Body<Credentials>,
) -> Result<Response> {
    let signed_in = app.sign_in(&body.email, &body.password).await?;
    Ok(with_cookie(&app, &headers, signed_in))
}

fn with_cookie(app: &App, headers: &HeaderMap, signed_in: SignedIn) -> Response {
    let SignedIn { token, user, tenant } = signed_in;
    let scopes = crate::app::accounts::Scope::ALL.iter().map(|it| it.as_str().to_owned()).collect();
    let view = SessionView { user: Some((&user).into()), tenant: (&tenant).into(), scopes };
    let secure = app.config().public_url.as_deref().is_some_and(|it| it.starts_with("https://"))
        || headers.get("x-forwarded-proto").is_some_and(|it| it == "https");
    // 30 days, as the session itself.
    let cookie = format!(
        "{SESSION_COOKIE}={token}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax{}",
        if secure { "; Secure" } else { "" }
    );
    let mut response = Json(view).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) async fn who(caller: Caller) -> Json<SessionView> {
    Json(SessionView {
        user: caller.user.as_ref().map(Into::into),
        tenant: (&caller.tenant).into(),
        scopes: caller.scopes,
    })
}

pub(super) async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Result<Response> {
    if let Some(token) = session_token(&headers) {
        app.sign_out(&token).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let gone = format!("{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    if let Ok(cookie) = HeaderValue::from_str(&gone) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

pub(super) async fn change_account(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<AccountBody>,
) -> Result<Json<UserView>> {
    let AccountBody { name, email, password, current_password } = body;
    let change = AccountChange { name, email, password, current_password };
    Ok(Json((&app.change_account(&caller, change).await?).into()))
}

fn key_view(key: domain::ApiKey) -> KeyView {
    KeyView {
        id: key.id.to_string(),
        name: key.name,
        prefix: key.prefix,
        scopes: key.scopes,
        created_at: key.created_at,
        last_used_at: key.last_used_at,
    }
}

pub(super) async fn list_keys(State(app): State<App>, caller: Caller) -> Result<Json<KeyList>> {
    let keys = app.storage().list_api_keys(caller.tenant.id).await?;
    Ok(Json(KeyList { items: keys.into_iter().map(key_view).collect() }))
}

pub(super) async fn create_key(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<NewKey>,
) -> Result<Json<CreatedKey>> {
    let scopes = body.scopes.unwrap_or_else(|| vec!["chat".to_owned(), "run".to_owned()]);
    if let Some(more) = scopes.iter().find(|it| !caller.scopes.contains(it)) {
        return Err(AppError::new(ErrorCode::MissingScope, format!("you cannot give the scope `{more}`: you lack it")));
    }
    let (key, secret) = app.create_key(caller.tenant.id, &body.name, scopes).await?;
    Ok(Json(CreatedKey { view: key_view(key), key: secret }))
}

pub(super) async fn delete_key(State(app): State<App>, caller: Caller, In(id): In<ApiKeyId>) -> Result<StatusCode> {
    if !app.delete_key(caller.tenant.id, id).await? {
        return Err(AppError::not_found("key", id));
    }
    Ok(StatusCode::NO_CONTENT)
}
