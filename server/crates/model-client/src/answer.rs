//! Puts the chunks of a stream together into a completion.
//!
//! Chunks are read as plain JSON: what is asked of them is little, and a field of an unexpected type in one that does not
//! matter (`logprobs`, a provider's own) must not cost the answer.

use serde_json::Value;

use crate::think::ThinkSplitter;
use crate::tool_calls::ToolCalls;
use crate::{Completion, ModelDelta, Usage, json_answer};

#[derive(Debug)]
pub(crate) struct Answer {
    text: String,
    reasoning: String,
    usage: Usage,
    model: Option<String>,
    finish_reason: Option<String>,
    think: ThinkSplitter,
    calls: ToolCalls,
}

/// What a chunk brought.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) deltas: Vec<ModelDelta>,
    /// Whether the model has begun to answer, in whatever way: words, thoughts, or a call of a tool.
    pub(crate) begun: bool,
}

impl Answer {
    pub(crate) fn new() -> Answer {
        Answer {
            text: String::new(),
            reasoning: String::new(),
            usage: Usage::default(),
            model: None,
            finish_reason: None,
            think: ThinkSplitter::new(),
            calls: ToolCalls::default(),
        }
    }

    pub(crate) fn take(&mut self, chunk: &Value) -> Brought {
        if let Some(model) = chunk.get("model").and_then(Value::as_str).filter(|model| !model.is_empty()) {
            self.model = Some(model.to_owned());
        }
        // Groq puts it under a name of its own. Whoever sends it with every chunk counts upwards: the last one holds.
        if let Some(usage) = usage(chunk.get("usage")).or_else(|| usage(chunk.pointer("/x_groq/usage"))) {
            self.usage = usage;
        }
        let Some(choice) = chunk.pointer("/choices/0") else { return Brought::default() };
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str).filter(|reason| !reason.is_empty()) {
            self.finish_reason = Some(reason.to_owned());
        }
        // `message` is the answer in one piece, of a provider that does not stream.
        let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) else { return Brought::default() };
        let deltas = self.words(delta);
        self.calls.take(delta);
        let calls = delta.get("tool_calls").is_some_and(|calls| !calls.is_null());
        for delta in &deltas {
            self.keep(delta);
        }
        Brought { begun: calls || !deltas.is_empty(), deltas }
    }

    /// Whether the provider has said that the answer is over.
    pub(crate) fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// The last delta, if some text was held back, and the whole.
    pub(crate) fn finish(mut self, asked_model: &str, as_json: bool) -> (Option<ModelDelta>, Completion) {
        let last = self.think.finish();
        if let Some(last) = &last {
            self.keep(last);
        }
        let Answer { text, reasoning, usage, model, finish_reason, think: _, calls } = self;
        let completion = Completion {
            text: if as_json { json_answer::extracted(&text) } else { text },
            reasoning: Some(reasoning).filter(|reasoning| !reasoning.is_empty()),
            tool_calls: calls.finish(),
            usage,
            model: model.unwrap_or_else(|| asked_model.to_owned()),
            finish_reason: finish_reason.unwrap_or_else(|| "stop".to_owned()),
        };
        (last, completion)
    }

    fn words(&mut self, delta: &Value) -> Vec<ModelDelta> {
        let mut deltas = Vec::new();
        // DeepSeek, Qwen, GLM and vLLM say `reasoning_content`; OpenRouter, Ollama and newer vLLM say `reasoning`.
        let reasoning = ["reasoning_content", "reasoning"].into_iter().find_map(|name| delta.get(name)?.as_str());
        if let Some(reasoning) = reasoning.filter(|reasoning| !reasoning.is_empty()) {
            deltas.push(ModelDelta::Reasoning(reasoning.to_owned()));
        }
        match delta.get("content") {
            Some(Value::String(text)) => deltas.extend(self.think.push(text)),
            // Mistral sends parts, of which some are thoughts.
            Some(Value::Array(parts)) => {
                for part in parts {
                    if let Some(thought) = part.get("thinking") {
                        deltas.extend(thought_of(thought).map(ModelDelta::Reasoning));
                    } else if let Some(text) = part.get("text").and_then(Value::as_str) {
                        deltas.extend(self.think.push(text));
                    }
                }
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
        }
        // OpenAI's refusal in words stands where the answer would have.
        if let Some(refusal) = delta.get("refusal").and_then(Value::as_str).filter(|refusal| !refusal.is_empty()) {
            deltas.push(ModelDelta::Text(refusal.to_owned()));
        }
        deltas
    }

    fn keep(&mut self, delta: &ModelDelta) {
        match delta {
            ModelDelta::Text(text) => self.text.push_str(text),
            ModelDelta::Reasoning(reasoning) => self.reasoning.push_str(reasoning),
        }
    }
}

fn thought_of(thought: &Value) -> Option<String> {
    let text = match thought {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

fn usage(value: Option<&Value>) -> Option<Usage> {
    let value = value?;
    let count = |name: &str| value.get(name).and_then(Value::as_u64);
    let (input, output) = (count("prompt_tokens"), count("completion_tokens"));
    (input.is_some() || output.is_some()).then(|| Usage {
        input_tokens: input.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        reported: true,
    })
}
