//! Starting runs, following them, picking them up after a restart.

use std::sync::Arc;
use std::time::Duration;

use domain::{DefinitionKind, Run, RunId, RunKind, RunStatus, TenantId, Version, VersionId};
use serde_json::{Value, json};
use storage::{BeginRun, BeginTurn, ClaimedRun, RunStep};
use workflow_engine::{ChatContext, EffectId, Program, RunError, RunInput};

use super::clock::new_uuid;
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use crate::run::driver::{Job, Start, launch};
use crate::run::effects::{Surroundings, Usage};
use crate::run::journal::{Cause, cause};
use crate::run::live::{Frame, LiveRun};
use crate::run::recorder::{Recorded, Recorder, read_back};
use crate::run::waiting::Asking;

/// Steps of a journal that are read at once.
const STEPS_AT_ONCE: i64 = 1_000;
/// How long a nested run is left to another process before it is looked at again.
const ELSEWHERE: Duration = Duration::from_millis(300);
/// How long whoever wants a run waits for somebody else here who is just taking it up.
const TAKING_UP: Duration = Duration::from_millis(10);

/// A workflow that a node of another run starts.
pub(crate) struct Nested {
    pub parent: Surroundings,
    /// The node and the effect, so that a repeated effect finds what it began.
    pub node: String,
    pub workflow: String,
    pub inputs: Value,
}

/// Whom a run is for, and what was said before it.
pub(super) struct Around {
    pub chat: Option<ChatContext>,
    pub user: Value,
    /// The conversation's variables.
    pub state: Value,
}

/// Workflows that stand above a run, and the tokens that all of them use together.
#[derive(Default)]
pub(super) struct Nesting {
    pub depth: u32,
    pub usage: Arc<Usage>,
    /// The run at the top; none is the run itself.
    pub root: Option<RunId>,
}

/// Everything that a run begins with.
pub(super) struct Beginning {
    pub run: Run,
    pub program: Arc<Program>,
    pub input: RunInput,
    pub nesting: Nesting,
    /// The turn of a conversation that it answers.
    pub turn: Option<BeginTurn>,
}

/// A run that has just been started, as it stands after its first step.
pub struct Started {
    pub run: Run,
    /// None when the first step was the last.
    pub live: Option<Arc<LiveRun>>,
    /// What happened in the first step.
    pub frames: Vec<Frame>,
    /// The number of the last event before.
    pub after: i64,
}

impl Started {
    /// Resolves when nobody drives the run any more.
    pub async fn done(&self) {
        if let Some(live) = &self.live {
            live.done.cancelled().await;
        }
    }
}

/// The run behind a `workflow` node.
pub(crate) enum NestedRun {
    Live(RunId, Arc<LiveRun>),
    Over(Box<Run>),
    /// It waits, and nothing has come in for it.
    Parked(RunId),
}

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
    /// Starts a published workflow.
    pub async fn start_workflow(&self, tenant: TenantId, name: &str, inputs: Value, user: Value) -> Result<Started> {
        self.admit()?;
        let version = self.definition(tenant, DefinitionKind::Workflow, name).await?;
        let program = self.program(tenant, &version).await?;
        let problems = program.check_inputs(&inputs);
        if let Some(first) = problems.first() {
            return Err(AppError::invalid(first.message.clone())
                .hint(format!("`GET /api/v1/workflows/{name}` shows the inputs it takes"))
                .errors(problems.iter().map(input_problem).collect()));
        }
        let mut run = self.new_run(RunKind::Workflow, name, &version);
        run.inputs = inputs.clone();
        let input = self.run_input(&run, inputs, Around { chat: None, user, state: json!({}) });
        self.begin(tenant, Beginning { run, program, input, nesting: Nesting::default(), turn: None }).await
    }

    /// Lets the engine make the first step, stores the run as it stands then, and goes on with it unless it is over.
    pub(super) async fn begin(&self, tenant: TenantId, beginning: Beginning) -> Result<Started> {
        let Beginning { run: mut record, program, input, nesting, mut turn } = beginning;
        let start = cause("start", &input);
        let (chat, user) = (input.chat.clone(), input.user.clone());
        let mut recorder = Recorder::new(&program, &record);
        let (run, events) = workflow_engine::Run::start(&program, input);
        let recorded = recorder.record(&run, start, events, record.started_at);
        let Nesting { depth, usage, root } = nesting;
        let root = root.unwrap_or(record.id);
        let asking = Asking { app: self, tenant, run: &record, root };
        let mut recorded = recorded;
        let opened = asking.open(&mut recorder, &mut recorded).await?;
        let waiting = opened.into_iter().filter_map(|it| u64::try_from(it).ok()).map(EffectId).collect();
        let over = recorded.is_over();
        let Recorded { mut step, frames, requested, cancelled: _ } = recorded;
        end_at_once(&mut record, turn.as_mut(), &mut step);
        // Before it is stored: nobody else may find the run without a driver and take it up.
        let reserved = self.live().reserve(record.id);
        let lease = (!over).then(|| self.lease());
        let begin = BeginRun { run: record.clone(), first: step, turn, lease };
        self.storage().begin_run(tenant, begin).await?;
        let live = match reserved {
            Some(reserved) if !over => {
                let (app, start, active) = (self.clone(), Start::First(requested), Duration::ZERO);
                let record = record.clone();
                let job = Job {
                    app,
                    tenant,
                    record,
                    program,
                    depth,
                    usage,
                    chat,
                    user,
                    run,
                    recorder,
                    root,
                    active,
                    waiting,
                    start,
                };
                Some(launch(job, reserved))
            }
            Some(_) | None => None,
        };
        Ok(Started { run: record, live, frames, after: 0 })
    }

    /// Begins, or finds again, the run behind a `workflow` node.
    pub(crate) async fn begin_nested(&self, nested: Nested, usage: Arc<Usage>) -> Result<NestedRun> {
        let Nested { parent, node, workflow, inputs } = nested;
        let tenant = parent.tenant;
        let nesting = Nesting { depth: parent.depth + 1, usage, root: Some(parent.root) };
        let begun = self.storage().child_runs(tenant, parent.run).await?;
        if let Some(child) = begun.into_iter().find(|it| it.parent_node.as_deref() == Some(node.as_str())) {
            return self.find_nested(tenant, child, nesting).await;
        }
        let version = self.definition(tenant, DefinitionKind::Workflow, &workflow).await?;
        let program = self.program(tenant, &version).await?;
        let mut run = self.new_run(RunKind::Workflow, &workflow, &version);
        run.inputs = inputs.clone();
        run.conversation = parent.conversation;
        run.parent_run = Some(parent.run);
        run.parent_node = Some(node);
        let around = Around { chat: parent.chat.clone(), user: parent.user.clone(), state: json!({}) };
        let input = self.run_input(&run, inputs, around);
        let started = self.begin(tenant, Beginning { run, program, input, nesting, turn: None }).await?;
        Ok(match started.live {
            Some(live) => NestedRun::Live(started.run.id, live),
            None => NestedRun::Over(Box::new(started.run)),
        })
    }

    /// Goes on with a nested run that was begun before, if there is something to go on with.
    async fn find_nested(&self, tenant: TenantId, child: Run, mut nesting: Nesting) -> Result<NestedRun> {
        let id = child.id;
        loop {
            let child = self.run(tenant, id).await?;
            let waits = child.status == RunStatus::Waiting && !self.live().has(id);
            if child.status.is_terminal() {
                return Ok(NestedRun::Over(Box::new(child)));
            }
            if waits && !self.storage().has_news(tenant, id).await? {
                return Ok(NestedRun::Parked(id));
            }
            let Nesting { depth, usage, root } = &nesting;
            let again = Nesting { depth: *depth, usage: usage.clone(), root: *root };
            match self.take_up(tenant, id, (std::mem::replace(&mut nesting, again), Purpose::GoOn)).await? {
                TakenUp::Live(live) => return Ok(NestedRun::Live(id, live)),
                TakenUp::Over => {}
                TakenUp::Elsewhere => tokio::time::sleep(ELSEWHERE).await,
            }
        }
    }

    pub async fn run(&self, tenant: TenantId, id: RunId) -> Result<Run> {
        self.storage().run(tenant, id).await?.ok_or_else(|| AppError::not_found("run", id))
    }

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

    pub(crate) fn wake_soon(&self, tenant: TenantId, root: RunId) {
        let app = self.clone();
        self.spawn(async move {
            if let Err(error) = app.wake(tenant, root).await {
                tracing::error!(run.id = %root, error = %error, "a run cannot be woken; it will be tried again");
            }
        });
    }

    /// Picks up what a stopped or killed process left unfinished. Nested runs are taken up by their parents.
    pub async fn resume_unfinished(&self) -> Result<usize> {
        self.free_dead_leases().await?;
        let mut count = 0;
        let owner = self.lease().owner;
        for (tenant, run) in self.storage().all_tenants_adrift_runs(&owner, self.clock().now_ms()).await? {
            if self.live().has(run.id) {
                continue;
            }
            if let TakenUp::Live(_) = self.take_up(tenant, run.id, (Nesting::default(), Purpose::GoOn)).await? {
                count += 1;
            }
        }
        for (tenant, run) in self.storage().all_tenants_orphaned_runs().await? {
            self.cancel_run(tenant, run).await?;
        }
        for (tenant, run) in self.storage().all_tenants_untold_runs().await? {
            if let Some(root) = self.storage().root_run(tenant, run).await? {
                self.wake(tenant, root).await?;
            }
        }
        Ok(count)
    }

    /// Goes on with a run from what is stored of it, unless somebody does already.
    async fn take_up(&self, tenant: TenantId, id: RunId, (nesting, purpose): (Nesting, Purpose)) -> Result<TakenUp> {
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
    async fn job(
        &self,
        tenant: TenantId,
        claimed: ClaimedRun,
        (nesting, purpose): (Nesting, Purpose),
    ) -> Result<Job> {
        let ClaimedRun { run: record, active_ms, message_from, message_done } = claimed;
        let program = self.program_of(tenant, &record).await?;
        let (run, mut recorder) = self.rebuild(tenant, &record, &program).await?;
        recorder.message_from = usize::try_from(message_from).unwrap_or(0);
        if let (true, Some(conversation)) = (message_done && record.message.is_some(), record.conversation) {
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
    pub(crate) async fn program_of(&self, tenant: TenantId, run: &Run) -> Result<Arc<Program>> {
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
        program: &Program,
    ) -> Result<(workflow_engine::Run, Recorder)> {
        let kept = self.storage().run_snapshot(tenant, record.id).await?;
        // With the snapshot's own step, for the number of its last event.
        let mut after = kept.as_ref().map_or(0, |it| it.step - 1);
        let mut steps = Vec::new();
        loop {
            let page = self.storage().run_journal(tenant, record.id, after, STEPS_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = last.number;
            steps.extend(page);
        }
        Recorder::again(program, record, kept, steps)
    }

    /// What a run started with.
    pub(crate) async fn input_of(&self, tenant: TenantId, run: RunId) -> Result<RunInput> {
        let first = self.storage().run_journal(tenant, run, 0, 1).await?.pop();
        let cause = first.map(|it| serde_json::from_str(&it.cause)).transpose().map_err(AppError::internal)?;
        match cause {
            Some(Cause::Start(input)) => Ok(*input),
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

/// How a nested run ended: its outputs and text, or its error.
pub(crate) fn outcome_of(run: Run) -> std::result::Result<(Value, String), RunError> {
    let text = run.answer.unwrap_or_default();
    let error = |code: &str, message: &str| RunError {
        code: code.to_owned(),
        message: message.to_owned(),
        hint: None,
        node: None,
    };
    match run.status {
        RunStatus::Finished => Ok((run.outputs.unwrap_or(Value::Null), text)),
        RunStatus::Cancelled => Err(error("cancelled", "the nested run was cancelled")),
        RunStatus::Failed => Err(run
            .error
            .and_then(|it| serde_json::from_value(it).ok())
            .unwrap_or_else(|| error("error", "the nested run failed"))),
        RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => {
            Err(error("interrupted", "the nested run stopped before it was done"))
        }
    }
}

/// What the first step changes in the run and in the message is stored with them, not after them.
fn end_at_once(run: &mut Run, turn: Option<&mut BeginTurn>, step: &mut RunStep) {
    if let (Some(turn), Some(update)) = (turn, step.messages.pop()) {
        turn.assistant_message.content = update.content;
        turn.assistant_message.status = update.status;
        turn.assistant_message.error = read_back(update.error.as_ref());
        turn.assistant_message.finished_at = step.finished_at;
    }
    if let Some(status) = step.status.take() {
        run.status = status;
        run.outputs = read_back(step.outputs.take().as_ref());
        run.answer = step.answer.take();
        run.error = read_back(step.error.take().as_ref());
        run.finished_at = step.finished_at;
    }
}

fn input_problem(problem: &workflow_engine::InputProblem) -> super::Problem {
    super::Problem { path: Some(problem.path.clone()), ..super::Problem::new("invalid_input", problem.message.clone()) }
}
