//! Fields that a node wants filled in by what somebody says or enters: `extract` and `ask` have them.
//!
//! * `coerce` turns what nearly fits into what was meant: "3" into 3.
//! * `extraction` asks a language model to read fields out of a text.
//! * `wording` asks a person for what is missing.

mod coerce;
mod extraction;
mod wording;

use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::compile::{Declared, NodeContext, declaration};
use crate::names::is_id;

pub(super) use coerce::whole_number;
pub(super) use extraction::{Extraction, Read};
pub(super) use wording::{Language, too_long, wanted};

/// The fields of a node, in the document's order.
#[derive(Debug, Default)]
pub(super) struct Fields {
    list: Vec<Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    name: String,
    schema: Map<String, Value>,
    /// Declared without `?`, `required: false` and a default.
    required: bool,
    validator: Arc<Validator>,
}

/// What a given value means for a field.
enum Fit {
    Absent,
    Fits(Value),
    Wrong,
}

/// JSON Schema of the configuration key `fields`.
pub(super) fn config() -> Value {
    json!({ "title": "Fields · 字段",
        "description": "As the inputs of a workflow: {name: string, people: {type: integer, minimum: 1}, note: string?} · 写法与工作流的 inputs 相同",
        "type": "object", "minProperties": 1, "additionalProperties": { "type": ["string", "object"] }, "x-widget": "fields" })
}

impl Fields {
    /// Reads `fields`. `taken` are names that the node's output has already.
    pub(super) fn read(context: &mut NodeContext<'_, '_>, taken: &[&str]) -> Fields {
        let mut list = Vec::new();
        for entry in context.get("fields").map(crate::yaml::Node::entries).unwrap_or_default() {
            if taken.contains(&entry.key.as_str()) {
                let message = format!("`{}` is an output of the node already", entry.key);
                context
                    .diagnostics()
                    .error("reserved_id", entry.key_span, message)
                    .hint(format!("call the field something else, for example `{}_value`", entry.key));
            } else if !is_id(&entry.key) {
                context.context.invalid_id(&entry.key, entry.key_span);
            }
            let Declared { schema, required } = declaration(context.context, ("a field", &entry.key), &entry.value);
            // A declaration that is no schema has been reported; the node is not built then.
            if let Ok(validator) = crate::schema::validator(&Value::Object(schema.clone())) {
                let required = required && !schema.contains_key("default");
                list.push(Field { name: entry.key.clone(), schema, required, validator });
            }
        }
        Fields { list }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes what fits, also over what was known before. Returns the names of fields whose values do not fit.
    pub(super) fn take(&self, given: &Map<String, Value>, known: &mut Map<String, Value>) -> Vec<String> {
        let mut refused = Vec::new();
        for field in &self.list {
            match given.get(&field.name).map_or(Fit::Absent, |it| field.fit(it)) {
                Fit::Absent => {}
                Fit::Fits(value) => {
                    known.insert(field.name.clone(), value);
                }
                Fit::Wrong => refused.push(field.name.clone()),
            }
        }
        refused
    }

    /// Names of required fields that are not known yet.
    pub(super) fn missing(&self, known: &Map<String, Value>) -> Vec<String> {
        self.list.iter().filter(|it| it.required && !known.contains_key(&it.name)).map(|it| it.name.clone()).collect()
    }

    /// The one field that an answer can only be about: the only one, or the only required one that is missing.
    pub(super) fn only_open(&self, known: &Map<String, Value>) -> Option<&str> {
        if let [only] = self.list.as_slice() {
            return Some(&only.name);
        }
        let mut open = self.list.iter().filter(|it| it.required && !known.contains_key(&it.name));
        let first = open.next()?;
        open.next().is_none().then_some(first.name.as_str())
    }

    /// Every field: what is known, else its default, else null.
    pub(super) fn complete(&self, known: &Map<String, Value>) -> Map<String, Value> {
        let value = |it: &Field| known.get(&it.name).or_else(|| it.schema.get("default")).cloned();
        self.list.iter().map(|it| (it.name.clone(), value(it).unwrap_or(Value::Null))).collect()
    }

    /// JSON Schema of what a form should ask for: the fields that are not known yet. None when there are none.
    pub(super) fn form(&self, known: &Map<String, Value>) -> Option<Value> {
        let open: Vec<&Field> = self.list.iter().filter(|it| !known.contains_key(&it.name)).collect();
        if open.is_empty() {
            return None;
        }
        let properties: Map<String, Value> =
            open.iter().map(|it| (it.name.clone(), Value::Object(it.schema.clone()))).collect();
        let required: Vec<&str> = open.iter().filter(|it| it.required).map(|it| it.name.as_str()).collect();
        Some(json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false }))
    }

    /// Schemas of the fields in which each may be null, for outputs and for the model.
    pub(super) fn nullable(&self) -> Map<String, Value> {
        self.list.iter().map(|it| (it.name.clone(), nullable(&it.schema))).collect()
    }
}

impl Field {
    fn fit(&self, given: &Value) -> Fit {
        let value = coerce::coerce(given, &self.schema);
        // Models and forms write an empty text where there is none.
        if value.is_null() || value.as_str().is_some_and(str::is_empty) {
            return Fit::Absent;
        }
        if self.validator.is_valid(&value) { Fit::Fits(value) } else { Fit::Wrong }
    }

    /// What a person calls it.
    fn label(&self) -> &str {
        let text = |key: &str| self.schema.get(key).and_then(Value::as_str).map(str::trim).filter(|it| !it.is_empty());
        text("title").or_else(|| text("description")).unwrap_or(&self.name).trim_end_matches(['.', '。'])
    }
}

fn nullable(schema: &Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    // A default is what stands in for null; the model must not fill it in.
    schema.shift_remove("default");
    if let Some(only) = schema.shift_remove("const") {
        schema.insert("enum".to_owned(), json!([only]));
    }
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind, "null"]);
    }
    if let Some(Value::Array(choices)) = schema.get_mut("enum")
        && !choices.contains(&Value::Null)
    {
        choices.push(Value::Null);
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn fields(declared: &[(&str, Value, bool)]) -> Fields {
        let list = declared
            .iter()
            .map(|(name, schema, required)| Field {
                name: (*name).to_owned(),
                schema: schema.as_object().unwrap().clone(),
                required: *required,
                validator: crate::schema::validator(schema).unwrap(),
            })
            .collect();
        Fields { list }
    }

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_fits_is_kept_and_what_does_not_fit_changes_nothing() {
        let fields = fields(&[
            ("name", json!({ "type": "string" }), true),
            ("people", json!({ "type": "integer", "minimum": 1 }), true),
            ("note", json!({ "type": "string", "default": "-" }), false),
        ]);
        let mut known = Map::new();
        assert!(fields.take(&map(json!({ "name": " 李雷 ", "people": null, "other": 1 })), &mut known).is_empty());
        assert_eq!(fields.missing(&known), ["people"]);
        assert_eq!(fields.only_open(&known), Some("people"));
        assert_eq!(fields.take(&map(json!({ "name": "", "people": 0 })), &mut known), ["people"]);
        assert!(fields.take(&map(json!({ "people": "３" })), &mut known).is_empty());
        assert!(fields.missing(&known).is_empty());
        assert_eq!(json!(fields.complete(&known)), json!({ "name": "李雷", "people": 3, "note": "-" }));
        let form = fields.form(&known).unwrap();
        assert_eq!(form.pointer("/properties").unwrap().as_object().unwrap().len(), 1);
    }

    #[test]
    fn every_field_may_be_null_for_the_model() {
        let one = |schema: Value| nullable(schema.as_object().unwrap());
        assert_eq!(
            one(json!({ "type": "string", "enum": ["a"], "default": "a" })),
            json!({ "type": ["string", "null"], "enum": ["a", null] })
        );
        assert_eq!(one(json!({ "const": 1 })), json!({ "enum": [1, null] }));
        assert_eq!(one(json!({})), json!({}));
    }
}
