//! `agent`: a model that works towards a goal with tools. What it asks to be called is called, one after the other, and the
//! results go back to it, until it answers without calls or its steps are used up; then it answers with what it has.

mod react;
mod tools;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::tools::Tool;
use super::llm::{self, DEFAULT_MODEL};
use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Message, MessageRole, Outcome, ToolCall};
use crate::node::{
    Behaviour, Built, DONE, Declaration, Next, Step, Words, add_usage, count_of, done_only, invalid_input, number_of,
    object_schema, text_of,
};

/// Enough for a question that takes a few look-ups.
const DEFAULT_STEPS: u32 = 8;
/// An agent that needs more has lost its way, and every step costs all the tokens before it.
const MAX_STEPS: u32 = 50;
/// Calls that one answer of the model may ask for; the rest is dropped, so that a mad answer ends.
const MAX_CALLS: usize = 32;
/// Characters of a result that the model reads: some thousands of tokens.
const MAX_RESULT: usize = 12_000;
/// Between the texts of two rounds.
const PARAGRAPH: &str = "\n\n";

const EXAMPLE: &str = r#"workflow: concierge
inputs: { question: string }
nodes:
  work:
    use: agent
    with:
      goal: "{{ inputs.question }}"
      system: You help the guests of a restaurant.
      tools: [workflow/recommend_dishes, filter_spicy_dishes]
      knowledge: [menu]
      max_steps: 5
  reply: { use: answer, with: { text: "{{ work.text }}" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "agent",
    title: Words { en: "Agent", zh: "智能体" },
    summary: Words {
        en: "Lets a model work towards a goal with tools, workflows and knowledge.",
        zh: "让大模型借助工具、工作流和知识库完成目标。",
    },
    config,
    outputs,
    ports: done_only,
    streams: true,
    caches: true,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    let names = |title: &str, widget: &str| json!({ "title": title, "type": ["array", "string"], "items": { "type": "string" }, "x-widget": widget });
    object_schema(
        json!({
            "goal": { "title": "Goal · 目标", "type": "string", "x-widget": "template" },
            "system": { "title": "System prompt · 系统提示词", "type": "string", "x-widget": "template" },
            "tools": names("Tools and workflows · 工具和工作流", "tools"),
            "knowledge": names("Knowledge bases · 知识库", "knowledge_bases"),
            "model": { "title": "Model · 模型", "type": "string", "default": DEFAULT_MODEL, "x-widget": "model" },
            "history": { "title": "History · 对话历史", "description": "true, or how many turns · true 或轮数",
                "type": ["boolean", "integer"], "minimum": 0, "default": false },
            "temperature": { "title": "Temperature · 温度", "type": "number", "minimum": 0, "maximum": 2 },
            "max_steps": { "title": "Most steps · 最多步数",
                "description": "How often it may ask for tools before it must answer · 作答前最多可以请求几次工具",
                "type": "integer", "minimum": 1, "maximum": MAX_STEPS, "default": DEFAULT_STEPS },
            "strategy": { "title": "Strategy · 策略",
                "description": "react is for models that cannot call functions; it does not stream · react 用于不支持函数调用的模型，不逐字输出",
                "type": "string", "enum": ["tools", "react"], "default": "tools" },
        }),
        &["goal"],
    )
}

fn outputs() -> Value {
    let step = json!({
        "tool": { "type": "string" },
        "arguments": {},
        "result": {},
        "error": { "type": "object", "properties": { "code": { "type": "string" }, "message": { "type": "string" } } },
        "text": { "type": "string" },
    });
    object_schema(
        json!({
            "text": { "type": "string" },
            "steps": { "type": "array", "items": { "type": "object", "properties": step } },
            "usage": { "type": "object", "properties": { "input_tokens": { "type": "integer" }, "output_tokens": { "type": "integer" } } },
        }),
        &["text", "steps", "usage"],
    )
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let tools = tools::collect(context);
    let strategy = match context.get("strategy").and_then(|it| Some((it, it.as_str()?))) {
        Some((_, "react")) => Strategy::React,
        Some((node, text)) if crate::template::has_expression(text) => {
            let why = "it decides whether the node streams, which is known before the run";
            super::must_be_written(context, ("strategy", node.span), why);
            Strategy::Tools
        }
        Some(_) | None => Strategy::Tools,
    };
    Some(Built {
        acts: context.get("tools").is_some(),
        says: false,
        behaviour: Box::new(Agent { tools, strategy }),
        input: context.input(&[]),
        ports: vec![DONE.to_owned()],
        outputs: outputs(),
        // Thoughts and actions are not for the visitor, and where the answer begins is only known at the end.
        streams: strategy == Strategy::Tools,
        answer: None,
    })
}

#[derive(Debug)]
struct Agent {
    tools: Vec<Tool>,
    strategy: Strategy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    /// The model calls functions.
    Tools,
    /// The model writes what it wants to do.
    React,
}

/// Which language the agent's own words are in: that of the goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Language {
    English,
    Chinese,
}

impl Language {
    fn of(text: &str) -> Language {
        let chinese = text.chars().any(|it| ('\u{4e00}'..='\u{9fff}').contains(&it));
        if chinese { Language::Chinese } else { Language::English }
    }

    /// Asks for an answer when no steps are left.
    fn last_words(self) -> &'static str {
        match self {
            Language::Chinese => "已经没有更多步骤了。请根据目前掌握的信息直接作答。",
            Language::English => "There are no more steps. Answer now with what you have, in the language of the goal.",
        }
    }
}

/// An agent between two effects.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    model: String,
    temperature: Option<f64>,
    language: Language,
    messages: Vec<Message>,
    /// Rounds in which the model may still ask for tools.
    left: u32,
    /// The texts of the rounds so far.
    said: String,
    /// The text that came with the calls, until the first of them is noted.
    thought: String,
    /// What the last answer asked to be called; the first is on its way. Empty while the model is asked.
    calls: VecDeque<ToolCall>,
    steps: Vec<Value>,
    usage: Value,
}

impl Behaviour for Agent {
    fn start(&self, step: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let goal = text_of(input, "goal");
        if goal.trim().is_empty() {
            return Err(invalid_input("`goal` is empty"));
        }
        let language = Language::of(&goal);
        let mut system = text_of(input, "system").trim().to_owned();
        if self.strategy == Strategy::React {
            if !system.is_empty() {
                system.push_str(PARAGRAPH);
            }
            system.push_str(&react::instructions(&self.tools, language));
        }
        let mut messages = Vec::new();
        if !system.is_empty() {
            messages.push(Message::new(MessageRole::System, system));
        }
        messages.extend(llm::history(step.chat, input.get("history"))?);
        messages.push(Message::new(MessageRole::User, goal));
        let model = text_of(input, "model");
        Ok(self.ask(Memory {
            model: if model.is_empty() { DEFAULT_MODEL.to_owned() } else { model },
            temperature: number_of(input, "temperature")?,
            language,
            messages,
            left: count_of(input, "max_steps", MAX_STEPS)?.unwrap_or(DEFAULT_STEPS),
            said: String::new(),
            thought: String::new(),
            calls: VecDeque::new(),
            steps: Vec::new(),
            usage: json!({ "input_tokens": 0, "output_tokens": 0 }),
        }))
    }

    fn resume(&self, step: &mut Step<'_>, memory: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let mut memory: Memory = serde_json::from_value(memory).map_err(|it| llm::broken_memory(&it))?;
        if let Some(call) = memory.calls.pop_front() {
            self.called(&mut memory, call, outcome);
            return Ok(self.go_on(memory));
        }
        let answer = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        add_usage(&mut memory.usage, answer.get("usage"));
        let text = answer.get("text").and_then(Value::as_str).unwrap_or_default();
        Ok(match self.strategy {
            Strategy::Tools => {
                let next = self.answered(memory, text, calls(&answer));
                if let Next::Ask { memory, .. } = &next {
                    step.streamed = Some(text_of(memory, "said"));
                }
                next
            }
            Strategy::React => self.wrote(memory, text),
        })
    }

    fn streams_from(&self, effect: &Effect) -> bool {
        // A workflow that is called says its text to the agent, not to the visitor.
        matches!(effect, Effect::Complete { .. })
    }

    fn absorbs_failure_of(&self, _: &Effect) -> bool {
        // A tool's failure is told to the model; the model's own comes back as this node's.
        true
    }
}

impl Agent {
    fn ask(&self, mut memory: Memory) -> Next {
        let mut tools = Vec::new();
        if memory.left == 0 {
            memory.messages.push(Message::new(MessageRole::User, memory.language.last_words()));
        } else if self.strategy == Strategy::Tools {
            tools.extend(self.tools.iter().map(Tool::definition));
        }
        let effect = Effect::Complete {
            model: memory.model.clone(),
            messages: memory.messages.clone(),
            temperature: memory.temperature,
            max_tokens: None,
            schema: None,
            tools,
        };
        Next::Ask { effect, memory: json!(memory) }
    }

    /// Takes an answer of a model that calls functions.
    fn answered(&self, mut memory: Memory, text: &str, calls: VecDeque<ToolCall>) -> Next {
        if memory.left == 0 || calls.is_empty() {
            memory.said.push_str(text);
            return finished(memory);
        }
        let mut message = Message::new(MessageRole::Assistant, text);
        message.tool_calls = calls.iter().cloned().collect();
        memory.messages.push(message);
        if !text.is_empty() {
            memory.said.push_str(text);
            memory.said.push_str(PARAGRAPH);
        }
        text.clone_into(&mut memory.thought);
        memory.calls = calls;
        memory.left -= 1;
        self.go_on(memory)
    }

    /// Takes what a model wrote that cannot call functions.
    fn wrote(&self, mut memory: Memory, text: &str) -> Next {
        match (react::read(text), memory.left) {
            (react::Said::Final(answer), _) => memory.said = answer,
            (react::Said::Call { thought, .. } | react::Said::Thought(thought), 0) => memory.said = thought,
            (react::Said::Thought(_), _) => {
                if !text.trim().is_empty() {
                    memory.messages.push(Message::new(MessageRole::Assistant, text));
                }
                memory.messages.push(Message::new(MessageRole::User, react::reminder(memory.language)));
                memory.left -= 1;
                return self.ask(memory);
            }
            (react::Said::Call { thought, tool, input }, _) => {
                let written = format!("Thought: {thought}\nAction: {tool}\nAction Input: {input}");
                memory.messages.push(Message::new(MessageRole::Assistant, written));
                let arguments = self.written_arguments(&tool, input);
                memory.calls.push_back(ToolCall { id: String::new(), name: tool, arguments });
                memory.thought = thought;
                memory.left -= 1;
                return self.go_on(memory);
            }
        }
        finished(memory)
    }

    /// An action's input: JSON, or the one text that its tool takes.
    fn written_arguments(&self, tool: &str, input: String) -> Value {
        let only_text = self.tools.iter().find(|it| it.is_called(tool)).and_then(Tool::only_text);
        match (llm::find_json(&input), only_text) {
            (Some(value @ Value::Object(_)), _) => value,
            (Some(Value::String(text)), Some(name)) => json!({ name: text }),
            (_, Some(name)) if !input.is_empty() => json!({ name: input }),
            (Some(_) | None, _) => Value::String(input),
        }
    }

    /// Performs the next call that can be performed, or asks the model again when none is left.
    fn go_on(&self, mut memory: Memory) -> Next {
        while let Some(call) = memory.calls.front() {
            let effect = match self.tools.iter().find(|it| it.is_called(&call.name)) {
                Some(tool) => tool.effect(&call.arguments),
                None => Err(self.no_tool(&call.name)),
            };
            match effect {
                Ok(effect) => return Next::Ask { effect, memory: json!(memory) },
                Err(error) => {
                    if let Some(call) = memory.calls.pop_front() {
                        self.tell(&mut memory, call, Err(&error));
                    }
                }
            }
        }
        self.ask(memory)
    }

    fn no_tool(&self, name: &str) -> EffectError {
        let names: Vec<&str> = self.tools.iter().map(|it| it.name.as_str()).collect();
        let name: String = name.chars().take(80).collect();
        let known =
            if names.is_empty() { "there are none".to_owned() } else { format!("there are: {}", names.join(", ")) };
        let message = format!("there is no tool `{name}`; {known}");
        EffectError { code: "unknown_tool".to_owned(), message, ..EffectError::default() }
    }

    fn called(&self, memory: &mut Memory, call: ToolCall, outcome: Outcome) {
        match outcome {
            Outcome::Failed { error } => self.tell(memory, call, Err(&error)),
            Outcome::Ok { value } => {
                let (value, usage) = match self.tools.iter().find(|it| it.is_called(&call.name)) {
                    Some(tool) => tool.result(value),
                    None => (value, None),
                };
                add_usage(&mut memory.usage, usage.as_ref());
                self.tell(memory, call, Ok(value));
            }
        }
    }

    /// Notes what became of a call, for the model and for the author.
    fn tell(&self, memory: &mut Memory, call: ToolCall, result: Result<Value, &EffectError>) {
        let ToolCall { id, name, arguments } = call;
        let written = self.tools.iter().find(|it| it.is_called(&name)).map_or(name, |it| it.written.clone());
        let (key, noted, told) = match result {
            Ok(value) => {
                let whole = value.to_string();
                let told = cut(&whole);
                ("result", if told == whole { value } else { Value::from(told.as_str()) }, told)
            }
            Err(EffectError { code, message, hint: _, retry_after_ms: _ }) => {
                let error = json!({ "code": code, "message": message });
                ("error", error.clone(), cut(&json!({ "error": error }).to_string()))
            }
        };
        let text = std::mem::take(&mut memory.thought);
        memory.steps.push(json!({ "tool": written, "arguments": arguments, key: noted, "text": text }));
        memory.messages.push(match self.strategy {
            Strategy::Tools => Message { tool_call_id: Some(id), ..Message::new(MessageRole::Tool, told) },
            Strategy::React => Message::new(MessageRole::User, format!("Observation: {told}")),
        });
    }
}

fn finished(memory: Memory) -> Next {
    Next::done(json!({ "text": memory.said, "steps": memory.steps, "usage": memory.usage }))
}

/// The calls that an answer asks for. What has no name is none; a missing id is made up, since results must name one.
fn calls(answer: &Value) -> VecDeque<ToolCall> {
    let items = answer.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    let named = items.enumerate().filter_map(|(number, it)| {
        let name = it.get("name").and_then(Value::as_str).filter(|it| !it.is_empty())?.to_owned();
        let id = it.get("id").and_then(Value::as_str).filter(|it| !it.is_empty());
        let id = id.map_or_else(|| format!("call_{}", number + 1), str::to_owned);
        Some(ToolCall { id, name, arguments: it.get("arguments").cloned().unwrap_or(Value::Null) })
    });
    named.take(MAX_CALLS).collect()
}

/// As much of a result as a model should read, and a note if that is not all.
fn cut(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(MAX_RESULT) else { return text.to_owned() };
    let all = text.chars().count();
    format!("{}… [cut: {MAX_RESULT} of {all} characters]", text.get(..end).unwrap_or_default())
}
