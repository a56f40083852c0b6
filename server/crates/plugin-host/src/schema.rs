//! JSON Schemas from strangers, made safe to run and their findings put into words.
//!
//! A schema is a program that the host runs on data the guest chose, outside the sandbox. So before one is compiled it is
//! walked: references stay inside the document, nothing refers to itself, and what it expands to is bounded. That keeps
//! checking linear in the data. Patterns run on an engine without backtracking for the same reason.

use std::collections::BTreeMap;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

/// Problems shown of one value; the first few tell what is wrong.
pub(crate) const MAX_SHOWN: usize = 5;
/// One problem quotes the value it found; a long value is cut.
const MAX_PROBLEM_CHARACTERS: usize = 300;
/// Subschemas after following every reference. The largest schema in the shipped plugins has about 200.
const MAX_EXPANDED: u64 = 20_000;
const MAX_DEPTH: usize = 100;
/// Memory one compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 4 << 20;

/// Keywords whose value is one schema.
const ONE: &[&str] = &[
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas.
const LIST: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value maps names to schemas that are applied.
const MAP: &[&str] = &["dependentSchemas", "patternProperties", "properties"];
/// Keywords that would let a schema leave the document or refer by other means than a plain pointer.
const REFUSED: &[&str] = &["$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$vocabulary"];

/// A compiled JSON Schema.
#[derive(Debug)]
pub(crate) struct Schema(Validator);

impl Schema {
    /// Compiles a JSON Schema 2020-12, or says everything that is wrong with it.
    pub(crate) fn compile(schema: &Value) -> Result<Self, Vec<String>> {
        let mut walk = Walk { root: schema, sizes: BTreeMap::new(), following: Vec::new(), problems: Vec::new() };
        let size = walk.expanded(schema, 0);
        if size > MAX_EXPANDED && walk.problems.is_empty() {
            walk.problems
                .push(format!("it is too large: with every reference followed it has more than {MAX_EXPANDED} parts"));
        }
        if !walk.problems.is_empty() {
            return Err(walk.problems);
        }
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
        jsonschema::draft202012::options()
            .offline()
            .with_pattern_options(patterns)
            .build(schema)
            .map(Self)
            .map_err(|error| vec![at(error.instance_path().as_str(), &error.to_string())])
    }

    /// What does not fit, each with its place, at most `most` of them; empty when the value fits.
    pub(crate) fn problems(&self, value: &Value, most: usize) -> Vec<String> {
        if self.0.is_valid(value) {
            return Vec::new();
        }
        self.0
            .iter_errors(value)
            .take(most)
            .map(|error| at(error.instance_path().as_str(), &error.to_string()))
            .collect()
    }
}

fn at(path: &str, problem: &str) -> String {
    let mut text: String = problem.chars().take(MAX_PROBLEM_CHARACTERS).collect();
    if text.len() < problem.len() {
        text.push('…');
    }
    if path.is_empty() { text } else { format!("at `{path}`: {text}") }
}

struct Walk<'schema> {
    root: &'schema Value,
    /// Expanded size of what a reference points at.
    sizes: BTreeMap<&'schema str, u64>,
    /// References that are being followed: meeting one again is a circle.
    following: Vec<&'schema str>,
    problems: Vec<String>,
}

impl<'schema> Walk<'schema> {
    /// How many subschemas this one becomes when every reference is followed.
    fn expanded(&mut self, schema: &'schema Value, depth: usize) -> u64 {
        let Value::Object(keywords) = schema else { return 1 };
        if depth > MAX_DEPTH {
            self.problem(format!("it is nested more than {MAX_DEPTH} levels deep"));
            return 1;
        }
        let mut size: u64 = 1;
        for refused in REFUSED {
            if keywords.contains_key(*refused) {
                self.problem(format!("`{refused}` is not supported; use `$defs` and `$ref: \"#/$defs/…\"`"));
            }
        }
        if depth > 0 && keywords.contains_key("$id") {
            self.problem("`$id` is not supported inside a schema".to_owned());
        }
        self.check_draft(keywords);
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            size = size.saturating_add(self.follow(reference, depth));
        }
        for keyword in ONE {
            if let Some(inner) = keywords.get(*keyword) {
                size = size.saturating_add(self.expanded(inner, depth + 1));
            }
        }
        for keyword in LIST {
            for inner in keywords.get(*keyword).and_then(Value::as_array).into_iter().flatten() {
                size = size.saturating_add(self.expanded(inner, depth + 1));
            }
        }
        for keyword in MAP {
            for inner in keywords.get(*keyword).and_then(Value::as_object).into_iter().flat_map(Map::values) {
                size = size.saturating_add(self.expanded(inner, depth + 1));
            }
        }
        // Definitions cost nothing until they are referred to, but what they refer to must be sound as well.
        for inner in keywords.get("$defs").and_then(Value::as_object).into_iter().flat_map(Map::values) {
            self.expanded(inner, depth + 1);
        }
        size
    }

    fn follow(&mut self, reference: &'schema str, depth: usize) -> u64 {
        if let Some(size) = self.sizes.get(reference) {
            return *size;
        }
        if self.following.contains(&reference) {
            self.problem(format!(
                "`$ref: \"{reference}\"` leads back to itself; a schema that contains itself is not supported, so describe \
                 the inner levels as plain `{{\"type\": \"object\"}}`"
            ));
            return 1;
        }
        let target = match reference.strip_prefix('#') {
            Some("") => Some(self.root),
            Some(pointer) => self.root.pointer(&pointer.replace("%25", "%")),
            None => None,
        };
        let Some(target) = target else {
            self.problem(format!("`$ref: \"{reference}\"` points to nothing in this schema (only `#/…` is followed)"));
            return 1;
        };
        self.following.push(reference);
        // The root counts as being followed from the start, whatever it is called.
        let size = if reference == "#" {
            self.problem("`$ref: \"#\"` makes the schema contain itself, which is not supported".to_owned());
            1
        } else {
            self.expanded(target, depth + 1)
        };
        self.following.pop();
        self.sizes.insert(reference, size);
        size
    }

    fn check_draft(&mut self, keywords: &Map<String, Value>) {
        if let Some(draft) = keywords.get("$schema")
            && !draft.as_str().is_some_and(|draft| draft.trim_end_matches('#').ends_with("/draft/2020-12/schema"))
        {
            self.problem(format!("`$schema` is {draft}; schemas are JSON Schema 2020-12"));
        }
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_SHOWN && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn problems_name_their_place() {
        let schema = Schema::compile(&json!({
            "type": "object", "properties": {"dishes": {"type": "array", "items": {"$ref": "#/$defs/dish"}}},
            "$defs": {"dish": {"type": "object", "required": ["name"]}}
        }))
        .expect("a sound schema");
        let problems = schema.problems(&json!({"dishes": [{"name": 1}, {}]}), MAX_SHOWN);
        assert_eq!(problems, ["at `/dishes/1`: \"name\" is a required property"]);
    }

    #[test]
    fn schemas_that_could_hurt_the_host_are_refused() {
        let mut doubling = Map::new();
        for level in 0..40 {
            let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
            doubling.insert(format!("l{level}"), json!({"allOf": [next.clone(), next]}));
        }
        doubling.insert("l40".to_owned(), json!({"type": "object"}));
        for (schema, expected) in [
            (json!({"$ref": "#"}), "itself"),
            (json!({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}), "back to itself"),
            (json!({"properties": {"a": {"$ref": "#/properties/a"}}}), "back to itself"),
            (json!({"$ref": "#/$defs/l0", "$defs": doubling}), "too large"),
            (json!({"$ref": "https://x.example/schema.json"}), "points to nothing"),
            (json!({"$dynamicRef": "#a"}), "$dynamicRef"),
            (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), "2020-12"),
            (json!({"type": "strin"}), "strin"),
            (json!({"pattern": "(a"}), "("),
        ] {
            let problems = Schema::compile(&schema).expect_err(&schema.to_string()).join("; ");
            assert!(problems.contains(expected), "{schema}: {problems}");
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let schema = Schema::compile(&json!({"type": "object"})).expect("a sound schema");
        let problems = schema.problems(&json!("辣".repeat(10_000)), MAX_SHOWN);
        assert!(problems.iter().all(|problem| problem.chars().count() < 350), "{problems:?}");
    }
}
