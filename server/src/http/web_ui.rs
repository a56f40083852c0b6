//! The web pages, built into the binary. Addresses of the page's own router all get the one document.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::app::AppError;
use crate::error_codes::ErrorCode;

/// `cargo xtask web` builds it; a debug build reads it from the folder at run time.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Pages;

/// A year: the build gives every asset a name that changes with its content.
const FOREVER: &str = "public, max-age=31536000, immutable";

pub(super) async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    let api = path.starts_with("/api/") || path.starts_with("/v1/") || path == "/v1";
    if api || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return AppError::new(ErrorCode::NotFound, format!("there is nothing at `{path}`"))
            .hint("`GET /api/v1/openapi.json` lists every operation")
            .into_response();
    }
    let name = path.trim_start_matches('/');
    if let Some(file) = Pages::get(name).filter(|_| !name.is_empty()) {
        let kind = mime_guess::from_path(name).first_or_octet_stream();
        let cache = if name.starts_with("assets/") { FOREVER } else { "no-cache" };
        return ([(header::CONTENT_TYPE, kind.as_ref()), (header::CACHE_CONTROL, cache)], Body::from(file.data))
            .into_response();
    }
    if name.starts_with("assets/") {
        return AppError::new(ErrorCode::NotFound, format!("there is nothing at `{path}`")).into_response();
    }
    match Pages::get("index.html") {
        Some(page) => {
            let mut response = Body::from(page.data).into_response();
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, html);
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, Html(NOT_BUILT)).into_response(),
    }
}

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Parlour</title>\
    <p>This server was built without its web pages. Run <code>cargo xtask web</code> and start it again.</p>\
    <p>这个服务器没有包含网页。请运行 <code>cargo xtask web</code> 后重新启动。</p>";
