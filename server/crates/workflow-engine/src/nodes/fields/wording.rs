//! Asking a person for what is missing, in the language that the conversation is in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Field, Fields};

/// Choices that a sentence can hold; more are left to the form.
const SHOWN_CHOICES: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::nodes) enum Language {
    English,
    Chinese,
}

impl Language {
    /// Chinese as soon as there is a Chinese character: people who write Chinese mix in English, hardly ever the reverse.
    pub(in crate::nodes) fn of(text: &str) -> Language {
        let chinese = text.chars().any(|it| matches!(it, '\u{3400}'..='\u{9fff}'));
        if chinese { Language::Chinese } else { Language::English }
    }

    pub(in crate::nodes) fn pick<'t>(self, en: &'t str, zh: &'t str) -> &'t str {
        match self {
            Language::English => en,
            Language::Chinese => zh,
        }
    }
}

/// Asks for fields by what people call them, with what a value must be where a wrong one was given.
pub(in crate::nodes) fn wanted(language: Language, fields: &Fields, missing: &[String], refused: &[String]) -> String {
    let asked: Vec<String> = fields
        .list
        .iter()
        .filter(|it| missing.contains(&it.name) || refused.contains(&it.name))
        .map(|it| describe(language, it, refused.contains(&it.name)))
        .collect();
    let list = asked.join(language.pick(", ", "、"));
    match language {
        Language::English => format!("Please also tell me: {list}."),
        Language::Chinese => format!("还需要以下信息：{list}。"),
    }
}

pub(in crate::nodes) fn too_long(language: Language) -> &'static str {
    language.pick("That is too long; please say it more briefly.", "这段内容太长了，请说得简短一些。")
}

fn describe(language: Language, field: &Field, refused: bool) -> String {
    let label = field.label();
    let mut rules = choices(language, &field.schema);
    if refused && rules.is_none() {
        let fallback = || language.pick("what you gave does not fit", "填写的内容不符合要求").to_owned();
        rules = Some(bounds(language, &field.schema).unwrap_or_else(fallback));
    }
    match (rules, language) {
        (None, _) => label.to_owned(),
        (Some(rules), Language::English) => format!("{label} ({rules})"),
        (Some(rules), Language::Chinese) => format!("{label}（{rules}）"),
    }
}

fn choices(language: Language, schema: &Map<String, Value>) -> Option<String> {
    let choices = schema.get("enum")?.as_array().filter(|it| it.len() <= SHOWN_CHOICES)?;
    let shown: Vec<String> = choices
        .iter()
        .filter(|it| !it.is_null())
        .map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
        .collect();
    Some(format!("{}{}", language.pick("one of: ", "可选："), shown.join(language.pick(", ", "、"))))
}

fn bounds(language: Language, schema: &Map<String, Value>) -> Option<String> {
    let kind = match schema.get("type").and_then(Value::as_str)? {
        "integer" => language.pick("a whole number", "整数"),
        "number" => language.pick("a number", "数字"),
        "boolean" => language.pick("yes or no", "是或否"),
        _ => return None,
    };
    let mut parts = vec![kind.to_owned()];
    for (key, en, zh) in [
        ("minimum", "at least", "不小于"),
        ("maximum", "at most", "不大于"),
        ("exclusiveMinimum", "more than", "大于"),
        ("exclusiveMaximum", "less than", "小于"),
    ] {
        parts.extend(schema.get(key).map(|it| format!("{} {it}", language.pick(en, zh))));
    }
    Some(parts.join(language.pick(", ", "，")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::fields::tests::fields;
    use serde_json::json;

    #[test]
    fn fields_are_named_as_people_call_them_in_both_languages() {
        let fields = fields(&[
            ("name", json!({ "type": "string", "title": "姓名" }), true),
            ("people", json!({ "type": "integer", "minimum": 1, "description": "几位用餐。" }), true),
            ("size", json!({ "enum": ["大", "小"] }), true),
        ]);
        let names = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<String>>();
        let asked = wanted(Language::of("订位 a table"), &fields, &names(&["name", "size"]), &names(&["people"]));
        assert_eq!(asked, "还需要以下信息：姓名、几位用餐（整数，不小于 1）、size（可选：大、小）。");
        let asked = wanted(Language::of("a table"), &fields, &names(&["people"]), &[]);
        assert_eq!(asked, "Please also tell me: 几位用餐.");
        let asked = wanted(Language::English, &fields, &[], &names(&["name", "people"]));
        assert_eq!(
            asked,
            "Please also tell me: 姓名 (what you gave does not fit), 几位用餐 (a whole number, at least 1)."
        );
    }
}
