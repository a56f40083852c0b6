//! Runs golden cases: compile, start, play the script, compare the trace. The run is stored and loaded again between every
//! two steps, so each case proves as well that a run survives a restart at any point.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use workflow_engine::{
    Catalog, Delta, Effect, EffectError, EffectId, Event, Outcome, Program, RequestedEffect, Run, RunInput,
    compile_assistant, compile_workflow, node_kinds,
};

use crate::{compare, files, folder, read, trace};

#[test]
fn golden_cases() {
    let mut differences = Vec::new();
    let mut kinds = BTreeSet::new();
    for path in files(&folder()).into_iter().chain(project_cases()) {
        let (text, case) = read(&path);
        let happened = play(&path, &case, &mut kinds);
        differences.extend(compare(&path, &text, "trace", &happened));
    }
    assert!(differences.is_empty(), "\n{}\nUPDATE_EXPECT=1 rewrites the traces", differences.join("\n"));
    let without: Vec<&str> = node_kinds().into_iter().map(|it| it.name).filter(|it| !kinds.contains(*it)).collect();
    assert!(without.is_empty(), "no golden case runs a node of kind: {}", without.join(", "));
}

/// The cases of the shipped projects: `workflows/PROJECT/tests/*.yaml`.
fn project_cases() -> Vec<PathBuf> {
    ["restaurant", "marketing"].iter().flat_map(|it| files(&folder().join("..").join(it).join("tests"))).collect()
}

/// A case's document, and whether it is an assistant: in the case itself, or in the `file` that it names.
fn document(path: &Path, case: &Value) -> (String, bool) {
    let inline = |key: &str| case.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(file) = inline("file") {
        return (std::fs::read_to_string(path.parent().unwrap().join(&file)).unwrap(), file.contains("assistants/"));
    }
    match inline("assistant") {
        Some(text) => (text, true),
        None => (inline("workflow").unwrap(), false),
    }
}

/// The compiled document of a case.
pub(crate) fn compile(path: &Path, case: &Value) -> Program {
    let catalog: Catalog =
        case.get("catalog").map(|it| serde_json::from_value(it.clone()).unwrap()).unwrap_or_default();
    let (document, is_assistant) = document(path, case);
    let (program, diagnostics) = if is_assistant {
        let it = compile_assistant(&document, &catalog);
        (it.value.map(|it| it.program), it.diagnostics)
    } else {
        let it = compile_workflow(&document, &catalog);
        (it.value, it.diagnostics)
    };
    let found: String = diagnostics.iter().map(|it| it.render("document", &document)).collect();
    assert!(diagnostics.is_empty(), "{}:\n{found}", path.display());
    program.unwrap()
}

pub(crate) struct Player {
    pub(crate) program: Program,
    pub(crate) run: Run,
    pub(crate) pending: Vec<RequestedEffect>,
    pub(crate) said: String,
    pub(crate) lines: String,
    pub(crate) kinds: BTreeSet<String>,
}

impl Player {
    pub(crate) fn new(program: Program, input: RunInput) -> Player {
        let (run, events) = Run::start(&program, input);
        let mut player = Player {
            program,
            run,
            pending: Vec::new(),
            said: String::new(),
            lines: String::new(),
            kinds: BTreeSet::new(),
        };
        player.absorb(events);
        player
    }

    fn absorb(&mut self, events: Vec<Event>) {
        for event in events {
            self.lines.push_str(&trace::line(&event));
            self.lines.push('\n');
            match event {
                Event::EffectRequested(it) => self.pending.push(it),
                Event::EffectCancelled { id, .. } => self.pending.retain(|it| it.id != id),
                Event::AnswerDelta { text, .. } => self.said.push_str(&text),
                Event::NodeStarted { kind, .. } => {
                    let kind = if kind.starts_with("workflow/") {
                        "workflow".to_owned()
                    } else if node_kinds().iter().any(|it| it.name == kind) {
                        kind
                    } else {
                        "plugin_tool".to_owned()
                    };
                    self.kinds.insert(kind);
                }
                Event::RunFinished { answer, .. } | Event::RunFailed { answer, .. } => {
                    assert_eq!(answer, self.said, "the answer is what was said");
                }
                Event::RunStarted { .. }
                | Event::NodeFinished { .. }
                | Event::NodeSkipped { .. }
                | Event::NodeFailed { .. }
                | Event::NodeKept { .. }
                | Event::OutputKept { .. }
                | Event::AnswerCompleted { .. }
                | Event::StateChanged { .. }
                | Event::RunCancelled => {}
            }
        }
        assert_eq!(self.run.answer(), self.said);
        self.reload();
    }

    /// Another process takes the run up.
    fn reload(&mut self) {
        let stored = serde_json::to_string(&self.run).unwrap();
        self.run = serde_json::from_str(&stored).unwrap();
        assert_eq!(serde_json::to_string(&self.run).unwrap(), stored, "storing twice gives the same");
    }

    pub(crate) fn resume(&mut self, id: EffectId, outcome: Outcome) {
        self.pending.retain(|it| it.id != id);
        let events = self.run.resume(&self.program, id, outcome.clone());
        self.absorb(events);
        let again = self.run.resume(&self.program, id, outcome);
        assert!(again.is_empty(), "an outcome counts once");
    }

    pub(crate) fn say(&mut self, id: EffectId, text: &str) {
        let events = self.run.progress(&self.program, id, Delta::Text(text.to_owned()));
        assert!(events.iter().all(|it| matches!(it, Event::AnswerDelta { .. })), "{events:?}");
        self.absorb(events);
    }

    fn step(&mut self, step: &Value) {
        match step.as_str() {
            Some("cancel") => {
                let events = self.run.cancel();
                return self.absorb(events);
            }
            Some("restart") => {
                let pending = self.run.pending();
                let ids: Vec<String> = pending.iter().map(|it| format!("#{} {}", it.id.0, it.node)).collect();
                assert_eq!(pending, self.pending, "what is pending is what was asked for");
                self.lines.push_str(&format!("pending: {}\n", ids.join(", ")));
                return self.reload();
            }
            Some(other) => panic!("no step `{other}`"),
            None => {}
        }
        let node = step.get("node").and_then(Value::as_str).unwrap();
        let request = self.pending.iter().find(|it| it.node == node).cloned();
        let request = request.unwrap_or_else(|| panic!("`{node}` asks for nothing; the trace so far:\n{}", self.lines));
        let id = request.id;
        if let Some(text) = step.get("say").and_then(Value::as_str) {
            self.say(id, text);
        } else if let Some(error) = step.get("fail") {
            let mut error = error.clone();
            if error.get("message").is_none() {
                error["message"] = json!("it did not work");
            }
            let error: EffectError = serde_json::from_value(error).unwrap();
            self.resume(id, Outcome::Failed { error });
        } else if let Some(text) = step.get("text").and_then(Value::as_str) {
            let usage = json!({ "input_tokens": 10, "output_tokens": 5 });
            let value = json!({ "text": text, "usage": usage, "model": "test-model", "finish_reason": "stop" });
            self.resume(id, Outcome::Ok { value });
        } else if let Some(angles) = step.get("angles").and_then(Value::as_object) {
            self.resume(id, Outcome::Ok { value: vectors(&request.effect, angles) });
        } else {
            self.resume(id, Outcome::Ok { value: step.get("ok").cloned().unwrap_or(Value::Null) });
        }
    }
}

/// Vectors in a plane for the texts of an embedding: the angle between two of them decides how similar they are. Texts
/// that are not listed stand at `else`.
fn vectors(effect: &Effect, angles: &Map<String, Value>) -> Value {
    let Effect::Embed { texts, .. } = effect else { panic!("not an embedding: {effect:?}") };
    let vectors: Vec<Value> = texts
        .iter()
        .map(|text| {
            let degrees = angles.get(text).or_else(|| angles.get("else")).and_then(Value::as_f64).unwrap();
            json!([degrees.to_radians().cos(), degrees.to_radians().sin()])
        })
        .collect();
    json!({ "vectors": vectors, "model": "test-embedder" })
}

fn play(path: &Path, case: &Value, kinds: &mut BTreeSet<String>) -> String {
    let program = compile(path, case);
    let mut input: RunInput =
        case.get("input").map(|it| serde_json::from_value(it.clone()).unwrap()).unwrap_or_default();
    if input.run_id.is_empty() {
        input.run_id = "run-1".to_owned();
        input.started_at = "2026-10-01T12:00:00+08:00".to_owned();
    }
    let mut player = Player::new(program, input);
    for step in case.get("script").and_then(Value::as_array).into_iter().flatten() {
        player.lines.push_str("--\n");
        player.step(step);
    }
    let status = serde_json::to_value(player.run.status()).unwrap();
    player.lines.push_str(&format!("status: {}\n", status.as_str().unwrap()));
    kinds.append(&mut player.kinds);
    player.lines
}
