//! What a kind of node is: one declaration from which compiler, palette, forms, documentation and JSON Schema come.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::effect::{Effect, EffectError, Outcome};
use crate::expression::Names;
use crate::input::ChatContext;
use crate::template::Template;

/// A text in the two languages that every surface speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    pub en: &'static str,
    pub zh: &'static str,
}

/// The ways out of a kind of node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortsInfo {
    /// Ports that every node of the kind has.
    pub fixed: Vec<&'static str>,
    /// The configuration key whose entries are ports too, such as `intents` or `cases`.
    pub from: Option<&'static str>,
}

/// A kind of node, for palettes, forms and documentation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeKindInfo {
    pub name: &'static str,
    pub title: Words,
    pub summary: Words,
    /// JSON Schema of `with`.
    pub config: Value,
    /// JSON Schema of the output.
    pub outputs: Value,
    pub ports: PortsInfo,
    /// Whether `text` can be read while the node is still running.
    pub streams: bool,
    /// Whether `cache` may keep its output.
    pub caches: bool,
    /// A workflow that shows it at work.
    pub example: &'static str,
}

/// The one declaration of a kind.
pub(crate) struct Declaration {
    pub(crate) name: &'static str,
    pub(crate) title: Words,
    pub(crate) summary: Words,
    pub(crate) config: fn() -> Value,
    pub(crate) outputs: fn() -> Value,
    pub(crate) ports: fn() -> PortsInfo,
    pub(crate) streams: bool,
    /// Whether equal input means equal output, so that `cache` may keep it.
    pub(crate) caches: bool,
    /// A whole workflow document; a test compiles it.
    pub(crate) example: &'static str,
    /// Checks what the schema cannot say, and compiles the node. None after an error was reported.
    pub(crate) build: fn(&mut crate::compile::NodeContext<'_, '_>) -> Option<Built>,
}

impl Declaration {
    pub(crate) fn info(&self) -> NodeKindInfo {
        NodeKindInfo {
            name: self.name,
            title: self.title,
            summary: self.summary,
            config: (self.config)(),
            outputs: (self.outputs)(),
            ports: (self.ports)(),
            streams: self.streams,
            caches: self.caches,
            example: self.example,
        }
    }
}

/// A node as its kind compiled it.
pub(crate) struct Built {
    pub(crate) behaviour: Box<dyn Behaviour>,
    /// What is evaluated when the node starts, and shown to the author.
    pub(crate) input: Template,
    /// Ways out, without `error`.
    pub(crate) ports: Vec<String>,
    /// JSON Schema of the output, as far as it is known.
    pub(crate) outputs: Value,
    pub(crate) streams: bool,
    /// Whether the node is worth running although nobody reads its output.
    pub(crate) acts: bool,
    /// Whether it may say something to the visitor.
    pub(crate) says: bool,
    /// Only for `answer`: what it says, piece by piece.
    pub(crate) answer: Option<crate::template::Text>,
}

/// The port of kinds that have only one.
pub(crate) const DONE: &str = "done";

pub(crate) fn done_only() -> PortsInfo {
    PortsInfo { fixed: vec![DONE], from: None }
}

/// A compiled node at work. `start` and `resume` are functions of what they are given: everything that a node remembers
/// between two effects is the JSON that it hands over with the effect.
pub(crate) trait Behaviour: fmt::Debug + Send + Sync {
    /// Evaluates the node's input; `branch` stops at the first true case.
    fn input(&self, template: &Template, names: &dyn Names) -> Result<Value, EffectError> {
        template.evaluate(names)
    }

    fn start(&self, step: &mut Step<'_>, input: &Value) -> Result<Next, EffectError>;

    /// Called with the outcome of the effect that the node asked for, after retries.
    fn resume(&self, step: &mut Step<'_>, memory: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let (_, _) = (step, memory);
        match outcome {
            Outcome::Failed { error } => Err(error),
            Outcome::Ok { value } => Ok(Next::done(value)),
        }
    }

    /// Looks at an outcome before `retry` does: a kind may call one a failure that was none to the performer. `retries` tells
    /// whether the document asks for another attempt.
    fn judge(&self, outcome: Outcome, retries: bool) -> Outcome {
        let _ = retries;
        outcome
    }

    /// How the trace shows an evaluated input; a kind may evaluate to more than a person wants to read.
    fn shown(&self, input: Value) -> Value {
        input
    }

    /// Whether what this effect streams is the node's own text.
    fn streams_from(&self, effect: &Effect) -> bool {
        let _ = effect;
        true
    }

    /// Whether this effect's failure ends in the node's own hands (it has another way) instead of in `on_error`.
    fn absorbs_failure_of(&self, effect: &Effect) -> bool {
        let _ = effect;
        false
    }

    /// How long the node waits for this effect at most, in milliseconds; the document's `timeout` may be shorter.
    fn most_ms(&self, effect: &Effect) -> Option<u64> {
        let _ = effect;
        None
    }

    /// The plugin that it calls, where that is certain before it runs.
    fn plugin(&self) -> Option<&str> {
        None
    }
}

/// What a node may look at and change besides its input.
pub(crate) struct Step<'a> {
    pub(crate) chat: Option<&'a ChatContext>,
    pub(crate) state: &'a mut Map<String, Value>,
    pub(crate) state_changed: bool,
    /// Everything that a streaming node has said when another effect goes on with its text: it takes the place of what was
    /// streamed until then, and another attempt of that effect begins after it.
    pub(crate) streamed: Option<String>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(chat: Option<&'a ChatContext>, state: &'a mut Map<String, Value>) -> Step<'a> {
        Step { chat, state, state_changed: false, streamed: None }
    }
}

/// What a node wants next.
#[derive(Debug)]
pub(crate) enum Next {
    Done { ports: Vec<String>, output: Value },
    Ask { effect: Effect, memory: Value },
}

impl Next {
    pub(crate) fn done(output: Value) -> Next {
        Next::Done { ports: vec![DONE.to_owned()], output }
    }

    pub(crate) fn ask(effect: Effect) -> Next {
        Next::Ask { effect, memory: Value::Null }
    }
}

/// A configuration value that turned out wrong when it was evaluated.
pub(crate) fn invalid_input(message: impl Into<String>) -> EffectError {
    EffectError { code: "invalid_input".to_owned(), message: message.into(), hint: None, retry_after_ms: None }
}

/// The text of an input; anything else is written as text, nothing as no text.
pub(crate) fn text_of(input: &Value, key: &str) -> String {
    match input.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A number of an input; none when it is absent or null.
pub(crate) fn number_of(input: &Value, key: &str) -> Result<Option<f64>, EffectError> {
    match input.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match (value.as_f64(), value.as_str().and_then(|it| it.trim().parse::<f64>().ok())) {
            (Some(number), _) | (None, Some(number)) => Ok(Some(number)),
            (None, None) => Err(invalid_input(format!("`{key}` must be a number, it is `{value}`"))),
        },
    }
}

/// A whole number of an input within bounds.
pub(crate) fn count_of(input: &Value, key: &str, most: u32) -> Result<Option<u32>, EffectError> {
    let Some(number) = number_of(input, key)? else { return Ok(None) };
    let whole = number.fract() == 0.0 && (1.0..=f64::from(most)).contains(&number);
    if !whole {
        return Err(invalid_input(format!("`{key}` must be a whole number from 1 to {most}, it is {number}")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie between 1 and a u32")]
    Ok(Some(number as u32))
}

/// A list of texts of an input; a single text is a list of one.
pub(crate) fn texts_of(input: &Value, key: &str) -> Result<Vec<String>, EffectError> {
    match input.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|it| {
                it.as_str().map(str::to_owned).ok_or_else(|| invalid_input(format!("`{key}` must be a list of names")))
            })
            .collect(),
        Some(other) => Err(invalid_input(format!("`{key}` must be a list of names, it is `{other}`"))),
    }
}

/// A JSON Schema of an object from its properties.
pub(crate) fn object_schema(properties: Value, required: &[&str]) -> Value {
    serde_json::json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Counts of tokens that a model reported, added up over several answers.
pub(crate) fn add_usage(total: &mut Value, more: Option<&Value>) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for key in ["input_tokens", "output_tokens"] {
        let of = |it: Option<&Value>| it.and_then(|it| it.get(key)).and_then(Value::as_u64).unwrap_or(0);
        sums.insert(key, of(Some(total)).saturating_add(of(more)));
    }
    *total = serde_json::json!(sums);
}
