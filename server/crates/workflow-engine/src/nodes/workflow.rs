//! Runs another workflow as a run of its own; the output is its outputs and `text`, everything that it says, which streams.
//!
//! Two forms: `use: workflow/NAME`, where `with` is that workflow's inputs, and `use: workflow`, where `with` names it and
//! may name one of its published versions.

use serde_json::{Map, Value, json};

use crate::catalog::WorkflowSignature;
use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Outcome};
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only, invalid_input, object_schema};
use crate::template::has_expression;
use crate::yaml::Span;

/// How `use` begins where it names the workflow itself.
pub(super) const PREFIX: &str = "workflow/";

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
        en: "Runs another workflow: `use: workflow/NAME` with its inputs in `with`, or `use: workflow` with `name`, `inputs` and `version`.",
        zh: "运行另一个工作流：`use: workflow/名称`，输入写在 `with` 里；或 `use: workflow`，在 `with` 里写 `name`、`inputs` 和 `version`。",
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
            "name": { "title": "Workflow · 工作流", "description": "the workflow to run · 要运行的工作流", "type": "string", "x-widget": "workflow" },
            "inputs": { "title": "Inputs · 输入", "type": "object" },
            "version": { "title": "Version · 版本", "description": "A published version; left out, it is the current one · 已发布的版本号，不填则用当前版本",
                "type": "integer", "minimum": 1 },
        }),
        &["name"],
    )
}

fn outputs() -> Value {
    json!({ "type": "object", "properties": { "text": { "type": "string" } }, "additionalProperties": true })
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let named = context.use_name.strip_prefix(PREFIX).map(str::to_owned);
    let (signature, form) = match named {
        Some(name) => {
            let signature = signature(context, &name, context.use_span)?;
            if !context.check(|| signature.inputs.clone(), crate::schema::INPUTS) {
                return None;
            }
            (signature, Form::Direct)
        }
        None => (by_name(context)?, Form::ByName),
    };
    let mut properties = Map::new();
    properties.insert("text".to_owned(), json!({ "type": "string" }));
    properties.extend(signature.outputs.iter().map(|it| (it.clone(), json!({}))));
    Some(Built {
        behaviour: Box::new(Workflow { name: signature.name, form }),
        input: context.input(&[]),
        ports: vec![DONE.to_owned()],
        outputs: json!({ "type": "object", "properties": properties, "additionalProperties": false }),
        streams: true,
        acts: true,
        says: false,
        answer: None,
    })
}

/// Checks the form that names the workflow in `with`.
fn by_name(context: &mut NodeContext<'_, '_>) -> Option<WorkflowSignature> {
    if !context.check(config, crate::schema::KEYS) {
        return None;
    }
    let node = context.get("name")?;
    let name = node.as_str()?.to_owned();
    if has_expression(&name) {
        let why = "which workflow runs is known before the run; a `branch` chooses among several";
        super::must_be_written(context, ("name", node.span), why);
        return None;
    }
    let signature = signature(context, &name, node.span)?;
    let inputs = context.with.and_then(|it| it.entry("inputs"));
    let use_name = format!("{PREFIX}{name}");
    let mut nested = NodeContext {
        context: &mut *context.context,
        id: context.id,
        title: context.title,
        use_name: &use_name,
        use_span: context.use_span,
        with: inputs.map(|it| &it.value),
        with_span: inputs.map_or(context.with_span, |it| it.key_span),
    };
    // One expression for all inputs is checked by the workflow's own run.
    let whole = inputs.and_then(|it| it.value.as_str()).is_some_and(has_expression);
    (whole || nested.check(|| signature.inputs.clone(), crate::schema::INPUTS)).then_some(signature)
}

/// What the catalog knows of a workflow; a name that it does not know is reported.
pub(super) fn signature(context: &mut NodeContext<'_, '_>, name: &str, span: Span) -> Option<WorkflowSignature> {
    let known = &context.context.catalog.workflows;
    if let Some(signature) = known.get(name) {
        return Some(WorkflowSignature { name: name.to_owned(), ..signature.clone() });
    }
    let names = known.keys().map(String::as_str);
    let diagnostics = &mut context.context.diagnostics;
    if name.is_empty() {
        diagnostics.error("unknown_workflow", span, "`workflow` needs a name").hint("write `workflow/NAME`");
    } else {
        diagnostics.error("unknown_workflow", span, format!("there is no workflow `{name}`"));
        diagnostics.suggest(name, names, "workflows");
    }
    None
}

#[derive(Debug)]
struct Workflow {
    name: String,
    form: Form,
}

/// Where the inputs stand.
#[derive(Debug)]
enum Form {
    /// `with` is the inputs.
    Direct,
    /// `with` has them in `inputs`, beside `name` and `version`.
    ByName,
}

impl Behaviour for Workflow {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let (inputs, version) = match self.form {
            Form::Direct => (input.clone(), None),
            Form::ByName => (inputs(input)?, version(input)?),
        };
        Ok(Next::ask(Effect::RunWorkflow { workflow: self.name.clone(), version, inputs }))
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

fn inputs(input: &Value) -> Result<Value, EffectError> {
    match input.get("inputs") {
        None | Some(Value::Null) => Ok(json!({})),
        Some(map @ Value::Object(_)) => Ok(map.clone()),
        Some(other) => Err(invalid_input(format!("`inputs` must be a map, it is `{other}`"))),
    }
}

fn version(input: &Value) -> Result<Option<i64>, EffectError> {
    match input.get("version") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
            let number = number.filter(|it| *it >= 1);
            let wrong = || invalid_input(format!("`version` must be the number of a version, it is `{value}`"));
            number.map(Some).ok_or_else(wrong)
        }
    }
}
