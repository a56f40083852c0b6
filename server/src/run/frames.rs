//! Engine events as the wire tells them: a name and a JSON object. Names and fields are part of the API.

use std::collections::HashMap;

use serde_json::{Value, json};
use workflow_engine::{Event, Program, RunError};

/// What the driver knows besides the event itself.
pub(crate) struct Trace {
    pub kinds: HashMap<String, (String, String)>,
    /// When each running node started; for its duration.
    pub started: HashMap<String, i64>,
    /// What the node's tools have logged so far.
    pub logs: HashMap<String, Vec<Value>>,
    /// The run that a `workflow` node started.
    pub children: HashMap<String, String>,
    /// Opening data of `run.started`.
    pub head: Value,
}

impl Trace {
    pub(crate) fn new(program: &Program, head: Value) -> Trace {
        let kinds =
            program.nodes().into_iter().map(|it| (it.id.clone(), (it.kind.clone(), it.title.clone()))).collect();
        Trace { kinds, started: HashMap::new(), logs: HashMap::new(), children: HashMap::new(), head }
    }

    /// The stored form of an event; none for those that only the driver needs.
    pub(crate) fn frame(&mut self, event: &Event, at: i64) -> Option<(&'static str, Value)> {
        match event {
            Event::RunStarted { inputs } => {
                let mut data = self.head.clone();
                if let Value::Object(map) = &mut data {
                    map.insert("inputs".into(), inputs.clone());
                    map.insert("at".into(), at.into());
                }
                Some(("run.started", data))
            }
            Event::NodeStarted { node, kind: _, input } => {
                self.started.insert(node.clone(), at);
                let (kind, title) = self.kinds.get(own_id(node)).cloned().unwrap_or_default();
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
        if let Some(started) = self.started.remove(node) {
            map.insert("duration_ms".into(), (at - started).max(0).into());
        }
        if let Some(lines) = self.logs.remove(node) {
            map.insert("logs".into(), lines.into());
        }
        if let Some(child) = self.children.remove(node) {
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
pub(crate) fn graph(program: &Program) -> Value {
    let nodes: Vec<Value> = program
        .nodes()
        .into_iter()
        .map(|it| {
            json!({ "id": it.id, "kind": it.kind, "title": it.title, "ports": it.ports, "dependencies": it.dependencies, "parent": it.parent })
        })
        .collect();
    json!({ "nodes": nodes })
}
