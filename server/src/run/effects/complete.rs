//! Asks a language model, passing its words on as they come.

use model_client::{Completion, CompletionRequest, ModelDelta, Role};
use serde_json::{Map, Value, json};
use workflow_engine::{Delta, EffectError, EffectId, Message, MessageRole, Outcome, ToolCall, ToolDefinition};

use super::{Surroundings, refused};
use crate::config::ModelPrice;

pub(super) async fn perform(around: &Surroundings, id: EffectId, model: &str, request: CompletionRequest) -> Outcome {
    let client = match around.app.model(around.tenant, model).await {
        Ok(client) => client,
        Err(error) => return refused(error),
    };
    let mut on_delta = |delta: ModelDelta| {
        let delta = match delta {
            ModelDelta::Text(text) => Delta::Text(text),
            ModelDelta::Reasoning(text) => Delta::Reasoning(text),
        };
        around.delta(id, delta);
    };
    match client.complete(request, &mut on_delta).await {
        Ok(done) => {
            around.usage.add(done.usage.input_tokens, done.usage.output_tokens);
            Outcome::Ok { value: value(done, around.app.model_price()) }
        }
        Err(error) => {
            tracing::warn!(run.id = %around.run, error = %error, "the language model did not answer");
            Outcome::Failed {
                error: EffectError {
                    code: error.code().to_owned(),
                    message: error.author_message(),
                    hint: error.hint(),
                    retry_after_ms: error.retry_after_ms(),
                },
            }
        }
    }
}

/// The completion as the engine understands it.
fn value(done: Completion, price: Option<ModelPrice>) -> Value {
    let Completion { text, reasoning, tool_calls, usage, model, finish_reason } = done;
    let mut counted = Map::new();
    counted.insert("input_tokens".into(), json!(usage.input_tokens));
    counted.insert("output_tokens".into(), json!(usage.output_tokens));
    if let Some(price) = price {
        counted.insert("cost".into(), json!(cost(usage, price)));
    }
    let mut value = json!({
        "text": text,
        "reasoning": reasoning,
        "usage": counted,
        "model": model,
        "finish_reason": finish_reason,
    });
    if let Some(members) = value.as_object_mut()
        && !tool_calls.is_empty()
    {
        let calls = tool_calls.into_iter().map(
            |model_client::ToolCall { id, name, arguments }| json!({ "id": id, "name": name, "arguments": arguments }),
        );
        members.insert("tool_calls".into(), calls.collect());
    }
    value
}

#[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
fn cost(usage: model_client::Usage, price: ModelPrice) -> f64 {
    (usage.input_tokens as f64 * price.input + usage.output_tokens as f64 * price.output) / 1e6
}

pub(super) fn message(message: Message) -> model_client::Message {
    let Message { role, content, images, tool_calls, tool_call_id } = message;
    let role = match role {
        MessageRole::System => Role::System,
        MessageRole::User => Role::User,
        MessageRole::Assistant => Role::Assistant,
        MessageRole::Tool => Role::Tool,
    };
    let tool_calls = tool_calls
        .into_iter()
        .map(|ToolCall { id, name, arguments }| model_client::ToolCall { id, name, arguments })
        .collect();
    model_client::Message { role, content, images, tool_calls, tool_call_id }
}

pub(super) fn tool(tool: ToolDefinition) -> model_client::Tool {
    let ToolDefinition { name, description, parameters } = tool;
    model_client::Tool { name, description, parameters }
}

#[cfg(test)]
mod tests {
    use model_client::{Completion, ToolCall, Usage};
    use serde_json::json;

    use super::value;
    use crate::config::ModelPrice;

    #[test]
    fn a_completion_tells_its_calls_and_what_it_cost() {
        let done = Completion {
            text: String::new(),
            reasoning: None,
            tool_calls: vec![ToolCall { id: "a".into(), name: "f".into(), arguments: json!({ "x": 1 }) }],
            usage: Usage { input_tokens: 2_000_000, output_tokens: 500_000, reported: true },
            model: "m".into(),
            finish_reason: "tool_calls".into(),
        };
        let told = value(done.clone(), Some(ModelPrice { input: 0.5, output: 2.0 }));
        assert_eq!(told["usage"], json!({ "input_tokens": 2_000_000, "output_tokens": 500_000, "cost": 2.0 }));
        assert_eq!(told["tool_calls"], json!([{ "id": "a", "name": "f", "arguments": { "x": 1 } }]));
        let plain = value(Completion { tool_calls: Vec::new(), ..done }, None);
        assert!(plain.get("tool_calls").is_none() && plain["usage"].get("cost").is_none(), "{plain}");
    }
}
