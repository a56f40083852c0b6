//! The body that is sent, made from the caller's request and what the provider accepts.

use serde_json::{Map, Value, json};

use crate::abilities::{Abilities, LimitName, SchemaMode};
use crate::{CompletionRequest, Message, Role, Tool, ToolCall};

/// The name that a schema must have on the wire; models see it, so it is a plain word.
const SCHEMA_NAME: &str = "answer";

pub(crate) fn body(model: &str, request: &CompletionRequest, abilities: Abilities) -> Value {
    let CompletionRequest { messages, temperature, max_tokens, schema, tools } = request;
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), wire_messages(messages, schema.as_ref(), abilities.schema));
    body.insert("stream".into(), true.into());
    if abilities.usage {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    if let Some(temperature) = temperature
        && abilities.temperature
    {
        body.insert("temperature".into(), json!(temperature));
    }
    if let Some(max_tokens) = max_tokens {
        let name = match abilities.limit {
            LimitName::MaxTokens => "max_tokens",
            LimitName::MaxCompletionTokens => "max_completion_tokens",
        };
        body.insert(name.into(), json!(max_tokens));
    }
    if let Some(schema) = schema {
        match abilities.schema {
            SchemaMode::Native => {
                let format = json!({ "name": SCHEMA_NAME, "strict": can_be_strict(schema), "schema": schema });
                body.insert("response_format".into(), json!({ "type": "json_schema", "json_schema": format }));
            }
            SchemaMode::JsonObject => {
                body.insert("response_format".into(), json!({ "type": "json_object" }));
            }
            SchemaMode::Prompt => {}
        }
    }
    if !tools.is_empty() {
        body.insert("tools".into(), tools.iter().map(wire_tool).collect());
    }
    Value::Object(body)
}

fn wire_tool(tool: &Tool) -> Value {
    let Tool { name, description, parameters } = tool;
    json!({ "type": "function", "function": { "name": name, "description": description, "parameters": parameters } })
}

fn wire_message(message: &Message) -> Value {
    let Message { role, content, images, tool_calls, tool_call_id } = message;
    let mut wire = Map::new();
    wire.insert("role".into(), json!(role));
    wire.insert("content".into(), wire_content(content, images));
    if !tool_calls.is_empty() {
        wire.insert("tool_calls".into(), tool_calls.iter().map(wire_call).collect());
    }
    if let Some(id) = tool_call_id {
        wire.insert("tool_call_id".into(), json!(id));
    }
    Value::Object(wire)
}

/// Plain text wherever there are no pictures: parts are unknown to many servers.
fn wire_content(content: &str, images: &[String]) -> Value {
    if images.is_empty() {
        return content.into();
    }
    let text = (!content.is_empty()).then(|| json!({ "type": "text", "text": content }));
    let pictures = images.iter().map(|url| json!({ "type": "image_url", "image_url": { "url": url } }));
    text.into_iter().chain(pictures).collect()
}

fn wire_call(call: &ToolCall) -> Value {
    let ToolCall { id, name, arguments } = call;
    let arguments = match arguments {
        Value::String(text) => text.clone(),
        value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            value.to_string()
        }
    };
    json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
}

fn wire_messages(messages: &[Message], schema: Option<&Value>, mode: SchemaMode) -> Value {
    let mut wire: Vec<Value> = messages.iter().map(wire_message).collect();
    let instruction = match (schema, mode) {
        (Some(schema), SchemaMode::JsonObject | SchemaMode::Prompt) => in_words(schema),
        (Some(_), SchemaMode::Native) | (None, _) => return Value::Array(wire),
    };
    // One system message in front is what every chat template knows; a second one is not.
    match messages.first() {
        Some(Message { role: Role::System, content, .. }) => {
            let content = format!("{content}\n\n{instruction}");
            if let Some(first) = wire.first_mut() {
                *first = json!({ "role": "system", "content": content });
            }
        }
        Some(Message { role: Role::User | Role::Assistant | Role::Tool, .. }) | None => {
            wire.insert(0, json!({ "role": "system", "content": instruction }));
        }
    }
    Value::Array(wire)
}

/// Providers that enforce JSON want the word in the prompt, or they refuse.
fn in_words(schema: &Value) -> String {
    format!(
        "Answer with a single JSON value and nothing else: no explanation and no code fence. \
         It must be valid against this JSON Schema:\n{schema}"
    )
}

/// OpenAI's strict mode takes only schemas in which every object closes itself and requires all it has.
fn can_be_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let closed = match members.get("properties") {
                Some(Value::Object(properties)) => {
                    let required = members.get("required").and_then(Value::as_array);
                    members.get("additionalProperties") == Some(&Value::Bool(false))
                        && properties
                            .keys()
                            .all(|name| required.is_some_and(|names| names.iter().any(|it| it.as_str() == Some(name))))
                }
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => false,
                None => members.get("type").and_then(Value::as_str) != Some("object"),
            };
            closed && members.values().all(can_be_strict)
        }
        Value::Array(items) => items.iter().all(can_be_strict),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::can_be_strict;

    #[test]
    fn only_closed_schemas_are_sent_as_strict() {
        let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
        let mut open = closed.clone();
        open["additionalProperties"] = json!(true);
        let mut optional = closed.clone();
        optional["required"] = json!([]);
        assert!(can_be_strict(&closed));
        assert!(!can_be_strict(&open));
        assert!(!can_be_strict(&optional));
        assert!(!can_be_strict(&json!({"type": "array", "items": open})));
        assert!(can_be_strict(&json!({"type": "string", "enum": ["a", "b"]})));
    }
}
