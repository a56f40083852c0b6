//! Request bodies, paths and queries, with every refusal as an [`AppError`].

use axum::body::Bytes;
use axum::extract::multipart::Multipart;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use futures::StreamExt as _;
use serde::de::DeserializeOwned;

use crate::app::{App, AppError, Problem};
use crate::error_codes::ErrorCode;

/// A JSON body.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = AppError;

    async fn from_request(request: Request, app: &App) -> Result<Body<T>, AppError> {
        if !is_json(request.headers().get(header::CONTENT_TYPE)) {
            return Err(AppError::new(ErrorCode::UnsupportedMediaType, "the body must be JSON")
                .hint("send the header `Content-Type: application/json`"));
        }
        let limit = app.config().limits.json_bytes;
        let bytes = read(request.into_body(), limit).await?;
        parse(&bytes).map(Body)
    }
}

/// A body that is too large is read on, without being kept, up to this size: most senders write all of it before they
/// listen, and would see a broken connection instead of the refusal.
const READ_AND_DROPPED: usize = 64 << 20;

pub(super) async fn read(body: axum::body::Body, limit: usize) -> Result<Vec<u8>, AppError> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut seen = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|_| AppError::new(ErrorCode::InvalidJson, "the body ended before it was complete"))?;
        seen += chunk.len();
        if seen <= limit {
            bytes.extend_from_slice(&chunk);
        } else if seen > READ_AND_DROPPED {
            break;
        } else {
            bytes = Vec::new();
        }
    }
    if seen > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

pub(super) fn is_json(kind: Option<&axum::http::HeaderValue>) -> bool {
    let kind = kind.and_then(|it| it.to_str().ok()).unwrap_or("").to_ascii_lowercase();
    kind.starts_with("application/json") || kind.split(';').next().is_some_and(|it| it.trim().ends_with("+json"))
}

fn too_large(limit: usize) -> AppError {
    AppError::new(ErrorCode::TooLarge, format!("the body is larger than {limit} bytes"))
        .hint("put long documents into a knowledge base and refer to them")
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AppError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = Problem {
            line: u32::try_from(error.line()).ok(),
            column: u32::try_from(error.column()).ok(),
            ..Problem::new(if error.is_data() { "wrong_type" } else { "syntax" }, error.to_string())
        };
        let refusal = if error.is_data() {
            AppError::invalid(error.to_string())
        } else {
            AppError::new(ErrorCode::InvalidJson, error.to_string())
        };
        refusal.errors(vec![place]).hint("`GET /api/v1/openapi.json` has the schema of this body")
    })
}

/// Path parameters; one that cannot be an id is as unknown as one that is nobody's.
pub(crate) struct In<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for In<T> {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<In<T>, AppError> {
        let path = parts.uri.path().to_owned();
        match Path::<T>::from_request_parts(parts, app).await {
            Ok(Path(value)) => Ok(In(value)),
            Err(_) => Err(AppError::new(ErrorCode::NotFound, format!("there is nothing at `{path}`"))),
        }
    }
}

/// Query parameters.
pub(crate) struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Asked<T>, AppError> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(value)) => Ok(Asked(value)),
            Err(error) => Err(AppError::invalid(error.body_text())),
        }
    }
}

/// An uploaded file with the name that the sender gave it.
pub(crate) struct Upload {
    pub name: String,
    pub bytes: Bytes,
}

/// Takes the multipart field `file`.
pub(crate) async fn upload(request: Request, app: &App) -> Result<Upload, AppError> {
    let limit = app.config().limits.upload_bytes;
    let multipart = Multipart::from_request(request, app).await;
    let mut multipart = multipart.map_err(|_| {
        AppError::new(ErrorCode::UnsupportedMediaType, "the file must come as multipart/form-data")
            .hint("for example: curl -F file=@menu.csv …")
    })?;
    loop {
        let field = multipart.next_field().await.map_err(|error| refuse_upload(&error, limit))?;
        let Some(field) = field else {
            return Err(AppError::invalid("the form has no field `file`").hint("for example: curl -F file=@menu.csv …"));
        };
        if field.name() != Some("file") {
            continue;
        }
        // Only the last part of the name counts: a path in it is not ours to follow.
        let name = field.file_name().unwrap_or("upload").rsplit(['/', '\\']).next().unwrap_or("upload").to_owned();
        let bytes = field.bytes().await.map_err(|error| refuse_upload(&error, limit))?;
        if bytes.is_empty() {
            return Err(AppError::invalid(format!("the file `{name}` is empty")));
        }
        return Ok(Upload { name, bytes });
    }
}

pub(super) fn refuse_upload(error: &axum::extract::multipart::MultipartError, limit: usize) -> AppError {
    if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        return AppError::new(ErrorCode::TooLarge, format!("the file is larger than {limit} bytes"))
            .hint("split it, or raise the server's upload limit");
    }
    AppError::invalid(error.body_text())
}
