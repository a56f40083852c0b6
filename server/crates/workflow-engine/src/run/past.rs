//! Running again from a node: what another run has finished before it is taken over, everything from there on is done anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use minijinja::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::frames::{Place, ROOT};
use super::schedule::Machine;
use super::{NodeRun, Run};
use crate::event::Event;
use crate::expression::{from_json, to_json};
use crate::input::RunInput;
use crate::node::DONE;
use crate::program::Program;

/// What a run knows of one of its outermost nodes that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastNode {
    pub ports: Vec<String>,
    pub output: Json,
    /// It failed, and left by `error`.
    pub routed: bool,
}

/// Why a run cannot be begun from a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RerunError {
    /// The workflow has no such node, or it stands in a container.
    UnknownNode { node: String, known: Vec<String> },
}

impl fmt::Display for RerunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RerunError::UnknownNode { node, known: _ } => write!(f, "there is no node `{node}` to begin from"),
        }
    }
}

impl std::error::Error for RerunError {}

impl Run {
    /// The outermost nodes that are done, by their ids.
    #[must_use]
    pub fn past(&self, program: &Program) -> BTreeMap<String, PastNode> {
        let nodes = self.frames.get(&ROOT).map(|it| it.nodes.as_slice()).unwrap_or_default();
        let body = program.bodies.first().map(|it| it.nodes.as_slice()).unwrap_or_default();
        nodes
            .iter()
            .zip(body)
            .filter_map(|(state, node)| match state {
                NodeRun::Done { ports, output, routed } => {
                    let output = to_json(output).ok()?;
                    Some((node.id.to_string(), PastNode { ports: ports.clone(), output, routed: *routed }))
                }
                NodeRun::Waiting { .. }
                | NodeRun::Ready
                | NodeRun::Running { .. }
                | NodeRun::Saying { .. }
                | NodeRun::Containing(_)
                | NodeRun::Skipped => None,
            })
            .collect()
    }

    /// Starts a run that keeps what `past` has finished, except for the node `from` and everything that depends on it.
    /// Answers that are kept are said again, so that the new run's answer is whole.
    ///
    /// # Errors
    /// The program has no outermost node `from`.
    pub fn start_from(
        program: &Program,
        input: RunInput,
        (from, past): (&str, &BTreeMap<String, PastNode>),
    ) -> Result<(Run, Vec<Event>), RerunError> {
        let Some(body) = program.bodies.first() else {
            return Err(RerunError::UnknownNode { node: from.to_owned(), known: Vec::new() });
        };
        let Some(first) = body.index.get(from) else {
            let known = body.nodes.iter().map(|it| it.id.to_string()).collect();
            return Err(RerunError::UnknownNode { node: from.to_owned(), known });
        };
        let mut again = BTreeSet::from([*first]);
        let mut open = vec![*first];
        while let Some(node) = open.pop() {
            for dependent in body.nodes.get(node).map(|it| it.dependents.as_slice()).unwrap_or_default() {
                if again.insert(*dependent) {
                    open.push(*dependent);
                }
            }
        }
        Ok(Run::start_prepared(program, input, |machine| {
            for (number, node) in body.nodes.iter().enumerate() {
                if let Some(past) = past.get(&*node.id).filter(|_| !again.contains(&number)) {
                    machine.take_over(Place { frame: ROOT, node: number }, past);
                }
            }
        }))
    }
}

impl Machine<'_> {
    fn take_over(&mut self, place: Place, past: &PastNode) {
        let Some(node) = self.run.of(self.program, place) else { return };
        let PastNode { ports, output, routed } = past;
        if !self.count_bytes(place.frame, output) {
            return;
        }
        let port = ports.first().cloned().unwrap_or_else(|| DONE.to_owned());
        let id = node.id.to_string();
        self.events.push(Event::NodeKept { node: id.clone(), port, output: output.clone() });
        let value: Value = from_json(output);
        if node.answer.is_some() {
            let text = output.get("text").and_then(Json::as_str).unwrap_or_default().to_owned();
            self.say_again(id, text);
        }
        if let (true, Json::Object(changes)) = (node.kind == "set", output) {
            // What was set is set again: the conversation's variables start as they were before the first run.
            for (name, value) in changes {
                if value.is_null() {
                    self.run.state.shift_remove(name);
                } else {
                    self.run.state.insert(name.clone(), value.clone());
                }
            }
            self.run.state_value.take();
        }
        self.set(place, NodeRun::Done { ports: ports.clone(), output: value, routed: *routed });
        self.mark_settled(place);
    }

    fn say_again(&mut self, node: String, text: String) {
        if !text.is_empty() {
            self.run.answer.push_str(&text);
            self.events.push(Event::AnswerDelta { node: node.clone(), text: text.clone() });
        }
        self.events.push(Event::AnswerCompleted { node, text });
    }
}
