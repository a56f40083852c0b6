//! The only place that turns an error into a status and a body.
//!
//! A handler's [`AppError`] travels in the response's extensions; `render`, which sees the request as well, writes it as
//! `application/problem+json` in the caller's language, or in OpenAI's shape below `/v1`. Internal text goes to the log.

use std::error::Error as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::clock::new_uuid;
use crate::app::{App, AppError, Problem};
use crate::error_codes::ErrorCode;

/// RFC 9457 problem details, with a stable `code` and a `hint`.
#[derive(Serialize, ToSchema)]
pub struct ProblemBody {
    /// `about:blank`; the `code` says what it is.
    pub r#type: &'static str,
    pub title: String,
    pub status: u16,
    pub code: String,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Problem>,
    pub request_id: String,
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status(&self);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

fn status(error: &AppError) -> StatusCode {
    StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Writes the bodies of errors; everything else passes untouched.
pub(super) async fn render(State(_): State<App>, request: Request, next: Next) -> Response {
    let chinese = prefers_chinese(request.headers());
    let openai = request.uri().path().starts_with("/v1/");
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<Arc<AppError>>() else { return response };
    let request_id = new_uuid().to_string();
    if let Some(cause) = error.source() {
        tracing::error!(request.id = request_id, path, error = cause, "a request failed inside the server");
    }
    let body = if openai { openai_body(&error) } else { problem_body(&error, chinese, request_id) };
    let retry_after = response.headers_mut().remove(header::RETRY_AFTER);
    let mut rendered = (status(&error), Json(body)).into_response();
    if !openai {
        let kind = HeaderValue::from_static("application/problem+json");
        rendered.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    if let Some(retry_after) = retry_after {
        rendered.headers_mut().insert(header::RETRY_AFTER, retry_after);
    }
    rendered
}

fn problem_body(error: &AppError, chinese: bool, request_id: String) -> serde_json::Value {
    let body = ProblemBody {
        r#type: "about:blank",
        title: error.code.title(chinese).to_owned(),
        status: error.code.status(),
        code: error.code.code().to_owned(),
        detail: error.detail.clone(),
        hint: error.hint.clone(),
        errors: error.errors.clone(),
        request_id,
    };
    serde_json::to_value(body).unwrap_or_default()
}

/// The shape that OpenAI's clients turn into their exceptions.
fn openai_body(error: &AppError) -> serde_json::Value {
    let kind = match error.code.status() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let message = match &error.hint {
        Some(hint) => format!("{} ({hint})", error.detail),
        None => error.detail.clone(),
    };
    json!({ "error": { "message": message, "type": kind, "code": error.code.code(), "param": null } })
}

/// The first language that the caller names decides.
pub(crate) fn prefers_chinese(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|it| it.to_str().ok()).unwrap_or("");
    accepted.trim_start().to_ascii_lowercase().starts_with("zh")
}

pub(super) async fn method_not_allowed(request: Request) -> AppError {
    AppError::new(ErrorCode::MethodNotAllowed, format!("`{}` does not take {}", request.uri().path(), request.method()))
        .hint("`GET /api/v1/openapi.json` lists every operation")
}

/// A panic is a bug, told as an internal error; the connection and everybody else's requests go on.
pub(super) async fn catch_panic(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(path, "a handler panicked");
            let body = problem_body(&AppError::internal("panic"), false, new_uuid().to_string());
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}
