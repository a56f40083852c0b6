//! `classify_intent`: which of a few intents does a text express? Leaves by that intent's port, or by `other`.
//!
//! Ways to decide, in this order: an exact match with an example; embeddings (`scores`), when they are clear; a language
//! model that must choose from the list; overlap of words (`words`), when there is neither. Whatever goes wrong on the way
//! ends in `other`: a classifier that fails must not stop a conversation, and one that guesses sends it the wrong way.

mod model;
mod scores;
pub(super) mod words;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, EmbedPurpose, MessageRole, Outcome};
use crate::names::is_id;
use crate::node::{Behaviour, Built, Declaration, Next, PortsInfo, Step, Words, number_of, object_schema, text_of};
use crate::yaml::Yaml;
use scores::{Decision, Judgement};

pub(crate) const OTHER: &str = "other";
/// Earlier turns that the model is shown when `history: true`.
const DEFAULT_HISTORY: u64 = 6;

const EXAMPLE: &str = r#"workflow: front_desk
inputs: { question: string }
nodes:
  wish:
    use: classify_intent
    with:
      text: "{{ inputs.question }}"
      intents:
        order: { description: wants to order, examples: [我要一份黄焖鸡, I would like to order] }
        hours: asks when the restaurant is open
  order: { use: answer, after: [wish.order], with: { text: 好的，要几份？ } }
  hours: { use: answer, after: [wish.hours], with: { text: 每天 10:00–22:00 } }
  other: { use: answer, after: [wish.other], with: { text: 请再说一遍 } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "classify_intent",
    title: Words { en: "Recognise intent", zh: "识别意图" },
    summary: Words {
        en: "Finds out what somebody wants and takes that way out; unclear or unrelated texts take `other`.",
        zh: "判断对方想做什么并走对应出口；不清楚或不相关的走 other。",
    },
    config,
    outputs,
    ports,
    streams: false,
    caches: true,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    let intent = json!({ "type": ["object", "string", "null"], "additionalProperties": false, "properties": {
        "title": { "type": "string" },
        "description": { "type": "string" },
        "examples": { "type": "array", "items": { "type": ["string", "number", "boolean"] } } } });
    object_schema(
        json!({
            "text": { "title": "Text · 文本", "type": "string", "x-widget": "template" },
            "intents": { "title": "Intents · 意图", "description": "Name: description, or {title, description, examples} · 名称: 描述，或 {title, description, examples}",
                "type": "object", "minProperties": 1, "additionalProperties": intent, "x-widget": "intents" },
            "history": { "title": "History · 对话历史", "description": "true, or how many turns · true 或轮数", "type": ["boolean", "integer"], "minimum": 0, "default": false },
            "instructions": { "title": "Instructions · 说明", "description": "Said to the model in addition · 另外告诉模型的话", "type": "string", "x-widget": "template" },
            "strategy": { "title": "Strategy · 方式", "type": "string", "enum": ["auto", "embedding", "model"], "default": "auto" },
            "model": { "title": "Model · 模型", "type": "string", "default": super::llm::DEFAULT_MODEL, "x-widget": "model" },
            "threshold": { "title": "Threshold · 阈值", "description": "Least confidence; below it the way out is `other` · 最低置信度，低于它走 other", "type": "number", "minimum": 0, "maximum": 1, "default": 0 },
            "multi": { "title": "Several intents · 多个意图", "type": "boolean", "default": false },
        }),
        &["text", "intents"],
    )
}

fn outputs() -> Value {
    object_schema(
        json!({
            "intent": { "type": "string" },
            "intents": { "type": "array", "items": { "type": "string" } },
            "confidence": { "type": "number" },
            "method": { "type": "string", "enum": ["exact", "embedding", "model", "lexical", "none"] },
            "candidates": { "type": "array", "items": { "type": "object" } },
            "reason": { "type": "string" },
        }),
        &["intent", "intents", "confidence", "method", "candidates", "reason"],
    )
}

fn ports() -> PortsInfo {
    PortsInfo { fixed: vec![OTHER], from: Some("intents") }
}

/// An intent as it is declared.
#[derive(Debug)]
pub(super) struct Intent {
    name: String,
    title: String,
    description: String,
    examples: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Auto,
    Embedding,
    Model,
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let node = context.get("intents").filter(|it| it.is_map())?;
    let mut intents = Vec::new();
    for entry in node.entries() {
        if entry.key == OTHER || entry.key == "error" {
            let message = format!("`{}` is a way out already", entry.key);
            context
                .diagnostics()
                .error("reserved_id", entry.key_span, message)
                .hint("what fits no intent leaves by `other`; take this one out");
        } else if !is_id(&entry.key) {
            context.context.invalid_id(&entry.key, entry.key_span);
        }
        let text = |key: &str| entry.value.get(key).and_then(|it| it.as_str()).unwrap_or_default().to_owned();
        let examples = match entry.value.get("examples").map(|it| &it.value) {
            Some(Yaml::List(items)) => items.iter().map(example).collect(),
            Some(Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) | Yaml::Map(_)) | None => Vec::new(),
        };
        let description = entry.value.as_str().map_or_else(|| text("description"), str::to_owned);
        if description.trim().is_empty() && examples.is_empty() {
            let message = format!("the intent `{}` has neither a description nor examples", entry.key);
            context
                .diagnostics()
                .warning("vague_intent", entry.key_span, message)
                .hint("describe in a sentence when it applies");
        }
        intents.push(Intent { name: entry.key.clone(), title: text("title"), description, examples });
    }
    let strategy = match context.get("strategy").and_then(|it| it.as_str()) {
        Some("embedding") => Strategy::Embedding,
        Some("model") => Strategy::Model,
        Some(_) | None => Strategy::Auto,
    };
    let multi = matches!(context.get("multi").map(|it| &it.value), Some(Yaml::Bool(true)));
    let mut ports: Vec<String> = intents.iter().map(|it| it.name.clone()).collect();
    ports.push(OTHER.to_owned());
    Some(Built {
        behaviour: Box::new(Classify { intents, strategy, multi }),
        input: context.input(&["intents", "strategy", "multi"]),
        ports,
        outputs: outputs(),
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

fn example(node: &crate::yaml::Node) -> String {
    node.as_str().map_or_else(|| node.to_json().to_string(), str::to_owned)
}

#[derive(Debug)]
struct Classify {
    intents: Vec<Intent>,
    strategy: Strategy,
    multi: bool,
}

/// What the node remembers while an effect is on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    text: String,
    /// The visitor's message before this one, when history is wanted.
    before: Option<String>,
    model: String,
    messages: Vec<crate::effect::Message>,
    threshold: f64,
    asking: Asking,
    /// What embeddings said, if they could say anything.
    judged: Option<Judgement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asking {
    Embedding,
    Model,
    Repair,
}

impl Behaviour for Classify {
    fn absorbs_failure_of(&self, _: &Effect) -> bool {
        true
    }

    fn start(&self, step: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let text = text_of(input, "text");
        if text.trim().is_empty() {
            return Ok(self.nothing("none", "the text is empty"));
        }
        let normal = words::normalise(&text);
        if let Some(found) = self.intents.iter().find(|it| it.examples.iter().any(|it| words::normalise(it) == normal))
        {
            return Ok(self.decided(&Decision::sure(&found.name), "exact", "the text is one of the examples"));
        }
        let turns = match input.get("history") {
            Some(Value::Bool(true)) => Some(json!(DEFAULT_HISTORY)),
            Some(other) => Some(other.clone()),
            None => None,
        };
        let history = super::llm::history(step.chat, turns.as_ref())?;
        let before = history.iter().rev().find(|it| it.role == MessageRole::User).map(|it| it.content.clone());
        let memory = Memory {
            before,
            model: match text_of(input, "model") {
                name if name.is_empty() => super::llm::DEFAULT_MODEL.to_owned(),
                name => name,
            },
            messages: model::messages(&self.intents, (&text, &text_of(input, "instructions")), &history, self.multi),
            threshold: number_of(input, "threshold")?.unwrap_or(0.0),
            asking: Asking::Embedding,
            judged: None,
            text,
        };
        Ok(match self.strategy {
            Strategy::Auto | Strategy::Embedding => {
                let texts = scores::texts(&self.intents, &memory.text, memory.before.as_deref());
                Next::Ask { effect: Effect::Embed { texts, purpose: EmbedPurpose::Query }, memory: json!(memory) }
            }
            Strategy::Model => self.ask_model(memory, Asking::Model),
        })
    }

    fn resume(&self, _: &mut Step<'_>, memory: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let memory: Memory = serde_json::from_value(memory).map_err(|it| super::llm::broken_memory(&it))?;
        Ok(match memory.asking {
            Asking::Embedding => self.embedded(memory, &outcome),
            Asking::Model => self.answered(memory, outcome, true),
            Asking::Repair => self.answered(memory, outcome, false),
        })
    }
}

impl Classify {
    fn embedded(&self, mut memory: Memory, outcome: &Outcome) -> Next {
        let vectors = match outcome {
            Outcome::Ok { value } => scores::vectors(value),
            Outcome::Failed { .. } => None,
        };
        memory.judged = vectors.and_then(|it| scores::judge(&self.intents, &it, memory.before.is_some()));
        if let Some(judged) = memory.judged.as_ref().filter(|it| it.clear) {
            let decision = judged.decision(self.multi);
            return self.finish(&decision, memory.threshold, ("embedding", &judged.reason));
        }
        match (self.strategy, &memory.judged) {
            (Strategy::Embedding, Some(judged)) => {
                let decision = judged.lean(self.multi);
                self.finish(&decision, memory.threshold, ("embedding", &judged.reason))
            }
            (Strategy::Embedding, None) => self.by_words(&memory, "embeddings are unavailable"),
            (Strategy::Auto | Strategy::Model, _) => self.ask_model(memory, Asking::Model),
        }
    }

    fn ask_model(&self, mut memory: Memory, asking: Asking) -> Next {
        memory.asking = asking;
        let effect = Effect::Complete {
            model: memory.model.clone(),
            messages: memory.messages.clone(),
            temperature: Some(0.0),
            max_tokens: Some(model::MAX_TOKENS),
            schema: Some(model::schema(&self.intents, self.multi)),
            tools: Vec::new(),
        };
        Next::Ask { effect, memory: json!(memory) }
    }

    fn answered(&self, mut memory: Memory, outcome: Outcome, may_repair: bool) -> Next {
        let answer = match outcome {
            Outcome::Ok { value } => value,
            Outcome::Failed { error } => {
                let reason = format!("the model did not answer ({}): {}", error.code, error.message);
                if self.strategy == Strategy::Model {
                    return self.nothing("none", &reason);
                }
                return self.by_words(&memory, &reason);
            }
        };
        let text = answer.get("text").and_then(Value::as_str).unwrap_or_default();
        match model::read(&self.intents, text, self.multi) {
            Ok(decision) => self.finish(&decision, memory.threshold, ("model", "the model chose from the list")),
            Err(problem) if may_repair => {
                memory.messages.extend(model::repair(&self.intents, text, &problem));
                self.ask_model(memory, Asking::Repair)
            }
            Err(problem) => self.nothing("model", &format!("the model's answer cannot be used: {problem}")),
        }
    }

    /// Without a model: what the words of the text say, else what embeddings lean to.
    fn by_words(&self, memory: &Memory, why: &str) -> Next {
        if let Some(decision) = words::decide(&self.intents, &memory.text) {
            return self.finish(&decision, memory.threshold, ("lexical", &format!("{why}; the words decide")));
        }
        match &memory.judged {
            Some(judged) => {
                let decision = judged.lean(self.multi);
                self.finish(&decision, memory.threshold, ("embedding", &format!("{why}; {}", judged.reason)))
            }
            None => {
                let scores = words::candidates(&self.intents, &memory.text);
                let decision = Decision { intents: Vec::new(), confidence: 0.0, scores };
                self.decided(&decision, "lexical", &format!("{why}; no words in common with one intent alone"))
            }
        }
    }

    fn finish(&self, decision: &Decision, threshold: f64, (method, reason): (&str, &str)) -> Next {
        if !decision.intents.is_empty() && decision.confidence < threshold {
            let below = Decision { intents: Vec::new(), ..decision.clone() };
            let reason =
                format!("the confidence {:.2} is below the threshold {threshold}; {reason}", decision.confidence);
            return self.decided(&below, method, &reason);
        }
        self.decided(decision, method, reason)
    }

    fn nothing(&self, method: &str, reason: &str) -> Next {
        self.decided(&Decision { intents: Vec::new(), confidence: 0.0, scores: Vec::new() }, method, reason)
    }

    fn decided(&self, decision: &Decision, method: &str, reason: &str) -> Next {
        let Decision { intents, confidence, scores } = decision;
        let ports = if intents.is_empty() { vec![OTHER.to_owned()] } else { intents.clone() };
        let candidates: Vec<Value> = scores
            .iter()
            .map(|(name, score)| {
                let title =
                    self.intents.iter().find(|it| it.name == *name).map(|it| it.title.clone()).unwrap_or_default();
                let mut candidate = Map::new();
                candidate.insert("intent".to_owned(), json!(name));
                candidate.insert("score".to_owned(), json!(rounded(*score)));
                if !title.is_empty() {
                    candidate.insert("title".to_owned(), json!(title));
                }
                Value::Object(candidate)
            })
            .collect();
        let output = json!({
            "intent": ports.first(),
            "intents": intents,
            "confidence": rounded(*confidence),
            "method": method,
            "candidates": candidates,
            "reason": reason,
        });
        Next::Done { ports, output }
    }
}

/// Four digits are enough to read, and keep traces the same on every machine.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}
