//! `answer`: says something to the visitor, while it comes into being. What it says and when is the run's business
//! (`run/answers.rs`); this file is its declaration.

use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::EffectError;
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only, object_schema};
use crate::template::{Template, Text};

const EXAMPLE: &str = r#"workflow: greet
inputs: { name: string }
nodes:
  hello: { use: answer, with: { text: "Hello, {{ inputs.name }}!" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "answer",
    title: Words { en: "Answer", zh: "回答" },
    summary: Words {
        en: "Says a text to the visitor, streamed as its parts become known.",
        zh: "把一段文本说给访客，各部分一有结果就流式输出。",
    },
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
        json!({ "text": { "title": "Text · 文本",
            "description": "What to say; {{ model.text }} is passed on word by word · 要说的话；{{ model.text }} 会逐字输出",
            "type": ["string", "number", "boolean"], "x-widget": "template" } }),
        &["text"],
    )
}

fn outputs() -> Value {
    object_schema(json!({ "text": { "type": "string" } }), &["text"])
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let node = context.get("text")?;
    let source = node.as_str().map_or_else(|| node.to_json().to_string(), str::to_owned);
    let text: Text = context.context.text(&source, node.span);
    Some(Built {
        behaviour: Box::new(Answer),
        input: Template::Map(Vec::new()),
        ports: vec![DONE.to_owned()],
        outputs: outputs(),
        streams: false,
        acts: true,
        says: true,
        answer: Some(text),
    })
}

#[derive(Debug)]
struct Answer;

impl Behaviour for Answer {
    fn start(&self, _: &mut Step<'_>, _: &Value) -> Result<Next, EffectError> {
        // The run says answers itself; this is only reached if it ever did not.
        Ok(Next::done(json!({ "text": "" })))
    }
}
