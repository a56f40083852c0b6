//! Containers at work: `each` executes its body once per item, several at a time; `loop` again and again, one after the
//! other. Each execution has a frame of its own, which is dropped when its result is known.

use std::collections::BTreeMap;

use minijinja::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::answers::Turn;
use super::frames::{Frame, FrameId, Place};
use super::schedule::Machine;
use super::{NodeRun, size};
use crate::effect::EffectError;
use crate::event::RunError;
use crate::expression::from_json;
use crate::node::{DONE, invalid_input};
use crate::program::{Body, Container, ContainerKind, OnItemError, ProgramNode};

/// A container that is executing its body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Containing {
    /// Executions that have begun.
    begun: u32,
    /// Executions that are going on.
    going: u32,
    /// What finished executions gave, by their number.
    collected: BTreeMap<u32, Collected>,
    turn: Option<Vec<u32>>,
    work: Work,
}

/// Not an `Option`: as JSON, nothing given and nothing kept would be the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Collected {
    Given(Json),
    LeftOut,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Work {
    Each { items: Vec<Value>, concurrency: u32 },
    Loop { variables: Map<String, Json>, times: Option<u32>, most: u32 },
}

impl Machine<'_> {
    /// Begins a container whose configuration has been evaluated.
    pub(super) fn begin_container(&mut self, place: Place, container: &Container, input: &Json) {
        let work = match container.kind {
            ContainerKind::Each(_) => each(input),
            ContainerKind::Loop => repetition(input),
        };
        let work = match work {
            Ok(work) => work,
            Err(error) => return self.fail(place, error),
        };
        let Some(node) = self.run.of(self.program, place) else { return };
        let turn = node.says.then(|| self.run.frames.get_mut(&place.frame).map(Frame::next_turn)).flatten();
        if let Some(turn) = &turn {
            self.run.turns.insert(turn.clone(), Turn::Held(place.frame));
        }
        let state = Containing { begun: 0, going: 0, collected: BTreeMap::new(), turn, work };
        self.set(place, NodeRun::Containing(Box::new(state)));
        if let Some(ms) = node.timeout_ms {
            self.request_deadline(place, ms);
        }
        self.go_on(place);
    }

    /// Begins what may begin, and ends the container when nothing is left.
    pub(super) fn go_on(&mut self, place: Place) {
        let Some(node) = self.run.of(self.program, place) else { return };
        let Some(container) = node.container.clone() else { return };
        loop {
            if self.run.status_is_terminal() {
                return;
            }
            let Some(NodeRun::Containing(state)) = self.run.node(place) else { return };
            let begins = match &state.work {
                Work::Each { items, concurrency } => {
                    state.going < *concurrency && usize::try_from(state.begun).unwrap_or(usize::MAX) < items.len()
                }
                Work::Loop { times, .. } => state.going == 0 && times.is_none_or(|it| state.begun < it),
            };
            if !begins {
                if state.going == 0 {
                    self.end_container(place, node);
                }
                return;
            }
            match self.begin_frame(place, &container) {
                Ok(true) => {}
                // `while` is false.
                Ok(false) => return self.end_container(place, node),
                Err(error) => return self.fail_container(place, error),
            }
        }
    }

    /// Makes the next frame and decides about its nodes. False when `while` says that there is none.
    fn begin_frame(&mut self, place: Place, container: &Container) -> Result<bool, EffectError> {
        let Some(body) = self.program.bodies.get(container.body) else { return Ok(false) };
        let prefix = self.run.path(self.program, place);
        let Some(NodeRun::Containing(state)) = self.run.node_mut(place) else { return Ok(false) };
        let number = state.begun;
        let mut frame = Frame::new(container.body, body);
        frame.owner = Some(place);
        frame.number = number;
        frame.prefix = format!("{prefix}[{number}].");
        frame.variables = state.work.variables(number);
        let most = if let Work::Loop { most, .. } = state.work { Some(most) } else { None };
        if let Some(turn) = &state.turn {
            frame.turn = turn.iter().copied().chain([number]).collect();
        }
        let (id, turn) = (FrameId(self.run.next_frame), frame.turn.clone());
        self.run.next_frame += 1;
        self.run.frames.insert(id, frame);
        if let Some(condition) = &body.condition {
            let goes_on = condition.is_true(&self.names(id));
            if !matches!(goes_on, Ok(true)) {
                self.run.frames.remove(&id);
                return goes_on;
            }
        }
        if most.is_some_and(|most| number >= most) {
            self.run.frames.remove(&id);
            return Err(too_many_iterations(most.unwrap_or_default()));
        }
        if let Some(NodeRun::Containing(state)) = self.run.node_mut(place) {
            state.begun += 1;
            state.going += 1;
        }
        if !turn.is_empty() {
            self.run.turns.insert(turn, Turn::Held(id));
        }
        self.begin(id);
        Ok(true)
    }

    /// Every node of a container's frame has settled.
    pub(super) fn end_frame(&mut self, id: FrameId) {
        let Some(frame) = self.run.frames.get(&id) else { return };
        let Some(owner) = frame.owner else { return };
        let Some(body) = self.program.bodies.get(frame.body) else { return };
        let collected = match body.collect.as_ref().map(|it| it.evaluate(&self.names(id))).transpose() {
            Ok(collected) => collected,
            Err(error) => return self.fail_frame(id, error),
        };
        if let Some(value) = &collected
            && !self.count_bytes(owner.frame, value)
        {
            return;
        }
        if let Err(error) = self.pass_variables_on(id, owner, body) {
            return self.fail_frame(id, error);
        }
        self.close_frame(id, owner, Collected::Given(collected.unwrap_or(Json::Null)));
        self.go_on(owner);
    }

    /// `next` of a loop gives the variables of the iteration that follows.
    fn pass_variables_on(&mut self, id: FrameId, owner: Place, body: &Body) -> Result<(), EffectError> {
        let mut next = Map::new();
        for (name, template) in &body.next {
            next.insert(name.clone(), template.evaluate(&self.names(id))?);
        }
        if let Some(NodeRun::Containing(state)) = self.run.node_mut(owner)
            && let Work::Loop { variables, .. } = &mut state.work
        {
            variables.extend(next);
        }
        Ok(())
    }

    fn close_frame(&mut self, id: FrameId, owner: Place, result: Collected) {
        let Some(frame) = self.run.frames.remove(&id) else { return };
        self.run.value_bytes = self.run.value_bytes.saturating_sub(frame.bytes);
        self.run.turns.remove(&frame.turn);
        if let Some(NodeRun::Containing(state)) = self.run.node_mut(owner) {
            state.going = state.going.saturating_sub(1);
            state.collected.insert(frame.number, result);
        }
    }

    /// A node in a container's frame failed, and nothing inside of it took care of that.
    pub(super) fn fail_frame(&mut self, id: FrameId, error: EffectError) {
        let Some(owner) = self.run.frames.get(&id).and_then(|it| it.owner) else { return };
        let kind = self.run.of(self.program, owner).and_then(|it| it.container.as_ref()).map(|it| it.kind);
        self.give_up(&self.run.inside(id));
        let result = match kind {
            Some(ContainerKind::Each(OnItemError::Skip)) => Collected::LeftOut,
            Some(ContainerKind::Each(OnItemError::Keep)) => {
                Collected::Given(json!({ "error": { "code": error.code, "message": error.message } }))
            }
            Some(ContainerKind::Each(OnItemError::Stop) | ContainerKind::Loop) | None => {
                return self.fail_container(owner, error);
            }
        };
        self.close_frame(id, owner, result);
        self.go_on(owner);
    }

    /// The container itself fails, and with it everything that goes on in it.
    pub(super) fn fail_container(&mut self, place: Place, error: EffectError) {
        self.leave_container(place);
        self.fail(place, error);
    }

    pub(super) fn container_is_late(&mut self, place: Place) {
        if !matches!(self.run.node(place), Some(NodeRun::Containing(_))) {
            return;
        }
        let ms = self.run.of(self.program, place).and_then(|it| it.timeout_ms).unwrap_or_default();
        self.fail_container(
            place,
            EffectError {
                code: "timeout".to_owned(),
                message: format!("not done within {ms} ms"),
                hint: Some("raise the node's `timeout`".to_owned()),
                retry_after_ms: None,
            },
        );
    }

    /// Drops the frames of a container, its turn and its deadline.
    fn leave_container(&mut self, place: Place) {
        let mut frames: Vec<FrameId> = Vec::new();
        for (id, frame) in &self.run.frames {
            if frame.owner == Some(place) {
                frames.extend(self.run.inside(*id));
            }
        }
        self.give_up(&frames);
        for id in &frames {
            if let Some(frame) = self.run.frames.remove(id) {
                self.run.value_bytes = self.run.value_bytes.saturating_sub(frame.bytes);
            }
        }
        self.cancel_where(|it| it.place == place);
        if let Some(NodeRun::Containing(state)) = self.run.node(place)
            && let Some(turn) = state.turn.clone()
        {
            self.run.turns.remove(&turn);
        }
    }

    /// Ends what frames have on their way. The outermost of them stays, for its number; what is inside of it goes.
    fn give_up(&mut self, frames: &[FrameId]) {
        self.cancel_where(|it| frames.contains(&it.place.frame));
        self.run.ready.retain(|it| !frames.contains(&it.frame));
        self.forget_settled(frames);
        self.silence(frames);
        for id in frames.iter().skip(1) {
            if let Some(frame) = self.run.frames.remove(id) {
                self.run.value_bytes = self.run.value_bytes.saturating_sub(frame.bytes);
            }
        }
    }

    fn end_container(&mut self, place: Place, node: &ProgramNode) {
        let Some(NodeRun::Containing(state)) = self.run.node_mut(place) else { return };
        let collected: Vec<Json> = std::mem::take(&mut state.collected)
            .into_values()
            .filter_map(|it| match it {
                Collected::Given(value) => Some(value),
                Collected::LeftOut => None,
            })
            .collect();
        let collects = node
            .container
            .as_ref()
            .and_then(|it| self.program.bodies.get(it.body))
            .is_some_and(|it| it.collect.is_some());
        let mut output = Map::new();
        if let Work::Loop { variables, .. } = &mut state.work {
            output.append(variables);
        }
        output.insert("count".to_owned(), json!(state.begun));
        let counted: u64 = collected.iter().map(size).sum();
        if collects {
            output.insert("items".to_owned(), Json::Array(collected));
        }
        self.leave_container(place);
        // What was collected is counted again as a part of the output.
        self.uncount_bytes(place.frame, counted);
        self.done(place, vec![DONE.to_owned()], Json::Object(output));
    }

    /// An error that leaves a container's frame loses its place in the trace, not its words.
    pub(super) fn error_of_frame(error: RunError) -> EffectError {
        let RunError { code, message, hint, node } = error;
        let message = node.map_or_else(|| message.clone(), |node| format!("`{node}`: {message}"));
        EffectError { code, message, hint, retry_after_ms: None }
    }
}

impl Work {
    /// What the nodes of one execution see besides everything around them.
    fn variables(&self, number: u32) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::from([("index".to_owned(), Value::from(number))]);
        match self {
            Work::Each { items, concurrency: _ } => {
                let item = usize::try_from(number).ok().and_then(|it| items.get(it)).cloned();
                found.insert("item".to_owned(), item.unwrap_or_default());
            }
            Work::Loop { variables, .. } => {
                let mut all = variables.clone();
                all.insert("index".to_owned(), json!(number));
                found.insert("loop".to_owned(), from_json(all));
            }
        }
        found
    }
}

fn each(input: &Json) -> Result<Work, EffectError> {
    let items = match input.get("items") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(items)) => items.iter().map(from_json).collect(),
        Some(other @ (Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_))) => {
            let mut error = invalid_input(format!("`items` must be a list, it is {}", kind_of(other)));
            error.hint = Some(match other {
                Json::Object(_) => "for the entries of a map write `{{ … | items }}`".to_owned(),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                    "for the lines of a text write `{{ … | lines }}`".to_owned()
                }
            });
            return Err(error);
        }
    };
    let concurrency = crate::node::count_of(input, "concurrency", crate::nodes::MAX_CONCURRENCY)?.unwrap_or(1);
    Ok(Work::Each { items, concurrency })
}

fn repetition(input: &Json) -> Result<Work, EffectError> {
    let times = match crate::node::number_of(input, "times")? {
        Some(number) if number <= 0.0 => Some(0),
        _ => crate::node::count_of(input, "times", crate::nodes::MAX_ITERATIONS)?,
    };
    let most = crate::node::count_of(input, "max_iterations", crate::nodes::MAX_ITERATIONS)?;
    let most = most.or(times).unwrap_or(crate::nodes::DEFAULT_ITERATIONS);
    let variables = match input.get("vars") {
        Some(Json::Object(map)) => map.clone(),
        Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_)) | None => Map::new(),
    };
    Ok(Work::Loop { variables, times, most })
}

fn too_many_iterations(most: u32) -> EffectError {
    EffectError {
        code: "max_iterations".to_owned(),
        message: format!("the loop has run {most} times and would go on"),
        hint: Some("raise `max_iterations`, or see why `while` stays true".to_owned()),
        retry_after_ms: None,
    }
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}
