//! `use: workflow/NAME`: runs another workflow as a run of its own. `with` is that workflow's inputs; the output is its
//! outputs and `text`, everything that it says, which streams.

use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Outcome};
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only};

const EXAMPLE: &str = r#"workflow: delegate
inputs: { question: string }
nodes:
  dishes: { use: workflow/recommend_dishes, with: { question: "{{ inputs.question }}" } }
  reply: { use: answer, with: { text: "{{ dishes.text }}" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "workflow",
    title: Words { en: "Workflow", zh: "子工作流" },
    summary: Words {
        en: "Runs another workflow: `use: workflow/NAME`, its inputs in `with`.",
        zh: "运行另一个工作流：`use: workflow/名称`，输入写在 `with` 里。",
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
    json!({ "type": "object", "description": "The inputs of the workflow · 该工作流的输入", "additionalProperties": true })
}

fn outputs() -> Value {
    json!({ "type": "object", "properties": { "text": { "type": "string" } }, "additionalProperties": true })
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let name = context.use_name.strip_prefix("workflow/").unwrap_or_default().to_owned();
    let known = &context.context.catalog.workflows;
    let Some(signature) = known.get(&name).cloned() else {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let span = context.use_span;
        let diagnostics = &mut context.context.diagnostics;
        if name.is_empty() {
            diagnostics.error("unknown_workflow", span, "`workflow` needs a name").hint("write `use: workflow/NAME`");
        } else {
            diagnostics.error("unknown_workflow", span, format!("there is no workflow `{name}`"));
            diagnostics.suggest(&name, names, "workflows");
        }
        return None;
    };
    if !context.check(|| signature.inputs.clone(), crate::schema::INPUTS) {
        return None;
    }
    let mut properties = Map::new();
    properties.insert("text".to_owned(), json!({ "type": "string" }));
    properties.extend(signature.outputs.iter().map(|it| (it.clone(), json!({}))));
    Some(Built {
        behaviour: Box::new(Workflow { name }),
        input: context.input(&[]),
        ports: vec![DONE.to_owned()],
        outputs: json!({ "type": "object", "properties": properties, "additionalProperties": false }),
        streams: true,
        acts: true,
        says: false,
        answer: None,
    })
}

#[derive(Debug)]
struct Workflow {
    name: String,
}

impl Behaviour for Workflow {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        Ok(Next::ask(Effect::RunWorkflow { workflow: self.name.clone(), version: None, inputs: input.clone() }))
    }

    fn resume(&self, _: &mut Step<'_>, _: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let value = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let mut output = value.get("outputs").and_then(Value::as_object).cloned().unwrap_or_default();
        // What it said is what has been streamed already, so it wins over an output that is called `text`.
        let said = value.get("text").and_then(Value::as_str).unwrap_or_default();
        if !said.is_empty() || !output.contains_key("text") {
            output.insert("text".to_owned(), json!(said));
        }
        Ok(Next::done(Value::Object(output)))
    }
}
