//! `parse_document`: reads a file's text, pages and tables.

use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Outcome};
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only, invalid_input, object_schema};

const EXAMPLE: &str = r#"workflow: read_upload
nodes:
  paper: { use: parse_document, with: { file: "{{ chat.files[0] }}" } }
  summary: { use: llm, with: { system: You write one sentence., prompt: "{{ paper.text }}" } }
  reply: { use: answer, with: { text: "{{ summary.text }}" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "parse_document",
    title: Words { en: "Read a document", zh: "解析文档" },
    summary: Words {
        en: "Reads the text, the pages and the tables of a file.", zh: "读出文件中的文本、各页和表格。"
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
        json!({ "file": { "title": "File · 文件",
            "description": "An expression that gives a file, such as {{ chat.files[0] }} · 得到文件的表达式",
            "type": "object", "x-widget": "expression" } }),
        &["file"],
    )
}

fn outputs() -> Value {
    object_schema(
        json!({
            "text": { "type": "string" },
            "pages": { "type": "array", "items": { "type": "string" } },
            "tables": { "type": "array", "items": { "type": "array" } },
            "metadata": { "type": "object" },
        }),
        &["text", "pages", "tables", "metadata"],
    )
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    Some(Built {
        behaviour: Box::new(ParseDocument),
        input: context.input(&[]),
        ports: vec![DONE.to_owned()],
        outputs: outputs(),
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

#[derive(Debug)]
struct ParseDocument;

impl Behaviour for ParseDocument {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        match input.get("file") {
            Some(file) if file.is_object() => Ok(Next::ask(Effect::ParseDocument { file: file.clone() })),
            None | Some(Value::Null) => Err(EffectError {
                hint: Some("an `if` such as `chat.files` skips the node when no file came".to_owned()),
                ..invalid_input("there is no `file`")
            }),
            Some(_) => Err(EffectError {
                hint: Some("give one of `chat.files`, not its name or its text".to_owned()),
                ..invalid_input("`file` must be a file")
            }),
        }
    }

    fn resume(&self, _: &mut Step<'_>, _: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let found = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let list = |key: &str| found.get(key).filter(|it| it.is_array()).cloned().unwrap_or_else(|| json!([]));
        Ok(Next::done(json!({
            "text": found.get("text").and_then(Value::as_str).unwrap_or_default(),
            "pages": list("pages"),
            "tables": list("tables"),
            "metadata": found.get("metadata").filter(|it| it.is_object()).cloned().unwrap_or_else(|| json!({})),
        })))
    }
}
