//! JSON Schemas: holding what an author wrote against them at its place in the text, and looking outputs up in them.

use std::sync::Arc;

use jsonschema::Validator;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::{Map, Value};

use crate::diagnostic::Diagnostics;
use crate::template::{has_expression, single_expression};
use crate::yaml::{Node, Span, Yaml};

/// Stands for a value that is only known when the workflow runs.
const UNKNOWN: &str = "\u{1}expression";
/// Stands for text that is only known when the workflow runs.
const UNKNOWN_TEXT: &str = "\u{1}text";

/// How problems with a value are called; keys of a node's `with` and inputs of a workflow differ only in that.
#[derive(Clone, Copy)]
pub(crate) struct Codes {
    pub(crate) missing: &'static str,
    pub(crate) unknown: &'static str,
    pub(crate) what: &'static str,
    /// Whether whoever takes the value writes numbers, lists and maps as text where it wants text.
    pub(crate) writes_as_text: bool,
}

pub(crate) const KEYS: Codes =
    Codes { missing: "missing_key", unknown: "unknown_key", what: "known keys", writes_as_text: true };
/// Arguments of a plugin's tool, which are held against its schema as they are.
pub(crate) const ARGUMENTS: Codes = Codes { writes_as_text: false, ..KEYS };
pub(crate) const INPUTS: Codes =
    Codes { missing: "missing_input", unknown: "unknown_input", what: "it takes", writes_as_text: false };

/// Compiles a schema; the message says why it is none.
pub(crate) fn validator(schema: &Value) -> Result<Arc<Validator>, String> {
    jsonschema::validator_for(schema).map(Arc::new).map_err(|it| it.to_string())
}

/// Every way in which a value breaks a schema, as `path: message`.
pub(crate) fn problems(validator: &Validator, value: &Value) -> Vec<(String, String)> {
    validator.iter_errors(value).map(|it| (it.instance_path().to_string(), message(&it))).collect()
}

/// A problem with the path that it is at, as expressions write it.
pub(crate) fn at_its_path(path: &str, message: String) -> String {
    let name = path.trim_start_matches('/').replace('/', ".");
    match (name.is_empty(), message.starts_with("must be")) {
        (true, true) => format!("it {message}"),
        (true, false) => message,
        (false, true) => format!("`{name}` {message}"),
        (false, false) => format!("`{name}`: {message}"),
    }
}

fn message(error: &jsonschema::ValidationError<'_>) -> String {
    if let ValidationErrorKind::Required { property } = error.kind() {
        return format!("`{}` is missing", property.as_str().unwrap_or_default());
    }
    if let ValidationErrorKind::Type { kind } = error.kind() {
        return format!("must be {}, this is {}", type_words(kind), value_words(error.instance()));
    }
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        let names: Vec<String> = unexpected.iter().map(|it| format!("`{it}`")).collect();
        return format!("there is no {} here", names.join(", "));
    }
    let text = error.to_string();
    // Long values would drown the reason.
    if text.chars().count() > 300 { format!("{}…", text.chars().take(300).collect::<String>()) } else { text }
}

/// What a person calls a JSON type.
pub(crate) fn type_name(name: &str) -> String {
    match name {
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a map".to_owned(),
        "null" => "nothing".to_owned(),
        other => other.to_owned(),
    }
}

fn type_words(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(it) => type_name(&it.to_string()),
        TypeKind::Multiple(set) => {
            let all: Vec<String> = set.iter().map(|it| type_name(&it.to_string())).collect();
            all.join(" or ")
        }
    }
}

fn value_words(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Holds a written value against a schema, as far as it can be known before the workflow runs.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "jsonschema's list of error kinds is long; two need words of their own"
)]
pub(crate) fn check(
    diagnostics: &mut Diagnostics,
    (validator, schema): (&Validator, &Value),
    (node, whole): (&Node, Span),
    codes: Codes,
) {
    let instance = literal(node);
    for error in validator.iter_errors(&instance) {
        let path = error.instance_path().to_string();
        let (place, name) = locate(node, &path);
        let place = if path.is_empty() { whole } else { place };
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let property = property.as_str().unwrap_or_default();
                let owner = name.map(|it| format!(" in `{it}`")).unwrap_or_default();
                diagnostics.error(codes.missing, place, format!("`{property}` is missing{owner}"));
                let description = subschema(schema, &path).and_then(|it| {
                    it.get("properties")?.get(property)?.get("description")?.as_str().map(str::to_owned)
                });
                if let Some(description) = description {
                    diagnostics.hint(format!("`{property}`: {description}"));
                }
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let owner = at(node, &path).unwrap_or(node);
                for key in unexpected {
                    let span = owner.entry(key).map_or(place, |it| it.key_span);
                    diagnostics.error(codes.unknown, span, format!("there is no `{key}` here"));
                    let known = subschema(schema, &path).and_then(|it| it.get("properties")?.as_object().cloned());
                    diagnostics.suggest(key, known.iter().flat_map(Map::keys).map(String::as_str), codes.what);
                }
            }
            kind => {
                let is_type = matches!(kind, ValidationErrorKind::Type { .. });
                if mentions(error.instance(), UNKNOWN) || (mentions(error.instance(), UNKNOWN_TEXT) && !is_type) {
                    continue;
                }
                let subject = name.map(|it| format!("`{it}` ")).unwrap_or_default();
                let message = message(&error);
                let message =
                    if is_type { format!("{subject}{message}") } else { format!("{subject}is not allowed: {message}") };
                diagnostics.error("wrong_type", place, message);
                if let ValidationErrorKind::Enum { options } = kind {
                    let options: Vec<&str> =
                        options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    let wrong = error.instance().as_str().unwrap_or_default().to_owned();
                    diagnostics.suggest(&wrong, options, "possible values");
                }
            }
        }
    }
}

fn mentions(value: &Value, marker: &str) -> bool {
    match value {
        Value::String(text) => text == marker,
        Value::Array(items) => items.iter().any(|it| mentions(it, marker)),
        Value::Object(map) => map.values().any(|it| mentions(it, marker)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn literal(node: &Node) -> Value {
    match &node.value {
        Yaml::Text(text) if has_expression(text) => {
            let marker = if single_expression(text).is_some() { UNKNOWN } else { UNKNOWN_TEXT };
            Value::String(marker.to_owned())
        }
        Yaml::List(items) => Value::Array(items.iter().map(literal).collect()),
        Yaml::Map(entries) => Value::Object(entries.iter().map(|it| (it.key.clone(), literal(&it.value))).collect()),
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => node.to_json(),
    }
}

fn segments(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|it| it.replace("~1", "/").replace("~0", "~"))
}

fn at<'n>(node: &'n Node, pointer: &str) -> Option<&'n Node> {
    segments(pointer).try_fold(node, |node, segment| match &node.value {
        Yaml::List(items) => segment.parse::<usize>().ok().and_then(|it| items.get(it)),
        Yaml::Map(_) | Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => node.get(&segment),
    })
}

/// The place of a value, and the name of the key it stands under.
fn locate(node: &Node, pointer: &str) -> (Span, Option<String>) {
    let name = segments(pointer).filter(|it| it.parse::<usize>().is_err()).last();
    (at(node, pointer).map_or(node.span, |it| it.span), name)
}

/// The schema that governs a place, as far as `properties` and `items` lead there.
fn subschema<'s>(schema: &'s Value, pointer: &str) -> Option<&'s Value> {
    segments(pointer).try_fold(schema, |schema, segment| {
        schema
            .get("properties")
            .and_then(|it| it.get(&segment))
            .or_else(|| schema.get("items"))
            .or_else(|| schema.get("additionalProperties").filter(|it| it.is_object()))
    })
}

/// What looking a path up in an output's schema says.
pub(crate) enum Lookup {
    /// It exists, or nothing is known about it.
    Fine,
    /// The name that does not exist, the names that do, and whether the schema rules it out for certain.
    Missing { name: String, known: Vec<String>, certain: bool },
}

/// What the expression language itself offers on maps and texts.
const METHODS: [&str; 4] = ["items", "keys", "values", "get"];

/// Looks a dotted path up. The first level is taken at its word unless it allows other properties; deeper levels only
/// when they rule other properties out, because schemas describe them less carefully.
pub(crate) fn lookup(schema: &Value, path: &[String]) -> Lookup {
    let mut schema = schema;
    for (depth, name) in path.iter().enumerate() {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Lookup::Fine };
        if depth > 0 && METHODS.contains(&name.as_str()) {
            return Lookup::Fine;
        }
        if let Some(next) = properties.get(name) {
            schema = next;
            continue;
        }
        let open = match schema.get("additionalProperties") {
            Some(Value::Bool(open)) => *open,
            Some(_) => true,
            None => false,
        };
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        if properties.is_empty() && !closed || open {
            return Lookup::Fine;
        }
        let known = properties.keys().cloned().collect();
        return Lookup::Missing { name: name.clone(), known, certain: depth == 0 || closed };
    }
    Lookup::Fine
}

/// Values that are one `{{ expression }}`, each with the key that it stands under and the schema that governs it.
pub(crate) fn references<'n, 's>(node: &'n Node, schema: &'s Value) -> Vec<(String, &'n Node, &'s Value)> {
    let mut found = Vec::new();
    collect_references((String::new(), node), schema, &mut found);
    found
}

fn collect_references<'n, 's>(
    (key, node): (String, &'n Node),
    schema: &'s Value,
    found: &mut Vec<(String, &'n Node, &'s Value)>,
) {
    match &node.value {
        Yaml::Text(text) if single_expression(text).is_some() => found.push((key, node, schema)),
        Yaml::Map(entries) => {
            for entry in entries {
                let within = schema
                    .get("properties")
                    .and_then(|it| it.get(&entry.key))
                    .or_else(|| schema.get("additionalProperties").filter(|it| it.is_object()));
                if let Some(within) = within {
                    collect_references((entry.key.clone(), &entry.value), within, found);
                }
            }
        }
        Yaml::List(items) => {
            if let Some(within) = schema.get("items") {
                for item in items {
                    collect_references((key.clone(), item), within, found);
                }
            }
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => {}
    }
}

/// The JSON types that a schema names; none when it says nothing of them.
pub(crate) fn types(schema: &Value) -> Option<std::collections::BTreeSet<&str>> {
    match schema.get("type")? {
        Value::String(one) => Some(std::iter::once(one.as_str()).collect()),
        Value::Array(all) => Some(all.iter().filter_map(Value::as_str).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// The schema of what a dotted path leads to, where `properties` lead there.
pub(crate) fn at_path<'s>(schema: &'s Value, path: &[String]) -> Option<&'s Value> {
    path.iter().try_fold(schema, |schema, name| schema.get("properties")?.get(name))
}

/// Whether no value of one schema can fit another, as far as their types tell. Nothing fits everywhere: it means "not given".
pub(crate) fn never_fits(actual: &Value, expected: &Value) -> bool {
    let (Some(actual), Some(expected)) = (types(actual), types(expected)) else { return false };
    let mut possible = actual.iter().filter(|it| **it != "null").peekable();
    let fits = |it: &str| expected.contains(it) || (it == "integer" && expected.contains("number"));
    // A number may turn out whole.
    let may_be_whole = |it: &str| it == "number" && expected.contains("integer");
    possible.peek().is_some() && possible.all(|it| !fits(it) && !may_be_whole(it))
}
