//! `retrieve`: searches knowledge bases.

use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Outcome, SearchMode};
use crate::node::{
    Behaviour, Built, DONE, Declaration, Next, Step, Words, count_of, done_only, invalid_input, number_of,
    object_schema, text_of, texts_of,
};

const DEFAULT_TOP_K: u32 = 8;
/// More hits than a prompt can hold or a person reads.
const MAX_TOP_K: u32 = 200;
/// More neighbours than this make a chapter, not a passage.
const MAX_EXPAND: u32 = 5;

const EXAMPLE: &str = r#"workflow: look_up
inputs: { question: string }
nodes:
  found: { use: retrieve, with: { knowledge_bases: [menu], query: "{{ inputs.question }}", top_k: 5 } }
  reply: { use: answer, with: { text: "{% for it in found.hits %}- {{ it.text }}\n{% endfor %}" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "retrieve",
    title: Words { en: "Search knowledge", zh: "检索知识库" },
    summary: Words {
        en: "Finds the passages or rows of knowledge bases that fit a question.",
        zh: "在知识库中查找与问题相符的段落或记录。",
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
            "knowledge_bases": { "title": "Knowledge bases · 知识库", "type": ["array", "string"], "minItems": 1,
                "items": { "type": "string" }, "x-widget": "knowledge_bases" },
            "query": { "title": "Question · 问题", "type": "string", "x-widget": "template" },
            "top_k": { "title": "Most hits · 最多条数", "type": "integer", "minimum": 1, "maximum": MAX_TOP_K, "default": DEFAULT_TOP_K },
            "min_score": { "title": "Least score · 最低分", "type": "number" },
            "mode": { "title": "Mode · 方式", "type": "string", "enum": ["hybrid", "dense", "lexical"], "default": "hybrid" },
            "filter": { "title": "Filter · 筛选", "description": "Conditions on fields, such as {spice_level: {gte: 2}} · 字段条件", "type": ["object", "string"] },
            "rerank": { "title": "Rerank · 重排", "description": "Lets a rerank model order the hits · 用重排模型排序", "type": "boolean", "default": false },
            "expand": { "title": "Neighbours · 相邻段落", "description": "Passages before and after each hit that are put around it · 每条命中前后各带几段", "type": "integer", "minimum": 0, "maximum": MAX_EXPAND, "default": 0 },
        }),
        &["knowledge_bases", "query"],
    )
}

fn outputs() -> Value {
    object_schema(
        json!({
            "hits": { "type": "array", "items": { "type": "object" } },
            "text": { "type": "string" },
            "status": { "type": "string", "enum": ["ok", "empty", "below_threshold", "degraded"] },
            "reason": { "type": ["string", "null"] },
        }),
        &["hits", "text", "status"],
    )
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    if let Some(bases) = context.get("knowledge_bases") {
        let single = std::slice::from_ref(bases);
        let items = if let crate::yaml::Yaml::List(items) = &bases.value { items.as_slice() } else { single };
        for item in items {
            let Some(name) = item.as_str().filter(|it| !crate::template::has_expression(it)) else { continue };
            check_base(context, name, item.span);
        }
    }
    Some(Built {
        behaviour: Box::new(Retrieve),
        input: context.input(&[]),
        ports: vec![DONE.to_owned()],
        outputs: outputs(),
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

/// Reports a knowledge base that does not exist.
pub(crate) fn check_base(context: &mut NodeContext<'_, '_>, name: &str, span: crate::yaml::Span) {
    let known = &context.context.catalog.knowledge_bases;
    if !known.contains(name) {
        let diagnostics = &mut context.context.diagnostics;
        diagnostics.error("unknown_knowledge_base", span, format!("there is no knowledge base `{name}`"));
        if known.is_empty() {
            diagnostics.hint("there are no knowledge bases yet; a project has them in `knowledge/NAME/`");
        } else {
            diagnostics.suggest(name, known.iter().map(String::as_str), "knowledge bases");
        }
    }
}

#[derive(Debug)]
struct Retrieve;

impl Behaviour for Retrieve {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let mode = match input.get("mode").and_then(Value::as_str) {
            None | Some("hybrid") => SearchMode::Hybrid,
            Some("dense") => SearchMode::Dense,
            Some("lexical") => SearchMode::Lexical,
            Some(other) => return Err(invalid_input(format!("`mode` cannot be `{other}`"))),
        };
        let query = text_of(input, "query");
        if query.trim().is_empty() {
            return Ok(Next::done(
                json!({ "hits": [], "text": "", "status": "empty", "reason": "the question is empty" }),
            ));
        }
        Ok(Next::ask(Effect::Search {
            knowledge_bases: texts_of(input, "knowledge_bases")?,
            query,
            top_k: count_of(input, "top_k", MAX_TOP_K)?.unwrap_or(DEFAULT_TOP_K),
            min_score: number_of(input, "min_score")?,
            mode,
            filter: input.get("filter").filter(|it| !it.is_null()).cloned(),
            rerank: input.get("rerank").and_then(Value::as_bool).unwrap_or(false),
            expand: expand(input)?,
        }))
    }

    fn resume(&self, _: &mut Step<'_>, _: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let found = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let hits = found.get("hits").and_then(Value::as_array).cloned().unwrap_or_default();
        let texts: Vec<&str> = hits.iter().filter_map(|it| it.get("text").and_then(Value::as_str)).collect();
        let text = texts.join("\n\n");
        let empty = if hits.is_empty() { "empty" } else { "ok" };
        let status = found.get("status").and_then(Value::as_str).unwrap_or(empty).to_owned();
        let reason = found.get("reason").cloned().unwrap_or(Value::Null);
        Ok(Next::done(json!({ "hits": hits, "text": text, "status": status, "reason": reason })))
    }
}

fn expand(input: &Value) -> Result<u32, EffectError> {
    if input.get("expand").and_then(Value::as_u64) == Some(0) {
        return Ok(0);
    }
    Ok(count_of(input, "expand", MAX_EXPAND)?.unwrap_or(0))
}
