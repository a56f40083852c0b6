//! What every node has besides its kind: `after`, `if`, `retry`, `timeout`, `on_error`, `cache`.

use serde_json::Value;

use super::context::Context;
use crate::effect::CacheScope;
use crate::expression::Expression;
use crate::program::Spot;
use crate::template::Template;
use crate::yaml::{Node, Span, Yaml};

/// Attempts that a node may ask for; more hides a fault instead of riding it out.
const MAX_ATTEMPTS: u32 = 20;
/// Longest time that a setting may name: one day.
const MAX_DURATION_MS: u64 = 24 * 60 * 60 * 1000;
/// Longest time that an output is kept: thirty days.
const MAX_TTL_MS: u64 = 30 * MAX_DURATION_MS;
/// Error codes that are worth another attempt unless the node says otherwise.
const RETRIED: [&str; 4] = ["timeout", "rate_limited", "unavailable", "error"];

#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) after: Option<Vec<After>>,
    pub(crate) after_span: Span,
    pub(crate) condition: Option<Expression>,
    pub(crate) condition_span: Span,
    pub(crate) retry: Retry,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) on_error: OnError,
    pub(crate) cache: Option<Cache>,
}

/// How long an output is kept for equal input.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) ttl_ms: u64,
    /// What decides whether two calls are equal, instead of the whole input.
    pub(crate) key: Option<Template>,
    pub(crate) scope: CacheScope,
    /// `with` as it is written: another prompt is another call.
    pub(crate) written: Value,
    /// The model that is asked when `with` names none.
    pub(crate) model: Option<String>,
    /// Whether what it hears of the conversation decides as well.
    pub(crate) hears: bool,
}

/// One entry of `after`.
#[derive(Debug)]
pub(crate) struct After {
    pub(crate) name: String,
    pub(crate) port: Option<String>,
    pub(crate) span: Span,
    /// The node; filled in when the names are checked.
    pub(crate) spot: Spot,
}

/// How often and how patiently a failed effect is repeated.
#[derive(Debug)]
pub(crate) struct Retry {
    /// All attempts, the first one included.
    pub(crate) attempts: u32,
    pub(crate) delay_ms: u64,
    /// Factor from one delay to the next.
    pub(crate) backoff: f64,
    pub(crate) max_delay_ms: u64,
    pub(crate) on: Vec<String>,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 1,
            delay_ms: 1000,
            backoff: 2.0,
            max_delay_ms: 30_000,
            on: RETRIED.iter().map(|it| (*it).to_owned()).collect(),
        }
    }
}

impl Retry {
    pub(crate) fn covers(&self, code: &str) -> bool {
        self.on.iter().any(|it| it == code)
    }
}

#[derive(Debug, Default)]
pub(crate) enum OnError {
    #[default]
    Stop,
    Continue,
    Value(Template),
    Route,
}

pub(super) fn read(context: &mut Context<'_>, body: &Node) -> Settings {
    let mut settings = Settings::default();
    if let Some(after) = body.entry("after") {
        settings.after = read_after(context, &after.value);
        settings.after_span = after.key_span;
    }
    if let Some(condition) = body.entry("if") {
        settings.condition = context.condition(&condition.value, "if");
        settings.condition_span = condition.value.span;
    }
    if let Some(retry) = body.get("retry") {
        settings.retry = read_retry(context, retry);
    }
    if let Some(timeout) = body.get("timeout") {
        settings.timeout_ms = duration(context, timeout, "timeout");
    }
    if let Some(on_error) = body.get("on_error") {
        settings.on_error = read_on_error(context, on_error);
    }
    if let Some(cache) = body.get("cache") {
        settings.cache = read_cache(context, cache, body.get("with"));
    }
    settings
}

fn read_after(context: &mut Context<'_>, node: &Node) -> Option<Vec<After>> {
    let single = std::slice::from_ref(node);
    let items = match &node.value {
        Yaml::List(items) => items.as_slice(),
        Yaml::Text(_) => single,
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Map(_) => {
            context.wrong_type(node, "after", "a list of node names");
            return None;
        }
    };
    let mut entries = Vec::new();
    for item in items {
        let Some(text) = item.as_str() else {
            context.wrong_type(item, "after", "a list of node names");
            continue;
        };
        let (name, port) = text.split_once('.').map_or((text, None), |(name, port)| (name, Some(port)));
        entries.push(After {
            name: name.trim().to_owned(),
            port: port.map(|it| it.trim().to_owned()),
            span: item.span,
            spot: Spot { body: usize::MAX, node: usize::MAX },
        });
    }
    Some(entries)
}

fn read_retry(context: &mut Context<'_>, node: &Node) -> Retry {
    let mut retry = Retry { attempts: 3, ..Retry::default() };
    match &node.value {
        Yaml::Number(_) => retry.attempts = attempts(context, node),
        Yaml::Map(entries) => {
            context.check_keys(node, &["attempts", "delay", "backoff", "max_delay", "on"], "`retry`");
            for entry in entries {
                match entry.key.as_str() {
                    "attempts" => retry.attempts = attempts(context, &entry.value),
                    "delay" => retry.delay_ms = duration(context, &entry.value, "delay").unwrap_or(retry.delay_ms),
                    "max_delay" => {
                        retry.max_delay_ms = duration(context, &entry.value, "max_delay").unwrap_or(retry.max_delay_ms);
                    }
                    "backoff" => retry.backoff = backoff(context, &entry.value),
                    "on" => retry.on = codes(context, &entry.value),
                    _ => {}
                }
            }
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Text(_) | Yaml::List(_) => {
            context.wrong_type(node, "retry", "a number of attempts or a map");
            context.diagnostics.hint("for example `retry: 3` or `retry: { attempts: 3, delay: 1s }`");
        }
    }
    retry
}

fn attempts(context: &mut Context<'_>, node: &Node) -> u32 {
    let number = node.to_json().as_u64().and_then(|it| u32::try_from(it).ok());
    match number {
        Some(it) if (1..=MAX_ATTEMPTS).contains(&it) => it,
        Some(_) | None => {
            let message = format!("`attempts` must be a whole number from 1 to {MAX_ATTEMPTS}");
            context.diagnostics.error("wrong_type", node.span, message).hint("the first attempt counts");
            1
        }
    }
}

fn backoff(context: &mut Context<'_>, node: &Node) -> f64 {
    match node.to_json().as_f64() {
        Some(it) if (1.0..=10.0).contains(&it) => it,
        Some(_) | None => {
            context
                .diagnostics
                .error("wrong_type", node.span, "`backoff` must be a number from 1 to 10")
                .hint("every delay is this many times the one before; 1 keeps it the same");
            1.0
        }
    }
}

fn codes(context: &mut Context<'_>, node: &Node) -> Vec<String> {
    let items: Option<Vec<String>> = match node.to_json() {
        Value::String(one) => Some(vec![one]),
        Value::Array(items) => items.iter().map(|it| it.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    items.unwrap_or_else(|| {
        context.wrong_type(node, "on", "a list of error codes");
        context.diagnostics.hint(format!("for example [{}]", RETRIED.join(", ")));
        Vec::new()
    })
}

fn read_on_error(context: &mut Context<'_>, node: &Node) -> OnError {
    const HINT: &str = "`stop`, `continue`, `route`, or `{ value: … }`";
    match &node.value {
        Yaml::Text(text) => match text.as_str() {
            "stop" => OnError::Stop,
            "continue" => OnError::Continue,
            "route" => OnError::Route,
            other => {
                context
                    .diagnostics
                    .error("wrong_type", node.span, format!("`on_error` cannot be `{other}`"))
                    .hint(HINT);
                OnError::Stop
            }
        },
        Yaml::Map(entries) if entries.len() == 1 && node.get("value").is_some() => {
            let value = node.get("value").map_or(Template::Literal(Value::Null), |it| context.template(it));
            OnError::Value(value)
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::List(_) | Yaml::Map(_) => {
            context.wrong_type(node, "on_error", "one word or `{ value: … }`");
            context.diagnostics.hint(HINT);
            OnError::Stop
        }
    }
}

/// `cache: 24h`, or `cache: { ttl, key, scope }`.
fn read_cache(context: &mut Context<'_>, node: &Node, with: Option<&Node>) -> Option<Cache> {
    let written = with.map_or(Value::Null, Node::to_json);
    let mut cache = Cache { ttl_ms: 0, key: None, scope: CacheScope::Tenant, written, model: None, hears: false };
    match &node.value {
        Yaml::Text(_) | Yaml::Number(_) => cache.ttl_ms = duration_up_to(context, node, "cache", MAX_TTL_MS)?,
        Yaml::Map(_) => {
            context.check_keys(node, &["ttl", "key", "scope"], "`cache`");
            let Some(ttl) = node.get("ttl") else {
                context
                    .diagnostics
                    .error("missing_key", node.span, "`ttl` is missing in `cache`")
                    .hint("for how long the output is kept, for example `ttl: 24h`");
                return None;
            };
            cache.ttl_ms = duration_up_to(context, ttl, "ttl", MAX_TTL_MS)?;
            cache.key = node.get("key").map(|it| context.template(it));
            cache.scope = match node.get("scope").map(|it| (it, it.as_str())) {
                None | Some((_, Some("tenant"))) => CacheScope::Tenant,
                Some((_, Some("user"))) => CacheScope::User,
                Some((scope, _)) => {
                    context
                        .diagnostics
                        .error("wrong_type", scope.span, "`scope` is `tenant` or `user`")
                        .hint("`user` keeps an output for the one who asked");
                    CacheScope::User
                }
            };
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::List(_) => {
            context.wrong_type(node, "cache", "a length of time or a map");
            context.diagnostics.hint("for example `cache: 24h` or `cache: { ttl: 24h, scope: user }`");
            return None;
        }
    }
    Some(cache)
}

/// `500ms`, `30s`, `2m`, `1h`, `7d`, or a number of seconds; one day at most.
pub(super) fn duration(context: &mut Context<'_>, node: &Node, key: &str) -> Option<u64> {
    duration_up_to(context, node, key, MAX_DURATION_MS)
}

/// The same with another bound, in milliseconds.
pub(crate) fn duration_up_to(context: &mut Context<'_>, node: &Node, key: &str, most: u64) -> Option<u64> {
    let Some(ms) = crate::duration::milliseconds(&node.to_json()).filter(|it| *it > 0) else {
        context
            .diagnostics
            .error("wrong_type", node.span, format!("`{key}` must be a length of time"))
            .hint("for example `500ms`, `30s`, `2m` or `1h`; a bare number is seconds");
        return None;
    };
    if ms > most {
        let days = most / MAX_DURATION_MS;
        let words = if days == 1 { "one day".to_owned() } else { format!("{days} days") };
        context.diagnostics.error("wrong_type", node.span, format!("`{key}` may be {words} at most"));
    }
    Some(ms.min(most))
}
