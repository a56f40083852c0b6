//! `llm`: asks a language model. With a schema the answer is JSON that fits it: validated here, and repaired once by
//! telling the model what was wrong.

use std::sync::Arc;

use jsonschema::Validator;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Message, MessageRole, Outcome};
use crate::input::ChatContext;
use crate::node::{
    Behaviour, Built, DONE, Declaration, Next, Step, Words, add_usage, count_of, done_only, invalid_input, number_of,
    object_schema, text_of,
};

pub(crate) const DEFAULT_MODEL: &str = "default";
/// More than any model writes in one answer.
const MAX_TOKENS: u32 = 1_000_000;
/// Problems of a broken answer that the model is told; the first ones explain the rest.
const TOLD_PROBLEMS: usize = 8;
/// More pictures than models take with one message.
const MAX_IMAGES: usize = 20;
/// Characters of a wrong picture address that an error repeats.
const SHOWN_ADDRESS: usize = 80;

const EXAMPLE: &str = r#"workflow: summarise
inputs: { text: string }
nodes:
  summary: { use: llm, with: { system: You write one sentence., prompt: "{{ inputs.text }}", temperature: 0.2 } }
  reply: { use: answer, with: { text: "{{ summary.text }}" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "llm",
    title: Words { en: "Language model", zh: "大模型" },
    summary: Words {
        en: "Asks a language model; streams its words, or gives JSON that fits a schema.",
        zh: "向大模型提问；逐字输出，或给出符合 schema 的 JSON。",
    },
    config,
    outputs,
    ports: done_only,
    streams: true,
    caches: true,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    object_schema(
        json!({
            "prompt": { "title": "Prompt · 提示词", "type": "string", "x-widget": "template" },
            "messages": { "title": "Messages · 消息", "type": ["array", "string"], "minItems": 1, "items": {
                "type": "object", "required": ["role", "content"], "additionalProperties": false,
                "properties": { "role": { "type": "string", "enum": ["system", "user", "assistant"] }, "content": { "type": "string" } } } },
            "system": { "title": "System prompt · 系统提示词", "type": "string", "x-widget": "template" },
            "model": { "title": "Model · 模型", "type": "string", "default": DEFAULT_MODEL, "x-widget": "model" },
            "history": { "title": "History · 对话历史", "description": "true, or how many turns · true 或轮数",
                "type": ["boolean", "integer"], "minimum": 0, "default": false },
            "temperature": { "title": "Temperature · 温度", "type": "number", "minimum": 0, "maximum": 2 },
            "max_tokens": { "title": "Most tokens · 最多 token 数", "type": "integer", "minimum": 1, "maximum": MAX_TOKENS },
            "schema": { "title": "JSON Schema", "description": "The answer is JSON that fits this · 回答是符合它的 JSON",
                "type": "object", "x-widget": "json" },
            "images": { "title": "Pictures · 图片", "description": "Addresses, https: or data:image/…; they go with the last user message · 图片地址，随最后一条用户消息发送",
                "type": ["array", "string"], "items": { "type": "string" }, "maxItems": MAX_IMAGES },
        }),
        &[],
    )
}

fn outputs() -> Value {
    object_schema(
        json!({
            "text": { "type": "string" },
            "json": {},
            "reasoning": { "type": ["string", "null"] },
            "usage": { "type": "object", "properties": { "input_tokens": { "type": "integer" }, "output_tokens": { "type": "integer" } } },
            "model": { "type": "string" },
        }),
        &["text"],
    )
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    match (context.get("prompt"), context.get("messages")) {
        (None, None) => {
            let span = context.with_span;
            context
                .diagnostics()
                .error("missing_key", span, "`prompt` is missing")
                .hint("`prompt` is a text; `messages` is a list of {role, content}");
        }
        (Some(_), Some(messages)) => {
            let span = messages.span;
            context
                .diagnostics()
                .error("conflicting_keys", span, "`prompt` and `messages` exclude each other")
                .hint("put the prompt into the messages as the last `user` message");
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    let mut schema = None;
    if let Some(node) = context.get("schema").filter(|it| it.is_map()) {
        let json = node.to_json();
        match crate::schema::validator(&json) {
            Ok(validator) => schema = Some((json, validator)),
            Err(message) => {
                let span = node.span;
                context.diagnostics().error(
                    "invalid_schema",
                    span,
                    format!("`schema` is not a valid JSON Schema: {message}"),
                );
            }
        }
    }
    let streams = schema.is_none();
    let mut outputs = outputs();
    if let (Some((schema, _)), Some(slot)) = (&schema, outputs.pointer_mut("/properties/json")) {
        *slot = schema.clone();
    }
    Some(Built {
        behaviour: Box::new(Llm { schema }),
        input: context.input(&["schema"]),
        ports: vec![DONE.to_owned()],
        outputs,
        // A text that may be repaired cannot be shown before it is known to be right.
        streams,
        acts: false,
        says: false,
        answer: None,
    })
}

struct Llm {
    schema: Option<(Value, Arc<Validator>)>,
}

impl std::fmt::Debug for Llm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Llm").field("schema", &self.schema.as_ref().map(|it| &it.0)).finish()
    }
}

/// What is asked again if the answer does not fit; only kept while there is a schema.
#[derive(Serialize, Deserialize)]
struct Memory {
    model: String,
    messages: Vec<Message>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    repaired: bool,
    usage: Value,
}

impl Behaviour for Llm {
    fn start(&self, step: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let model = match text_of(input, "model") {
            name if name.is_empty() => DEFAULT_MODEL.to_owned(),
            name => name,
        };
        let memory = Memory {
            model,
            messages: messages(step.chat, input)?,
            temperature: number_of(input, "temperature")?,
            max_tokens: count_of(input, "max_tokens", MAX_TOKENS)?,
            repaired: false,
            usage: json!({ "input_tokens": 0, "output_tokens": 0 }),
        };
        Ok(self.ask(memory))
    }

    fn resume(&self, _: &mut Step<'_>, memory: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let answer = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let text = answer.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (mut usage, mut output) = (json!({}), Value::Null);
        if let Some((_, validator)) = &self.schema {
            let mut memory: Memory = serde_json::from_value(memory).map_err(|it| broken_memory(&it))?;
            add_usage(&mut memory.usage, answer.get("usage"));
            match read_json(&text, validator) {
                Ok(json) => output = json,
                Err(problems) if !memory.repaired => {
                    memory.repaired = true;
                    memory.messages.push(Message::new(MessageRole::Assistant, text));
                    memory.messages.push(Message::new(MessageRole::User, repair_prompt(&problems)));
                    return Ok(self.ask(memory));
                }
                Err(problems) => {
                    return Err(EffectError {
                        code: "model_bad_output".to_owned(),
                        message: format!(
                            "the model's answer does not fit the schema, also after one repair: {}",
                            problems.join("; ")
                        ),
                        hint: Some(
                            "describe the fields in the schema, or use a model that can give structured output"
                                .to_owned(),
                        ),
                        retry_after_ms: None,
                    });
                }
            }
            usage = memory.usage;
        } else {
            add_usage(&mut usage, answer.get("usage"));
        }
        Ok(Next::done(json!({
            "text": text,
            "json": output,
            "reasoning": answer.get("reasoning").cloned().unwrap_or(Value::Null),
            "usage": usage,
            "model": answer.get("model").cloned().unwrap_or(Value::Null),
        })))
    }
}

impl Llm {
    fn ask(&self, memory: Memory) -> Next {
        let schema = self.schema.as_ref().map(|(schema, _)| schema.clone());
        let kept = if schema.is_some() { json!(memory) } else { Value::Null };
        let Memory { model, messages, temperature, max_tokens, repaired: _, usage: _ } = memory;
        let tools = Vec::new();
        Next::Ask { effect: Effect::Complete { model, messages, temperature, max_tokens, schema, tools }, memory: kept }
    }
}

pub(super) fn broken_memory(error: &serde_json::Error) -> EffectError {
    EffectError {
        code: "error".to_owned(),
        message: format!("the stored state of the node cannot be read: {error}"),
        hint: Some("it was stored by another version; run again".to_owned()),
        retry_after_ms: None,
    }
}

fn messages(chat: Option<&ChatContext>, input: &Value) -> Result<Vec<Message>, EffectError> {
    let mut messages = Vec::new();
    let system = text_of(input, "system");
    if !system.trim().is_empty() {
        messages.push(Message::new(MessageRole::System, system));
    }
    messages.extend(history(chat, input.get("history"))?);
    match input.get("messages") {
        None | Some(Value::Null) => messages.push(Message::new(MessageRole::User, text_of(input, "prompt"))),
        Some(Value::Array(items)) => {
            for item in items {
                let role = role(item.get("role").and_then(Value::as_str).unwrap_or_default()).ok_or_else(|| {
                    invalid_input(format!("a message needs a role of system, user or assistant: `{item}`"))
                })?;
                messages.push(Message::new(role, text_of(item, "content")));
            }
        }
        Some(other) => return Err(invalid_input(format!("`messages` must be a list, it is `{other}`"))),
    }
    let images = images(input.get("images"))?;
    if !images.is_empty() {
        let last = messages.iter_mut().rfind(|it| it.role == MessageRole::User);
        last.ok_or_else(|| invalid_input("`images` need a `user` message to go with"))?.images = images;
    }
    Ok(messages)
}

/// Addresses of pictures: one or a list; nothing is left out.
fn images(setting: Option<&Value>) -> Result<Vec<String>, EffectError> {
    let items = match setting {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    let mut images = Vec::new();
    for item in items.iter().filter(|it| !it.is_null()) {
        let address = item.as_str().map(str::trim).unwrap_or_default();
        let is_picture = ["https:", "data:image/"]
            .iter()
            .any(|it| address.get(..it.len()).is_some_and(|start| start.eq_ignore_ascii_case(it)));
        if !is_picture {
            let shown: String = item.to_string().chars().take(SHOWN_ADDRESS).collect();
            return Err(invalid_input(format!(
                "`images` must be `https:` or `data:image/…` addresses, one is {shown}"
            )));
        }
        images.push(address.to_owned());
    }
    if images.len() > MAX_IMAGES {
        return Err(invalid_input(format!("`images` may be at most {MAX_IMAGES}, they are {}", images.len())));
    }
    Ok(images)
}

fn role(name: &str) -> Option<MessageRole> {
    match name {
        "system" => Some(MessageRole::System),
        "user" => Some(MessageRole::User),
        "assistant" => Some(MessageRole::Assistant),
        _ => None,
    }
}

/// The last turns of the conversation as messages. A turn is what the visitor said and what was answered.
pub(crate) fn history(chat: Option<&ChatContext>, setting: Option<&Value>) -> Result<Vec<Message>, EffectError> {
    let turns = match setting {
        None | Some(Value::Null | Value::Bool(false)) => return Ok(Vec::new()),
        Some(Value::Bool(true)) => usize::MAX,
        Some(other) => other.as_u64().and_then(|it| usize::try_from(it).ok()).ok_or_else(|| {
            invalid_input(format!("`history` must be true, false or a number of turns, it is `{other}`"))
        })?,
    };
    let all = chat.map(|it| it.history.as_slice()).unwrap_or_default();
    let skip = all.len().saturating_sub(turns.saturating_mul(2));
    Ok(all.iter().skip(skip).filter_map(|it| Some(Message::new(role(&it.role)?, it.content.clone()))).collect())
}

/// The JSON of an answer, even when the model wrapped it in a code fence or a sentence.
pub(super) fn find_json(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let inside = text.split("```").nth(1).map(|it| it.trim_start_matches("json").trim());
    if let Some(value) = inside.and_then(|it| serde_json::from_str(it).ok()) {
        return Some(value);
    }
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    text.get(start..=end).and_then(|it| serde_json::from_str(it).ok())
}

fn read_json(text: &str, validator: &Validator) -> Result<Value, Vec<String>> {
    let Some(value) = find_json(text) else { return Err(vec!["the answer is not JSON".to_owned()]) };
    let problems: Vec<String> = crate::schema::problems(validator, &value)
        .into_iter()
        .take(TOLD_PROBLEMS)
        .map(|(path, message)| if path.is_empty() { message } else { format!("{path}: {message}") })
        .collect();
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

fn repair_prompt(problems: &[String]) -> String {
    let list: String = problems.iter().map(|it| format!("- {it}\n")).collect();
    format!("Your answer does not fit the JSON Schema:\n{list}Answer again with nothing but JSON that fits it.")
}
