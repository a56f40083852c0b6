//! Drives one run: events are stored, then published, then the effects among them are performed; their outcomes go back
//! into the engine until nothing is left to do.
//!
//! One task per run. Its client leaving does not end it; the run's `cancel` token does. The task owns the [`Run`]; nobody
//! else sees it, so a panic here ends this run alone.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use domain::{RunStatus, TenantId};
use futures::future::{AbortHandle, Abortable, Aborted, BoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use storage::{MessageUpdate, NewEvent, RunStep};
use tokio::sync::mpsc;
use workflow_engine::{EffectId, Event, Outcome, Program, RequestedEffect, Run, RunError, RunInput};

use super::effects::{FromEffect, Surroundings, Usage, perform, safe_to_repeat};
use super::frames::{Trace, error_json, is_terminal};
use super::live::{Frame, LiveRun};
use crate::app::App;

/// A run that is about to be driven.
pub(crate) struct Job {
    pub app: App,
    pub tenant: TenantId,
    pub run: domain::Run,
    pub program: Arc<Program>,
    pub depth: u32,
    pub usage: Arc<Usage>,
    pub start: Start,
}

pub(crate) enum Start {
    Fresh(Box<RunInput>),
    /// Picked up after a restart.
    Again {
        snapshot: Box<Run>,
        stored_through: i64,
        input: Box<RunInput>,
    },
}

/// Registers the run as live and drives it in a task of its own.
pub(crate) fn launch(job: Job) -> Arc<LiveRun> {
    let (stored_through, text) = match &job.start {
        Start::Fresh(_) => (0, String::new()),
        Start::Again { snapshot, stored_through, .. } => (*stored_through, snapshot.answer().to_owned()),
    };
    let live = job.app.live().begin(job.run.id, stored_through, text);
    let app = job.app.clone();
    let run_id = job.run.id;
    let driven = live.clone();
    app.clone().spawn(async move {
        if AssertUnwindSafe(drive(job, driven)).catch_unwind().await.is_err() {
            tracing::error!(run.id = %run_id, "a run panicked; it will be picked up at the next start");
        }
        app.live().end(run_id);
    });
    live
}

type Performing = FuturesUnordered<BoxFuture<'static, Result<(EffectId, Outcome), Aborted>>>;

struct Driver {
    app: App,
    tenant: TenantId,
    record: domain::Run,
    program: Arc<Program>,
    run: Run,
    seq: i64,
    trace: Trace,
    live: Arc<LiveRun>,
    around: Surroundings,
    performing: Performing,
    aborts: HashMap<EffectId, AbortHandle>,
    /// Set when the run must end with an error that the engine does not know of.
    ended_by: Option<RunError>,
}

async fn drive(job: Job, live: Arc<LiveRun>) {
    let (deltas, mut said) = mpsc::unbounded_channel();
    let input = match &job.start {
        Start::Fresh(input) | Start::Again { input, .. } => input.as_ref(),
    };
    let around = Surroundings {
        app: job.app.clone(),
        tenant: job.tenant,
        run: job.run.id,
        conversation: job.run.conversation,
        depth: job.depth,
        usage: job.usage.clone(),
        chat: input.chat.clone(),
        user: input.user.clone(),
        deltas,
    };
    let trace = Trace::new(&job.program, head(&job.run, &job.program));
    let (run, first, seq) = match job.start {
        Start::Fresh(input) => {
            let (run, events) = Run::start(&job.program, *input);
            (run, events, 0)
        }
        Start::Again { snapshot, stored_through, .. } => (*snapshot, Vec::new(), stored_through),
    };
    let mut driver = Driver {
        app: job.app,
        tenant: job.tenant,
        record: job.run,
        program: job.program,
        run,
        seq,
        trace,
        live: live.clone(),
        around,
        performing: FuturesUnordered::new(),
        aborts: HashMap::new(),
        ended_by: None,
    };
    let again = first.is_empty();
    if !driver.absorb(first).await {
        return;
    }
    if again {
        driver.perform_again().await;
    }
    let deadline = tokio::time::sleep(driver.app.config().limits.run_time);
    tokio::pin!(deadline);
    loop {
        let events = tokio::select! {
            // Text before outcomes, so that a model's last words come before its node is done.
            biased;
            Some(said) = said.recv() => driver.hear(said),
            Some(settled) = driver.performing.next() => match settled {
                Ok((id, outcome)) => {
                    driver.aborts.remove(&id);
                    driver.run.resume(&driver.program, id, outcome)
                }
                Err(Aborted) => continue,
            },
            // Before cancel: a parent that stops drops its effects, and with them would cancel the nested run for good.
            () = driver.app.stopping() => {
                // The snapshot that is stored already is where the next process goes on.
                return;
            }
            () = live.cancel.cancelled() => driver.run.cancel(),
            () = &mut deadline => driver.give_up(),
        };
        if !driver.absorb(events).await {
            return;
        }
    }
}

/// What `run.started` tells before anything has happened.
fn head(run: &domain::Run, program: &Program) -> Value {
    json!({
        "run_id": run.id,
        "kind": run.kind.as_str(),
        "name": run.name,
        "conversation_id": run.conversation,
        "message_id": run.message,
        "graph": super::frames::graph(program),
    })
}

impl Driver {
    fn hear(&mut self, said: FromEffect) -> Vec<Event> {
        match said {
            FromEffect::Delta(id, delta) => self.run.progress(&self.program, id, delta),
            FromEffect::Log { node, lines } => {
                self.trace.logs.entry(node).or_default().extend(lines);
                Vec::new()
            }
            FromEffect::ChildRun { node, run } => {
                let data = json!({ "node": node, "child_run": run }).to_string();
                self.trace.children.insert(node, run.to_string());
                self.live.publish(Frame::Note { name: "node.child_run", data: data.into() });
                Vec::new()
            }
        }
    }

    fn give_up(&mut self) -> Vec<Event> {
        let limit = self.app.config().limits.run_time.as_secs();
        self.ended_by = Some(RunError {
            code: "budget_exceeded".into(),
            message: format!("the run took longer than {limit} s"),
            hint: Some("split the work into smaller runs".into()),
            node: None,
        });
        self.run.cancel()
    }

    /// Stores a step, publishes it, then performs what it asks for. False when the run is over.
    async fn absorb(&mut self, events: Vec<Event>) -> bool {
        if events.is_empty() {
            return true;
        }
        let at = self.app.clock().now_ms();
        let mut frames = Vec::new();
        let mut stored = Vec::new();
        let mut requested = Vec::new();
        let mut state = None;
        for event in events {
            let event = self.overrule(event);
            if let Event::AnswerDelta { text, .. } = &event {
                frames.push(Frame::Delta { text: text.as_str().into() });
                continue;
            }
            if let Some((name, data)) = self.trace.frame(&event, at) {
                self.seq += 1;
                let data: Arc<str> = data.to_string().into();
                stored.push(NewEvent { seq: self.seq, name: name.to_owned(), data: data.to_string(), at });
                frames.push(Frame::Stored { seq: self.seq, name, data });
            }
            match event {
                Event::EffectRequested(request) => requested.push(request),
                Event::EffectCancelled { id, .. } => {
                    if let Some(abort) = self.aborts.remove(&id) {
                        abort.abort();
                    }
                }
                Event::StateChanged { state: new } => state = Some(new),
                Event::RunStarted { .. }
                | Event::NodeStarted { .. }
                | Event::NodeFinished { .. }
                | Event::NodeSkipped { .. }
                | Event::NodeFailed { .. }
                | Event::NodeKept { .. }
                | Event::OutputKept { .. }
                | Event::AnswerDelta { .. }
                | Event::AnswerCompleted { .. }
                | Event::RunFinished { .. }
                | Event::RunFailed { .. }
                | Event::RunCancelled => {}
            }
        }
        let over = frames.iter().any(|it| matches!(it, Frame::Stored { name, .. } if is_terminal(name)));
        if !stored.is_empty() || !requested.is_empty() {
            let step = self.step(stored, state, over, at);
            if let Err(error) = self.app.storage().record_step(self.tenant, self.record.id, step).await {
                self.abandon(&error);
                return false;
            }
        }
        for frame in frames {
            self.live.publish(frame);
        }
        for request in requested {
            self.begin(request);
        }
        !over
    }

    /// A run that ran out of time was cancelled inside the engine, but its record says why.
    fn overrule(&mut self, event: Event) -> Event {
        match (event, self.ended_by.take()) {
            (Event::RunCancelled, Some(error)) => Event::RunFailed { error, answer: self.run.answer().to_owned() },
            (event, ended_by) => {
                self.ended_by = ended_by;
                event
            }
        }
    }

    fn step(&self, events: Vec<NewEvent>, state: Option<Value>, over: bool, at: i64) -> RunStep {
        let mut step = RunStep { events, ..RunStep::default() };
        step.conversation_state = state.map(|it| it.to_string());
        if !over {
            step.status = Some(RunStatus::Running);
            // A value that cannot be written as JSON cannot be in a run: everything in it came from JSON.
            step.snapshot = serde_json::to_string(&self.run).ok();
            return step;
        }
        let last = step.events.iter().rev().find(|it| is_terminal(&it.name));
        let data: Value = last.and_then(|it| serde_json::from_str(&it.data).ok()).unwrap_or(Value::Null);
        let status = match last.map(|it| it.name.as_str()) {
            Some("run.finished") => RunStatus::Finished,
            Some("run.cancelled") => RunStatus::Cancelled,
            _ => RunStatus::Failed,
        };
        let answer = self.run.answer().to_owned();
        step.status = Some(status);
        step.outputs = data.get("outputs").map(Value::to_string);
        step.error = data.get("error").map(Value::to_string);
        step.finished_at = Some(at);
        step.message = self.record.message.map(|id| MessageUpdate {
            id,
            content: answer.clone(),
            status: match status {
                RunStatus::Finished => domain::MessageStatus::Complete,
                RunStatus::Cancelled => domain::MessageStatus::Cancelled,
                RunStatus::Queued | RunStatus::Running | RunStatus::Waiting | RunStatus::Failed => {
                    domain::MessageStatus::Failed
                }
            },
            error: step.error.clone(),
        });
        step.answer = Some(answer);
        step
    }

    /// Nothing can be stored: watchers are told, and the stored snapshot is taken up at the next start.
    fn abandon(&self, error: &storage::StorageError) {
        tracing::error!(run.id = %self.record.id, error = %error, "a run's step could not be stored");
        let error = RunError {
            code: "storage".into(),
            message: "the run's progress could not be stored".into(),
            hint: Some("the server's log has the reason; the run goes on after a restart".into()),
            node: None,
        };
        let data = json!({ "error": error_json(&error), "answer": self.run.answer() }).to_string();
        self.live.publish(Frame::Note { name: "run.failed", data: data.into() });
    }

    fn begin(&mut self, request: RequestedEffect) {
        let id = request.id;
        let (abort, registration) = AbortHandle::new_pair();
        self.aborts.insert(id, abort);
        let work = perform(self.around.clone(), request);
        self.performing.push(Box::pin(Abortable::new(work, registration)));
    }

    /// After a restart: effects without a stored outcome are performed again where that is safe.
    async fn perform_again(&mut self) {
        let tools = self.app.idempotent_tools(self.tenant).await;
        for request in self.run.pending() {
            if safe_to_repeat(&request.effect, |plugin, tool| tools.contains(&(plugin.to_owned(), tool.to_owned()))) {
                self.begin(request);
                continue;
            }
            let outcome = super::effects::failed(
                "interrupted",
                "the server stopped while this tool was being called, and it must not be called twice",
                Some("use `on_error` on the node, or run again"),
            );
            let id = request.id;
            self.performing.push(Box::pin(async move { Ok((id, outcome)) }));
        }
    }
}
