//! One call of an imported operation: its input becomes a request, which goes out through the guarded client.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use plugin_host::{CallError, CallErrorKind, CallReport, Declared, HttpRules, Tokens, without_secrets};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};

use super::{Api, Operation, Place, SignIn};
use crate::egress::{Arrived, Egress, EgressError, Outgoing};

/// As for a request of a plugin that is code.
const TIME: Duration = Duration::from_secs(30);
const MAX_BYTES: u64 = 4 << 20;
/// What an error quotes of the answer.
const QUOTED: usize = 500;

/// What a call is made of besides its input.
pub(in crate::app::plugins) struct Caller<'a> {
    pub egress: &'a Egress,
    pub rules: HttpRules,
    /// With the secrets opened.
    pub settings: Map<String, Value>,
    pub idempotency_key: Option<String>,
}

pub(in crate::app::plugins) async fn perform(
    (declared, api): &(Declared, Api),
    tool: &str,
    input: &Value,
    caller: Caller<'_>,
) -> CallReport {
    let began = Instant::now();
    let problems = declared.input_problems(tool, input).unwrap_or_default();
    let result = match api.operations.get(tool) {
        Some(_) if !problems.is_empty() => {
            let hint = "compare `with` of the node with the tool's input schema".to_owned();
            Err(fault(CallErrorKind::InvalidInput, problems.join("; "), Some(hint)))
        }
        Some(operation) => operation.perform(&api.server, input, caller).await,
        None => Err(fault(CallErrorKind::NotFound, format!("there is no tool `{tool}`"), None)),
    };
    CallReport {
        result,
        logs: Vec::new(),
        dropped_log_lines: 0,
        duration_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        cpu_us: 0,
        memory_peak_bytes: 0,
        tokens: Tokens::default(),
    }
}

fn fault(kind: CallErrorKind, message: String, hint: Option<String>) -> CallError {
    CallError { kind, message, hint, retry_after_ms: None, detail: None }
}

/// A request on its way, and the secrets that went into it.
struct Request {
    url: Url,
    headers: HeaderMap,
    secrets: Vec<String>,
}

impl Operation {
    async fn perform(&self, server: &str, input: &Value, caller: Caller<'_>) -> Result<Value, CallError> {
        let Caller { egress, rules, settings, idempotency_key } = caller;
        let mut request = self.request(server, input)?;
        for way in &self.sign_in {
            request.sign_in(way, &settings)?;
        }
        if let (Some(key), true) = (idempotency_key, self.method == "POST") {
            request.header("idempotency-key", &key)?;
        }
        let body = self.body.as_ref().and_then(|it| input.get(it)).map(|it| it.to_string().into_bytes());
        if body.is_some() {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let Request { url, headers, secrets } = request;
        let method = Method::from_bytes(self.method.as_bytes());
        let method = method.map_err(|error| fault(CallErrorKind::Failed, error.to_string(), None))?;
        let outgoing = Outgoing { method, url, headers, body, max_bytes: MAX_BYTES, time: TIME, rules: Some(rules) };
        let arrived = egress.send(outgoing).await.map_err(refused);
        let result = arrived.and_then(|it| answer(&it));
        result.map(|it| masked(&secrets, it)).map_err(|mut error| {
            error.message = without_secrets(&secrets, &error.message);
            error
        })
    }

    fn request(&self, server: &str, input: &Value) -> Result<Request, CallError> {
        let given = |member: &str| input.get(member).filter(|it| !it.is_null());
        let mut path = self.path.clone();
        for it in self.parameters.iter().filter(|it| it.place == Place::Path) {
            let value = given(&it.member).map(text).unwrap_or_default();
            // Encoded whole, so that no value leads to another path; dots alone would do that all the same.
            let value = if value.chars().all(|it| it == '.') { value.replace('.', "%2E") } else { encoded(&value) };
            path = path.replace(&format!("{{{}}}", it.name), &value);
        }
        let invalid = |message: String| fault(CallErrorKind::InvalidInput, message, None);
        let url = format!("{}/{}", server.trim_end_matches('/'), path.trim_start_matches('/'));
        let url = Url::parse(&url).map_err(|error| invalid(format!("`{url}` is no address: {error}")))?;
        let mut request = Request { url, headers: HeaderMap::new(), secrets: Vec::new() };
        for it in &self.parameters {
            let Some(value) = given(&it.member) else { continue };
            match (it.place, value) {
                (Place::Path, _) => {}
                (Place::Query, Value::Array(items)) => {
                    request.url.query_pairs_mut().extend_pairs(items.iter().map(|item| (&it.name, text(item))));
                }
                (Place::Query, value) => {
                    request.url.query_pairs_mut().append_pair(&it.name, &text(value));
                }
                (Place::Header, value) => request.header(&it.name, &text(value))?,
            }
        }
        Ok(request)
    }
}

impl Request {
    fn header(&mut self, name: &str, value: &str) -> Result<(), CallError> {
        let cannot = || fault(CallErrorKind::InvalidInput, format!("the header `{name}` cannot be sent so"), None);
        let named: HeaderName = name.parse().map_err(|_| cannot())?;
        self.headers.insert(named, HeaderValue::from_str(value).map_err(|_| cannot())?);
        Ok(())
    }

    fn secret_header(&mut self, name: HeaderName, value: &str) -> Result<(), CallError> {
        let cannot = |_| fault(CallErrorKind::Failed, "a secret setting cannot stand in a header".to_owned(), None);
        let mut value = HeaderValue::from_str(value).map_err(cannot)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    fn sign_in(&mut self, way: &SignIn, settings: &Map<String, Value>) -> Result<(), CallError> {
        let mut secret = |setting: &str| {
            let value = settings.get(setting).and_then(Value::as_str).filter(|it| !it.is_empty());
            let value = value.ok_or_else(|| {
                let hint = "an administrator can fill it in on the plugin's page".to_owned();
                fault(CallErrorKind::Denied, format!("the setting `{setting}` is not filled in"), Some(hint))
            })?;
            self.secrets.push(value.to_owned());
            Ok(value.to_owned())
        };
        match way {
            SignIn::Header { name, setting } => {
                let value = secret(setting)?;
                let named: Result<HeaderName, _> = name.parse();
                let named = named.map_err(|_| fault(CallErrorKind::Failed, format!("`{name}` is no header"), None))?;
                self.secret_header(named, &value)
            }
            SignIn::Query { name, setting } => {
                let value = secret(setting)?;
                self.url.query_pairs_mut().append_pair(name, &value);
                Ok(())
            }
            SignIn::Bearer { setting } => {
                let value = secret(setting)?;
                self.secret_header(AUTHORIZATION, &format!("Bearer {value}"))
            }
            SignIn::Basic { user, password } => {
                let pair = BASE64_STANDARD.encode(format!("{}:{}", secret(user)?, secret(password)?));
                self.secrets.push(pair.clone());
                self.secret_header(AUTHORIZATION, &format!("Basic {pair}"))
            }
        }
    }
}

/// As it stands in an address or a header.
fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

/// Everything but letters, digits and `-._~`, by RFC 3986.
fn encoded(text: &str) -> String {
    let one = |it: u8| {
        let plain = it.is_ascii_alphanumeric() || b"-._~".contains(&it);
        if plain { char::from(it).to_string() } else { format!("%{it:02X}") }
    };
    text.bytes().map(one).collect()
}

fn masked(secrets: &[String], value: Value) -> Value {
    if secrets.is_empty() {
        return value;
    }
    // A JSON text stays one: a mask has nothing in it that would have to be escaped.
    serde_json::from_str(&without_secrets(secrets, &value.to_string())).unwrap_or(value)
}

fn answer(arrived: &Arrived) -> Result<Value, CallError> {
    let said = String::from_utf8_lossy(&arrived.body);
    let status = arrived.status.as_u16();
    if arrived.status.is_success() {
        let body = serde_json::from_slice(&arrived.body).unwrap_or_else(|_| json!(said));
        return Ok(json!({ "status": status, "body": body }));
    }
    let kind = match status {
        401 | 403 => CallErrorKind::Denied,
        404 | 410 => CallErrorKind::NotFound,
        408 | 429 => CallErrorKind::RateLimited,
        500.. => CallErrorKind::Unavailable,
        _ => CallErrorKind::Failed,
    };
    let quoted: String = said.chars().take(QUOTED).collect();
    let mut error = fault(kind, format!("the service answered {status}: {quoted}"), None);
    let wait = arrived.headers.get("retry-after").and_then(|it| it.to_str().ok()?.trim().parse::<u64>().ok());
    error.retry_after_ms = wait.map(|it| it.saturating_mul(1_000));
    Err(error)
}

fn refused(error: EgressError) -> CallError {
    let kind = match &error {
        EgressError::Scheme { .. } => CallErrorKind::InvalidInput,
        EgressError::Denied { .. } | EgressError::NotGranted { .. } => CallErrorKind::Denied,
        EgressError::Timeout { .. } | EgressError::Unavailable { .. } => CallErrorKind::Unavailable,
        EgressError::TooLarge { .. }
        | EgressError::Redirects { .. }
        | EgressError::Location { .. }
        | EgressError::Encoded { .. } => CallErrorKind::Failed,
    };
    fault(kind, error.to_string(), error.hint())
}
