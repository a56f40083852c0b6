//! What a `code` node says it returns, and whether it did.

use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::compile::{Declared, NodeContext, declaration};
use crate::effect::EffectError;
use crate::yaml::Node;

/// Problems that one error names; more are seldom read.
const MAX_PROBLEMS: usize = 5;

/// The `outputs` of a node: a JSON Schema of the returned object.
pub(super) struct Outputs {
    schema: Value,
    validator: Arc<Validator>,
    /// Members that may be nothing, which the short form writes as `string?`.
    optional: Vec<String>,
}

impl std::fmt::Debug for Outputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outputs { schema, validator: _, optional } = self;
        f.debug_struct("Outputs").field("schema", schema).field("optional", optional).finish()
    }
}

impl Outputs {
    /// None after an error was reported.
    pub(super) fn read(context: &mut NodeContext<'_, '_>, node: &Node) -> Option<Outputs> {
        if !node.is_map() {
            if node.as_str().is_some_and(crate::template::has_expression) {
                let why = "what the code returns is fixed when the workflow is compiled";
                crate::nodes::must_be_written(context, ("outputs", node.span), why);
            }
            return None;
        }
        let before = context.diagnostics().errors();
        let (schema, optional) = if is_schema(node) { (node.to_json(), Vec::new()) } else { short_form(context, node) };
        match crate::schema::validator(&schema) {
            Ok(validator) if context.diagnostics().errors() == before => Some(Outputs { schema, validator, optional }),
            // One of the members was reported already.
            Ok(_) => None,
            Err(message) => {
                if context.diagnostics().errors() == before {
                    let message = format!("`outputs` is not a valid JSON Schema: {message}");
                    context.diagnostics().error("invalid_schema", node.span, message);
                }
                None
            }
        }
    }

    pub(super) fn schema(&self) -> &Value {
        &self.schema
    }

    pub(super) fn check(&self, returned: &Value) -> Result<(), EffectError> {
        let given = match returned {
            Value::Object(members) => {
                let is_there = |name: &String, value: &Value| !(value.is_null() && self.optional.contains(name));
                let members = members.iter().filter(|(name, value)| is_there(name, value));
                Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => returned.clone(),
        };
        let mut problems = crate::schema::problems(&self.validator, &given);
        if problems.is_empty() {
            return Ok(());
        }
        problems.truncate(MAX_PROBLEMS);
        let problems: Vec<String> =
            problems.into_iter().map(|(path, message)| crate::schema::at_its_path(&path, message)).collect();
        Err(EffectError {
            code: "code_bad_output".to_owned(),
            message: format!("what the code returned does not fit `outputs`: {}", problems.join("; ")),
            hint: Some("return an object with these members, or change `outputs`".to_owned()),
            retry_after_ms: None,
        })
    }
}

/// A JSON Schema of an object has one of these keys, with what no member of the short form can be.
fn is_schema(node: &Node) -> bool {
    node.get("type").and_then(Node::as_str) == Some("object") || node.get("properties").is_some_and(Node::is_map)
}

fn short_form(context: &mut NodeContext<'_, '_>, node: &Node) -> (Value, Vec<String>) {
    let mut properties = Map::new();
    let (mut required, mut optional) = (Vec::new(), Vec::new());
    for entry in node.entries() {
        let Declared { schema, required: is_required } =
            declaration(context.context, ("an output", &entry.key), &entry.value);
        properties.insert(entry.key.clone(), Value::Object(schema));
        if is_required {
            required.push(entry.key.clone());
        } else {
            optional.push(entry.key.clone());
        }
    }
    (json!({ "type": "object", "properties": properties, "required": required }), optional)
}
