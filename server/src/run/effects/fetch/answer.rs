//! An HTTP answer as a workflow's value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{Encoding, UTF_8};
use reqwest::header::{self, HeaderMap};
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};
use workflow_engine::{EffectError, ResponseFormat};

use super::fault;
use crate::egress::Arrived;

pub(super) fn value(arrived: Arrived, format: ResponseFormat) -> Result<Value, EffectError> {
    let Arrived { method, url, status, headers, body } = arrived;
    let has_none = method == Method::HEAD || matches!(status.as_u16(), 204 | 205 | 304);
    let media = Media::of(&headers);
    let body = match format {
        ResponseFormat::Auto => automatic(&media, &url, &body),
        ResponseFormat::Text => Value::String(media.text(&body)),
        ResponseFormat::File => file(&media, &url, &body),
        ResponseFormat::Json if body.is_empty() && has_none => Value::Null,
        ResponseFormat::Json => serde_json::from_str(&media.text(&body)).map_err(|error| {
            let message = format!("the answer, with the status {}, is not JSON: {error}", status.as_u16());
            fault("bad_response", message, "use `response: auto` or `response: text` to look at it")
        })?,
    };
    Ok(json!({ "status": status.as_u16(), "ok": status.is_success(), "headers": headers_of(&headers), "body": body }))
}

/// By lower-case name; values of a name that comes several times are joined, as HTTP allows.
fn headers_of(headers: &HeaderMap) -> Map<String, Value> {
    let mut all = Map::new();
    for name in headers.keys() {
        let values: Vec<_> = headers.get_all(name).iter().map(|it| String::from_utf8_lossy(it.as_bytes())).collect();
        all.insert(name.as_str().to_owned(), Value::String(values.join(", ")));
    }
    all
}

/// What the answer says it is.
struct Media {
    /// Lower case, without parameters; empty if it does not say.
    kind: String,
    charset: Option<&'static Encoding>,
}

impl Media {
    fn of(headers: &HeaderMap) -> Media {
        let given =
            headers.get(header::CONTENT_TYPE).map(|it| String::from_utf8_lossy(it.as_bytes())).unwrap_or_default();
        let mut parts = given.split(';');
        let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let charset = parts.find_map(|it| {
            let (name, value) = it.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        Media { kind, charset: charset.and_then(|it| Encoding::for_label(it.as_bytes())) }
    }

    fn is_json(&self) -> bool {
        matches!(self.kind.as_str(), "application/json" | "text/json") || self.kind.ends_with("+json")
    }

    fn is_text(&self) -> bool {
        self.kind.starts_with("text/")
            || self.kind.ends_with("+xml")
            || self.kind.ends_with("+yaml")
            || matches!(
                self.kind.as_str(),
                "application/graphql"
                    | "application/javascript"
                    | "application/jsonl"
                    | "application/sql"
                    | "application/toml"
                    | "application/x-ndjson"
                    | "application/x-www-form-urlencoded"
                    | "application/x-yaml"
                    | "application/xml"
                    | "application/yaml"
            )
    }

    /// A byte order mark goes before the charset that is named, and UTF-8 is what is meant when none is.
    fn text(&self, body: &[u8]) -> String {
        self.charset.unwrap_or(UTF_8).decode(body).0.into_owned()
    }
}

fn automatic(media: &Media, url: &Url, body: &[u8]) -> Value {
    if media.is_json() {
        let text = media.text(body);
        return serde_json::from_str(&text).unwrap_or(Value::String(text));
    }
    // Whoever does not say what it is has mostly written text.
    let is_text = media.is_text() || body.is_empty() || (media.kind.is_empty() && std::str::from_utf8(body).is_ok());
    if is_text { Value::String(media.text(body)) } else { file(media, url, body) }
}

fn file(media: &Media, url: &Url, body: &[u8]) -> Value {
    let name = url.path_segments().and_then(|mut it| it.next_back()).filter(|it| !it.is_empty()).unwrap_or("download");
    let media_type = if media.kind.is_empty() { "application/octet-stream" } else { media.kind.as_str() };
    json!({ "name": name, "media_type": media_type, "base64": STANDARD.encode(body), "size": body.len() })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{CONTENT_TYPE, HeaderMap};
    use reqwest::{Method, StatusCode};
    use serde_json::{Value, json};
    use workflow_engine::ResponseFormat;

    use super::value;
    use crate::egress::Arrived;

    fn body(kind: Option<&str>, body: &[u8], format: ResponseFormat) -> Result<Value, String> {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        }
        let url = "https://example.com/files/menu.bin?x=1".parse().unwrap();
        let arrived = Arrived { method: Method::GET, url, status: StatusCode::OK, headers, body: body.to_vec() };
        value(arrived, format).map(|mut it| it["body"].take()).map_err(|it| it.code)
    }

    #[test]
    fn the_content_type_decides() {
        let auto = |kind, bytes| body(kind, bytes, ResponseFormat::Auto).unwrap();
        assert_eq!(auto(Some("application/json"), br#"{"a":1}"#), json!({ "a": 1 }));
        assert_eq!(auto(Some("application/problem+json; charset=utf-8"), b"[]"), json!([]));
        assert_eq!(auto(Some("application/json"), b"oops"), json!("oops"));
        assert_eq!(auto(Some("text/html; charset=\"GBK\""), b"\xc0\xb1"), json!("辣"));
        assert_eq!(auto(Some("text/plain"), "辣".as_bytes()), json!("辣"));
        assert_eq!(auto(None, "辣".as_bytes()), json!("辣"));
        assert_eq!(auto(Some("image/png"), b""), json!(""));
        let file = json!({ "name": "menu.bin", "media_type": "image/png", "base64": "iVA=", "size": 2 });
        assert_eq!(auto(Some("image/png"), b"\x89P"), file);
        assert_eq!(auto(None, b"\xff\xfe\x00\xd8")["media_type"], "application/octet-stream");
    }

    #[test]
    fn the_node_decides_where_it_says_how() {
        assert_eq!(body(Some("text/plain"), b"[1]", ResponseFormat::Json), Ok(json!([1])));
        assert_eq!(body(Some("application/json"), b"[1", ResponseFormat::Json), Err("bad_response".to_owned()));
        assert_eq!(body(Some("application/json"), b"[1]", ResponseFormat::Text), Ok(json!("[1]")));
        assert_eq!(body(Some("text/plain"), b"hi", ResponseFormat::File).unwrap()["base64"], "aGk=");
    }
}
