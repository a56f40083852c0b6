//! `http`: sends a request and gives what came back. Secrets may go into headers and credentials; they stay names here, and
//! whoever performs the request puts them in.

mod request;

use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, HttpAuth, Outcome, SecretText};
use crate::expression::Names;
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only, object_schema};
use crate::template::{SecretTemplate, Template, has_expression};
use crate::yaml::{Node, Yaml};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// Methods that change nothing on the other side (RFC 9110, 9.2.1).
const SAFE_METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
/// Plenty for an API's answer, and little enough to stay in a run's values.
const DEFAULT_MAX_BYTES: u32 = 2 << 20;
/// Half of what all values of a run may take.
const MAX_BYTES: u32 = 32 << 20;
/// The longest `retry-after` that is honoured, like the longest pause that `retry` itself can make.
const MAX_RETRY_AFTER_S: u64 = 24 * 60 * 60;

const EXAMPLE: &str = r#"workflow: weather
inputs: { city: string }
nodes:
  now:
    use: http
    retry: 3
    with:
      url: https://api.example.com/v1/now
      query: { city: "{{ inputs.city }}" }
      headers: { Authorization: "Bearer {{ secrets.WEATHER_TOKEN }}" }
  reply: { use: answer, with: { text: "{{ now.body.summary }}" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "http",
    title: Words { en: "HTTP request", zh: "HTTP 请求" },
    summary: Words {
        en: "Sends a request to another service and gives what it answers.",
        zh: "向其他服务发送请求，并给出它的响应。",
    },
    config,
    outputs,
    ports: done_only,
    streams: false,
    caches: true,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    let text = json!({ "type": "string" });
    object_schema(
        json!({
            "method": { "title": "Method · 方法", "type": "string", "enum": METHODS, "default": "GET" },
            "url": { "title": "Address · 网址", "description": "Starts with http:// or https:// · 以 http:// 或 https:// 开头",
                "type": "string", "x-widget": "template" },
            "headers": { "title": "Headers · 请求头", "description": "{{ secrets.NAME }} may stand here · 这里可以写 {{ secrets.名称 }}",
                "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "array", "null"] } },
            "query": { "title": "Query · 查询参数",
                "description": "A list repeats its key, nothing leaves it out · 列表会重复键，空值会省略",
                "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "array", "null"] } },
            "body": { "title": "Body · 请求体", "description": "Text, or a value that is sent as JSON · 文本，或以 JSON 发送的值",
                "x-widget": "template" },
            "auth": { "title": "Credentials · 认证",
                "description": "{bearer: …} or {basic: {username: …, password: …}}; {{ secrets.NAME }} may stand here · 这里可以写 {{ secrets.名称 }}",
                "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1, "properties": {
                    "bearer": text,
                    "basic": object_schema(json!({ "username": text, "password": text }), &["username", "password"]) } },
            "response": { "title": "Read the answer as · 响应格式", "type": "string", "enum": ["auto", "json", "text", "file"], "default": "auto" },
            "max_bytes": { "title": "Most bytes · 最多字节数", "description": "A longer answer is an error · 更长的响应算作错误",
                "type": "integer", "minimum": 1, "maximum": MAX_BYTES, "default": DEFAULT_MAX_BYTES },
        }),
        &["url"],
    )
}

fn outputs() -> Value {
    object_schema(
        json!({
            "status": { "type": "integer" },
            "ok": { "type": "boolean" },
            "headers": { "type": "object" },
            "body": {},
        }),
        &["status", "ok", "headers", "body"],
    )
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let headers = context.get("headers").map_or(Headers::Listed(Vec::new()), |it| headers(context, it));
    let auth = context.get("auth").map_or(Auth::None, |it| auth(context, it));
    let method = context.get("method");
    let safe = method.is_none_or(|it| it.as_str().is_some_and(|it| SAFE_METHODS.contains(&it)));
    Some(Built {
        behaviour: Box::new(Http { headers, auth }),
        input: context.input(&["headers", "auth"]),
        ports: vec![DONE.to_owned()],
        outputs: outputs(),
        streams: false,
        acts: !safe,
        says: false,
        answer: None,
    })
}

fn headers(context: &mut NodeContext<'_, '_>, node: &Node) -> Headers {
    if !node.is_map() {
        return Headers::Whole(context.context.template(node));
    }
    let slots = node.entries().iter().map(|entry| {
        let text = entry.value.as_str().filter(|it| has_expression(it));
        let secret =
            text.map(|it| context.context.secret_text(it, entry.value.span)).filter(SecretTemplate::has_secret);
        let slot = match secret {
            Some(text) => Slot::Secret(text),
            None => Slot::Plain(context.context.template(&entry.value)),
        };
        (entry.key.clone(), slot)
    });
    Headers::Listed(slots.collect())
}

fn auth(context: &mut NodeContext<'_, '_>, node: &Node) -> Auth {
    if matches!(node.value, Yaml::Text(_)) {
        context.context.wrong_type(node, "auth", "a map with `bearer` or `basic`");
        return Auth::None;
    }
    let mut text = |node: Option<&Node>| {
        let source = node.and_then(Node::as_str).unwrap_or_default();
        node.map(|it| context.context.secret_text(source, it.span)).unwrap_or_default()
    };
    if let Some(basic) = node.get("basic") {
        return Auth::Basic { username: text(basic.get("username")), password: text(basic.get("password")) };
    }
    node.get("bearer").map_or(Auth::None, |it| Auth::Bearer(text(Some(it))))
}

#[derive(Debug)]
struct Http {
    headers: Headers,
    auth: Auth,
}

#[derive(Debug)]
enum Headers {
    Listed(Vec<(String, Slot)>),
    /// One expression for all of them; no secret can be in it.
    Whole(Template),
}

/// A header's value.
#[derive(Debug)]
enum Slot {
    Secret(SecretTemplate),
    Plain(Template),
}

#[derive(Debug)]
enum Auth {
    None,
    Bearer(SecretTemplate),
    Basic { username: SecretTemplate, password: SecretTemplate },
}

impl Behaviour for Http {
    /// Headers and credentials are evaluated in parts, so that a secret's place is known and not guessed from the text.
    fn input(&self, template: &Template, names: &dyn Names) -> Result<Value, EffectError> {
        let mut input = template.evaluate(names)?;
        let (headers, auth) = (self.headers.evaluate(names)?, self.auth.evaluate(names)?);
        if let (Value::Object(map), false) = (&mut input, headers.is_empty()) {
            map.insert("headers".to_owned(), json!(headers));
        }
        if let (Value::Object(map), false) = (&mut input, auth == HttpAuth::None) {
            map.insert("auth".to_owned(), json!(auth));
        }
        Ok(input)
    }

    fn shown(&self, input: Value) -> Value {
        request::shown(input)
    }

    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        Ok(Next::ask(Effect::Fetch(Box::new(request::request(input)?))))
    }

    /// Without `retry` a refusal is an answer like any other; with it, what may be different the next time is a failure.
    fn judge(&self, outcome: Outcome, retries: bool) -> Outcome {
        let answer = match &outcome {
            Outcome::Ok { value } if retries => value,
            Outcome::Ok { .. } | Outcome::Failed { .. } => return outcome,
        };
        let Some(status) = answer.get("status").and_then(Value::as_u64) else { return outcome };
        let code = match status {
            429 => "rate_limited",
            408 | 425 | 500..=599 => "unavailable",
            _ => return outcome,
        };
        let error = EffectError {
            code: code.to_owned(),
            message: format!("the other side answered with status {status}"),
            hint: None,
            retry_after_ms: retry_after_ms(answer),
        };
        Outcome::Failed { error }
    }

    fn resume(&self, _: &mut Step<'_>, _: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let answer = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let status = answer.get("status").and_then(Value::as_u64);
        let ok = answer.get("ok").and_then(Value::as_bool);
        Ok(Next::done(json!({
            "status": status,
            "ok": ok.unwrap_or_else(|| status.is_some_and(|it| (200..300).contains(&it))),
            "headers": answer.get("headers").filter(|it| it.is_object()).cloned().unwrap_or_else(|| json!({})),
            "body": answer.get("body").cloned().unwrap_or(Value::Null),
        })))
    }
}

/// What a `retry-after` header in seconds asks for.
fn retry_after_ms(answer: &Value) -> Option<u64> {
    let headers = answer.get("headers")?.as_object()?;
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let seconds = value.as_u64().or_else(|| value.as_str()?.trim().parse::<u64>().ok())?;
    Some(seconds.min(MAX_RETRY_AFTER_S) * 1000)
}

impl Headers {
    fn evaluate(&self, names: &dyn Names) -> Result<Vec<(String, SecretText)>, EffectError> {
        let mut headers = Vec::new();
        match self {
            Headers::Listed(slots) => {
                for (name, slot) in slots {
                    match slot {
                        Slot::Secret(text) => headers.push((name.clone(), text.evaluate(names)?)),
                        Slot::Plain(template) => {
                            request::add_header(&mut headers, name, &template.evaluate(names)?)?;
                        }
                    }
                }
            }
            Headers::Whole(template) => {
                for (name, value) in &request::map(template.evaluate(names)?, "headers")? {
                    request::add_header(&mut headers, name, value)?;
                }
            }
        }
        Ok(headers)
    }
}

impl Auth {
    fn evaluate(&self, names: &dyn Names) -> Result<HttpAuth, EffectError> {
        Ok(match self {
            Auth::None => HttpAuth::None,
            Auth::Bearer(token) => HttpAuth::Bearer(token.evaluate(names)?),
            Auth::Basic { username, password } => {
                HttpAuth::Basic { username: username.evaluate(names)?, password: password.evaluate(names)? }
            }
        })
    }
}
