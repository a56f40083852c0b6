//! The `inputs:` section: what a workflow takes, as JSON Schema, and how a run's inputs are held against it.

use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::context::Context;
use crate::input::InputProblem;
use crate::names::{is_id, is_reserved};
use crate::yaml::{Node, Yaml};

const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "any"];
/// Keys of a long declaration: JSON Schema's, and `required` as a plain yes or no.
const KEYS: [&str; 22] = [
    "type",
    "title",
    "description",
    "required",
    "default",
    "enum",
    "const",
    "examples",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "additionalProperties",
];

/// The compiled inputs of a workflow.
#[derive(Debug)]
pub(crate) struct Inputs {
    schema: Value,
    defaults: Vec<(String, Value)>,
    /// None when there is nothing to hold against it, or the schema was refused.
    validator: Option<Arc<Validator>>,
}

impl Inputs {
    /// Inputs of a program that takes none, whatever it is given: an assistant.
    pub(crate) fn none() -> Inputs {
        Inputs { schema: json!({ "type": "object", "properties": {} }), defaults: Vec::new(), validator: None }
    }

    pub(crate) fn read(context: &mut Context<'_>, node: Option<&Node>) -> Inputs {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut defaults = Vec::new();
        match node {
            Some(node) if node.is_map() => {
                for entry in node.entries() {
                    if is_reserved(&entry.key) {
                        let message = format!("`{}` has a meaning of its own in expressions", entry.key);
                        context
                            .diagnostics
                            .error("reserved_id", entry.key_span, message)
                            .hint("call the input something else");
                    } else if !is_id(&entry.key) {
                        context.invalid_id(&entry.key, entry.key_span);
                    }
                    let declared = declaration(context, ("an input", &entry.key), &entry.value);
                    if let Some(default) = declared.schema.get("default") {
                        defaults.push((entry.key.clone(), default.clone()));
                    } else if declared.required {
                        required.push(Value::String(entry.key.clone()));
                    }
                    properties.insert(entry.key.clone(), Value::Object(declared.schema));
                }
            }
            Some(Node { value: Yaml::Null, .. }) | None => {}
            Some(node) => {
                context.wrong_type(node, "inputs", "a map");
                context.diagnostics.hint("for example `question: string`");
            }
        }
        let schema =
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
        let validator = match crate::schema::validator(&schema) {
            Ok(it) => Some(it),
            Err(message) => {
                let span = node.map(|it| it.span).unwrap_or_default();
                context.diagnostics.error(
                    "invalid_schema",
                    span,
                    format!("the inputs are not a valid JSON Schema: {message}"),
                );
                None
            }
        };
        Inputs { schema, defaults, validator }
    }

    pub(crate) fn schema(&self) -> &Value {
        &self.schema
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|it| it.keys().map(String::as_str))
    }

    /// Fills in defaults and holds the result against the schema.
    pub(crate) fn prepare(&self, given: &Value) -> Result<Map<String, Value>, Vec<InputProblem>> {
        let mut inputs = match given {
            Value::Object(map) => map.clone(),
            Value::Null => Map::new(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                let message = "the inputs must be an object".to_owned();
                return Err(vec![InputProblem { path: String::new(), message }]);
            }
        };
        // Null means "not given", so that an optional reference can be handed on.
        inputs.retain(|_, value| !value.is_null());
        for (name, default) in &self.defaults {
            if !inputs.contains_key(name) {
                inputs.insert(name.clone(), default.clone());
            }
        }
        let Some(validator) = &self.validator else { return Ok(inputs) };
        let whole = Value::Object(inputs);
        let problems: Vec<InputProblem> = crate::schema::problems(validator, &whole)
            .into_iter()
            .map(|(path, message)| InputProblem { message: crate::schema::at_its_path(&path, message), path })
            .collect();
        if let (Value::Object(inputs), true) = (whole, problems.is_empty()) { Ok(inputs) } else { Err(problems) }
    }
}

/// An input, or a field of a node, as it is declared.
pub(crate) struct Declared {
    pub(crate) schema: Map<String, Value>,
    pub(crate) required: bool,
}

/// Reads the short or the long form; `owner` says in messages what is declared.
pub(crate) fn declaration(context: &mut Context<'_>, (owner, name): (&str, &str), node: &Node) -> Declared {
    match &node.value {
        Yaml::Text(text) => {
            let (schema, optional) = type_name(context, text, node);
            Declared { schema, required: !optional }
        }
        Yaml::Map(entries) => {
            context.check_keys(node, &KEYS, owner);
            let mut declared = Declared { schema: Map::new(), required: true };
            for entry in entries {
                match entry.key.as_str() {
                    "type" => {
                        if let Some(text) = entry.value.as_str() {
                            let (schema, optional) = type_name(context, text, &entry.value);
                            declared.schema.extend(schema);
                            declared.required &= !optional;
                        } else {
                            context.wrong_type(&entry.value, "type", "the name of a type");
                        }
                    }
                    "required" => match &entry.value.value {
                        Yaml::Bool(it) => declared.required &= *it,
                        Yaml::Null | Yaml::Number(_) | Yaml::Text(_) | Yaml::List(_) | Yaml::Map(_) => {
                            context.wrong_type(&entry.value, "required", "true or false");
                        }
                    },
                    key if KEYS.contains(&key) => {
                        declared.schema.insert(key.to_owned(), entry.value.to_json());
                    }
                    _ => {}
                }
            }
            check_schema(context, name, node, &declared.schema);
            declared
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::List(_) => {
            context.wrong_type(node, name, "a type or a map");
            context
                .diagnostics
                .hint(format!("for example `{name}: string` or `{name}: {{ type: integer, default: 8 }}`"));
            Declared { schema: Map::new(), required: false }
        }
    }
}

/// The declaration must be a schema, and its default must fit it.
fn check_schema(context: &mut Context<'_>, name: &str, node: &Node, schema: &Map<String, Value>) {
    match crate::schema::validator(&Value::Object(schema.clone())) {
        Err(message) => {
            context.diagnostics.error(
                "invalid_schema",
                node.span,
                format!("`{name}` is not a valid declaration: {message}"),
            );
        }
        Ok(validator) => {
            let Some(default) = node.get("default") else { return };
            for (_, message) in crate::schema::problems(&validator, &default.to_json()) {
                context.diagnostics.error(
                    "wrong_type",
                    default.span,
                    format!("the default of `{name}` does not fit: {message}"),
                );
            }
        }
    }
}

/// `string`, `integer?`, …
fn type_name(context: &mut Context<'_>, text: &str, node: &Node) -> (Map<String, Value>, bool) {
    let text = text.trim();
    let (name, optional) = text.strip_suffix('?').map_or((text, false), |it| (it, true));
    let mut schema = Map::new();
    if !TYPES.contains(&name) {
        context.diagnostics.error("wrong_type", node.span, format!("there is no type `{name}`"));
        context.diagnostics.suggest(name, TYPES, "types");
    } else if name != "any" {
        schema.insert("type".to_owned(), Value::String(name.to_owned()));
    }
    (schema, optional)
}
