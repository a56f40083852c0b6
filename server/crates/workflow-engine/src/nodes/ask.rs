//! `ask`: asks the visitor something and waits for the answer, however long it takes. The answer is a text, one of a few
//! options, or fields. What cannot be understood is asked again, with the reason, a few times.

mod options;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::duration::{check_wait, wait_of};
use crate::effect::{Effect, EffectError, MessageRole, Outcome, Question, QuestionKind, QuestionOption};
use crate::node::{
    Behaviour, Built, DONE, Declaration, Next, PortsInfo, Step, Words, count_of, invalid_input, object_schema, text_of,
};
use crate::nodes::fields::{self, Extraction, Fields, Language, Read, too_long, wanted};
use crate::nodes::people::{Reply, Said, by_schema, reply};
use options::Match;

const TIMEOUT: &str = "timeout";
const DEFAULT_ATTEMPTS: u32 = 3;
/// Whoever has been asked ten times will not say it the eleventh time.
const MAX_ATTEMPTS: u32 = 10;

const EXAMPLE: &str = r#"workflow: order
nodes:
  place:
    use: ask
    with:
      question: 堂食还是外带？ Eat in or take away?
      options: { eat_in: 堂食, take_away: 外带 }
      timeout: 2h
  table: { use: answer, after: [place.eat_in], with: { text: 请坐。 } }
  bag: { use: answer, after: [place.take_away], with: { text: 马上打包。 } }
  unclear: { use: answer, after: [place.done, place.timeout], with: { text: 需要时再叫我。 } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "ask",
    title: Words { en: "Ask the visitor", zh: "询问访客" },
    summary: Words {
        en: "Asks a question and waits for the answer: a text, an option, or fields.",
        zh: "提出问题并等待回答：一段话、一个选项或若干字段。",
    },
    config,
    outputs,
    ports,
    streams: false,
    caches: false,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    object_schema(
        json!({
            "question": { "title": "Question · 问题", "description": "What the visitor reads · 访客看到的话", "type": "string", "x-widget": "template" },
            "options": { "title": "Options · 选项", "description": "Id: title, or a list of ids; each is a way out · id: 标题，或 id 列表；每个选项是一个出口",
                "type": ["object", "array"], "minProperties": 1, "minItems": 1, "items": { "type": "string" },
                "additionalProperties": { "type": ["string", "number", "null"] }, "x-widget": "options" },
            "fields": fields::config(),
            "timeout": { "title": "Time limit · 时限", "description": "Then the way out is `timeout`: 2h, 3d · 到时走 timeout：2h、3d",
                "type": ["string", "number"], "x-widget": "duration" },
            "max_attempts": { "title": "Most attempts · 最多询问次数", "description": "How often it asks until it understands the answer · 听不懂回答时最多问几次",
                "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS, "default": DEFAULT_ATTEMPTS },
            "instructions": { "title": "Instructions · 说明", "description": "Said to the model that reads the fields · 告诉提取字段的模型的话", "type": "string", "x-widget": "template" },
            "model": { "title": "Model · 模型", "description": "Reads the fields out of the answer · 从回答里提取字段",
                "type": "string", "default": super::llm::DEFAULT_MODEL, "x-widget": "model" },
        }),
        &["question"],
    )
}

fn outputs() -> Value {
    let fields = json!({ "type": "object", "additionalProperties": true });
    output_schema(json!({ "type": ["string", "null"] }), fields)
}

fn output_schema(option: Value, fields: Value) -> Value {
    object_schema(
        json!({ "answer": { "type": "string" }, "option": option, "fields": fields, "by": by_schema() }),
        &["answer", "option", "fields", "by"],
    )
}

fn ports() -> PortsInfo {
    PortsInfo { fixed: vec![DONE, TIMEOUT], from: Some("options") }
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let options = options::read(context);
    let fields = Fields::read(context, &[]);
    check_wait(context, "timeout");
    let choices: Vec<Value> = options.iter().map(|it| json!(it)).chain([Value::Null]).collect();
    let properties = fields.nullable();
    let names: Vec<&String> = properties.keys().collect();
    let outputs = output_schema(
        json!({ "type": ["string", "null"], "enum": choices }),
        json!({ "type": "object", "required": names, "properties": properties, "additionalProperties": false }),
    );
    let mut ports = options.clone();
    ports.extend([DONE.to_owned(), TIMEOUT.to_owned()]);
    Some(Built {
        behaviour: Box::new(Ask { options, fields, title: context.title.unwrap_or(context.id).to_owned() }),
        input: context.input(&["fields"]),
        ports,
        outputs,
        streams: false,
        acts: true,
        says: true,
        answer: None,
    })
}

#[derive(Debug)]
struct Ask {
    /// Ids, in the document's order.
    options: Vec<String>,
    fields: Fields,
    /// Of the node.
    title: String,
}

/// What the node remembers while an effect is on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    question: String,
    language: Language,
    options: Vec<QuestionOption>,
    timeout_ms: Option<u64>,
    /// What the visitor read last: the question, after what was wrong with the answer before.
    asked: String,
    /// How often it may still ask.
    left: u32,
    extraction: Extraction,
    /// The effect on its way is the model's, not the visitor's.
    reading: bool,
    /// What the visitor said last.
    answer: String,
    option: Option<String>,
    known: Map<String, Value>,
    by: Value,
}

/// Why an answer is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    TooLong,
    Nothing,
    /// No option was meant, or fields are missing.
    Parts,
}

impl Behaviour for Ask {
    /// A model that fails is not the end: the visitor's words may do without it.
    fn absorbs_failure_of(&self, _: &Effect) -> bool {
        true
    }

    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let question = text_of(input, "question");
        if question.trim().is_empty() {
            return Err(invalid_input("`question` is empty"));
        }
        let memory = Memory {
            language: Language::of(&question),
            options: options::shown(&self.options, input),
            timeout_ms: wait_of(input, "timeout")?,
            left: count_of(input, "max_attempts", MAX_ATTEMPTS)?.unwrap_or(DEFAULT_ATTEMPTS) - 1,
            extraction: Extraction::new(input),
            reading: false,
            answer: String::new(),
            option: None,
            known: Map::new(),
            by: Value::Null,
            asked: String::new(),
            question,
        };
        let text = memory.question.clone();
        Ok(self.ask(memory, text))
    }

    fn resume(&self, _: &mut Step<'_>, memory: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let memory: Memory = serde_json::from_value(memory).map_err(|it| super::llm::broken_memory(&it))?;
        if memory.reading {
            return self.read(memory, outcome);
        }
        let value = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        match reply(&value)? {
            Reply::TimedOut => Ok(self.leave(&memory, TIMEOUT)),
            Reply::TooLong => Ok(self.again(memory, Lack::TooLong, &[])),
            Reply::Said(said) => Ok(self.heard(memory, said)),
        }
    }
}

impl Ask {
    /// Takes what a person said or entered.
    fn heard(&self, mut memory: Memory, said: Said) -> Next {
        let Said { text, option, fields, by } = said;
        if !by.is_null() {
            memory.by = by;
        }
        let chosen = option.is_some() && !memory.options.is_empty();
        let entered = fields.is_some() && !self.fields.is_empty();
        if text.is_empty() && !chosen && !entered {
            return self.again(memory, Lack::Nothing, &[]);
        }
        memory.answer.clone_from(&text);
        let meant = options::find(&memory.options, &text);
        // A text that is an option and nothing else says nothing about fields.
        let only_chooses = meant.is_some_and(|it| it.1 == Match::Whole);
        let pressed = option.and_then(|it| options::find(&memory.options, &it));
        if let (Some((found, _)), None) = (pressed.or(meant), &memory.option) {
            if text.is_empty() {
                memory.answer.clone_from(&found.title);
            }
            memory.option = Some(found.name.clone());
        }
        let given = fields.unwrap_or_default();
        let refused = self.fields.take(&given, &mut memory.known);
        if !given.is_empty() || text.is_empty() || only_chooses || self.fields.is_empty() {
            return self.decide(memory, &refused);
        }
        memory.extraction.hear(MessageRole::Assistant, &memory.asked);
        memory.extraction.hear(MessageRole::User, &text);
        self.ask_model(memory)
    }

    fn ask_model(&self, mut memory: Memory) -> Next {
        memory.reading = true;
        Next::Ask { effect: memory.extraction.effect(&self.fields, &memory.known), memory: json!(memory) }
    }

    /// Takes what the model read in the visitor's words.
    fn read(&self, mut memory: Memory, outcome: Outcome) -> Result<Next, EffectError> {
        memory.reading = false;
        let refused = match outcome {
            Outcome::Ok { value } => match memory.extraction.answered(&self.fields, &mut memory.known, &value) {
                Read::Again => return Ok(self.ask_model(memory)),
                Read::Taken(refused) => refused,
            },
            Outcome::Failed { error } => {
                // Without a model the words are taken for the one field that they can be about.
                let field = self.fields.only_open(&memory.known);
                if field.is_none() && !self.fields.missing(&memory.known).is_empty() {
                    return Err(error);
                }
                let given = field.map(|it| (it.to_owned(), json!(memory.answer))).into_iter().collect();
                self.fields.take(&given, &mut memory.known)
            }
        };
        // A required field of which the model understood something wrong is missing; any other is as good as not said.
        let missing = self.fields.missing(&memory.known);
        let refused: Vec<String> = refused.into_iter().filter(|it| missing.contains(it)).collect();
        Ok(self.decide(memory, &refused))
    }

    /// Leaves when everything is known, else asks again.
    fn decide(&self, memory: Memory, refused: &[String]) -> Next {
        let chosen = memory.options.is_empty() || memory.option.is_some();
        if chosen && refused.is_empty() && self.fields.missing(&memory.known).is_empty() {
            return self.leave(&memory, DONE);
        }
        self.again(memory, Lack::Parts, refused)
    }

    /// Asks again and says why, or leaves with what is known.
    fn again(&self, mut memory: Memory, lack: Lack, refused: &[String]) -> Next {
        if memory.left == 0 {
            return self.leave(&memory, DONE);
        }
        memory.left -= 1;
        let mut lines = Vec::new();
        match lack {
            Lack::TooLong => lines.push(too_long(memory.language).to_owned()),
            Lack::Nothing => {
                let line = memory
                    .language
                    .pick("I did not get an answer; please say it again.", "没有收到您的回答，请再说一次。");
                lines.push(line.to_owned());
            }
            Lack::Parts => {}
        }
        if memory.option.is_none() && !memory.options.is_empty() {
            lines.push(options::choose_one(&memory.options, memory.language));
        }
        let missing = self.fields.missing(&memory.known);
        if lack == Lack::Parts && !(missing.is_empty() && refused.is_empty()) {
            lines.push(wanted(memory.language, &self.fields, &missing, refused));
        }
        lines.push(memory.question.clone());
        self.ask(memory, lines.join("\n"))
    }

    fn ask(&self, mut memory: Memory, text: String) -> Next {
        memory.asked.clone_from(&text);
        let question = Question {
            kind: QuestionKind::Ask,
            title: self.title.clone(),
            text,
            options: if memory.option.is_none() { memory.options.clone() } else { Vec::new() },
            fields: self.fields.form(&memory.known),
            who: None,
            timeout_ms: memory.timeout_ms,
        };
        Next::Ask { effect: Effect::AskHuman(Box::new(question)), memory: json!(memory) }
    }

    /// By the option if one was meant, unless time is up.
    fn leave(&self, memory: &Memory, port: &str) -> Next {
        let port = if port == TIMEOUT { TIMEOUT } else { memory.option.as_deref().unwrap_or(port) };
        let output = json!({
            "answer": memory.answer,
            "option": memory.option,
            "fields": self.fields.complete(&memory.known),
            "by": memory.by,
        });
        Next::Done { ports: vec![port.to_owned()], output }
    }
}
