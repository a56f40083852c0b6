//! Which node runs when: DESIGN's rules of activation, in time proportional to nodes and references.

use std::collections::VecDeque;

use serde_json::{Value as Json, json};

use super::frames::{FrameId, Place, ROOT, RunNames};
use super::{NodeRun, Run, size};
use crate::compile::OnError;
use crate::effect::{EffectError, Outcome};
use crate::event::{Event, RunError, RunStatus};
use crate::expression::{from_json, to_json};
use crate::node::{DONE, Next, Step};
use crate::program::{Program, ProgramNode, Spot};

/// A run between two outcomes: collects events and the nodes that settled, until nothing is left to do.
pub(super) struct Machine<'r> {
    pub(super) run: &'r mut Run,
    pub(super) program: &'r Program,
    pub(super) events: Vec<Event>,
    /// Nodes that have settled and whose dependents do not know yet.
    settled: VecDeque<Place>,
    /// Frames of containers whose nodes have all settled.
    finished: VecDeque<FrameId>,
    /// Frames of containers that failed. A queue, so that a thousand failing items are no thousand calls deep.
    failed: VecDeque<(FrameId, EffectError)>,
}

impl<'r> Machine<'r> {
    pub(super) fn new(run: &'r mut Run, program: &'r Program) -> Machine<'r> {
        Machine {
            run,
            program,
            events: Vec::new(),
            settled: VecDeque::new(),
            finished: VecDeque::new(),
            failed: VecDeque::new(),
        }
    }

    pub(super) fn names(&self, frame: FrameId) -> RunNames<'_> {
        RunNames { run: self.run, program: self.program, frame }
    }

    /// Begins the outermost frame, then goes on.
    pub(super) fn begin_run(&mut self) {
        if self.run.value_bytes > self.run.limits.max_value_bytes {
            self.exceed_bytes();
            return;
        }
        self.begin(ROOT);
        self.drive();
    }

    /// Decides about every node of a frame that waits for nothing.
    pub(super) fn begin(&mut self, frame: FrameId) {
        let count = self.run.frames.get(&frame).map_or(0, |it| it.nodes.len());
        for node in 0..count {
            if self.run.status_is_terminal() {
                return;
            }
            let place = Place { frame, node };
            if matches!(self.run.node(place), Some(NodeRun::Waiting { left: 0 })) {
                self.decide(place);
            }
        }
    }

    /// Works until everything that is left waits for an effect.
    pub(super) fn drive(&mut self) {
        while !self.run.status_is_terminal() {
            if let Some((frame, error)) = self.failed.pop_front() {
                self.fail_frame(frame, error);
            } else if let Some(place) = self.settled.pop_front() {
                self.tell_dependents(place);
            } else if let Some(frame) = self.finished.pop_front() {
                self.end_frame(frame);
            } else if let Some(place) = self.next_ready() {
                self.start(place);
            } else {
                self.say_more();
                if self.settled.is_empty() && self.failed.is_empty() && self.finished.is_empty() {
                    break;
                }
            }
        }
        if !self.run.status_is_terminal() && self.run.frames.get(&ROOT).is_none_or(|it| it.unsettled == 0) {
            self.finish();
        }
    }

    fn next_ready(&mut self) -> Option<Place> {
        let most = usize::try_from(self.run.limits.max_parallel.max(1)).unwrap_or(usize::MAX);
        if self.run.busy >= most { None } else { self.run.ready.pop_front() }
    }

    fn tell_dependents(&mut self, place: Place) {
        let Some(node) = self.run.of(self.program, place) else { return };
        for dependent in &node.dependents {
            let dependent = Place { frame: place.frame, node: *dependent };
            match self.run.node_mut(dependent) {
                Some(NodeRun::Waiting { left }) => {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        self.decide(dependent);
                    }
                }
                Some(NodeRun::Saying { left }) => *left = left.saturating_sub(1),
                Some(
                    NodeRun::Ready
                    | NodeRun::Running { .. }
                    | NodeRun::Containing(_)
                    | NodeRun::Done { .. }
                    | NodeRun::Skipped,
                )
                | None => {}
            }
            if self.run.status_is_terminal() {
                return;
            }
        }
        self.begin_answers_of(place.frame, node);
    }

    /// Answers that wait for this node may be certain to run now.
    pub(super) fn begin_answers_of(&mut self, frame: FrameId, node: &ProgramNode) {
        for answer in &node.answers {
            let place = Place { frame, node: *answer };
            if matches!(self.run.node(place), Some(NodeRun::Waiting { left }) if *left > 0) && self.is_certain(place) {
                self.begin_answer(place);
            }
        }
    }

    /// Every dependency has settled: the node runs or is skipped.
    fn decide(&mut self, place: Place) {
        let Some(node) = self.run.of(self.program, place) else { return };
        if !self.is_active(place.frame, node) {
            self.skip(place);
            return;
        }
        match node.condition.as_ref().map(|it| it.is_true(&self.names(place.frame))) {
            Some(Ok(false)) => self.skip(place),
            Some(Err(error)) => self.fail(place, error),
            Some(Ok(true)) | None => {
                self.set(place, NodeRun::Ready);
                self.run.ready.push_back(place);
            }
        }
    }

    fn is_active(&self, frame: FrameId, node: &ProgramNode) -> bool {
        match &node.after {
            Some(after) => after.iter().any(|it| self.left_by(frame, it.spot, it.port.as_deref())),
            None => {
                (node.dependencies.is_empty() && node.outer.is_empty())
                    || node
                        .dependencies
                        .iter()
                        .any(|it| self.run.node(Place { frame, node: *it }).is_some_and(NodeRun::is_done))
                    || node.outer.iter().any(|it| self.run.outer(frame, *it).is_some_and(NodeRun::is_done))
            }
        }
    }

    /// Whether a node is done, by the given port if one is given.
    fn left_by(&self, frame: FrameId, spot: Spot, port: Option<&str>) -> bool {
        match (self.run.outer(frame, spot), port) {
            (Some(NodeRun::Done { ports, .. }), Some(port)) => ports.iter().any(|it| it == port),
            (Some(state), None) => state.is_done(),
            (Some(_) | None, _) => false,
        }
    }

    /// Whether an answer will run for certain although not all of its dependencies have settled.
    fn is_certain(&self, place: Place) -> bool {
        let Some(node) = self.run.of(self.program, place) else { return false };
        let state = |node: usize| self.run.node(Place { frame: place.frame, node });
        if let Some(condition) = &node.condition {
            let known = node.condition_needs.iter().all(|it| state(*it).is_some_and(NodeRun::is_settled));
            if !known || !condition.is_true(&self.names(place.frame)).unwrap_or(false) {
                return false;
            }
        }
        if self.is_active(place.frame, node) {
            return true;
        }
        // What streams already will be done, or the run ends with it; unless its failure leads elsewhere.
        node.after.is_none()
            && node.dependencies.iter().any(|it| {
                let source = self.run.of(self.program, Place { frame: place.frame, node: *it });
                matches!(state(*it), Some(NodeRun::Running { .. }))
                    && source.is_some_and(|it| it.streams && !matches!(it.on_error, OnError::Route))
            })
    }

    fn skip(&mut self, place: Place) {
        self.set(place, NodeRun::Skipped);
        let node = self.run.path(self.program, place);
        self.events.push(Event::NodeSkipped { node });
        self.mark_settled(place);
    }

    fn start(&mut self, place: Place) {
        let Some(node) = self.run.of(self.program, place) else { return };
        if node.answer.is_some() {
            self.begin_answer(place);
            return;
        }
        if !self.count_step() {
            return;
        }
        let input = match node.behaviour.input(&node.input, &self.names(place.frame)) {
            Ok(input) => input,
            Err(error) => {
                self.announce(place, node, json!({}));
                self.fail(place, error);
                return;
            }
        };
        if let Some(container) = &node.container {
            self.announce(place, node, input.clone());
            self.begin_container(place, container, &input);
            return;
        }
        if let Some(cache) = &node.cache {
            self.announce(place, node, input.clone());
            if let Err(error) = self.look_up(place, cache, input) {
                self.fail(place, error);
            }
            return;
        }
        let (next, changed) = self.first_step(node, &input);
        self.announce(place, node, input);
        self.after_step(place, next, changed);
    }

    fn first_step(&mut self, node: &ProgramNode, input: &Json) -> (Result<Next, EffectError>, bool) {
        let run = &mut *self.run;
        let mut step = Step::new(run.chat.as_ref(), &mut run.state);
        let next = node.behaviour.start(&mut step, input);
        (next, step.state_changed)
    }

    /// Starts a node that was announced already, because nothing was kept for its input.
    pub(super) fn work(&mut self, place: Place, node: &ProgramNode, input: &Json) {
        let (next, changed) = self.first_step(node, input);
        self.after_step(place, next, changed);
    }

    /// Acts on what a node wants next.
    pub(super) fn after_step(&mut self, place: Place, next: Result<Next, EffectError>, state_changed: bool) {
        if state_changed {
            self.run.state_value.take();
            self.events.push(Event::StateChanged { state: Json::Object(self.run.state.clone()) });
        }
        match next {
            Err(error) => self.fail(place, error),
            Ok(Next::Done { ports, output }) => self.done(place, ports, output),
            Ok(Next::Ask { effect, memory }) => self.ask(place, effect, memory),
        }
    }

    pub(super) fn announce(&mut self, place: Place, node: &ProgramNode, input: Json) {
        let id = self.run.path(self.program, place);
        let input = node.behaviour.shown(input);
        self.events.push(Event::NodeStarted { node: id, kind: node.kind.clone(), input });
    }

    pub(super) fn done(&mut self, place: Place, ports: Vec<String>, output: Json) {
        let Some(node) = self.run.of(self.program, place) else { return };
        self.done_from((place, node), ports, output, None);
    }

    /// Settles a node; `saved` is what a kept output did not cost again.
    pub(super) fn done_from(
        &mut self,
        (place, node): (Place, &ProgramNode),
        ports: Vec<String>,
        output: Json,
        saved: Option<Json>,
    ) {
        let value = from_json(&output);
        let port = ports.first().cloned().unwrap_or_else(|| DONE.to_owned());
        if !self.count_bytes(place.frame, &output) {
            return;
        }
        self.keep(place, (node, &ports, &output));
        let id = self.run.path(self.program, place);
        self.events.push(Event::NodeFinished { node: id, port, output, saved });
        self.set(place, NodeRun::Done { ports, output: value, routed: false });
        self.mark_settled(place);
    }

    /// A node failed for good: its `on_error` decides what becomes of its frame.
    pub(super) fn fail(&mut self, place: Place, error: EffectError) {
        let Some(node) = self.run.of(self.program, place) else { return };
        let id = self.run.path(self.program, place);
        let EffectError { code, message, hint, retry_after_ms: _ } = error;
        let error = RunError { code, message, hint, node: Some(id.clone()) };
        let output = match &node.on_error {
            OnError::Stop => None,
            // A budget is the run's, not the node's.
            _ if error.code == "budget_exceeded" => None,
            OnError::Continue | OnError::Route => {
                Some(Ok(json!({ "error": { "code": error.code, "message": error.message } })))
            }
            OnError::Value(template) => Some(template.evaluate(&self.names(place.frame))),
        };
        let handled = matches!(output, Some(Ok(_)));
        self.events.push(Event::NodeFailed { node: id, error: error.clone(), handled });
        match output {
            None => self.stop_frame(place.frame, error),
            Some(Err(second)) => {
                let error = RunError {
                    code: second.code,
                    message: format!("the `value` of `on_error` failed as well: {}", second.message),
                    hint: second.hint,
                    node: error.node,
                };
                self.stop_frame(place.frame, error);
            }
            Some(Ok(output)) => {
                if !self.count_bytes(place.frame, &output) {
                    return;
                }
                let routed = matches!(node.on_error, OnError::Route);
                let ports = vec![if routed { "error" } else { DONE }.to_owned()];
                self.set(place, NodeRun::Done { ports, output: from_json(&output), routed });
                self.mark_settled(place);
            }
        }
    }

    /// The outermost frame fails with its run, a container's frame by itself.
    fn stop_frame(&mut self, frame: FrameId, error: RunError) {
        if frame == ROOT || error.code == "budget_exceeded" {
            self.fail_run(error);
        } else {
            self.failed.push_back((frame, Self::error_of_frame(error)));
        }
    }

    pub(super) fn fail_run(&mut self, error: RunError) {
        self.run.status = RunStatus::Failed;
        let cancelled = self.run.cancel_effects();
        self.events.extend(cancelled);
        self.events.push(Event::RunFailed { error, answer: self.run.answer.clone() });
    }

    fn finish(&mut self) {
        let mut outputs = serde_json::Map::new();
        for (name, template) in &self.program.outputs {
            let value = template.value(&self.names(ROOT)).and_then(|it| to_json(&it));
            match value {
                Ok(value) => {
                    outputs.insert(name.clone(), value);
                }
                Err(EffectError { code, message, hint, retry_after_ms: _ }) => {
                    let message = format!("the output `{name}`: {message}");
                    self.fail_run(RunError { code, message, hint, node: None });
                    return;
                }
            }
        }
        self.run.status = RunStatus::Finished;
        self.events.push(Event::RunFinished { outputs: Json::Object(outputs), answer: self.run.answer.clone() });
    }

    pub(super) fn set(&mut self, place: Place, state: NodeRun) {
        if let Some(slot) = self.run.node_mut(place) {
            *slot = state;
        }
    }

    pub(super) fn mark_settled(&mut self, place: Place) {
        self.settled.push_back(place);
        let Some(frame) = self.run.frames.get_mut(&place.frame) else { return };
        frame.unsettled = frame.unsettled.saturating_sub(1);
        if frame.unsettled == 0 && place.frame != ROOT {
            self.finished.push_back(place.frame);
        }
    }

    /// Nodes of frames that are given up tell nobody.
    pub(super) fn forget_settled(&mut self, frames: &[FrameId]) {
        self.settled.retain(|it| !frames.contains(&it.frame));
        self.finished.retain(|it| !frames.contains(it));
        self.failed.retain(|(it, _)| !frames.contains(it));
    }

    /// False when the budget of steps is used up; then the run has ended.
    pub(super) fn count_step(&mut self) -> bool {
        self.run.steps = self.run.steps.saturating_add(1);
        let most = self.run.limits.max_steps;
        if self.run.steps <= most {
            return true;
        }
        self.exceed(
            format!("the run took more than {most} steps"),
            "the limit `max_steps` counts every node that starts",
        );
        false
    }

    /// Adds what a model reported. False when a budget is used up; then the run has ended.
    pub(super) fn count_usage(&mut self, outcome: &Outcome) -> bool {
        let Outcome::Ok { value } = outcome else { return true };
        let Some(usage) = value.get("usage") else { return true };
        let tokens = |key: &str| usage.get(key).and_then(Json::as_u64).unwrap_or(0);
        let more = tokens("input_tokens").saturating_add(tokens("output_tokens"));
        self.run.tokens = self.run.tokens.saturating_add(more);
        let cost = usage.get("cost").and_then(Json::as_f64).unwrap_or(0.0).max(0.0);
        // Never infinite: JSON could not store it.
        self.run.cost = (self.run.cost + cost).min(f64::MAX);
        if let Some(most) = self.run.limits.max_tokens.filter(|most| self.run.tokens > *most) {
            let used = self.run.tokens;
            self.exceed(
                format!("the run's models took {used} tokens, more than {most}"),
                "the limit `max_tokens` counts what goes into models and what comes out of them",
            );
            return false;
        }
        if let Some(most) = self.run.limits.max_cost.filter(|most| self.run.cost > *most) {
            let used = self.run.cost;
            self.exceed(
                format!("the run's models cost {used:.4}, more than {most}"),
                "the limit `max_cost` is in the currency of the models' prices",
            );
            return false;
        }
        true
    }

    pub(super) fn count_bytes(&mut self, frame: FrameId, value: &Json) -> bool {
        let bytes = size(value);
        self.run.value_bytes = self.run.value_bytes.saturating_add(bytes);
        if let Some(frame) = self.run.frames.get_mut(&frame) {
            frame.bytes = frame.bytes.saturating_add(bytes);
        }
        if self.run.value_bytes <= self.run.limits.max_value_bytes {
            return true;
        }
        self.exceed_bytes();
        false
    }

    pub(super) fn uncount_bytes(&mut self, frame: FrameId, bytes: u64) {
        self.run.value_bytes = self.run.value_bytes.saturating_sub(bytes);
        if let Some(frame) = self.run.frames.get_mut(&frame) {
            frame.bytes = frame.bytes.saturating_sub(bytes);
        }
    }

    pub(super) fn exceed_bytes(&mut self) {
        let most = self.run.limits.max_value_bytes;
        self.exceed(
            format!("the values of the run take more than {most} bytes"),
            "the limit `max_value_bytes` counts inputs and the outputs of all nodes",
        );
    }

    fn exceed(&mut self, message: String, hint: &str) {
        let code = "budget_exceeded".to_owned();
        self.fail_run(RunError { code, message, hint: Some(hint.to_owned()), node: None });
    }
}
