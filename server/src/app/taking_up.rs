//! Taking up runs that somebody else drove before: after a crash, when something has come in for a run that waits, and to
//! stop one that waits. What is stored of a run is all that is needed for it.

use std::sync::Arc;
use std::time::Duration;

use domain::{Run, RunId, RunKind, RunStatus, TenantId, VersionId};
use serde_json::json;
use storage::{ClaimedRun, RunStep};
use workflow_engine::{EffectId, RunError, RunInput};

use super::catalog::Runnable;
use super::runs::Nesting;
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use crate::run::driver::{Job, Start, launch};
use crate::run::journal::{Cause, cause};
use crate::run::live::LiveRun;
use crate::run::recorder::Recorder;

/// Steps of a journal that are read at once.
const STEPS_AT_ONCE: i64 = 1_000;
/// How long whoever wants a run waits for somebody else here who is just taking it up.
const TAKING_UP: Duration = Duration::from_millis(10);

/// What came of an attempt to take a run up.
pub(crate) enum TakenUp {
    Live(Arc<LiveRun>),
    Over,
    /// Another process drives it.
    Elsewhere,
}

/// What a run is taken up for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    GoOn,
    Cancel,
}

impl App {
    /// Asks a run to stop, also one that waits. A run that is over stays as it is.
    pub async fn cancel_run(&self, tenant: TenantId, id: RunId) -> Result<Run> {
        let run = self.run(tenant, id).await?;
        if run.status.is_terminal() {
            return Ok(run);
        }
        let root = self.storage().root_run(tenant, id).await?;
        let nesting = Nesting { root, ..Nesting::default() };
        if let TakenUp::Live(live) = self.take_up(tenant, id, (nesting, Purpose::Cancel)).await? {
            live.cancel.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(5), live.done.cancelled()).await;
        }
        if let Some(root) = root.filter(|it| *it != id) {
            self.wake(tenant, root).await?;
        }
        self.run(tenant, id).await
    }

    /// Whether this process or another works on the run.
    pub async fn is_driven(&self, tenant: TenantId, run: RunId) -> Result<bool> {
        Ok(self.live().has(run) || self.storage().is_driven(tenant, run, self.clock().now_ms()).await?)
    }

    /// The same, without anybody waiting for it.
    pub(crate) fn cancel_soon(&self, tenant: TenantId, id: RunId) {
        let app = self.clone();
        self.spawn(async move {
            if let Err(error) = app.cancel_run(tenant, id).await {
                tracing::error!(run.id = %id, error = %error, "a nested run cannot be stopped; it will be tried again");
            }
        });
    }

    /// Stops what is left of the runs that nodes of this one started.
    pub(crate) fn cancel_nested_soon(&self, tenant: TenantId, run: RunId) {
        let app = self.clone();
        self.spawn(async move {
            match app.storage().child_runs(tenant, run).await {
                Ok(children) => {
                    for child in children.iter().filter(|it| !it.status.is_terminal()) {
                        app.cancel_soon(tenant, child.id);
                    }
                }
                Err(error) => tracing::error!(run.id = %run, error = %error, "nested runs cannot be stopped yet"),
            }
        });
    }

    /// Something has come in for a run or for one below it: its driver is told, or gets it.
    pub(crate) async fn wake(&self, tenant: TenantId, root: RunId) -> Result<Option<Arc<LiveRun>>> {
        if let Some(live) = self.live().poke(root) {
            return Ok(Some(live));
        }
        Ok(match self.take_up(tenant, root, (Nesting::default(), Purpose::GoOn)).await? {
            TakenUp::Live(live) => Some(live),
            TakenUp::Over | TakenUp::Elsewhere => None,
        })
    }

    /// The same; what goes wrong with this run is nobody else's trouble.
    pub(super) async fn wake_or_say(&self, tenant: TenantId, root: RunId) {
        if let Err(error) = self.wake(tenant, root).await {
            not_yet(root, &error);
        }
    }

    pub(crate) fn wake_soon(&self, tenant: TenantId, root: RunId) {
        let app = self.clone();
        self.spawn(async move { app.wake_or_say(tenant, root).await });
    }

    /// Picks up what a stopped or killed process left unfinished. Nested runs are taken up by their parents. One run's own
    /// trouble is logged and holds up no other.
    pub async fn resume_unfinished(&self) -> Result<usize> {
        self.free_dead_leases().await?;
        let mut count = 0;
        let owner = self.lease().owner;
        for (tenant, run) in self.storage().all_tenants_adrift_runs(&owner, self.clock().now_ms()).await? {
            if self.live().has(run.id) {
                continue;
            }
            match self.take_up(tenant, run.id, (Nesting::default(), Purpose::GoOn)).await {
                Ok(TakenUp::Live(_)) => count += 1,
                Ok(TakenUp::Over | TakenUp::Elsewhere) => {}
                Err(error) => not_yet(run.id, &error),
            }
        }
        for (tenant, run) in self.storage().all_tenants_orphaned_runs().await? {
            if let Err(error) = self.cancel_run(tenant, run).await {
                not_yet(run, &error);
            }
        }
        for (tenant, run) in self.storage().all_tenants_untold_runs().await? {
            if let Some(root) = self.storage().root_run(tenant, run).await? {
                self.wake_or_say(tenant, root).await;
            }
        }
        Ok(count)
    }

    /// Goes on with a run from what is stored of it, unless somebody does already.
    pub(super) async fn take_up(
        &self,
        tenant: TenantId,
        id: RunId,
        (nesting, purpose): (Nesting, Purpose),
    ) -> Result<TakenUp> {
        let reserved = loop {
            // Poked, because what it is taken up for may have come in after its driver looked.
            match (self.live().poke(id), self.live().reserve(id)) {
                (Some(live), _) => return Ok(TakenUp::Live(live)),
                (None, Some(reserved)) => break reserved,
                (None, None) => tokio::time::sleep(TAKING_UP).await,
            }
        };
        let claimed = self.storage().claim_run(tenant, id, self.lease(), self.clock().now_ms()).await?;
        let Some(claimed) = claimed else {
            let over = self.run(tenant, id).await?.status.is_terminal();
            return Ok(if over { TakenUp::Over } else { TakenUp::Elsewhere });
        };
        let record = claimed.run.clone();
        match self.job(tenant, claimed, (nesting, purpose)).await {
            Ok(job) => Ok(TakenUp::Live(launch(job, reserved))),
            // What is stored of it will be no better the next time. Anything else may be: it is tried again.
            Err(error) if matches!(error.code, ErrorCode::RunFailed | ErrorCode::InvalidDefinition) => {
                tracing::error!(run.id = %id, error = %error, "an unfinished run cannot be taken up");
                self.give_up_run(tenant, &record, &error).await?;
                Ok(TakenUp::Over)
            }
            Err(error) => Err(error),
        }
    }

    /// A claimed run as its driver needs it.
    async fn job(&self, tenant: TenantId, claimed: ClaimedRun, (nesting, purpose): (Nesting, Purpose)) -> Result<Job> {
        let ClaimedRun { run: record, active_ms, message_from, message_done } = claimed;
        let program = self.program_of(tenant, &record).await?;
        let (run, mut recorder) = self.rebuild(tenant, &record, &program).await?;
        recorder.message_from = usize::try_from(message_from).unwrap_or(0);
        if let (true, Some(conversation)) = (message_done && record.message.is_some(), record.conversation) {
            recorder.message = None;
            recorder.next_message = Some(super::chat::going_on(conversation, record.id, self.clock().now_ms()));
        }
        let RunInput { chat, user, .. } = self.input_of(tenant, record.id).await?;
        let waiting = self.storage().wait_effects(tenant, record.id).await?;
        let waiting = waiting.into_iter().filter_map(|it| u64::try_from(it).ok()).map(EffectId).collect();
        let Nesting { depth, usage, root } = nesting;
        Ok(Job {
            app: self.clone(),
            tenant,
            program,
            depth,
            usage,
            chat,
            user,
            run,
            recorder,
            root: root.unwrap_or(record.id),
            active: Duration::from_millis(u64::try_from(active_ms).unwrap_or(0)),
            waiting,
            start: match purpose {
                Purpose::GoOn => Start::Again,
                Purpose::Cancel => Start::Cancelled,
            },
            record,
        })
    }

    /// The program that a run began with, whatever is published now.
    pub(crate) async fn program_of(&self, tenant: TenantId, run: &Run) -> Result<Arc<Runnable>> {
        let missing = || AppError::new(ErrorCode::RunFailed, "the version this run used is gone");
        let version_id: VersionId = run.version.ok_or_else(missing)?;
        let version = self.storage().version(tenant, version_id).await?.ok_or_else(missing)?;
        Ok(match run.kind {
            RunKind::Workflow => self.program(tenant, &version).await?,
            RunKind::Chat => self.assistant_program(tenant, &version).await?.program.clone(),
        })
    }

    /// The run as its journal has it, from the last snapshot on.
    pub(crate) async fn rebuild(
        &self,
        tenant: TenantId,
        record: &Run,
        program: &Arc<Runnable>,
    ) -> Result<(workflow_engine::Run, Recorder)> {
        let kept = self.storage().run_snapshot(tenant, record.id).await?;
        // With the snapshot's own step, for the number of its last event.
        let after = kept.as_ref().map_or(0, |it| it.step - 1);
        let steps = self.journal_after(tenant, record.id, after).await?;
        Recorder::again(program, record, kept, steps)
    }

    /// Every step of a run.
    pub(crate) async fn journal(&self, tenant: TenantId, run: RunId) -> Result<Vec<storage::JournalStep>> {
        self.journal_after(tenant, run, 0).await
    }

    async fn journal_after(&self, tenant: TenantId, run: RunId, mut after: i64) -> Result<Vec<storage::JournalStep>> {
        let mut steps = Vec::new();
        loop {
            let page = self.storage().run_journal(tenant, run, after, STEPS_AT_ONCE).await?;
            let Some(last) = page.last() else { return Ok(steps) };
            after = last.number;
            steps.extend(page);
        }
    }

    /// What a run started with.
    pub(crate) async fn input_of(&self, tenant: TenantId, run: RunId) -> Result<RunInput> {
        let first = self.storage().run_journal(tenant, run, 0, 1).await?.pop();
        let cause = first.map(|it| serde_json::from_str(&it.cause)).transpose().map_err(AppError::internal)?;
        match cause {
            Some(Cause::Start(input)) => Ok(*input),
            Some(Cause::Again(again)) => Ok(again.input),
            Some(Cause::Replayed(replayed)) => Ok(replayed.input),
            Some(
                Cause::Outcomes(_) | Cause::Cancel(()) | Cause::Ended(_) | Cause::Parked(()) | Cause::BeforeJournal(()),
            )
            | None => Err(AppError::new(ErrorCode::RunFailed, "what the run started with was not stored")
                .hint("runs of an older version cannot be taken up; start it again")),
        }
    }

    /// A run that can never go on must not stay "running" for ever.
    async fn give_up_run(&self, tenant: TenantId, run: &Run, error: &AppError) -> Result<()> {
        let now = self.clock().now_ms();
        let error = RunError {
            code: error.code.code().to_owned(),
            message: error.detail.clone(),
            hint: error.hint.clone(),
            node: None,
        };
        let (mut number, mut seq) = (0, 0);
        while let Some(last) = self.storage().run_journal(tenant, run.id, number, STEPS_AT_ONCE).await?.pop() {
            (number, seq) = (last.number, last.last_seq);
        }
        let told = crate::run::frames::error_json(&error);
        let data = serde_json::value::to_raw_value(&json!({ "error": told, "answer": "", "at": now }))
            .map_err(AppError::internal)?;
        let step = RunStep {
            number: number + 1,
            cause: cause("ended", &error),
            first_seq: seq + 1,
            events: vec![storage::NewEvent { name: "run.failed", data }],
            at: now,
            status: Some(RunStatus::Failed),
            error: Some(told.to_string()),
            finished_at: Some(now),
            messages: run
                .message
                .map(|id| storage::MessageUpdate {
                    id,
                    content: String::new(),
                    status: domain::MessageStatus::Failed,
                    error: Some(told.to_string()),
                })
                .into_iter()
                .collect(),
            ..RunStep::default()
        };
        Ok(self.storage().record_step(tenant, run.id, step).await?)
    }
}

fn not_yet(run: RunId, error: &AppError) {
    tracing::error!(run.id = %run, error = %error, "a run cannot be gone on with; it will be tried again");
}
