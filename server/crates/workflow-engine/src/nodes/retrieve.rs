//! `retrieve`: searches knowledge bases. With `rewrite` a model first makes one query of the conversation and the question.

mod rewrite;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Outcome, SearchMode};
use crate::expression::Names;
use crate::node::{
    Behaviour, Built, DONE, Declaration, Next, Step, Words, add_usage, count_of, done_only, invalid_input, number_of,
    object_schema, text_of, texts_of,
};
use crate::template::Template;

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
            "rewrite": { "title": "Rewrite follow-ups · 改写追问", "description": "true, or a model's name: the last messages of the conversation and the question become one query before the search · true 或模型名：先把最近的对话和问题合成一个查询再检索",
                "type": ["boolean", "string"], "default": false, "x-widget": "model" },
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
            "query": { "description": "What was searched for, after rewriting · 实际检索的内容（改写之后）", "type": "string" },
            "usage": { "description": "Of the model that rewrote · 改写所用的 token", "type": "object",
                "properties": { "input_tokens": { "type": "integer" }, "output_tokens": { "type": "integer" } } },
        }),
        &["hits", "text", "status", "query"],
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

/// What the node remembers while an effect is on its way.
#[derive(Default, Serialize, Deserialize)]
struct Memory {
    /// What is searched when the query is rewritten.
    next: Option<Effect>,
    query: String,
    /// Why the query is not the one that the model should have made.
    problem: Option<String>,
    usage: Option<Value>,
}

impl Behaviour for Retrieve {
    fn input(&self, template: &Template, names: &dyn Names) -> Result<Value, EffectError> {
        let mut input = template.evaluate(names)?;
        if let (Some(model), Some(members)) = (rewrite::model(&input), input.as_object_mut()) {
            members.insert("rewrite".to_owned(), model.into());
            members.insert("history".to_owned(), rewrite::history(names)?.into());
        }
        Ok(input)
    }

    /// The question can be searched as it is; without a search there is nothing.
    fn absorbs_failure_of(&self, effect: &Effect) -> bool {
        matches!(effect, Effect::Complete { .. })
    }

    fn most_ms(&self, effect: &Effect) -> Option<u64> {
        matches!(effect, Effect::Complete { .. }).then_some(rewrite::TIMEOUT_MS)
    }

    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let query = text_of(input, "query");
        let search = search(input, query.clone())?;
        if query.trim().is_empty() {
            return Ok(Next::done(
                json!({ "hits": [], "text": "", "status": "empty", "reason": "the question is empty", "query": "" }),
            ));
        }
        let history = input.get("history").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let rewriting = rewrite::model(input).and_then(|it| rewrite::effect(it, history, &query));
        Ok(match rewriting {
            Some(effect) => {
                Next::Ask { effect, memory: json!(Memory { next: Some(search), query, ..Memory::default() }) }
            }
            None => Next::Ask { effect: search, memory: json!(Memory { query, ..Memory::default() }) },
        })
    }

    fn resume(&self, _: &mut Step<'_>, memory: Value, outcome: Outcome) -> Result<Next, EffectError> {
        // A server that did not remember anything yet may have asked.
        let memory: Option<Memory> = serde_json::from_value(memory).map_err(|it| super::llm::broken_memory(&it))?;
        let mut memory = memory.unwrap_or_default();
        if let Some(search) = memory.next.take() {
            return Ok(rewritten(memory, search, outcome));
        }
        let found = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        Ok(Next::done(output(memory, &found)))
    }
}

fn search(input: &Value, query: String) -> Result<Effect, EffectError> {
    let mode = match input.get("mode").and_then(Value::as_str) {
        None | Some("hybrid") => SearchMode::Hybrid,
        Some("dense") => SearchMode::Dense,
        Some("lexical") => SearchMode::Lexical,
        Some(other) => return Err(invalid_input(format!("`mode` cannot be `{other}`"))),
    };
    Ok(Effect::Search {
        knowledge_bases: texts_of(input, "knowledge_bases")?,
        query,
        top_k: count_of(input, "top_k", MAX_TOP_K)?.unwrap_or(DEFAULT_TOP_K),
        min_score: number_of(input, "min_score")?,
        mode,
        filter: input.get("filter").filter(|it| !it.is_null()).cloned(),
        rerank: input.get("rerank").and_then(Value::as_bool).unwrap_or(false),
        expand: expand(input)?,
    })
}

/// Searches for what the model made of the question, or for the question where it made nothing of it.
fn rewritten(mut memory: Memory, mut effect: Effect, outcome: Outcome) -> Next {
    let made = match outcome {
        Outcome::Ok { value } => {
            add_usage(memory.usage.insert(json!({})), value.get("usage"));
            rewrite::read(&value, &memory.query)
        }
        Outcome::Failed { error } => Err(format!("the model did not answer ({}): {}", error.code, error.message)),
    };
    match made {
        Ok(made) => memory.query = made,
        Err(problem) => memory.problem = Some(problem),
    }
    if let Effect::Search { query, .. } = &mut effect {
        query.clone_from(&memory.query);
    }
    Next::Ask { effect, memory: json!(memory) }
}

fn output(memory: Memory, found: &Value) -> Value {
    let Memory { next: _, query, problem, usage } = memory;
    let hits = found.get("hits").and_then(Value::as_array).cloned().unwrap_or_default();
    let texts: Vec<&str> = hits.iter().filter_map(|it| it.get("text").and_then(Value::as_str)).collect();
    let text = texts.join("\n\n");
    let empty = if hits.is_empty() { "empty" } else { "ok" };
    let mut status = found.get("status").and_then(Value::as_str).unwrap_or(empty);
    let mut reason = found.get("reason").and_then(Value::as_str).map(str::to_owned);
    if let Some(problem) = problem {
        let told = format!("searched for the question as it was asked: {problem}");
        reason = Some(reason.map_or(told.clone(), |it| format!("{it}; {told}")));
        if status == "ok" {
            status = "degraded";
        }
    }
    let mut output = json!({ "hits": hits, "text": text, "status": status, "reason": reason, "query": query });
    if let (Some(usage), Some(members)) = (usage, output.as_object_mut()) {
        members.insert("usage".to_owned(), usage);
    }
    output
}

fn expand(input: &Value) -> Result<u32, EffectError> {
    if input.get("expand").and_then(Value::as_u64) == Some(0) {
        return Ok(0);
    }
    Ok(count_of(input, "expand", MAX_EXPAND)?.unwrap_or(0))
}
