//! `each`: runs the nodes in its `do` once for every item of a list, several items at a time if wanted. What happens is the
//! run's business (`run/containers.rs`); this file is its declaration.

use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::EffectError;
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only, object_schema};
use crate::program::{ContainerKind, OnItemError};

/// More items at one time are held back by `max_parallel` anyway.
pub(crate) const MAX_CONCURRENCY: u32 = 100;

const EXAMPLE: &str = r#"workflow: describe_all
inputs: { dishes: { type: array } }
nodes:
  each_dish:
    use: each
    with: { items: "{{ inputs.dishes }}", concurrency: 4, on_item_error: skip }
    do:
      line: { use: template, with: { text: "{{ index + 1 }}. {{ item.name }}" } }
    collect: "{{ line.text }}"
outputs: { lines: "{{ each_dish.items }}" }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "each",
    title: Words { en: "For each", zh: "逐项处理" },
    summary: Words {
        en: "Runs the nodes in `do` for every item; they see `item` and `index`.",
        zh: "对列表的每一项运行 `do` 里的节点，节点里可用 `item` 和 `index`。",
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
            "items": { "title": "Items · 列表", "description": "The list; usually one {{ expression }} · 列表，通常是一个 {{ 表达式 }}", "type": ["array", "null"] },
            "concurrency": { "title": "At a time · 并发数", "type": "integer", "minimum": 1, "maximum": MAX_CONCURRENCY, "default": 1 },
            "on_item_error": { "title": "When an item fails · 某一项失败时", "description": "stop: the node fails; skip: left out; keep: {error} in its place · stop 整个失败；skip 跳过；keep 保留 {error}",
                "type": "string", "enum": ["stop", "skip", "keep"], "default": "stop" },
        }),
        &["items"],
    )
}

fn outputs() -> Value {
    object_schema(
        json!({
            "items": { "type": "array", "description": "What `collect` gave for each item · 每一项 `collect` 的结果" },
            "count": { "type": "integer" },
        }),
        &["count"],
    )
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    Some(Built {
        behaviour: Box::new(Contains),
        input: context.input(&["on_item_error"]),
        ports: vec![DONE.to_owned()],
        outputs: outputs(),
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

/// What a failed item means.
pub(super) fn kind(context: &NodeContext<'_, '_>) -> ContainerKind {
    ContainerKind::Each(match context.get("on_item_error").and_then(|it| it.as_str()) {
        Some("skip") => OnItemError::Skip,
        Some("keep") => OnItemError::Keep,
        Some(_) | None => OnItemError::Stop,
    })
}

/// The run executes containers itself.
#[derive(Debug)]
pub(crate) struct Contains;

impl Behaviour for Contains {
    fn start(&self, _: &mut Step<'_>, _: &Value) -> Result<Next, EffectError> {
        Ok(Next::done(json!({ "count": 0 })))
    }
}
