//! Asks a language model, passing its words on as they come.

use model_client::{ModelDelta, Role};
use serde_json::json;
use workflow_engine::{Delta, EffectError, EffectId, Message, MessageRole, Outcome};

use super::{Surroundings, refused};

pub(super) async fn perform(
    around: &Surroundings,
    id: EffectId,
    model: &str,
    request: model_client::CompletionRequest,
) -> Outcome {
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
            Outcome::Ok {
                value: json!({
                    "text": done.text,
                    "reasoning": done.reasoning,
                    "usage": { "input_tokens": done.usage.input_tokens, "output_tokens": done.usage.output_tokens },
                    "model": done.model,
                    "finish_reason": done.finish_reason,
                }),
            }
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

pub(super) fn message(message: Message) -> model_client::Message {
    let role = match message.role {
        MessageRole::System => Role::System,
        MessageRole::User => Role::User,
        MessageRole::Assistant | MessageRole::Tool => Role::Assistant,
    };
    model_client::Message { role, content: message.content }
}
