//! `extract`: reads fields out of what somebody says. What is missing can be asked for, a few times; then the way out is
//! `incomplete`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, MessageRole, Outcome, Question, QuestionKind};
use crate::node::{
    Behaviour, Built, DONE, Declaration, Next, PortsInfo, Step, Words, invalid_input, object_schema, text_of,
};
use crate::nodes::fields::{self, Extraction, Fields, Language, Read, too_long, wanted};
use crate::nodes::people::{Reply, reply};

const INCOMPLETE: &str = "incomplete";
/// What the output has besides the fields.
const TAKEN: [&str; 2] = ["missing", "usage"];
/// Whoever has been asked ten times will not say it the eleventh time.
const MAX_ASKED: u64 = 10;

const EXAMPLE: &str = r#"workflow: reserve
nodes:
  table:
    use: extract
    with:
      text: "{{ chat.message }}"
      history: true
      fields:
        name: string
        people: { type: integer, minimum: 1, title: number of people }
        note: string?
      ask_missing: { max: 2 }
  booked: { use: answer, after: [table.done], with: { text: "{{ table.name }}, {{ table.people }} people: booked." } }
  sorry: { use: answer, after: [table.incomplete], with: { text: Please call us. } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "extract",
    title: Words { en: "Extract fields", zh: "提取字段" },
    summary: Words {
        en: "Reads fields out of what somebody says, and can ask for what is missing.",
        zh: "从对方说的话里提取字段，缺少的可以追问。",
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
    object_schema(
        json!({
            "text": { "title": "Text · 文本", "type": "string", "x-widget": "template" },
            "fields": fields::config(),
            "history": { "title": "History · 对话历史", "description": "true, or how many turns · true 或轮数", "type": ["boolean", "integer"], "minimum": 0, "default": false },
            "instructions": { "title": "Instructions · 说明", "description": "Said to the model in addition, for example today's date · 另外告诉模型的话，例如今天的日期", "type": "string", "x-widget": "template" },
            "model": { "title": "Model · 模型", "type": "string", "default": super::llm::DEFAULT_MODEL, "x-widget": "model" },
            "ask_missing": { "title": "Ask for what is missing · 追问缺少的字段", "description": "How often at most; 0 is never · 最多追问几次，0 为不追问",
                "type": ["object", "integer"], "minimum": 0, "maximum": MAX_ASKED, "default": 0, "required": ["max"], "additionalProperties": false,
                "properties": { "max": { "title": "At most · 最多次数", "type": "integer", "minimum": 0, "maximum": MAX_ASKED } } },
        }),
        &["text", "fields"],
    )
}

fn outputs() -> Value {
    output_schema(Map::new(), true)
}

/// The fields stand beside `missing`, the names of required fields that nothing is known of, and `usage`.
fn output_schema(mut fields: Map<String, Value>, open: bool) -> Value {
    fields.insert("missing".to_owned(), json!({ "type": "array", "items": { "type": "string" } }));
    let tokens = json!({ "type": "integer" });
    fields.insert(
        "usage".to_owned(),
        json!({ "type": "object", "properties": { "input_tokens": tokens, "output_tokens": tokens } }),
    );
    let required: Vec<&String> = fields.keys().collect();
    json!({ "type": "object", "required": required, "properties": fields, "additionalProperties": open })
}

fn ports() -> PortsInfo {
    PortsInfo { fixed: vec![DONE, INCOMPLETE], from: None }
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    context.get("fields").filter(|it| it.is_map())?;
    let fields = Fields::read(context, &TAKEN);
    let outputs = output_schema(fields.nullable(), false);
    let asks = context.get("ask_missing").is_some();
    Some(Built {
        behaviour: Box::new(Extract { fields, title: context.title.unwrap_or(context.id).to_owned() }),
        input: context.input(&["fields"]),
        ports: vec![DONE.to_owned(), INCOMPLETE.to_owned()],
        outputs,
        streams: false,
        acts: false,
        says: asks,
        answer: None,
    })
}

#[derive(Debug)]
struct Extract {
    fields: Fields,
    /// Of the node.
    title: String,
}

/// What the node remembers while an effect is on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    extraction: Extraction,
    known: Map<String, Value>,
    /// How often it may still ask for what is missing.
    left: u64,
    language: Language,
    /// What the visitor has been asked and has not answered.
    question: Option<String>,
}

impl Behaviour for Extract {
    fn start(&self, step: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let mut extraction = Extraction::new(input);
        extraction.hear_all(&super::llm::history(step.chat, input.get("history"))?);
        extraction.hear(MessageRole::User, &text_of(input, "text"));
        let language = Language::of(extraction.said());
        let left = ask_missing(input)?;
        let memory = Memory { extraction, known: Map::new(), left, language, question: None };
        if memory.extraction.said().is_empty() {
            // Nothing was said, so there is nothing to ask a model about.
            return Ok(self.decide(memory, &[], ""));
        }
        Ok(self.ask_model(memory))
    }

    fn resume(&self, _: &mut Step<'_>, memory: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let mut memory: Memory = serde_json::from_value(memory).map_err(|it| super::llm::broken_memory(&it))?;
        let value = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let Some(question) = memory.question.take() else {
            return Ok(match memory.extraction.answered(&self.fields, &mut memory.known, &value) {
                Read::Again => self.ask_model(memory),
                Read::Taken(refused) => self.decide(memory, &refused, ""),
            });
        };
        match reply(&value)? {
            Reply::TimedOut => Ok(self.finish(&memory)),
            Reply::TooLong => {
                let complaint = too_long(memory.language);
                Ok(self.decide(memory, &[], complaint))
            }
            Reply::Said(said) => {
                let refused = said.fields.map(|it| self.fields.take(&it, &mut memory.known)).unwrap_or_default();
                if said.text.is_empty() {
                    return Ok(self.decide(memory, &refused, ""));
                }
                memory.extraction.hear(MessageRole::Assistant, &question);
                memory.extraction.hear(MessageRole::User, &said.text);
                Ok(self.ask_model(memory))
            }
        }
    }
}

impl Extract {
    fn ask_model(&self, memory: Memory) -> Next {
        Next::Ask { effect: memory.extraction.effect(&self.fields, &memory.known), memory: json!(memory) }
    }

    /// Done, or another question to the visitor after a complaint about the last answer, or `incomplete`.
    fn decide(&self, mut memory: Memory, refused: &[String], complaint: &str) -> Next {
        let missing = self.fields.missing(&memory.known);
        if missing.is_empty() || memory.left == 0 {
            return self.finish(&memory);
        }
        memory.left -= 1;
        let refused: Vec<String> = refused.iter().filter(|it| missing.contains(it)).cloned().collect();
        let asked = wanted(memory.language, &self.fields, &missing, &refused);
        let text = if complaint.is_empty() { asked } else { format!("{complaint}\n{asked}") };
        memory.question = Some(text.clone());
        let question = Question {
            kind: QuestionKind::Ask,
            title: self.title.clone(),
            text,
            options: Vec::new(),
            fields: self.fields.form(&memory.known),
            who: None,
            timeout_ms: None,
        };
        Next::Ask { effect: Effect::AskHuman(Box::new(question)), memory: json!(memory) }
    }

    fn finish(&self, memory: &Memory) -> Next {
        let missing = self.fields.missing(&memory.known);
        let port = if missing.is_empty() { DONE } else { INCOMPLETE };
        let mut output = self.fields.complete(&memory.known);
        output.insert("missing".to_owned(), json!(missing));
        output.insert("usage".to_owned(), memory.extraction.usage().clone());
        Next::Done { ports: vec![port.to_owned()], output: Value::Object(output) }
    }
}

/// `{max: n}`, or the number alone.
fn ask_missing(input: &Value) -> Result<u64, EffectError> {
    let Some(setting) = input.get("ask_missing") else { return Ok(0) };
    let max = match setting {
        Value::Object(of) => of.get("max").unwrap_or(&Value::Null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => setting,
    };
    match max {
        Value::Null | Value::Bool(false) => Ok(0),
        Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            max.as_u64().filter(|it| *it <= MAX_ASKED).ok_or_else(|| {
                invalid_input(format!("`ask_missing` must be a whole number from 0 to {MAX_ASKED}, it is `{max}`"))
            })
        }
    }
}
