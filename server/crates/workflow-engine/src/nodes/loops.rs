//! `loop`: runs the nodes in its `do` again and again: a number of times, or while an expression is true. What happens is
//! the run's business (`run/containers.rs`); this file is its declaration.

use serde_json::{Map, Value, json};

use super::each::Contains;
use crate::compile::NodeContext;
use crate::names::is_id;
use crate::node::{Built, DONE, Declaration, Words, done_only, object_schema};

/// More iterations than a run can have steps.
pub(crate) const MAX_ITERATIONS: u32 = 100_000;
/// Iterations of a `while` that names no bound.
pub(crate) const DEFAULT_ITERATIONS: u32 = 100;
/// Outputs of the loop itself, which its variables must not be called.
const OWN: [&str; 3] = ["items", "count", "index"];

const EXAMPLE: &str = r#"workflow: until_it_fits
inputs: { text: string }
nodes:
  shorten:
    use: loop
    with: { vars: { text: "{{ inputs.text }}" }, while: (loop.text | length) > 200, max_iterations: 5 }
    do:
      shorter: { use: llm, with: { prompt: "Say this in half as many words: {{ loop.text }}" } }
    next: { text: "{{ shorter.text }}" }
outputs: { text: "{{ shorten.text }}", rounds: "{{ shorten.count }}" }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "loop",
    title: Words { en: "Loop", zh: "循环" },
    summary: Words {
        en: "Runs the nodes in `do` a number of times or while something is true; variables are `loop.NAME`, `next` changes them.",
        zh: "按次数或在条件成立时重复运行 `do` 里的节点；变量写作 `loop.名称`，由 `next` 更新。",
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
        json!({
            "while": { "title": "While · 条件", "description": "Looked at before each iteration · 每次开始前判断", "type": ["string", "boolean"], "x-widget": "expression" },
            "times": { "title": "Times · 次数", "type": "integer", "minimum": 0, "maximum": MAX_ITERATIONS },
            "vars": { "title": "Variables · 变量", "description": "Name: first value; `next` beside `with` gives the following ones · 变量名: 初始值，之后的值由 `next` 给出", "type": "object" },
            "max_iterations": { "title": "Most iterations · 最多次数", "type": "integer", "minimum": 1, "maximum": MAX_ITERATIONS, "default": DEFAULT_ITERATIONS },
        }),
        &[],
    )
}

fn outputs() -> Value {
    json!({ "type": "object", "properties": {
        "items": { "type": "array", "description": "What `collect` gave for each iteration · 每次 `collect` 的结果" },
        "count": { "type": "integer" },
    }, "required": ["count"], "additionalProperties": true })
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let bounded = ["while", "times", "max_iterations"].iter().any(|it| context.get(it).is_some());
    if !bounded {
        let (span, message) = (context.with_span, format!("nothing says when `{}` ends", context.id));
        context
            .diagnostics()
            .error("unbounded_loop", span, message)
            .hint("give it `times`, or `while` (and `max_iterations`)");
    }
    let mut known = Map::new();
    known.insert("items".to_owned(), json!({ "type": "array" }));
    known.insert("count".to_owned(), json!({ "type": "integer" }));
    if let Some(variables) = context.get("vars").filter(|it| it.is_map()) {
        for entry in variables.entries() {
            if OWN.contains(&entry.key.as_str()) {
                let message = format!("`{}` is an output of every loop", entry.key);
                context
                    .diagnostics()
                    .error("reserved_id", entry.key_span, message)
                    .hint("call the variable something else");
            } else if !is_id(&entry.key) {
                context.context.invalid_id(&entry.key, entry.key_span);
            }
            known.insert(entry.key.clone(), json!({}));
        }
    }
    Some(Built {
        behaviour: Box::new(Contains),
        input: context.input(&["while"]),
        ports: vec![DONE.to_owned()],
        outputs: json!({ "type": "object", "properties": known, "additionalProperties": false }),
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}
