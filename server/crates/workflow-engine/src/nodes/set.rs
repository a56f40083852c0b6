//! `set`: changes variables of the conversation, which the next runs in it see as `state`.

use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::effect::EffectError;
use crate::names::is_id;
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only, invalid_input, object_schema};

const OPERATIONS: [&str; 5] = ["append", "extend", "remove", "increment", "clear"];

const EXAMPLE: &str = r#"workflow: remember
inputs: { city: string }
nodes:
  keep: { use: set, with: { state: { city: "{{ inputs.city }}", asked: { increment: 1 } } } }
  reply: { use: answer, after: [keep], with: { text: "Noted: {{ state.city }}" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "set",
    title: Words { en: "Set variables", zh: "设置变量" },
    summary: Words { en: "Changes variables that the conversation keeps.", zh: "修改对话中保存的变量。" },
    config,
    outputs,
    ports: done_only,
    streams: false,
    caches: false,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    object_schema(
        json!({ "state": { "title": "Variables · 变量",
            "description": "Name: new value, or {append | extend | remove | increment: …} or {clear: true} · 变量名: 新值，或一种操作",
            "type": "object", "minProperties": 1 } }),
        &["state"],
    )
}

fn outputs() -> Value {
    json!({ "type": "object", "additionalProperties": true })
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let state = context.get("state").filter(|it| it.is_map())?;
    let mut operations = Map::new();
    let mut known = Map::new();
    for entry in state.entries() {
        if !is_id(&entry.key) {
            context.context.invalid_id(&entry.key, entry.key_span);
        }
        known.insert(entry.key.clone(), json!({}));
        if let [only] = entry.value.entries()
            && OPERATIONS.contains(&only.key.as_str())
        {
            operations.insert(entry.key.clone(), Value::String(only.key.clone()));
        }
    }
    Some(Built {
        behaviour: Box::new(Set { operations }),
        input: context.input(&[]),
        ports: vec![DONE.to_owned()],
        outputs: json!({ "type": "object", "properties": known, "additionalProperties": false }),
        streams: false,
        acts: true,
        says: false,
        answer: None,
    })
}

#[derive(Debug)]
struct Set {
    /// Variable → operation, for those that are written as one. Data that happens to look like an operation is data.
    operations: Map<String, Value>,
}

impl Behaviour for Set {
    fn start(&self, step: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let changes = input.get("state").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut output = Map::new();
        for (name, value) in changes {
            let new = match self.operations.get(&name).and_then(Value::as_str) {
                None => Some(value),
                Some(operation) => {
                    let operand = value.get(operation).cloned().unwrap_or(Value::Null);
                    apply(operation, &name, step.state.get(&name), operand)?
                }
            };
            output.insert(name.clone(), new.clone().unwrap_or(Value::Null));
            match new {
                Some(new) => step.state.insert(name, new),
                None => step.state.shift_remove(&name),
            };
        }
        step.state_changed = true;
        Ok(Next::done(Value::Object(output)))
    }
}

/// The new value of a variable; none takes it away.
fn apply(operation: &str, name: &str, old: Option<&Value>, operand: Value) -> Result<Option<Value>, EffectError> {
    let list = || match old {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(other) => Err(invalid_input(format!("`{operation}` needs a list, but `state.{name}` is `{other}`"))),
    };
    Ok(match operation {
        "append" => {
            let mut items = list()?;
            items.push(operand);
            Some(Value::Array(items))
        }
        "extend" => {
            let mut items = list()?;
            match &operand {
                Value::Array(more) => items.extend(more.iter().cloned()),
                Value::Null => {}
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                    return Err(invalid_input(format!("`extend` takes a list, this is `{operand}`")));
                }
            }
            Some(Value::Array(items))
        }
        "remove" => {
            let mut items = list()?;
            items.retain(|it| *it != operand);
            Some(Value::Array(items))
        }
        "increment" => Some(increment(name, old, &operand)?),
        // `clear: false` keeps what is there.
        _ if operand == Value::Bool(false) => old.cloned(),
        _ => None,
    })
}

fn increment(name: &str, old: Option<&Value>, by: &Value) -> Result<Value, EffectError> {
    let zero = json!(0);
    let old = old.filter(|it| !it.is_null()).unwrap_or(&zero);
    let wrong =
        || invalid_input(format!("`increment` needs numbers, but `state.{name}` is `{old}` and the step `{by}`"));
    if let (Some(a), Some(b)) = (old.as_i64(), by.as_i64()) {
        return a.checked_add(b).map(Value::from).ok_or_else(wrong);
    }
    let sum = old.as_f64().zip(by.as_f64()).map(|(a, b)| a + b).filter(|it| it.is_finite());
    sum.map(Value::from).ok_or_else(wrong)
}
