//! Drives one run: a step is stored, then published, then the effects that it asks for are performed; their outcomes go
//! back into the engine until nothing is left to do.
//!
//! One task per run. Its client leaving does not end it; the run's `cancel` token does. The task owns the [`Run`]; nobody
//! else sees it, so a panic here ends this run alone.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use domain::TenantId;
use futures::future::{AbortHandle, Abortable, Aborted, BoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde_json::json;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use workflow_engine::{ChatContext, Delta, EffectId, Event, Outcome, Program, RequestedEffect, Run, RunError};

use super::effects::{FromEffect, Surroundings, Usage, perform, safe_to_repeat};
use super::frames::error_json;
use super::journal::{Settled, cause};
use super::live::{Frame, LiveRun, Reserved};
use super::recorder::{Recorded, Recorder};
use crate::app::App;

/// Outcomes that become one step when they are there at the same time.
const OUTCOMES_AT_ONCE: usize = 32;

/// A run that is about to be driven.
pub(crate) struct Job {
    pub app: App,
    pub tenant: TenantId,
    pub record: domain::Run,
    pub program: Arc<Program>,
    pub depth: u32,
    pub usage: Arc<Usage>,
    /// What nested workflows see as well.
    pub chat: Option<ChatContext>,
    pub user: serde_json::Value,
    pub run: Run,
    pub recorder: Recorder,
    pub start: Start,
}

pub(crate) enum Start {
    /// The first step is stored and asks for these.
    First(Vec<RequestedEffect>),
    /// Picked up from what was stored.
    Again,
}

/// Registers the run as live and drives it in a task of its own.
pub(crate) fn launch(job: Job, reserved: Reserved<'_>) -> Arc<LiveRun> {
    let live = reserved.begin(job.recorder.seq(), job.run.answer().to_owned());
    let app = job.app.clone();
    let run_id = job.record.id;
    let driven = live.clone();
    app.clone().spawn(async move {
        if AssertUnwindSafe(drive(job, driven)).catch_unwind().await.is_err() {
            tracing::error!(run.id = %run_id, "a run panicked; it will be picked up again");
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
    recorder: Recorder,
    live: Arc<LiveRun>,
    around: Surroundings,
    performing: Performing,
    aborts: HashMap<EffectId, AbortHandle>,
    /// What effects in flight have said so far.
    streamed: HashMap<EffectId, String>,
}

async fn drive(job: Job, live: Arc<LiveRun>) {
    let (deltas, mut said) = mpsc::unbounded_channel();
    let around = Surroundings {
        app: job.app.clone(),
        tenant: job.tenant,
        run: job.record.id,
        conversation: job.record.conversation,
        depth: job.depth,
        usage: job.usage,
        chat: job.chat,
        user: job.user,
        deltas,
    };
    let mut driver = Driver {
        app: job.app,
        tenant: job.tenant,
        record: job.record,
        program: job.program,
        run: job.run,
        recorder: job.recorder,
        live: live.clone(),
        around,
        performing: FuturesUnordered::new(),
        aborts: HashMap::new(),
        streamed: HashMap::new(),
    };
    match job.start {
        Start::First(requested) => requested.into_iter().for_each(|it| driver.begin(it)),
        Start::Again => driver.perform_again().await,
    }
    let deadline = tokio::time::sleep(driver.app.config().limits.run_time);
    tokio::pin!(deadline);
    loop {
        let going_on = tokio::select! {
            // Text before outcomes, so that a model's last words come before its node is done.
            biased;
            Some(said) = said.recv() => {
                driver.hear(said);
                true
            }
            Some(settled) = driver.performing.next() => driver.settle(settled, &mut said).await,
            // Before cancel: a parent that stops drops its effects, and with them would cancel the nested run for good.
            // What is stored already is where the next process goes on.
            () = driver.app.stopping() => false,
            () = live.cancel.cancelled() => driver.cancel().await,
            () = &mut deadline => driver.give_up().await,
        };
        if !going_on {
            return;
        }
    }
}

impl Driver {
    fn hear(&mut self, said: FromEffect) {
        match said {
            FromEffect::Delta(id, delta) => {
                if let Delta::Text(text) = &delta {
                    self.streamed.entry(id).or_default().push_str(text);
                }
                for event in self.run.progress(&self.program, id, delta) {
                    if let Event::AnswerDelta { text, .. } = event {
                        self.live.publish(Frame::Delta { text: text.into() });
                    }
                }
            }
            FromEffect::Log { node, lines } => self.recorder.trace.state.logs.entry(node).or_default().extend(lines),
            FromEffect::ChildRun { node, run } => {
                let data = json!({ "node": node, "child_run": run }).to_string();
                self.recorder.trace.state.children.insert(node, run.to_string());
                self.live.publish(Frame::Note { name: "node.child_run", data: data.into() });
            }
        }
    }

    /// Takes every outcome that is there into one step.
    async fn settle(
        &mut self,
        first: Result<(EffectId, Outcome), Aborted>,
        said: &mut UnboundedReceiver<FromEffect>,
    ) -> bool {
        let mut outcomes = vec![first];
        while outcomes.len() < OUTCOMES_AT_ONCE
            && let Some(Some(more)) = self.performing.next().now_or_never()
        {
            outcomes.push(more);
        }
        // What they said before they ended.
        while let Ok(said) = said.try_recv() {
            self.hear(said);
        }
        let settled = outcomes.into_iter().flatten().map(|(id, outcome)| {
            self.aborts.remove(&id);
            Settled::new(id, outcome, self.streamed.remove(&id))
        });
        let settled: Vec<Settled> = settled.collect();
        if settled.is_empty() {
            return true;
        }
        let cause = cause("outcomes", &settled);
        let mut events = Vec::new();
        for Settled { effect, outcome, said: _ } in settled {
            events.extend(self.run.resume(&self.program, effect, outcome));
        }
        self.absorb(cause, events).await
    }

    async fn cancel(&mut self) -> bool {
        let events = self.run.cancel();
        self.absorb(cause("cancel", &()), events).await
    }

    /// The run is cancelled inside the engine, but its record says why.
    async fn give_up(&mut self) -> bool {
        let limit = self.app.config().limits.run_time.as_secs();
        let error = RunError {
            code: "budget_exceeded".into(),
            message: format!("the run took longer than {limit} s"),
            hint: Some("split the work into smaller runs".into()),
            node: None,
        };
        let cause = cause("ended", &error);
        let mut events = self.run.cancel();
        for event in &mut events {
            if matches!(event, Event::RunCancelled) {
                *event = Event::RunFailed { error: error.clone(), answer: self.run.answer().to_owned() };
            }
        }
        self.absorb(cause, events).await
    }

    /// Stores a step, publishes it, then performs what it asks for. False when the run is over.
    async fn absorb(&mut self, cause: String, events: Vec<Event>) -> bool {
        let recorded = self.recorder.record(&self.run, cause, events, self.app.clock().now_ms());
        let over = recorded.is_over();
        let Recorded { step, frames, requested, cancelled } = recorded;
        for id in cancelled {
            self.streamed.remove(&id);
            if let Some(abort) = self.aborts.remove(&id) {
                abort.abort();
            }
        }
        if let Err(error) = self.app.storage().record_step(self.tenant, self.record.id, step).await {
            self.abandon(&error);
            return false;
        }
        for frame in frames {
            self.live.publish(frame);
        }
        for request in requested {
            self.begin(request);
        }
        !over
    }

    /// Nothing can be stored: watchers are told, and what is stored already is taken up again.
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
                "the server stopped while this was being done, and it must not be done twice",
                Some("use `on_error` on the node, or run again"),
            );
            let id = request.id;
            self.performing.push(Box::pin(async move { Ok((id, outcome)) }));
        }
    }
}
