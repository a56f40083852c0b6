//! Engine events as the wire tells them: a name and a JSON object. Names and fields are part of the API.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::{ConversationId, MessageId, RunId};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use workflow_engine::{Event, NodeInfo, Program, RunError};

use crate::app::catalog::Runnable;

/// What the driver knows besides the event itself.
pub(crate) struct Trace {
    program: Arc<Runnable>,
    pub state: TraceState,
    head: Head,
}

/// What the trace of a run remembers from one step to another.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TraceState {
    /// When each running node started; for its duration.
    pub started: BTreeMap<String, i64>,
    /// What the node's tools have logged so far.
    pub logs: BTreeMap<String, Vec<Value>>,
    /// The run that a `workflow` node started.
    pub children: BTreeMap<String, String>,
}

/// What `run.started` tells of the run.
struct Head {
    run_id: RunId,
    kind: &'static str,
    name: String,
    conversation_id: Option<ConversationId>,
    message_id: Option<MessageId>,
}

#[derive(Serialize)]
struct RunStarted<'a> {
    run_id: RunId,
    kind: &'static str,
    name: &'a str,
    conversation_id: Option<ConversationId>,
    message_id: Option<MessageId>,
    graph: &'a RawValue,
    inputs: &'a Value,
    at: i64,
}

/// A program as every run of it tells it; made once.
pub(crate) struct Drawing {
    /// Kind and title by node.
    kinds: HashMap<String, (String, String)>,
    /// The nodes and what they wait for.
    graph: Box<RawValue>,
}

impl Drawing {
    pub(crate) fn of(program: &Program) -> Drawing {
        let nodes = program.nodes();
        // A list of plain values can always be written.
        let graph = to_raw_value(&graph(&nodes)).unwrap_or_default();
        Drawing { kinds: nodes.into_iter().map(|it| (it.id, (it.kind, it.title))).collect(), graph }
    }
}

impl Trace {
    pub(crate) fn new(program: &Arc<Runnable>, run: &domain::Run) -> Trace {
        let head = Head {
            run_id: run.id,
            kind: run.kind.as_str(),
            name: run.name.clone(),
            conversation_id: run.conversation,
            message_id: run.message,
        };
        Trace { program: program.clone(), state: TraceState::default(), head }
    }

    /// The stored form of an event; none for those that only the driver needs.
    pub(crate) fn frame(&mut self, event: &Event, at: i64) -> Option<(&'static str, Box<RawValue>)> {
        if let Event::RunStarted { inputs } = event {
            let Head { run_id, kind, name, conversation_id, message_id } = &self.head;
            let data = to_raw_value(&RunStarted {
                run_id: *run_id,
                kind,
                name,
                conversation_id: *conversation_id,
                message_id: *message_id,
                graph: &self.program.drawing.graph,
                inputs,
                at,
            });
            return data.ok().map(|data| ("run.started", data));
        }
        let (name, data) = self.told(event, at)?;
        to_raw_value(&data).ok().map(|data| (name, data))
    }

    fn told(&mut self, event: &Event, at: i64) -> Option<(&'static str, Value)> {
        match event {
            Event::RunStarted { .. } => None,
            Event::NodeStarted { node, kind: _, input } => {
                self.state.started.insert(node.clone(), at);
                let (kind, title) = self.program.drawing.kinds.get(own_id(node)).cloned().unwrap_or_default();
                Some(("node.started", json!({ "node": node, "kind": kind, "title": title, "input": input, "at": at })))
            }
            Event::NodeFinished { node, port, output, saved } => {
                let mut data = json!({ "node": node, "port": port, "output": output, "at": at });
                if let (Some(saved), Value::Object(map)) = (saved, &mut data) {
                    map.insert("saved".into(), saved.clone());
                }
                self.settle(node, at, &mut data);
                Some(("node.finished", data))
            }
            Event::NodeSkipped { node } => Some(("node.skipped", json!({ "node": node, "at": at }))),
            Event::NodeFailed { node, error, handled } => {
                let mut data = json!({ "node": node, "error": error_json(error), "handled": handled, "at": at });
                self.settle(node, at, &mut data);
                Some(("node.failed", data))
            }
            Event::EffectRequested(request) if request.attempt > 1 => {
                Some(("node.retrying", json!({ "node": request.node, "attempt": request.attempt, "at": at })))
            }
            Event::NodeKept { node, port, output } => {
                Some(("node.kept", json!({ "node": node, "port": port, "output": output, "at": at })))
            }
            Event::EffectRequested(_)
            | Event::EffectCancelled { .. }
            | Event::AnswerDelta { .. }
            | Event::OutputKept { .. } => None,
            Event::StateChanged { state } => Some(("state.changed", json!({ "state": state }))),
            Event::AnswerCompleted { node, text } => Some(("message.completed", json!({ "node": node, "text": text }))),
            Event::RunFinished { outputs, answer } => {
                Some(("run.finished", json!({ "outputs": outputs, "answer": answer, "at": at })))
            }
            Event::RunFailed { error, answer } => {
                Some(("run.failed", json!({ "error": error_json(error), "answer": answer, "at": at })))
            }
            Event::RunCancelled => Some(("run.cancelled", json!({ "at": at }))),
        }
    }

    fn settle(&mut self, node: &str, at: i64, data: &mut Value) {
        let Value::Object(map) = data else { return };
        if let Some(started) = self.state.started.remove(node) {
            map.insert("duration_ms".into(), (at - started).max(0).into());
        }
        if let Some(lines) = self.state.logs.remove(node) {
            map.insert("logs".into(), lines.into());
        }
        if let Some(child) = self.state.children.remove(node) {
            map.insert("child_run".into(), child.into());
        }
    }
}

pub(crate) fn error_json(error: &RunError) -> Value {
    json!({ "code": error.code, "message": error.message, "hint": error.hint, "node": error.node })
}

/// A node's id without the items and iterations that it stands in: `orders[2].price` is `price`.
pub(crate) fn own_id(node: &str) -> &str {
    node.rsplit_once('.').map_or(node, |(_, id)| id)
}

pub(crate) fn is_terminal(name: &str) -> bool {
    matches!(name, "run.finished" | "run.failed" | "run.cancelled")
}

/// The nodes and what they wait for, for drawing.
pub(crate) fn graph(nodes: &[NodeInfo]) -> Value {
    let nodes: Vec<Value> = nodes
        .iter()
        .map(|it| {
            json!({ "id": it.id, "kind": it.kind, "title": it.title, "ports": it.ports, "dependencies": it.dependencies, "parent": it.parent })
        })
        .collect();
    json!({ "nodes": nodes })
}
