//! A run of a program: a value that can be stored between any two steps and taken up by another process.
//!
//! * `frames` are the executions of its bodies, and what expressions in them see.
//! * `schedule` decides which node runs when.
//! * `containers` executes bodies per item and per iteration.
//! * `effects` asks for effects, repeats failed ones, and hands outcomes to nodes.
//! * `answers` says things piece by piece, in order.
//! * `past` begins a run with what another one has done already.

mod answers;
mod containers;
mod effects;
mod frames;
mod past;
mod schedule;

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

use minijinja::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::effect::CacheKey;
use crate::effect::{Delta, EffectId, Outcome, RequestedEffect};
use crate::event::{Event, RunError, RunStatus};
use crate::expression::from_json;
use crate::input::{ChatContext, Limits, RunInput};
use crate::program::{Program, ProgramNode};
use answers::Turns;
use containers::Containing;
use effects::{InFlight, Purpose};
use frames::{Frame, FrameId, Place, ROOT};
pub use past::{PastNode, RerunError};
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
    frames: BTreeMap<FrameId, Frame>,
    next_frame: u64,
    /// Active nodes that wait for a free place among `max_parallel`.
    ready: VecDeque<Place>,
    in_flight: BTreeMap<EffectId, InFlight>,
    next_effect: u64,
    /// How many of `in_flight` take a place of `max_parallel`.
    busy: usize,
    steps: u32,
    value_bytes: u64,
    tokens: u64,
    cost: f64,
    /// What is to be said, in order.
    #[serde(with = "answers::pairs")]
    turns: Turns,
    /// Everything that has been said to the visitor.
    answer: String,
    /// The last thing that was said is a question.
    asked: bool,
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
        /// Bytes of `received` that earlier effects of the node have said for good.
        #[serde(default)]
        kept: usize,
        /// Counts attempts whose text starts from the beginning.
        generation: u32,
        /// Under what its output is to be kept.
        cache: Option<Box<CacheKey>>,
    },
    /// An answer that is being said.
    Saying {
        left: usize,
    },
    /// A container whose body is being executed.
    Containing(Box<Containing>),
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
            NodeRun::Waiting { .. }
            | NodeRun::Ready
            | NodeRun::Running { .. }
            | NodeRun::Saying { .. }
            | NodeRun::Containing(_) => false,
        }
    }

    /// The effect on its way streams its text from the beginning again.
    fn begin_text_anew(&mut self) {
        let NodeRun::Running { received, kept, generation, cache: _ } = self else { return };
        if received.len() > *kept {
            received.truncate(*kept);
            *generation += 1;
        }
    }

    /// The node says itself what its text is so far.
    fn say_so_far(&mut self, text: String) {
        let NodeRun::Running { received, kept, generation, cache: _ } = self else { return };
        if !text.starts_with(received.as_str()) {
            *generation += 1;
        }
        *kept = text.len();
        *received = text;
    }

    fn is_done(&self) -> bool {
        matches!(self, NodeRun::Done { routed: false, .. })
    }
}

impl Run {
    /// Starts a run. Inputs that do not fit end it at once with `invalid_input`.
    #[must_use]
    pub fn start(program: &Program, input: RunInput) -> (Run, Vec<Event>) {
        Run::start_prepared(program, input, |_| {})
    }

    /// Starts a run after `prepare` had its way with the machine.
    fn start_prepared(
        program: &Program,
        mut input: RunInput,
        prepare: impl FnOnce(&mut Machine<'_>),
    ) -> (Run, Vec<Event>) {
        let prepared = match input.take_too_deep() {
            Some(problem) => Err(vec![problem]),
            None => program.prepare_inputs(&input.inputs),
        };
        let shown = prepared.as_ref().map_or_else(|_| input.inputs.clone(), |it| Json::Object(it.clone()));
        let mut run = Run::new(program, input, &shown);
        let mut machine = Machine::new(&mut run, program);
        machine.events.push(Event::RunStarted { inputs: shown });
        match prepared {
            Ok(_) => {
                prepare(&mut machine);
                machine.begin_run();
            }
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

    fn new(program: &Program, input: RunInput, inputs: &Json) -> Run {
        let RunInput { inputs: _, chat, user, env, state, run_id, started_at, seed, limits } = input;
        let root = program.bodies.first().map(|it| (ROOT, Frame::new(0, it)));
        Run {
            status: RunStatus::Running,
            limits: limits.lowered_to(program.limits()),
            seed,
            inputs: from_json(inputs),
            chat,
            user: from_json(user),
            env: from_json(env),
            about: from_json(json!({ "id": run_id, "started_at": started_at })),
            state: match state {
                Json::Object(map) => map,
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Map::new(),
            },
            frames: root.into_iter().collect(),
            next_frame: 1,
            ready: VecDeque::new(),
            in_flight: BTreeMap::new(),
            next_effect: 1,
            busy: 0,
            steps: 0,
            value_bytes: size(inputs),
            tokens: 0,
            cost: 0.0,
            turns: Turns::new(),
            answer: String::new(),
            asked: false,
            chat_value: OnceLock::new(),
            state_value: OnceLock::new(),
        }
    }

    /// Whether this run can be one of this program.
    fn belongs_to(&self, program: &Program) -> bool {
        self.frames
            .values()
            .all(|it| program.bodies.get(it.body).is_some_and(|body| body.nodes.len() == it.nodes.len()))
    }

    fn take_in_flight(&mut self, id: EffectId) -> Option<InFlight> {
        let found = self.in_flight.remove(&id)?;
        self.busy = self.busy.saturating_sub(usize::from(found.is_busy()));
        Some(found)
    }

    /// Takes the outcome of an effect. An effect that is unknown or already settled changes nothing.
    pub fn resume(&mut self, program: &Program, effect: EffectId, outcome: Outcome) -> Vec<Event> {
        if self.status.is_terminal() || !self.belongs_to(program) {
            return Vec::new();
        }
        let Some(found) = self.take_in_flight(effect) else { return Vec::new() };
        let outcome = outcome.bounded();
        let mut machine = Machine::new(self, program);
        machine.settle_effect(found, outcome);
        machine.drive();
        machine.events
    }

    /// Takes a piece of text that an effect has produced. Only `AnswerDelta` events come of it.
    pub fn progress(&mut self, program: &Program, effect: EffectId, delta: Delta) -> Vec<Event> {
        let Delta::Text(text) = delta else { return Vec::new() };
        if self.status.is_terminal() || text.is_empty() {
            return Vec::new();
        }
        let working = self.in_flight.get(&effect).filter(|it| matches!(it.purpose, Purpose::Work(_)));
        let Some(InFlight { place, request, .. }) = working else { return Vec::new() };
        let place = *place;
        let streams = |it: &ProgramNode| it.streams && it.behaviour.streams_from(&request.effect);
        if !self.of(program, place).is_some_and(streams) {
            return Vec::new();
        }
        let Some(NodeRun::Running { received, .. }) = self.node_mut(place) else { return Vec::new() };
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
        let only_waits = !self.in_flight.is_empty() && self.busy == 0;
        if self.status == RunStatus::Running && only_waits { RunStatus::Waiting } else { self.status }
    }

    /// What has been said so far: the concatenation of all `AnswerDelta` texts.
    #[must_use]
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// Tokens that models have taken, and what they cost, nested runs included.
    #[must_use]
    pub fn usage(&self) -> (u64, f64) {
        (self.tokens, self.cost)
    }

    /// The conversation's variables as they stand.
    #[must_use]
    pub fn state(&self) -> Json {
        Json::Object(self.state.clone())
    }

    /// The effects on their way, to be performed again after a restart. Text that they stream is expected to come again
    /// from its beginning; what the visitor has read already is not said twice.
    pub fn pending(&mut self) -> Vec<RequestedEffect> {
        let places: Vec<Place> = self.in_flight.values().map(|it| it.place).collect();
        for place in places {
            if let Some(state) = self.node_mut(place) {
                state.begin_text_anew();
            }
        }
        self.in_flight.values().map(|it| it.request.clone()).collect()
    }

    fn cancel_effects(&mut self) -> Vec<Event> {
        let cancelled = std::mem::take(&mut self.in_flight);
        self.busy = 0;
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
