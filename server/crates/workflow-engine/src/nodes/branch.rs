//! `branch`: leaves by the first case whose expression is true, else by `else`.

use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::effect::EffectError;
use crate::expression::{Names, to_json};
use crate::names::is_id;
use crate::node::{Behaviour, Built, Declaration, Next, PortsInfo, Step, Words, object_schema};
use crate::template::Template;

const ELSE: &str = "else";

const EXAMPLE: &str = r#"workflow: sort_by_amount
inputs: { amount: number }
nodes:
  size: { use: branch, with: { cases: { large: inputs.amount >= 1000, small: inputs.amount > 0 } } }
  large: { use: answer, after: [size.large], with: { text: A large order. } }
  small: { use: answer, after: [size.small], with: { text: A small order. } }
  none: { use: answer, after: [size.else], with: { text: Nothing was ordered. } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "branch",
    title: Words { en: "Branch", zh: "条件分支" },
    summary: Words {
        en: "Takes the first way out whose expression is true.",
        zh: "走第一个表达式为真的出口，都不为真时走 else。",
    },
    config,
    outputs,
    ports,
    streams: false,
    caches: false,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    object_schema(
        json!({ "cases": { "title": "Cases · 分支",
            "description": "Way out: expression. The first true one is taken · 出口: 表达式，取第一个为真的",
            "type": "object", "minProperties": 1, "additionalProperties": { "type": ["string", "boolean", "number"] },
            "x-widget": "cases" } }),
        &["cases"],
    )
}

fn outputs() -> Value {
    object_schema(json!({ "case": { "type": "string" } }), &["case"])
}

fn ports() -> PortsInfo {
    PortsInfo { fixed: vec![ELSE], from: Some("cases") }
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let cases = context.get("cases").filter(|it| it.is_map())?;
    let mut compiled = Vec::new();
    let mut ports = Vec::new();
    for entry in cases.entries() {
        if entry.key == ELSE || entry.key == "error" {
            let message = format!("`{}` is a way out already", entry.key);
            context.diagnostics().error("reserved_id", entry.key_span, message).hint("call the case something else");
        } else if !is_id(&entry.key) {
            context.context.invalid_id(&entry.key, entry.key_span);
        }
        if let Some(expression) = context.context.condition(&entry.value, &entry.key) {
            compiled.push((entry.key.clone(), Template::Expression(Box::new(expression))));
        }
        ports.push(entry.key.clone());
    }
    ports.push(ELSE.to_owned());
    Some(Built {
        behaviour: Box::new(Branch),
        input: Template::Map(compiled),
        ports,
        outputs: outputs(),
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

#[derive(Debug)]
struct Branch;

impl Behaviour for Branch {
    /// Evaluates up to the first true case only: a later one may make sense only when the earlier ones are false.
    fn input(&self, template: &Template, names: &dyn Names) -> Result<Value, EffectError> {
        let mut shown = Map::new();
        if let Template::Map(cases) = template {
            for (name, case) in cases {
                let value = case.value(names)?;
                shown.insert(name.clone(), to_json(&value)?);
                if value.is_true() {
                    return Ok(json!({ "cases": shown, "taken": name }));
                }
            }
        }
        Ok(json!({ "cases": shown, "taken": ELSE }))
    }

    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let case = input.get("taken").and_then(Value::as_str).unwrap_or(ELSE).to_owned();
        Ok(Next::Done { output: json!({ "case": case }), ports: vec![case] })
    }
}
