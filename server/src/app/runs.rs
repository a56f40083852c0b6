//! Starting runs, following them, picking them up after a restart.

use std::sync::Arc;
use std::time::Duration;

use domain::{DefinitionKind, Run, RunId, RunKind, RunStatus, TenantId, Version, VersionId};
use serde_json::{Value, json};
use storage::{BeginRun, BeginTurn, RunStep};
use workflow_engine::{ChatContext, Program, RunError, RunInput};

use super::clock::new_uuid;
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use crate::run::driver::{Job, Start, launch};
use crate::run::effects::{Surroundings, Usage};
use crate::run::journal::{Cause, cause};
use crate::run::live::{Frame, LiveRun};
use crate::run::recorder::{Recorded, Recorder, json};

/// Steps of a journal that are read at once.
const STEPS_AT_ONCE: i64 = 1_000;
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
        let over = recorded.is_over();
        let Recorded { mut step, frames, requested, cancelled: _ } = recorded;
        end_at_once(&mut record, turn.as_mut(), &mut step);
        // Before it is stored: nobody else may find the run without a driver and take it up.
        let reserved = self.live().reserve(record.id);
        let begin = BeginRun { run: record.clone(), first: step, turn, lease: None };
        self.storage().begin_run(tenant, begin).await?;
        let live = match reserved {
            Some(reserved) if !over => {
                let Nesting { depth, usage } = nesting;
                let start = Start::First(requested);
                let app = self.clone();
                let record = record.clone();
                let job = Job { app, tenant, record, program, depth, usage, chat, user, run, recorder, start };
                Some(launch(job, reserved))
            }
            Some(_) | None => None,
        };
        Ok(Started { run: record, live, frames })
    }

    /// Refuses new work when the server stops or has too much.
    pub(crate) fn admit(&self) -> Result<()> {
        if self.is_stopping() {
            return Err(AppError::new(ErrorCode::ShuttingDown, "the server is stopping").hint("try again in a moment"));
        }
        let limit = self.config().limits.concurrent_runs;
        if self.live().count() >= limit {
            let mut it = AppError::new(ErrorCode::TooManyRequests, format!("{limit} runs are in progress already"));
            it.retry_after_s = Some(1);
            return Err(it.hint("try again when some of them have finished"));
        }
        Ok(())
    }

    pub(super) fn new_run(&self, kind: RunKind, name: &str, version: &Version) -> Run {
        Run {
            id: RunId::from_uuid(new_uuid()),
            kind,
            name: name.to_owned(),
            version: Some(version.id),
            conversation: None,
            message: None,
            parent_run: None,
            parent_node: None,
            status: RunStatus::Running,
            inputs: Value::Null,
            outputs: None,
            answer: None,
            error: None,
            started_at: self.clock().now_ms(),
            finished_at: None,
        }
    }

    pub(super) fn run_input(&self, run: &Run, inputs: Value, around: Around) -> RunInput {
        let Around { chat, user, state } = around;
        RunInput {
            inputs,
            chat,
            user,
            env: json!({}),
            state,
            run_id: run.id.to_string(),
            started_at: self.clock().local_rfc3339(run.started_at),
            seed: u64::from_be_bytes(*run.id.as_uuid().as_bytes().last_chunk().unwrap_or(&[0; 8])),
            limits: workflow_engine::Limits::default(),
        }
    }

    /// Begins, or finds again, the run behind a `workflow` node.
    pub(crate) async fn begin_nested(&self, nested: Nested, usage: Arc<Usage>) -> Result<NestedRun> {
        let Nested { parent, node, workflow, inputs } = nested;
        let tenant = parent.tenant;
        let begun = self.storage().child_runs(tenant, parent.run).await?;
        if let Some(child) = begun.into_iter().find(|it| it.parent_node.as_deref() == Some(node.as_str())) {
            let nesting = Nesting { depth: parent.depth + 1, usage };
            let id = child.id;
            return Ok(match self.take_up(tenant, child, nesting).await? {
                Some(live) => NestedRun::Live(id, live),
                None => NestedRun::Over(Box::new(self.run(tenant, id).await?)),
            });
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
        let nesting = Nesting { depth: parent.depth + 1, usage };
        let started = self.begin(tenant, Beginning { run, program, input, nesting, turn: None }).await?;
        Ok(match started.live {
            Some(live) => NestedRun::Live(started.run.id, live),
            None => NestedRun::Over(Box::new(started.run)),
        })
    }

    pub async fn run(&self, tenant: TenantId, id: RunId) -> Result<Run> {
        self.storage().run(tenant, id).await?.ok_or_else(|| AppError::not_found("run", id))
    }

    /// Asks a run to stop. A run that is over stays as it is.
    pub async fn cancel_run(&self, tenant: TenantId, id: RunId) -> Result<Run> {
        let run = self.run(tenant, id).await?;
        if let Some(live) = self.live().get(id) {
            live.cancel.cancel();
            let _ = tokio::time::timeout(std::time::Duration::from_secs(5), live.done.cancelled()).await;
            return self.run(tenant, id).await;
        }
        Ok(run)
    }

    /// Picks up what a stopped or killed process left unfinished. Nested runs are taken up by their parents.
    pub async fn resume_unfinished(&self) -> Result<usize> {
        let mut count = 0;
        for (tenant, run) in self.storage().all_tenants_adrift_runs("", 0).await? {
            if run.parent_run.is_some() || self.live().has(run.id) {
                continue;
            }
            let id = run.id;
            match self.take_up(tenant, run.clone(), Nesting::default()).await {
                Ok(Some(_)) => count += 1,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(run.id = %id, error = %error, "an unfinished run cannot be taken up");
                    self.give_up_run(tenant, &run, &error).await?;
                }
            }
        }
        Ok(count)
    }

    /// Goes on with a run from what is stored of it. None when it is over.
    async fn take_up(&self, tenant: TenantId, record: Run, nesting: Nesting) -> Result<Option<Arc<LiveRun>>> {
        let reserved = loop {
            match (self.live().get(record.id), self.live().reserve(record.id)) {
                (Some(live), _) => return Ok(Some(live)),
                (None, Some(reserved)) => break reserved,
                (None, None) => tokio::time::sleep(TAKING_UP).await,
            }
        };
        // Only now, since whoever drove it before may have ended it meanwhile.
        let record = self.run(tenant, record.id).await?;
        if record.status.is_terminal() {
            return Ok(None);
        }
        let program = self.program_of(tenant, &record).await?;
        let (run, recorder) = self.rebuild(tenant, &record, &program).await?;
        let RunInput { chat, user, .. } = self.input_of(tenant, record.id).await?;
        let Nesting { depth, usage } = nesting;
        let (app, start) = (self.clone(), Start::Again);
        let job = Job { app, tenant, record, program, depth, usage, chat, user, run, recorder, start };
        Ok(Some(launch(job, reserved)))
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
            message: run.message.map(|id| storage::MessageUpdate {
                id,
                content: String::new(),
                status: domain::MessageStatus::Failed,
                error: Some(told.to_string()),
            }),
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
    if let (Some(turn), Some(update)) = (turn, step.message.take()) {
        turn.assistant_message.content = update.content;
        turn.assistant_message.status = update.status;
        turn.assistant_message.error = json(update.error.as_ref());
        turn.assistant_message.finished_at = step.finished_at;
    }
    if let Some(status) = step.status.take() {
        run.status = status;
        run.outputs = json(step.outputs.take().as_ref());
        run.answer = step.answer.take();
        run.error = json(step.error.take().as_ref());
        run.finished_at = step.finished_at;
    }
}

fn input_problem(problem: &workflow_engine::InputProblem) -> super::Problem {
    super::Problem { path: Some(problem.path.clone()), ..super::Problem::new("invalid_input", problem.message.clone()) }
}
