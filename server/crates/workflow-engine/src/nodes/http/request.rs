//! From a node's evaluated input to the request that is asked for, and to what the trace shows of it.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{DEFAULT_MAX_BYTES, MAX_BYTES, METHODS};
use crate::effect::{EffectError, HttpAuth, HttpBody, HttpRequest, ResponseFormat, SecretPart, SecretText};
use crate::node::{count_of, invalid_input, text_of};

/// What a header's name may consist of besides letters and digits (RFC 9110, 5.6.2).
const NAME_MARKS: &str = "!#$%&'*+-.^_`|~";

pub(super) fn request(input: &Value) -> Result<HttpRequest, EffectError> {
    let headers: Vec<(String, SecretText)> = kept(input, "headers")?.unwrap_or_default();
    headers.iter().try_for_each(check_header)?;
    let auth: HttpAuth = kept(input, "auth")?.unwrap_or_default();
    check_auth(&auth)?;
    Ok(HttpRequest {
        method: method(input)?,
        url: url(input)?,
        headers,
        query: query(input)?,
        body: match input.get("body") {
            None | Some(Value::Null) => HttpBody::None,
            Some(Value::String(text)) => HttpBody::Text(text.clone()),
            Some(other) => HttpBody::Json(other.clone()),
        },
        auth,
        response: match text_of(input, "response").as_str() {
            "" | "auto" => ResponseFormat::Auto,
            "json" => ResponseFormat::Json,
            "text" => ResponseFormat::Text,
            "file" => ResponseFormat::File,
            other => return Err(invalid_input(format!("`response` cannot be `{other}`"))),
        },
        max_bytes: u64::from(count_of(input, "max_bytes", MAX_BYTES)?.unwrap_or(DEFAULT_MAX_BYTES)),
    })
}

/// What `Http::input` wrote.
fn kept<T: DeserializeOwned>(input: &Value, key: &str) -> Result<Option<T>, EffectError> {
    let Some(value) = input.get(key) else { return Ok(None) };
    serde_json::from_value(value.clone()).map(Some).map_err(|it| invalid_input(format!("`{key}` cannot be read: {it}")))
}

fn method(input: &Value) -> Result<String, EffectError> {
    let written = text_of(input, "method");
    let method = if written.is_empty() { "GET".to_owned() } else { written.trim().to_ascii_uppercase() };
    if METHODS.contains(&method.as_str()) {
        return Ok(method);
    }
    Err(EffectError {
        hint: Some(format!("possible are: {}", METHODS.join(", "))),
        ..invalid_input(format!("`method` cannot be `{written}`"))
    })
}

fn url(input: &Value) -> Result<String, EffectError> {
    let url = text_of(input, "url").trim().to_owned();
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let start = url.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| url.get(scheme.len()..))?
    });
    let has_host = rest.is_some_and(|it| !it.is_empty() && !it.starts_with(['/', '?', '#', ':']));
    if has_host && !url.chars().any(|it| it.is_whitespace() || it.is_control()) {
        return Ok(url);
    }
    Err(EffectError {
        hint: Some("write the whole address, with `https://`; spaces and the like belong into `query`".to_owned()),
        ..invalid_input(format!("`url` must be an http or https address, it is `{url}`"))
    })
}

fn query(input: &Value) -> Result<Vec<(String, String)>, EffectError> {
    let mut query = Vec::new();
    for (name, value) in map(input.get("query").cloned().unwrap_or_default(), "query")? {
        let texts =
            texts(&value).ok_or_else(|| invalid_input(format!("`{name}` in `query` must be text or a list")))?;
        query.extend(texts.into_iter().map(|it| (name.clone(), it)));
    }
    Ok(query)
}

/// The map that a key gives; nothing gives an empty one.
pub(super) fn map(value: Value, key: &str) -> Result<Map<String, Value>, EffectError> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(invalid_input(format!("`{key}` must be a map")))
        }
    }
}

pub(super) fn add_header(
    headers: &mut Vec<(String, SecretText)>,
    name: &str,
    value: &Value,
) -> Result<(), EffectError> {
    let texts = texts(value).ok_or_else(|| invalid_input(format!("the header `{name}` must be text or a list")))?;
    headers.extend(texts.into_iter().map(|it| (name.to_owned(), SecretText(vec![SecretPart::Text(it)]))));
    Ok(())
}

/// A value as the texts that it is sent as: none for nothing, several for a list. None when it has a map in it.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(text) => Some(vec![text.clone()]),
        Value::Bool(_) | Value::Number(_) => Some(vec![value.to_string()]),
        Value::Array(items) => {
            let each: Option<Vec<Vec<String>>> =
                items.iter().map(|it| if it.is_array() { None } else { texts(it) }).collect();
            Some(each?.concat())
        }
        Value::Object(_) => None,
    }
}

fn check_header((name, value): &(String, SecretText)) -> Result<(), EffectError> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || NAME_MARKS.contains(it);
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(invalid_input(format!("a header cannot be called `{}`", name.escape_debug())));
    }
    if has_control(value) {
        return Err(invalid_input(format!("the header `{name}` may not have line breaks or control characters in it")));
    }
    Ok(())
}

fn check_auth(auth: &HttpAuth) -> Result<(), EffectError> {
    let texts = match auth {
        HttpAuth::None => Vec::new(),
        HttpAuth::Bearer(token) => {
            let empty = token.0.iter().all(|it| matches!(it, SecretPart::Text(text) if text.trim().is_empty()));
            if empty {
                return Err(invalid_input("`bearer` in `auth` is empty"));
            }
            vec![token]
        }
        HttpAuth::Basic { username, password } => vec![username, password],
    };
    if texts.into_iter().any(has_control) {
        return Err(invalid_input("`auth` may not have line breaks or control characters in it"));
    }
    Ok(())
}

fn has_control(text: &SecretText) -> bool {
    let control = |it: char| it.is_control() && it != '\t';
    text.0.iter().any(|it| matches!(it, SecretPart::Text(text) if text.contains(control)))
}

/// The input as its author wrote it: headers as a map, and secrets as the names that stand for them.
pub(super) fn shown(mut input: Value) -> Value {
    let headers = kept(&input, "headers").ok().flatten().map(shown_headers);
    let auth = kept(&input, "auth").ok().flatten().map(|it| shown_auth(&it));
    for (key, shown) in [("headers", headers), ("auth", auth)] {
        if let (Some(slot), Some(shown)) = (input.get_mut(key), shown) {
            *slot = shown;
        }
    }
    input
}

fn shown_headers(headers: Vec<(String, SecretText)>) -> Value {
    let mut map: Map<String, Value> = Map::new();
    for (name, value) in headers {
        let text = json!(shown_text(&value));
        match map.get_mut(&name) {
            None => drop(map.insert(name, text)),
            Some(Value::Array(list)) => list.push(text),
            Some(first) => *first = json!([first.take(), text]),
        }
    }
    Value::Object(map)
}

fn shown_auth(auth: &HttpAuth) -> Value {
    match auth {
        HttpAuth::None => Value::Null,
        HttpAuth::Bearer(token) => json!({ "bearer": shown_text(token) }),
        HttpAuth::Basic { username, password } => {
            json!({ "basic": { "username": shown_text(username), "password": shown_text(password) } })
        }
    }
}

fn shown_text(text: &SecretText) -> String {
    let parts = text.0.iter().map(|it| match it {
        SecretPart::Text(text) => text.clone(),
        SecretPart::Secret(name) => format!("{{{{ secrets.{name} }}}}"),
    });
    parts.collect()
}
