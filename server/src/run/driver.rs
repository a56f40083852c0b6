//! Drives one run: a step is stored, then published, then the effects that it asks for are performed; their outcomes go
//! back into the engine until nothing is left to do.
//!
//! One task per run. Its client leaving does not end it; the run's `cancel` token does. The task owns the [`Run`]; nobody
//! else sees it, so a panic here ends this run alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{RunId, RunStatus, TenantId};
use futures::future::{AbortHandle, Abortable, Aborted, BoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use workflow_engine::{ChatContext, Delta, Effect, EffectId, Event, RequestedEffect, Run, RunError};

use super::effects::{FromEffect, Performed, Surroundings, Usage, failed, perform, safe_to_repeat};
use super::frames::error_json;
use super::journal::{Settled, cause, end};
use super::live::{Frame, LiveRun, Reserved};
use super::recorder::{KeptOutput, Recorded, Recorder};
use super::waiting::{Asking, told};
use crate::app::App;
use crate::app::catalog::Runnable;

/// Outcomes that become one step when they are there at the same time.
const OUTCOMES_AT_ONCE: usize = 32;

/// A run that is about to be driven.
pub(crate) struct Job {
    pub app: App,
    pub tenant: TenantId,
    pub record: domain::Run,
    pub program: Arc<Runnable>,
    pub depth: u32,
    pub usage: Arc<Usage>,
    /// What nested workflows see as well.
    pub chat: Option<ChatContext>,
    pub user: Value,
    pub run: Run,
    pub recorder: Recorder,
    /// The run at the top of those that this one is nested in.
    pub root: RunId,
    /// How long it was driven before it waited.
    pub active: Duration,
    /// Effects that are waits.
    pub waiting: BTreeSet<EffectId>,
    pub start: Start,
}

pub(crate) enum Start {
    /// The first step is stored and asks for these.
    First(Vec<RequestedEffect>),
    /// Picked up from what was stored.
    Again,
    /// Picked up to be stopped: nothing is performed any more.
    Cancelled,
}

/// Registers the run as live and drives it in a task of its own.
pub(crate) fn launch(job: Job, reserved: Reserved<'_>) -> Arc<LiveRun> {
    let live = reserved.begin(job.recorder.seq(), job.recorder.part(job.run.answer()).to_owned());
    if matches!(job.start, Start::Cancelled) {
        live.cancel.cancel();
    }
    let app = job.app.clone();
    let (tenant, run, root) = (job.tenant, job.record.id, job.root);
    let driven = live.clone();
    app.clone().spawn(async move {
        if AssertUnwindSafe(drive(job, driven)).catch_unwind().await.is_err() {
            tracing::error!(run.id = %run, "a run panicked; it will be picked up again");
        }
        if app.live().end(run) && !app.is_stopping() {
            // Something came in after the driver had looked for the last time. The timekeeper would see it as well, later.
            app.wake_soon(tenant, root);
        }
    });
    live
}

type Performing = FuturesUnordered<BoxFuture<'static, Result<(EffectId, Performed), Aborted>>>;

struct Driver {
    app: App,
    tenant: TenantId,
    record: domain::Run,
    program: Arc<Runnable>,
    run: Run,
    recorder: Recorder,
    live: Arc<LiveRun>,
    around: Surroundings,
    performing: Performing,
    aborts: HashMap<EffectId, AbortHandle>,
    /// What effects in flight have said so far.
    streamed: HashMap<EffectId, String>,
    /// Bytes of the answer that watchers were told.
    told: usize,
    /// How many bytes of what an effect says have been heard already.
    repeated: HashMap<EffectId, usize>,
    root: RunId,
    /// Effects that are rows in the database.
    waiting: BTreeSet<EffectId>,
    /// What nested runs are for, by their effect, so that a waiting one can be gone on with.
    nested: HashMap<EffectId, RequestedEffect>,
    /// Nested runs that wait.
    parked: BTreeMap<EffectId, RunId>,
    /// How long the run was driven before, and since when it is now.
    active: (Duration, Instant),
    /// How long it may be driven.
    most: Duration,
}

/// What it does now and then is boxed, so that a run that waits for a model takes no room for it.
async fn drive(job: Job, live: Arc<LiveRun>) {
    let (deltas, mut said) = mpsc::unbounded_channel();
    let (mut driver, start) = Driver::of(job, live.clone(), deltas).await;
    match start {
        Start::First(requested) => requested.into_iter().for_each(|it| driver.begin(it)),
        Start::Again => {
            Box::pin(driver.perform_again()).await;
            if !Box::pin(driver.look()).await {
                return;
            }
        }
        Start::Cancelled => {
            Box::pin(driver.cancel()).await;
            return;
        }
    }
    let deadline = tokio::time::sleep(driver.most.saturating_sub(driver.active.0));
    tokio::pin!(deadline);
    loop {
        if driver.only_waits() {
            match Box::pin(driver.park()).await {
                Parking::Done => return,
                Parking::Refused => {
                    if !Box::pin(driver.look()).await {
                        return;
                    }
                    continue;
                }
            }
        }
        let going_on = tokio::select! {
            // Text before outcomes, so that a model's last words come before its node is done.
            biased;
            Some(said) = said.recv() => {
                driver.hear(said);
                true
            }
            Some(settled) = driver.performing.next() => Box::pin(driver.settle(settled, &mut said)).await,
            // Before cancel: a parent that stops drops its effects, and with them would cancel the nested run for good.
            // What is stored already is where the next process goes on.
            () = driver.app.stopping() => false,
            () = live.cancel.cancelled() => Box::pin(driver.cancel()).await,
            () = live.poked() => Box::pin(driver.look()).await,
            () = &mut deadline => Box::pin(driver.give_up()).await,
        };
        if !going_on {
            return;
        }
    }
}

/// How an attempt to let the run wait without its driver ended.
enum Parking {
    Done,
    /// Something has come in.
    Refused,
}

impl Driver {
    async fn of(job: Job, live: Arc<LiveRun>, deltas: UnboundedSender<FromEffect>) -> (Driver, Start) {
        let server = &job.app.config().limits;
        let limits = job.app.driver_limits(job.tenant, job.program.limits()).await;
        // A database that does not answer now will say so at the next step.
        let (most, max_depth) = limits.unwrap_or((server.run_time, server.max_depth));
        let around = Surroundings {
            app: job.app.clone(),
            tenant: job.tenant,
            run: job.record.id,
            root: job.root,
            conversation: job.record.conversation,
            depth: job.depth,
            max_depth,
            usage: job.usage,
            chat: job.chat,
            user: job.user,
            deltas,
        };
        let told = job.run.answer().len();
        let driver = Driver {
            app: job.app,
            tenant: job.tenant,
            record: job.record,
            program: job.program,
            run: job.run,
            recorder: job.recorder,
            live,
            around,
            performing: FuturesUnordered::new(),
            aborts: HashMap::new(),
            streamed: HashMap::new(),
            told,
            repeated: HashMap::new(),
            root: job.root,
            waiting: job.waiting,
            nested: HashMap::new(),
            parked: BTreeMap::new(),
            active: (job.active, Instant::now()),
            most,
        };
        (driver, job.start)
    }

    fn hear(&mut self, said: FromEffect) {
        match said {
            FromEffect::Delta(id, mut delta) => {
                if let Delta::Text(text) = &mut delta {
                    self.skip_repeated(id, text);
                    self.streamed.entry(id).or_default().push_str(text);
                }
                for event in self.run.progress(&self.program, id, delta) {
                    if let Event::AnswerDelta { text, .. } = event {
                        self.publish(Frame::Delta { text: text.into() });
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

    /// A nested run that was gone on with says everything from its beginning; the engine has heard a part of it.
    fn skip_repeated(&mut self, id: EffectId, text: &mut String) {
        if let Some(left) = self.repeated.get_mut(&id) {
            let known = text.len().min(*left);
            *left -= known;
            *text = text.get(known..).unwrap_or_default().to_owned();
        }
    }

    /// Takes every outcome that is there into one step.
    async fn settle(
        &mut self,
        first: Result<(EffectId, Performed), Aborted>,
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
        let mut settled = Vec::new();
        for (id, performed) in outcomes.into_iter().flatten() {
            self.aborts.remove(&id);
            match performed {
                Performed::Done(outcome) => {
                    self.nested.remove(&id);
                    settled.push(Settled::new(id, outcome, self.streamed.remove(&id)));
                }
                Performed::Parked(run) => {
                    self.parked.insert(id, run);
                }
            }
        }
        self.resume(settled, Vec::new()).await
    }

    /// Hands outcomes to the engine as one step. `closed` are those that were waits.
    async fn resume(&mut self, settled: Vec<Settled>, closed: Vec<i64>) -> bool {
        if settled.is_empty() && closed.is_empty() {
            return true;
        }
        let cause = cause("outcomes", &settled);
        let mut events = Vec::new();
        for Settled { effect, outcome, said: _ } in settled {
            events.extend(self.run.resume(&self.program, effect, outcome));
        }
        self.absorb(cause, events, closed).await
    }

    /// Takes what has come in: answers to the run's own waits, and news for the nested runs that wait.
    async fn look(&mut self) -> bool {
        match self.take_answers().await {
            Ok((settled, closed)) => {
                for (id, _) in std::mem::take(&mut self.parked) {
                    if let Some(request) = self.nested.remove(&id) {
                        self.repeated.insert(id, self.streamed.get(&id).map_or(0, String::len));
                        self.begin(request);
                    }
                }
                self.resume(settled, closed).await
            }
            Err(error) => {
                self.abandon(&error);
                false
            }
        }
    }

    async fn take_answers(&mut self) -> storage::Result<(Vec<Settled>, Vec<i64>)> {
        let (mut settled, mut closed) = (Vec::new(), Vec::new());
        for (effect, outcome) in self.app.storage().answered_waits(self.tenant, self.record.id).await? {
            let id = EffectId(u64::try_from(effect).unwrap_or(0));
            closed.push(effect);
            if self.waiting.remove(&id) {
                let broken = |error: serde_json::Error| failed("internal", error.to_string(), None);
                let outcome = serde_json::from_value(outcome).unwrap_or_else(broken);
                settled.push(Settled::new(id, outcome, None));
            }
        }
        Ok((settled, closed))
    }

    /// Whether nothing is left but waits, the run's own and those of nested runs.
    fn only_waits(&self) -> bool {
        self.performing.is_empty() && !(self.waiting.is_empty() && self.parked.is_empty())
    }

    /// Stores that the run waits, unless something has come in meanwhile.
    async fn park(&mut self) -> Parking {
        let waits = match self.app.storage().open_waits(self.tenant, self.record.id).await {
            Ok(waits) => waits,
            Err(error) => return self.not_parked(&error),
        };
        let waiting_for: Vec<Value> = waits.iter().map(told).collect();
        let before = self.recorder.mark();
        let mut recorded = self.recorder.park(&self.run, &json!(waiting_for), self.app.clock().now_ms());
        let (earlier, since) = self.active;
        recorded.step.active_ms = i64::try_from((earlier + since.elapsed()).as_millis()).ok();
        let nested = self.parked.values().copied().collect();
        match self.app.storage().park_run(self.tenant, self.record.id, (recorded.step, nested)).await {
            Ok(true) => {
                for frame in recorded.frames {
                    self.live.publish(frame);
                }
                Parking::Done
            }
            Ok(false) => {
                self.recorder.go_back(before);
                Parking::Refused
            }
            Err(error) => self.not_parked(&error),
        }
    }

    fn not_parked(&self, error: &storage::StorageError) -> Parking {
        self.abandon(error);
        Parking::Done
    }

    async fn cancel(&mut self) -> bool {
        let events = self.run.cancel();
        self.absorb(cause("cancel", &()), events, Vec::new()).await
    }

    async fn give_up(&mut self) -> bool {
        let limit = self.most.as_secs_f64();
        let error = RunError {
            code: "budget_exceeded".into(),
            message: format!("the run worked longer than {limit} s: the limit `max_time`"),
            hint: Some("split the work into smaller runs".into()),
            node: None,
        };
        let events = end(&mut self.run, &error);
        self.absorb(cause("ended", &error), events, Vec::new()).await
    }

    /// Stores a step, publishes it, then performs what it asks for. False when the run is over.
    async fn absorb(&mut self, cause: String, events: Vec<Event>, mut closed: Vec<i64>) -> bool {
        let mut recorded = self.recorder.record(&self.run, cause, events, self.app.clock().now_ms());
        let asking = Asking { app: &self.app, tenant: self.tenant, run: &self.record, root: self.root };
        let opened = match asking.open(&mut self.recorder, &mut recorded).await {
            Ok(opened) => opened,
            Err(error) => {
                self.abandon(&error);
                return false;
            }
        };
        let over = recorded.is_over();
        let Recorded { mut step, frames, requested, cancelled, kept } = recorded;
        for id in cancelled {
            closed.extend(self.drop_effect(id));
        }
        let ended = step.status;
        step.closed = closed;
        if let Err(error) = self.app.storage().record_step(self.tenant, self.record.id, step).await {
            self.abandon(&error);
            return false;
        }
        self.waiting.extend(opened.into_iter().filter_map(|it| u64::try_from(it).ok()).map(EffectId));
        for frame in frames {
            self.publish(frame);
        }
        self.keep(kept);
        for request in requested {
            self.begin(request);
        }
        if ended.is_some_and(|it| it != RunStatus::Finished) {
            // Those that wait know nothing of it yet.
            self.app.cancel_nested_soon(self.tenant, self.record.id);
        }
        !over
    }

    /// Keeps outputs beside the run's own work: losing one costs no more than having it made again.
    fn keep(&self, kept: Vec<KeptOutput>) {
        for KeptOutput { key, ports, output } in kept {
            let (app, tenant, user) = (self.app.clone(), self.tenant, self.around.user.clone());
            self.app.spawn(async move {
                if let Err(error) = app.keep(tenant, &user, &key, (&ports, &output)).await {
                    tracing::warn!(error = %error, "a node's output could not be kept");
                }
            });
        }
    }

    /// Nobody wants the effect any more. Answers its number if it is a wait.
    fn drop_effect(&mut self, id: EffectId) -> Option<i64> {
        self.streamed.remove(&id);
        self.nested.remove(&id);
        if let Some(abort) = self.aborts.remove(&id) {
            abort.abort();
        }
        if let Some(child) = self.parked.remove(&id) {
            self.app.cancel_soon(self.tenant, child);
        }
        let waited = self.waiting.remove(&id);
        i64::try_from(id.0).ok().filter(|_| waited)
    }

    /// Tells the run's watchers, and of a question also those of the run at the top: people look at that.
    fn publish(&mut self, frame: Frame) {
        if let Frame::Delta { text } = &frame {
            let start = self.told;
            self.told += text.len();
            if start > 0 && start == self.recorder.message_from {
                // The paragraph's end before it belongs to the message before.
                let text = text.trim_start_matches('\n').into();
                self.live.publish(Frame::Delta { text });
                return;
            }
        }
        if let Frame::Stored { name: name @ "interrupt", data, .. } = &frame
            && self.root != self.record.id
            && let Some(root) = self.app.live().get(self.root)
        {
            root.publish(Frame::Note { name, data: data.clone() });
        }
        self.live.publish(frame);
    }

    /// Nothing can be stored: watchers are told, and what is stored already is taken up again.
    fn abandon(&self, error: &dyn std::error::Error) {
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
        if matches!(request.effect, Effect::RunWorkflow { .. }) {
            self.nested.insert(id, request.clone());
        }
        let work = perform(self.around.clone(), request);
        self.performing.push(Box::pin(Abortable::new(work, registration)));
    }

    /// After a restart: effects without a stored outcome are performed again where that is safe.
    async fn perform_again(&mut self) {
        let tools = self.app.idempotent_tools(self.tenant).await;
        for request in self.run.pending().into_iter().filter(|it| !self.waiting.contains(&it.id)).collect::<Vec<_>>() {
            if safe_to_repeat(&request.effect, |plugin, tool| tools.contains(&(plugin.to_owned(), tool.to_owned()))) {
                self.begin(request);
                continue;
            }
            let outcome = failed(
                "interrupted",
                "the server stopped while this was being done, and it must not be done twice",
                Some("use `on_error` on the node, or run again"),
            );
            let id = request.id;
            self.performing.push(Box::pin(async move { Ok((id, Performed::Done(outcome))) }));
        }
    }
}
