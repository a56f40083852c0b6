//! Who asks: a session's cookie or an API key, resolved once per request and checked against the route's row.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Access;
use crate::app::accounts::Caller;
use crate::app::{App, AppError};
use crate::error_codes::ErrorCode;

pub(crate) const SESSION_COOKIE: &str = "parlour_session";

/// Says for whose groups a request is made, `hr, sales`: a program that serves visitors of its own sends it with their
/// messages. Names that are not ASCII are percent-encoded UTF-8.
const VISITOR_GROUPS: &str = "parlour-visitor-groups";

fn visitor_groups(header: &HeaderValue) -> Result<Vec<String>, AppError> {
    let unreadable = || {
        AppError::invalid("the header `Parlour-Visitor-Groups` cannot be read")
            .hint("write names with commas between them; encode what is not ASCII, for example %E4%BA%BA%E4%BA%8B")
    };
    let text = header.to_str().map_err(|_| unreadable())?;
    let names = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    names.map(|it| percent_decoded(it).ok_or_else(unreadable)).collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = after.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[derive(Clone)]
pub(crate) struct Guard {
    pub app: App,
    pub access: Access,
}

/// Lets the request pass with its [`Caller`], or refuses.
pub(crate) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    match admit(&guard, request.method().clone(), request.headers().clone()).await {
        Err(error) => error.into_response(),
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
    }
}

async fn admit(guard: &Guard, method: Method, headers: HeaderMap) -> Result<Option<Caller>, AppError> {
    if guard.access == Access::Address {
        return Ok(None);
    }
    let unsafe_method = !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    if unsafe_method && headers.get(header::AUTHORIZATION).is_none() {
        check_origin(&headers, guard.app.config().public_url.as_deref())?;
    }
    let mut caller = resolve(&guard.app, &headers).await?;
    if let (Some(caller), Some(groups)) = (&mut caller, headers.get(VISITOR_GROUPS)) {
        caller.groups = Some(visitor_groups(groups)?);
    }
    match (guard.access, caller) {
        (Access::Open | Access::Address, caller) => Ok(caller),
        (_, None) => Err(AppError::new(ErrorCode::NotAuthenticated, "this needs a session or an API key")
            .hint("sign in, or send `Authorization: Bearer pk_…` (`parlour key create --name my-program` makes one)")),
        (Access::SignedIn, Some(caller)) => Ok(Some(caller)),
        (Access::Needs(scope), Some(caller)) if caller.may(scope) => Ok(Some(caller)),
        (Access::Needs(scope), Some(_)) => {
            Err(AppError::new(ErrorCode::MissingScope, format!("this needs the scope `{}`", scope.as_str()))
                .hint(format!("make a key with it: `parlour key create --name my-program --scope {}`", scope.as_str())))
        }
    }
}

async fn resolve(app: &App, headers: &HeaderMap) -> Result<Option<Caller>, AppError> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let key = given.to_str().ok().and_then(|it| it.strip_prefix("Bearer ")).map(str::trim);
        let caller = match key {
            Some(key) if key.starts_with("pk_") => app.caller_of_key(key).await?,
            Some(_) | None => None,
        };
        // A key that was given but is not known must not fall back to a cookie.
        return match caller {
            Some(caller) => Ok(Some(caller)),
            None => Err(AppError::new(ErrorCode::NotAuthenticated, "this API key is not known or has expired")
                .hint("`parlour key create --name my-program` makes one; it is sent as `Authorization: Bearer pk_…`")),
        };
    }
    match session_token(headers) {
        Some(token) => app.caller_of_session(&token).await,
        None => Ok(None),
    }
}

pub(crate) fn session_token(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(';')).find_map(
        |pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == SESSION_COOKIE && !value.is_empty()).then(|| value.to_owned())
        },
    )
}

/// A page of another site may not act with this browser's session.
fn check_origin(headers: &HeaderMap, public_url: Option<&str>) -> Result<(), AppError> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    let foreign = match text(header::ORIGIN) {
        // Programs send no Origin; a browser tells at least where the request comes from.
        None => headers.get("sec-fetch-site").is_some_and(|it| it == "cross-site"),
        Some(origin) => {
            let host = origin.split_once("://").map_or(origin, |(_, host)| host);
            text(header::HOST) != Some(host) && public_url != Some(origin)
        }
    };
    if foreign {
        return Err(AppError::new(ErrorCode::ForeignOrigin, "requests that change something must come from this site")
            .hint("behind a proxy, set PARLOUR_PUBLIC_URL to the address in the browser; programs use an API key"));
    }
    Ok(())
}

impl FromRequestParts<App> for Caller {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Caller, AppError> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| AppError::new(ErrorCode::NotAuthenticated, "this needs a session or an API key"))
    }
}
