//! Reads which checks a guard makes.

use serde_json::{Value, json};

use super::words::{Boundaries, DenyList};
use super::{Mode, injection, judge, pii};
use crate::compile::NodeContext;
use crate::template::has_expression;
use crate::yaml::{Node, Yaml};

#[derive(Debug, Default)]
pub(super) struct Checks {
    pub(super) deny: Option<DenyList>,
    pub(super) pii: Vec<pii::Kind>,
    /// Score from which on a text counts as an attempt.
    pub(super) injection: Option<f64>,
    pub(super) judge: Option<Judge>,
}

#[derive(Debug)]
pub(super) struct Judge {
    pub(super) model: String,
    pub(super) codes: Vec<&'static str>,
}

pub(super) fn schema() -> Value {
    let word = json!({ "type": ["string", "number"] });
    let kinds = pii::KINDS.map(pii::Kind::name);
    let categories: Vec<&str> = judge::CATEGORIES.iter().flat_map(|(code, name, _)| [*code, *name]).collect();
    let threshold = json!({ "description": "Score from which on it counts · 判定分数", "type": "number", "minimum": 0, "maximum": 1,
        "default": injection::THRESHOLD });
    let checks = json!({
        "deny": { "title": "Denied words · 禁用词", "type": ["array", "object"], "items": word, "additionalProperties": false,
            "properties": { "words": { "type": "array", "items": word }, "whole_word": { "type": "boolean", "default": false } } },
        "pii": { "title": "Personal data · 个人信息", "type": ["array", "boolean"], "items": { "type": "string", "enum": kinds } },
        "injection": { "title": "Prompt injection · 提示词注入", "type": ["boolean", "object"], "additionalProperties": false,
            "properties": { "threshold": threshold } },
        "judge": { "title": "Safety model · 安全模型", "type": ["boolean", "object"], "additionalProperties": false,
            "properties": {
                "model": { "type": "string", "x-widget": "model" },
                "categories": { "type": "array", "minItems": 1, "items": { "type": "string", "enum": categories } } } },
    });
    json!({
        "title": "Checks · 检查项",
        "description": "A map of checks with their settings, or a list of names · 检查项及其设置，或名称列表",
        "type": ["object", "array"],
        "minProperties": 1,
        "minItems": 1,
        "items": { "type": "string", "enum": ["pii", "injection", "judge"] },
        "properties": checks,
        "additionalProperties": false,
    })
}

/// What the schema let through. Checks never come from a run: a guard that visitors can turn off is none.
pub(super) fn checks(context: &mut NodeContext<'_, '_>) -> Checks {
    let mut checks = Checks::default();
    let Some(node) = context.get("checks") else { return checks };
    refuse_expressions(context, node);
    match &node.value {
        Yaml::List(names) => {
            for name in names.iter().filter_map(Node::as_str) {
                read(&mut checks, name, None);
            }
        }
        Yaml::Map(entries) => {
            for entry in entries {
                read(&mut checks, &entry.key, Some(&entry.value));
            }
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => {}
    }
    checks
}

fn read(checks: &mut Checks, name: &str, settings: Option<&Node>) {
    let setting = |key: &str| settings.and_then(|it| it.get(key));
    if matches!(settings.map(|it| &it.value), Some(Yaml::Bool(false))) {
        return;
    }
    match name {
        "deny" => {
            let list = setting("words").or(settings).map(texts).unwrap_or_default();
            let whole = matches!(setting("whole_word").map(|it| &it.value), Some(Yaml::Bool(true)));
            let boundaries = if whole { Boundaries::WholeWords } else { Boundaries::Anywhere };
            checks.deny = Some(DenyList::new(list.iter().map(String::as_str), boundaries));
        }
        "pii" => {
            let named = settings.map(texts).unwrap_or_default();
            checks.pii = pii::KINDS.into_iter().filter(|it| named.iter().any(|name| name == it.name())).collect();
            if checks.pii.is_empty() {
                checks.pii = pii::DEFAULT_KINDS.to_vec();
            }
        }
        "injection" => {
            let threshold = setting("threshold").and_then(|it| it.to_json().as_f64());
            checks.injection = Some(threshold.unwrap_or(injection::THRESHOLD));
        }
        "judge" => {
            let named = setting("categories").map(texts).unwrap_or_default();
            let mut codes: Vec<&'static str> =
                named.iter().filter_map(|it| judge::category(it)).map(|it| it.0).collect();
            if codes.is_empty() {
                codes = judge::CATEGORIES.iter().map(|it| it.0).collect();
            }
            let model = setting("model").and_then(Node::as_str).unwrap_or(crate::nodes::llm::DEFAULT_MODEL);
            checks.judge = Some(Judge { model: model.to_owned(), codes });
        }
        // The schema has said that there is no such check.
        _ => {}
    }
}

/// The texts of a list; numbers are written as they stand.
fn texts(node: &Node) -> Vec<String> {
    let Yaml::List(items) = &node.value else { return Vec::new() };
    items.iter().map(|it| it.as_str().map_or_else(|| it.to_json().to_string(), str::to_owned)).collect()
}

fn refuse_expressions(context: &mut NodeContext<'_, '_>, node: &Node) {
    match &node.value {
        Yaml::Text(text) if has_expression(text) => {
            context
                .diagnostics()
                .error("fixed_value", node.span, "what a guard checks is fixed when the workflow is compiled")
                .hint("write the value itself; only `text` may be an expression");
        }
        Yaml::List(items) => items.iter().for_each(|it| refuse_expressions(context, it)),
        Yaml::Map(entries) => entries.iter().for_each(|it| refuse_expressions(context, &it.value)),
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => {}
    }
}

pub(super) fn mode(context: &mut NodeContext<'_, '_>) -> Mode {
    let Some(node) = context.get("mode") else { return Mode::Block };
    refuse_expressions(context, node);
    match node.as_str() {
        Some("redact") => Mode::Redact,
        Some("report") => Mode::Report,
        Some(_) | None => Mode::Block,
    }
}
