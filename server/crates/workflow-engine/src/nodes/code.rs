//! `code`: a few lines of JavaScript or Python, run in the plugin sandbox.
//!
//! The source is text to the engine, in which `{{` means what it means in its language: it is handed to the plugin that ships
//! for that language. So a mistake in it is the node's error when it runs, and not a diagnostic.

mod outputs;

use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Outcome};
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only, invalid_input, object_schema};
use outputs::Outputs;

/// The plugins that run code. They ship with the server, and nobody may install others of their names.
pub const CODE_PLUGINS: [&str; 2] = ["code_javascript", "code_python"];
/// Their tool: takes `{source, inputs}`, gives `{output}`.
const TOOL: &str = "run";
/// The languages by their names in a document, in the order of the plugins. The first is meant where none is named.
const LANGUAGES: [&str; 2] = ["javascript", "python"];

const EXAMPLE: &str = r#"workflow: bill
inputs: { dishes: array }
nodes:
  total:
    use: code
    with:
      language: javascript
      source: |
        const sum = inputs.dishes.reduce((sum, dish) => sum + dish.price * dish.count, 0);
        return { sum, free_delivery: sum >= 50 };
      inputs: { dishes: "{{ inputs.dishes }}" }
      outputs: { sum: number, free_delivery: boolean }
  reply: { use: answer, with: { text: "一共 {{ total.sum }} 元" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "code",
    title: Words { en: "Code", zh: "代码" },
    summary: Words {
        en: "Runs JavaScript or Python in the plugin sandbox: no network, no files, nothing kept from one call to the next.",
        zh: "在插件沙箱里运行 JavaScript 或 Python：没有网络和文件，调用之间不保留任何内容。",
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
    object_schema(
        json!({
            // Without `enum`: an unknown language has a message of its own, with what to do instead.
            "language": { "title": "Language · 语言", "type": "string", "default": LANGUAGES[0], "examples": LANGUAGES },
            "source": { "title": "Source · 代码",
                "description": "The body of a function that gets inputs and ends with return, in JavaScript an async one; {{ }} is not evaluated · 函数体（JavaScript 为异步函数），可使用 inputs，用 return 返回；其中的 {{ }} 不会被求值",
                "type": "string", "minLength": 1, "x-widget": "code" },
            "inputs": { "title": "Inputs · 输入", "description": "Name: value, with its type; the code reads inputs.NAME, in Python inputs[\"NAME\"] · 名称: 值，代码里用 inputs.名称 读取，Python 里用 inputs[\"名称\"]",
                "type": "object", "additionalProperties": true },
            "outputs": { "title": "Outputs · 输出",
                "description": "Name: type, as for a workflow's inputs, or a JSON Schema of the returned object; checked when it returns · 名称: 类型，或返回对象的 JSON Schema，返回时检查",
                "type": "object", "x-widget": "fields" },
        }),
        &["source"],
    )
}

fn outputs() -> Value {
    json!({ "type": "object", "description": "The members of the returned object; any other value is `result` · 返回对象的各项；其他值放在 result 里",
        "additionalProperties": true })
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let plugin = plugin(context);
    let expected = context.get("outputs").and_then(|it| Outputs::read(context, it));
    // After the language, so that both are told.
    let source = context.get("source").and_then(|it| it.as_str()).map(str::to_owned);
    let input = context.input(&["language", "source", "outputs"]);
    let outputs = expected.as_ref().map_or_else(outputs, |it| it.schema().clone());
    Some(Built {
        behaviour: Box::new(Code { plugin: plugin?, source: source?, expected }),
        input,
        ports: vec![DONE.to_owned()],
        outputs,
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

/// The plugin for the node's language; none when no language of that name runs here.
fn plugin(context: &mut NodeContext<'_, '_>) -> Option<&'static str> {
    let Some(node) = context.get("language") else { return CODE_PLUGINS.first().copied() };
    // What is no text has been reported with the schema.
    let name = node.as_str()?;
    let found = LANGUAGES.iter().zip(CODE_PLUGINS).find(|(language, _)| **language == name);
    if found.is_none() {
        let diagnostics = context.diagnostics();
        diagnostics.error("unknown_language", node.span, format!("`{name}` is not a language that `code` runs"));
        diagnostics.suggest(name, LANGUAGES, "languages");
    }
    found.map(|(_, plugin)| plugin)
}

#[derive(Debug)]
struct Code {
    plugin: &'static str,
    source: String,
    expected: Option<Outputs>,
}

impl Behaviour for Code {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let inputs = match input.get("inputs") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(inputs)) => inputs.clone(),
            Some(_) => return Err(invalid_input("`inputs` must be a map")),
        };
        Ok(Next::ask(Effect::CallTool {
            plugin: self.plugin.to_owned(),
            tool: TOOL.to_owned(),
            arguments: json!({ "source": self.source, "inputs": inputs }),
        }))
    }

    fn plugin(&self) -> Option<&str> {
        Some(self.plugin)
    }

    fn resume(&self, _: &mut Step<'_>, _: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let mut answer = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let returned = answer.get_mut("output").map(Value::take).unwrap_or_default();
        if let Some(expected) = &self.expected {
            expected.check(&returned)?;
        }
        Ok(Next::done(if returned.is_object() { returned } else { json!({ "result": returned }) }))
    }
}
