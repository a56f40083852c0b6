//! The schemas of an OpenAPI document as JSON Schemas that stand alone: references followed, 3.0's own words translated.

use serde_json::{Map, Value, json};

/// References within references that are followed: more than a form or a model can make use of. Where a type holds itself,
/// its inside is anything from there on.
const MAX_NESTED: usize = 4;
/// References to references, which only a circle has many of.
const MAX_HOPS: usize = 12;
/// Parts of one schema; what is beyond is anything.
const MAX_PARTS: usize = 5_000;
/// Of OpenAPI, and nothing that an input is checked against.
const LEFT_OUT: [&str; 6] = ["discriminator", "example", "externalDocs", "nullable", "xml", "$ref"];

pub(super) struct Resolver<'a> {
    document: &'a Value,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(document: &'a Value) -> Resolver<'a> {
        Resolver { document }
    }

    /// What a reference within the document leads to.
    pub(super) fn follow<'v>(&self, mut value: &'v Value) -> &'v Value
    where
        'a: 'v,
    {
        for _ in 0..MAX_HOPS {
            let Some(pointer) = value.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix('#')) else {
                return value;
            };
            match self.document.pointer(pointer) {
                Some(found) => value = found,
                None => return value,
            }
        }
        value
    }

    /// A schema with everything that it refers to in place.
    pub(super) fn expanded(&self, schema: &Value) -> Value {
        self.expand(schema, 0, &mut 0)
    }

    fn expand(&self, value: &Value, nested: usize, parts: &mut usize) -> Value {
        *parts += 1;
        let refers = value.get("$ref").is_some_and(Value::is_string);
        if refers && (nested >= MAX_NESTED || *parts > MAX_PARTS) {
            return json!({});
        }
        let nested = nested + usize::from(refers);
        match self.follow(value) {
            Value::Object(members) => {
                let expanded = members.iter().map(|(key, it)| (key.clone(), self.expand(it, nested, parts)));
                Value::Object(expanded.collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(|it| self.expand(it, nested, parts)).collect()),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other.clone(),
        }
    }
}

/// OpenAPI 3.0's schema as JSON Schema 2020-12; 3.1's is one already and comes through as it is.
pub(super) fn plain(schema: &Value) -> Value {
    let Value::Object(members) = schema else {
        return if schema.is_boolean() { schema.clone() } else { json!({}) };
    };
    let mut plain_members = Map::new();
    for (key, value) in members {
        let value = match key.as_str() {
            _ if LEFT_OUT.contains(&key.as_str()) || key.starts_with("x-") => continue,
            "properties" | "patternProperties" => {
                let all = value.as_object().into_iter().flatten();
                Value::Object(all.map(|(name, it)| (name.clone(), plain(it))).collect())
            }
            "items" | "additionalProperties" | "not" => plain(value),
            "allOf" | "anyOf" | "oneOf" => value.as_array().into_iter().flatten().map(plain).collect(),
            // In 3.0 a switch beside the bound.
            "exclusiveMinimum" | "exclusiveMaximum" if value.is_boolean() => continue,
            _ => value.clone(),
        };
        plain_members.insert(key.clone(), value);
    }
    for (switch, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if members.get(switch) == Some(&json!(true))
            && let Some(value) = plain_members.remove(bound)
        {
            plain_members.insert(switch.to_owned(), value);
        }
    }
    if members.get("nullable") == Some(&json!(true)) {
        if let Some(kind @ Value::String(_)) = plain_members.get("type").cloned() {
            plain_members.insert("type".to_owned(), json!([kind, "null"]));
        }
        if let Some(Value::Array(values)) = plain_members.get_mut("enum") {
            values.push(Value::Null);
        }
    }
    Value::Object(plain_members)
}
