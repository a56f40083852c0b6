//! Which node runs when: DESIGN's rules of activation, in time proportional to nodes and references.

use std::collections::VecDeque;

use serde_json::{Value as Json, json};

use super::{NodeRun, Run, RunNames, size};
use crate::compile::OnError;
use crate::effect::EffectError;
use crate::event::{Event, RunError, RunStatus};
use crate::expression::{from_json, to_json};
use crate::node::{DONE, Next, Step};
use crate::program::{Program, ProgramNode};

/// A run between two outcomes: collects events and the nodes that settled, until nothing is left to do.
pub(super) struct Machine<'r> {
    pub(super) run: &'r mut Run,
    pub(super) program: &'r Program,
    pub(super) events: Vec<Event>,
    /// Nodes that have settled and whose dependents do not know yet.
    settled: VecDeque<usize>,
}

impl<'r> Machine<'r> {
    pub(super) fn new(run: &'r mut Run, program: &'r Program) -> Machine<'r> {
        Machine { run, program, events: Vec::new(), settled: VecDeque::new() }
    }

    pub(super) fn names(&self) -> RunNames<'_> {
        RunNames { run: self.run, program: self.program }
    }

    /// Decides about every node that waits for nothing, then goes on.
    pub(super) fn begin(&mut self) {
        if self.run.value_bytes > self.run.limits.max_value_bytes {
            self.exceed_bytes();
            return;
        }
        for number in 0..self.program.nodes.len() {
            if self.run.status_is_terminal() {
                return;
            }
            if matches!(self.run.nodes.get(number), Some(NodeRun::Waiting { left: 0 })) {
                self.decide(number);
            }
        }
        self.drive();
    }

    /// Works until everything that is left waits for an effect.
    pub(super) fn drive(&mut self) {
        while !self.run.status_is_terminal() {
            if let Some(number) = self.settled.pop_front() {
                self.tell_dependents(number);
            } else if let Some(number) = self.next_ready() {
                self.start(number);
            } else {
                self.say_more();
                if self.settled.is_empty() {
                    break;
                }
            }
        }
        if !self.run.status_is_terminal() && self.run.unsettled == 0 {
            self.finish();
        }
    }

    fn next_ready(&mut self) -> Option<usize> {
        let most = usize::try_from(self.run.limits.max_parallel.max(1)).unwrap_or(usize::MAX);
        if self.run.in_flight.len() >= most { None } else { self.run.ready.pop_front() }
    }

    fn tell_dependents(&mut self, number: usize) {
        let Some(node) = self.program.nodes.get(number) else { return };
        for dependent in &node.dependents {
            match self.run.nodes.get_mut(*dependent) {
                Some(NodeRun::Waiting { left }) => {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        self.decide(*dependent);
                    }
                }
                Some(NodeRun::Saying { left }) => *left = left.saturating_sub(1),
                Some(NodeRun::Ready | NodeRun::Running { .. } | NodeRun::Done { .. } | NodeRun::Skipped) | None => {}
            }
            if self.run.status_is_terminal() {
                return;
            }
        }
        self.begin_answers_of(node);
    }

    /// Answers that wait for this node may be certain to run now.
    pub(super) fn begin_answers_of(&mut self, node: &ProgramNode) {
        for answer in &node.answers {
            if matches!(self.run.nodes.get(*answer), Some(NodeRun::Waiting { left }) if *left > 0)
                && self.is_certain(*answer)
            {
                self.begin_answer(*answer);
            }
        }
    }

    /// Every dependency has settled: the node runs or is skipped.
    fn decide(&mut self, number: usize) {
        let Some(node) = self.program.nodes.get(number) else { return };
        if !self.is_active(node) {
            self.skip(number, node);
            return;
        }
        match node.condition.as_ref().map(|it| it.is_true(&self.names())) {
            Some(Ok(false)) => self.skip(number, node),
            Some(Err(error)) => self.fail(number, error),
            Some(Ok(true)) | None => {
                self.set(number, NodeRun::Ready);
                self.run.ready.push_back(number);
            }
        }
    }

    fn is_active(&self, node: &ProgramNode) -> bool {
        match &node.after {
            Some(after) => after.iter().any(|it| self.left_by(it.node, it.port.as_deref())),
            None => {
                node.dependencies.is_empty()
                    || node.dependencies.iter().any(|it| self.run.nodes.get(*it).is_some_and(NodeRun::is_done))
            }
        }
    }

    /// Whether a node is done, by the given port if one is given.
    fn left_by(&self, number: usize, port: Option<&str>) -> bool {
        match (self.run.nodes.get(number), port) {
            (Some(NodeRun::Done { ports, .. }), Some(port)) => ports.iter().any(|it| it == port),
            (Some(state), None) => state.is_done(),
            (Some(_) | None, _) => false,
        }
    }

    /// Whether an answer will run for certain although not all of its dependencies have settled.
    fn is_certain(&self, number: usize) -> bool {
        let Some(node) = self.program.nodes.get(number) else { return false };
        if let Some(condition) = &node.condition {
            let known = node.condition_needs.iter().all(|it| self.run.nodes.get(*it).is_some_and(NodeRun::is_settled));
            if !known || !condition.is_true(&self.names()).unwrap_or(false) {
                return false;
            }
        }
        if self.is_active(node) {
            return true;
        }
        // What streams already will be done, or the run ends with it; unless its failure leads elsewhere.
        node.after.is_none()
            && node.dependencies.iter().any(|it| {
                matches!(self.run.nodes.get(*it), Some(NodeRun::Running { .. }))
                    && self
                        .program
                        .nodes
                        .get(*it)
                        .is_some_and(|it| it.streams && !matches!(it.on_error, OnError::Route))
            })
    }

    fn skip(&mut self, number: usize, node: &ProgramNode) {
        self.set(number, NodeRun::Skipped);
        self.events.push(Event::NodeSkipped { node: node.id.to_string() });
        self.mark_settled(number);
    }

    fn start(&mut self, number: usize) {
        let Some(node) = self.program.nodes.get(number) else { return };
        if node.answer.is_some() {
            self.begin_answer(number);
            return;
        }
        if !self.count_step() {
            return;
        }
        let input = match node.behaviour.input(&node.input, &self.names()) {
            Ok(input) => input,
            Err(error) => {
                self.announce(node, json!({}));
                self.fail(number, error);
                return;
            }
        };
        let (next, changed) = {
            let run = &mut *self.run;
            let mut step =
                Step { chat: run.chat.as_ref(), state: &mut run.state, state_changed: false, streamed: None };
            let next = node.behaviour.start(&mut step, &input);
            (next, step.state_changed)
        };
        self.announce(node, input);
        self.after_step(number, next, changed);
    }

    /// Acts on what a node wants next.
    pub(super) fn after_step(&mut self, number: usize, next: Result<Next, EffectError>, state_changed: bool) {
        if state_changed {
            self.run.state_value.take();
            self.events.push(Event::StateChanged { state: Json::Object(self.run.state.clone()) });
        }
        match next {
            Err(error) => self.fail(number, error),
            Ok(Next::Done { ports, output }) => self.done(number, ports, output),
            Ok(Next::Ask { effect, memory }) => self.ask(number, effect, memory),
        }
    }

    pub(super) fn announce(&mut self, node: &ProgramNode, input: Json) {
        let input = node.behaviour.shown(input);
        self.events.push(Event::NodeStarted { node: node.id.to_string(), kind: node.kind.clone(), input });
    }

    pub(super) fn done(&mut self, number: usize, ports: Vec<String>, output: Json) {
        let Some(node) = self.program.nodes.get(number) else { return };
        let value = from_json(&output);
        let port = ports.first().cloned().unwrap_or_else(|| DONE.to_owned());
        if !self.count_bytes(&output) {
            return;
        }
        self.events.push(Event::NodeFinished { node: node.id.to_string(), port, output });
        self.set(number, NodeRun::Done { ports, output: value, routed: false });
        self.mark_settled(number);
    }

    /// A node failed for good: its `on_error` decides what becomes of the run.
    pub(super) fn fail(&mut self, number: usize, error: EffectError) {
        let Some(node) = self.program.nodes.get(number) else { return };
        let EffectError { code, message, hint, retry_after_ms: _ } = error;
        let error = RunError { code, message, hint, node: Some(node.id.to_string()) };
        let output = match &node.on_error {
            OnError::Stop => None,
            // A budget is the run's, not the node's.
            _ if error.code == "budget_exceeded" => None,
            OnError::Continue | OnError::Route => {
                Some(Ok(json!({ "error": { "code": error.code, "message": error.message } })))
            }
            OnError::Value(template) => Some(template.evaluate(&self.names())),
        };
        let handled = matches!(output, Some(Ok(_)));
        self.events.push(Event::NodeFailed { node: node.id.to_string(), error: error.clone(), handled });
        match output {
            None => self.fail_run(error),
            Some(Err(second)) => self.fail_run(RunError {
                code: second.code,
                message: format!("the `value` of `on_error` failed as well: {}", second.message),
                hint: second.hint,
                node: error.node,
            }),
            Some(Ok(output)) => {
                if !self.count_bytes(&output) {
                    return;
                }
                let routed = matches!(node.on_error, OnError::Route);
                let ports = vec![if routed { "error" } else { DONE }.to_owned()];
                self.set(number, NodeRun::Done { ports, output: from_json(&output), routed });
                self.mark_settled(number);
            }
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
            let value = template.value(&self.names()).and_then(|it| to_json(&it));
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

    pub(super) fn set(&mut self, number: usize, state: NodeRun) {
        if let Some(slot) = self.run.nodes.get_mut(number) {
            *slot = state;
        }
    }

    fn mark_settled(&mut self, number: usize) {
        self.run.unsettled = self.run.unsettled.saturating_sub(1);
        self.settled.push_back(number);
    }

    /// False when the budget of steps is used up; then the run has ended.
    pub(super) fn count_step(&mut self) -> bool {
        self.run.steps = self.run.steps.saturating_add(1);
        let most = self.run.limits.max_steps;
        if self.run.steps <= most {
            return true;
        }
        self.fail_run(RunError {
            code: "budget_exceeded".to_owned(),
            message: format!("the run took more than {most} steps"),
            hint: Some("the limit `max_steps` counts every node that starts".to_owned()),
            node: None,
        });
        false
    }

    fn count_bytes(&mut self, value: &Json) -> bool {
        self.run.value_bytes = self.run.value_bytes.saturating_add(size(value));
        if self.run.value_bytes <= self.run.limits.max_value_bytes {
            return true;
        }
        self.exceed_bytes();
        false
    }

    fn exceed_bytes(&mut self) {
        let most = self.run.limits.max_value_bytes;
        self.fail_run(RunError {
            code: "budget_exceeded".to_owned(),
            message: format!("the values of the run take more than {most} bytes"),
            hint: Some("the limit `max_value_bytes` counts inputs and the outputs of all nodes".to_owned()),
            node: None,
        });
    }
}
