//! `template`: makes a text out of other values.

use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::EffectError;
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only, object_schema, text_of};

const EXAMPLE: &str = r#"workflow: shout
inputs: { word: string }
nodes:
  loud: { use: template, with: { text: "{{ inputs.word | upper }}!" } }
outputs: { text: "{{ loud.text }}" }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "template",
    title: Words { en: "Template", zh: "文本模板" },
    summary: Words { en: "Writes a text from other values.", zh: "用其他值拼出一段文本。" },
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
        json!({ "text": { "title": "Text · 文本", "description": "Text with {{ expressions }} in it · 可以包含 {{ 表达式 }} 的文本",
            "type": ["string", "number", "boolean"], "x-widget": "template" } }),
        &["text"],
    )
}

fn outputs() -> Value {
    object_schema(json!({ "text": { "type": "string" } }), &["text"])
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    Some(Built {
        behaviour: Box::new(Template),
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
struct Template;

impl Behaviour for Template {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        Ok(Next::done(json!({ "text": text_of(input, "text") })))
    }
}
