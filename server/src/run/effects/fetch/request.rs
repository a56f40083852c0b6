//! A workflow's request as it goes over the wire.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use workflow_engine::{EffectError, HttpAuth, HttpBody, HttpRequest, SecretPart, SecretText};

use super::{Secrets, fault, missing};
use crate::egress::Outgoing;

/// What servers and proxies usually take.
const MAX_URL_BYTES: usize = 8 << 10;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Headers that belong to the connection: HTTP sets them itself, and a second one lets two servers read one request in
/// two ways.
const OF_THE_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn secret_names(request: &HttpRequest) -> BTreeSet<&str> {
    let auth: Vec<&SecretText> = match &request.auth {
        HttpAuth::None => Vec::new(),
        HttpAuth::Bearer(token) => vec![token],
        HttpAuth::Basic { username, password } => vec![username, password],
    };
    let texts = request.headers.iter().map(|(_, text)| text).chain(auth);
    let parts = texts.flat_map(|text| &text.0);
    parts
        .filter_map(|part| match part {
            SecretPart::Secret(name) => Some(name.as_str()),
            SecretPart::Text(_) => None,
        })
        .collect()
}

pub(super) fn outgoing(
    request: HttpRequest,
    secrets: &Secrets,
    idempotency_key: &str,
    time: Duration,
) -> Result<Outgoing, EffectError> {
    let HttpRequest { method, url, headers, query, body, auth, response: _, max_bytes } = request;
    let method = read_method(&method)?;
    let url = read_url(&url, &query)?;
    let mut headers = read_headers(&headers, secrets)?;
    authorize(&mut headers, &auth, secrets)?;
    let body = match body {
        HttpBody::None => None,
        HttpBody::Text(text) => {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
            Some(text.into_bytes())
        }
        HttpBody::Json(value) => {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Some(value.to_string().into_bytes())
        }
    };
    let changes = matches!(method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    if changes && let Ok(key) = HeaderValue::from_str(idempotency_key) {
        headers.entry(IDEMPOTENCY_KEY).or_insert(key);
    }
    Ok(Outgoing { method, url, headers, body, max_bytes, time, rules: None })
}

fn read_method(given: &str) -> Result<Method, EffectError> {
    match given {
        "GET" => Ok(Method::GET),
        "HEAD" => Ok(Method::HEAD),
        "OPTIONS" => Ok(Method::OPTIONS),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        other => {
            let message = format!("`{other}` is no method that can be sent");
            Err(fault("invalid_input", message, "GET, HEAD, OPTIONS, POST, PUT, PATCH or DELETE"))
        }
    }
}

fn read_url(given: &str, query: &[(String, String)]) -> Result<Url, EffectError> {
    let mut url = Url::parse(given.trim()).map_err(|error| {
        let message = format!("`{}` is no address: {error}", shown(given));
        fault("invalid_input", message, "write it whole, for example `https://api.example.com/v1/items`")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault(
            "invalid_input",
            "the address holds a user name or a password",
            "use `auth` with `secrets.NAME`: what stands in an address is stored and shown",
        ));
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url.set_fragment(None);
    if url.as_str().len() > MAX_URL_BYTES {
        let message = format!("the address has {} bytes; at most {MAX_URL_BYTES} are sent", url.as_str().len());
        return Err(fault("invalid_input", message, "send long values in the body"));
    }
    Ok(url)
}

fn read_headers(given: &[(String, SecretText)], secrets: &Secrets) -> Result<HeaderMap, EffectError> {
    let mut headers = HeaderMap::new();
    for (name, text) in given {
        let parsed = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| {
            let message = format!("`{}` cannot be a header's name", shown(name));
            fault("invalid_input", message, "letters, digits and hyphens, for example `X-Request-Id`")
        })?;
        if OF_THE_CONNECTION.contains(&parsed.as_str()) {
            let message = format!("the header `{parsed}` cannot be set");
            return Err(fault(
                "invalid_input",
                message,
                "leave it out: it belongs to the connection and is set by itself",
            ));
        }
        let value = header_value(&parsed, &filled(text, secrets)?, is_secret(text))?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

fn authorize(headers: &mut HeaderMap, auth: &HttpAuth, secrets: &Secrets) -> Result<(), EffectError> {
    let text = match auth {
        HttpAuth::None => return Ok(()),
        HttpAuth::Bearer(token) => format!("Bearer {}", filled(token, secrets)?),
        HttpAuth::Basic { username, password } => {
            let pair = format!("{}:{}", filled(username, secrets)?, filled(password, secrets)?);
            format!("Basic {}", STANDARD.encode(pair))
        }
    };
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(fault(
            "invalid_input",
            "the request has both `auth` and a header `Authorization`",
            "keep one of the two",
        ));
    }
    headers.insert(header::AUTHORIZATION, header_value(&header::AUTHORIZATION, &text, Sensitivity::Secret)?);
    Ok(())
}

/// Whether a header's value is kept out of what is logged and sent on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sensitivity {
    Plain,
    Secret,
}

fn is_secret(text: &SecretText) -> Sensitivity {
    if text.0.iter().any(|part| matches!(part, SecretPart::Secret(_))) {
        Sensitivity::Secret
    } else {
        Sensitivity::Plain
    }
}

fn header_value(name: &HeaderName, text: &str, sensitivity: Sensitivity) -> Result<HeaderValue, EffectError> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        let message = format!("the header `{name}` holds a line break or another character that no header can carry");
        fault("invalid_input", message, "check the value; a secret is often pasted with a line break at its end")
    })?;
    value.set_sensitive(sensitivity == Sensitivity::Secret);
    Ok(value)
}

fn filled(text: &SecretText, secrets: &Secrets) -> Result<String, EffectError> {
    let mut whole = String::new();
    for part in &text.0 {
        match part {
            SecretPart::Text(it) => whole.push_str(it),
            SecretPart::Secret(name) => match secrets.get(name) {
                Some(value) => whole.push_str(value),
                None => return Err(missing(name)),
            },
        }
    }
    Ok(whole)
}

/// As much of a wrong value as helps to recognise it.
fn shown(given: &str) -> String {
    const SHOWN: usize = 120;
    match given.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", given.get(..end).unwrap_or_default()),
        None => given.to_owned(),
    }
}
