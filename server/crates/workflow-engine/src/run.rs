//! A run of a program: a value that can be stored between any two steps and taken up by another process.
//!
//! * `schedule` decides which node runs when.
//! * `effects` asks for effects, repeats failed ones, and hands outcomes to nodes.
//! * `answers` says answers piece by piece, in order.

mod answers;
mod effects;
mod schedule;

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

use minijinja::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::effect::{Delta, EffectId, Outcome, RequestedEffect};
use crate::event::{Event, RunError, RunStatus};
use crate::expression::{Names, from_json};
use crate::input::{ChatContext, Limits, RunInput};
use crate::program::Program;
use answers::ActiveAnswer;
use effects::InFlight;
use schedule::Machine;

/// The state of one run. Knows its program only by the numbers of its nodes, so it must be given the same program again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    status: RunStatus,
    limits: Limits,
    seed: u64,
    inputs: Value,
    chat: Option<ChatContext>,
    user: Value,
    env: Value,
    about: Value,
    state: Map<String, Json>,
    nodes: Vec<NodeRun>,
    /// Active nodes that wait for a free place among `max_parallel`.
    ready: VecDeque<usize>,
    in_flight: BTreeMap<EffectId, InFlight>,
    next_effect: u64,
    unsettled: usize,
    steps: u32,
    value_bytes: u64,
    answers: Vec<ActiveAnswer>,
    /// How many of `answers` have been said to the end.
    completed_answers: usize,
    /// Everything that has been said to the visitor.
    answer: String,
    #[serde(skip)]
    chat_value: OnceLock<Value>,
    #[serde(skip)]
    state_value: OnceLock<Value>,
}

/// Where a node stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NodeRun {
    /// `left` dependencies have not settled.
    Waiting {
        left: usize,
    },
    Ready,
    Running {
        /// Text that the current attempt has streamed so far.
        received: String,
        /// Counts attempts whose text starts from the beginning.
        generation: u32,
    },
    /// An answer that is being said.
    Saying {
        left: usize,
    },
    Done {
        ports: Vec<String>,
        output: Value,
        /// Left by `error`; then plain `after: [node]` and references do not count it as done.
        routed: bool,
    },
    Skipped,
}

impl NodeRun {
    fn is_settled(&self) -> bool {
        match self {
            NodeRun::Done { .. } | NodeRun::Skipped => true,
            NodeRun::Waiting { .. } | NodeRun::Ready | NodeRun::Running { .. } | NodeRun::Saying { .. } => false,
        }
    }

    fn is_done(&self) -> bool {
        matches!(self, NodeRun::Done { routed: false, .. })
    }
}

impl Run {
    /// Starts a run. Inputs that do not fit end it at once with `invalid_input`.
    #[must_use]
    pub fn start(program: &Program, mut input: RunInput) -> (Run, Vec<Event>) {
        let too_deep = input.take_too_deep();
        let RunInput { inputs, chat, user, env, state, run_id, started_at, seed, limits } = input;
        let prepared = too_deep.map_or_else(|| program.prepare_inputs(&inputs), |it| Err(vec![it]));
        let shown = prepared.as_ref().map_or_else(|_| inputs.clone(), |it| Json::Object(it.clone()));
        let nodes = program.nodes.iter().map(|it| NodeRun::Waiting { left: it.dependencies.len() }).collect();
        let mut run = Run {
            status: RunStatus::Running,
            limits,
            seed,
            inputs: from_json(&shown),
            chat,
            user: from_json(user),
            env: from_json(env),
            about: from_json(json!({ "id": run_id, "started_at": started_at })),
            state: match state {
                Json::Object(map) => map,
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Map::new(),
            },
            nodes,
            ready: VecDeque::new(),
            in_flight: BTreeMap::new(),
            next_effect: 1,
            unsettled: program.nodes.len(),
            steps: 0,
            value_bytes: size(&shown),
            answers: Vec::new(),
            completed_answers: 0,
            answer: String::new(),
            chat_value: OnceLock::new(),
            state_value: OnceLock::new(),
        };
        let mut machine = Machine::new(&mut run, program);
        machine.events.push(Event::RunStarted { inputs: shown });
        match prepared {
            Ok(_) => machine.begin(),
            Err(problems) => {
                let message: Vec<String> = problems.into_iter().map(|it| it.message).collect();
                machine.fail_run(RunError {
                    code: "invalid_input".to_owned(),
                    message: message.join("; "),
                    hint: Some(format!("`{}` takes: {}", program.name(), names_of_inputs(program))),
                    node: None,
                });
            }
        }
        let events = machine.events;
        (run, events)
    }

    /// Takes the outcome of an effect. An effect that is unknown or already settled changes nothing.
    pub fn resume(&mut self, program: &Program, effect: EffectId, outcome: Outcome) -> Vec<Event> {
        if self.status.is_terminal() || self.nodes.len() != program.nodes.len() {
            return Vec::new();
        }
        let Some(found) = self.in_flight.remove(&effect) else { return Vec::new() };
        let outcome = outcome.bounded();
        let mut machine = Machine::new(self, program);
        machine.settle_effect(found, outcome);
        machine.drive();
        machine.events
    }

    /// Takes a piece of text that an effect has produced. Only `AnswerDelta` events come of it.
    pub fn progress(&mut self, program: &Program, effect: EffectId, delta: Delta) -> Vec<Event> {
        let Delta::Text(text) = delta else { return Vec::new() };
        if self.status.is_terminal() || self.nodes.len() != program.nodes.len() || text.is_empty() {
            return Vec::new();
        }
        let Some(node) = self.in_flight.get(&effect).filter(|it| it.again.is_none()).map(|it| it.node) else {
            return Vec::new();
        };
        if program.nodes.get(node).is_none_or(|it| !it.streams) {
            return Vec::new();
        }
        let Some(NodeRun::Running { received, generation: _ }) = self.nodes.get_mut(node) else { return Vec::new() };
        if received.len().saturating_add(text.len()) > crate::expression::MAX_TEXT_BYTES {
            return Vec::new();
        }
        received.push_str(&text);
        let mut machine = Machine::new(self, program);
        machine.say_more();
        machine.events
    }

    /// Ends the run. Effects on their way are cancelled.
    pub fn cancel(&mut self) -> Vec<Event> {
        if self.status.is_terminal() {
            return Vec::new();
        }
        self.status = RunStatus::Cancelled;
        let mut events = self.cancel_effects();
        events.push(Event::RunCancelled);
        events
    }

    #[must_use]
    pub fn status(&self) -> RunStatus {
        let only_timers = !self.in_flight.is_empty()
            && self.in_flight.values().all(|it| matches!(it.request.effect, crate::effect::Effect::Wait { .. }));
        if self.status == RunStatus::Running && only_timers { RunStatus::Waiting } else { self.status }
    }

    /// What has been said so far: the concatenation of all `AnswerDelta` texts.
    #[must_use]
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// The conversation's variables as they stand.
    #[must_use]
    pub fn state(&self) -> Json {
        Json::Object(self.state.clone())
    }

    /// The effects on their way, to be performed again after a restart. Text that they stream is expected to come again
    /// from its beginning; what the visitor has read already is not said twice.
    pub fn pending(&mut self) -> Vec<RequestedEffect> {
        for found in self.in_flight.values() {
            if let Some(NodeRun::Running { received, generation }) = self.nodes.get_mut(found.node)
                && !received.is_empty()
            {
                received.clear();
                *generation += 1;
            }
        }
        self.in_flight.values().map(|it| it.request.clone()).collect()
    }

    fn cancel_effects(&mut self) -> Vec<Event> {
        let cancelled = std::mem::take(&mut self.in_flight);
        self.ready.clear();
        cancelled.into_values().map(|it| Event::EffectCancelled { id: it.request.id, node: it.request.node }).collect()
    }

    fn status_is_terminal(&self) -> bool {
        self.status.is_terminal()
    }
}

fn names_of_inputs(program: &Program) -> String {
    let inputs = &program.signature().inputs;
    let names: Vec<String> = inputs
        .get("properties")
        .and_then(Json::as_object)
        .into_iter()
        .flat_map(|it| it.iter())
        .map(|(name, schema)| {
            let kind = schema.get("type").and_then(Json::as_str).unwrap_or("any");
            let required = inputs
                .get("required")
                .and_then(Json::as_array)
                .is_some_and(|it| it.iter().any(|it| it.as_str() == Some(name)));
            format!("{name}: {kind}{}", if required { "" } else { "?" })
        })
        .collect();
    if names.is_empty() { "no inputs".to_owned() } else { names.join(", ") }
}

/// What expressions of a run can see.
struct RunNames<'r> {
    run: &'r Run,
    program: &'r Program,
}

impl Names for RunNames<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        match name {
            "inputs" => Some(self.run.inputs.clone()),
            "state" => Some(self.run.state_value.get_or_init(|| from_json(&self.run.state)).clone()),
            "chat" => {
                let chat = self.run.chat.as_ref()?;
                Some(self.run.chat_value.get_or_init(|| from_json(chat)).clone())
            }
            "user" => Some(self.run.user.clone()),
            "env" => Some(self.run.env.clone()),
            "run" => Some(self.run.about.clone()),
            _ => match self.run.nodes.get(*self.program.index.get(name)?)? {
                NodeRun::Done { output, .. } => Some(output.clone()),
                NodeRun::Waiting { .. }
                | NodeRun::Ready
                | NodeRun::Running { .. }
                | NodeRun::Saying { .. }
                | NodeRun::Skipped => None,
            },
        }
    }
}

/// Bytes that a value takes, roughly as its JSON text.
fn size(value: &Json) -> u64 {
    let bytes = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
    match value {
        Json::Null | Json::Bool(_) => 4,
        Json::Number(_) => 8,
        Json::String(text) => bytes(text.len() + 2),
        Json::Array(items) => items.iter().map(|it| size(it) + 1).sum::<u64>() + 2,
        Json::Object(map) => map.iter().map(|(key, it)| bytes(key.len() + 4) + size(it)).sum::<u64>() + 2,
    }
}
