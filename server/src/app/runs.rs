//! Starting runs: of workflows, of turns, and inside other runs.

use std::sync::Arc;
use std::time::Duration;

use domain::{DefinitionKind, Run, RunId, RunKind, RunStatus, TenantId, Version};
use serde_json::{Value, json};
use storage::{BeginRun, BeginTurn, RunStep};
use workflow_engine::{ChatContext, EffectId, RunError, RunInput};

use super::catalog::Runnable;
use super::clock::new_uuid;
use super::taking_up::{Purpose, TakenUp};
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use crate::run::driver::{Job, Start, launch};
use crate::run::effects::{Surroundings, Usage};
use crate::run::journal::cause;
use crate::run::live::{Frame, LiveRun};
use crate::run::recorder::{Recorded, Recorder, read_back};
use crate::run::waiting::Asking;

/// How long a nested run is left to another process before it is looked at again.
const ELSEWHERE: Duration = Duration::from_millis(300);

/// A workflow that a node of another run starts.
#[derive(Clone)]
pub(crate) struct Nested {
    pub parent: Surroundings,
    /// The node and the effect, so that a repeated effect finds what it began.
    pub node: String,
    pub workflow: String,
    /// A published version by its number; none is the current one.
    pub number: Option<i64>,
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
#[derive(Clone, Default)]
pub(super) struct Nesting {
    pub depth: u32,
    pub usage: Arc<Usage>,
    /// The run at the top; none is the run itself.
    pub root: Option<RunId>,
}

/// Everything that a run begins with.
pub(super) struct Beginning {
    pub run: Run,
    pub program: Arc<Runnable>,
    pub input: RunInput,
    pub nesting: Nesting,
    /// The turn of a conversation that it answers.
    pub turn: Option<BeginTurn>,
}

/// A run as the engine made it in its first step.
pub(super) struct Begun {
    pub engine: workflow_engine::Run,
    pub events: Vec<workflow_engine::Event>,
    /// What went into the engine, for the journal.
    pub cause: String,
    pub chat: Option<ChatContext>,
    pub user: Value,
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

impl App {
    /// Starts a published workflow.
    pub async fn start_workflow(&self, tenant: TenantId, name: &str, inputs: Value, user: Value) -> Result<Started> {
        self.start_workflow_as(tenant, (RunId::from_uuid(new_uuid()), None), name, (inputs, user)).await
    }

    /// Starts a published workflow as a run whose id was decided before: it can be started once only. `origin` is what
    /// started it.
    ///
    /// # Errors
    /// Besides everything that speaks against the workflow or its inputs, `Conflict` when there is such a run.
    pub(super) async fn start_workflow_as(
        &self,
        tenant: TenantId,
        (id, origin): (RunId, Option<Value>),
        name: &str,
        (inputs, user): (Value, Value),
    ) -> Result<Started> {
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
        run.id = id;
        run.origin = origin;
        run.inputs = inputs.clone();
        let input = self.run_input(tenant, &run, inputs, Around { chat: None, user, state: json!({}) }).await?;
        self.begin(tenant, Beginning { run, program, input, nesting: Nesting::default(), turn: None }).await
    }

    /// Lets the engine make the first step, stores the run as it stands then, and goes on with it unless it is over.
    pub(super) async fn begin(&self, tenant: TenantId, beginning: Beginning) -> Result<Started> {
        let Beginning { run, program, input, nesting, turn } = beginning;
        let cause = cause("start", &input);
        let (chat, user) = (input.chat.clone(), input.user.clone());
        let (engine, events) = workflow_engine::Run::start(&program, input);
        self.begin_with(tenant, (run, program, turn), Begun { engine, events, cause, chat, user }, nesting).await
    }

    /// Stores a run that the engine has begun, and goes on with it unless it is over.
    pub(super) async fn begin_with(
        &self,
        tenant: TenantId,
        (mut record, program, mut turn): (Run, Arc<Runnable>, Option<BeginTurn>),
        begun: Begun,
        nesting: Nesting,
    ) -> Result<Started> {
        let Begun { engine: run, events, cause, chat, user } = begun;
        let mut recorder = Recorder::new(&program, &record);
        let recorded = recorder.record(&run, cause, events, record.started_at);
        let Nesting { depth, usage, root } = nesting;
        let root = root.unwrap_or(record.id);
        let asking = Asking { app: self, tenant, run: &record, root };
        let mut recorded = recorded;
        let opened = asking.open(&mut recorder, &mut recorded).await?;
        let waiting = opened.into_iter().filter_map(|it| u64::try_from(it).ok()).map(EffectId).collect();
        let over = recorded.is_over();
        let Recorded { mut step, frames, requested, cancelled: _, kept: _ } = recorded;
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
            origin: None,
        }
    }

    pub(super) async fn run_input(
        &self,
        tenant: TenantId,
        run: &Run,
        inputs: Value,
        around: Around,
    ) -> Result<RunInput> {
        let Around { chat, user, state } = around;
        Ok(RunInput {
            inputs,
            chat,
            user,
            env: json!({}),
            state,
            run_id: run.id.to_string(),
            started_at: self.clock().local_rfc3339(run.started_at),
            seed: u64::from_be_bytes(*run.id.as_uuid().as_bytes().last_chunk().unwrap_or(&[0; 8])),
            limits: self.engine_limits(tenant).await?,
        })
    }

    /// Begins, or finds again, the run behind a `workflow` node.
    pub(crate) async fn begin_nested(&self, nested: Nested, usage: Arc<Usage>) -> Result<NestedRun> {
        let Nested { parent, node, workflow, number, inputs } = nested;
        let tenant = parent.tenant;
        let nesting = Nesting { depth: parent.depth + 1, usage, root: Some(parent.root) };
        let begun = self.storage().child_runs(tenant, parent.run).await?;
        if let Some(child) = begun.into_iter().find(|it| it.parent_node.as_deref() == Some(node.as_str())) {
            return self.find_nested(tenant, child, nesting).await;
        }
        let version = self.numbered(tenant, &workflow, number).await?;
        let program = self.program(tenant, &version).await?;
        let mut run = self.new_run(RunKind::Workflow, &workflow, &version);
        run.inputs = inputs.clone();
        run.conversation = parent.conversation;
        run.parent_run = Some(parent.run);
        run.parent_node = Some(node);
        let around = Around { chat: parent.chat.clone(), user: parent.user.clone(), state: json!({}) };
        let input = self.run_input(tenant, &run, inputs, around).await?;
        let started = self.begin(tenant, Beginning { run, program, input, nesting, turn: None }).await?;
        Ok(match started.live {
            Some(live) => NestedRun::Live(started.run.id, live),
            None => NestedRun::Over(Box::new(started.run)),
        })
    }

    /// A version of a workflow by its number, or the published one.
    async fn numbered(&self, tenant: TenantId, workflow: &str, number: Option<i64>) -> Result<Arc<Version>> {
        let Some(number) = number else { return self.definition(tenant, DefinitionKind::Workflow, workflow).await };
        let versions = self.storage().list_versions(tenant, DefinitionKind::Workflow, workflow).await?;
        let newest = versions.iter().map(|it| it.number).max().unwrap_or(0);
        versions.into_iter().find(|it| it.number == number).map(Arc::new).ok_or_else(|| {
            AppError::not_found("version", format!("{number} of `{workflow}`"))
                .hint(format!("its versions go from 1 to {newest}"))
        })
    }

    /// Goes on with a nested run that was begun before, if there is something to go on with.
    async fn find_nested(&self, tenant: TenantId, child: Run, nesting: Nesting) -> Result<NestedRun> {
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
            match self.take_up(tenant, id, (nesting.clone(), Purpose::GoOn)).await? {
                TakenUp::Live(live) => return Ok(NestedRun::Live(id, live)),
                TakenUp::Over => {}
                TakenUp::Elsewhere => tokio::time::sleep(ELSEWHERE).await,
            }
        }
    }

    pub async fn run(&self, tenant: TenantId, id: RunId) -> Result<Run> {
        self.storage().run(tenant, id).await?.ok_or_else(|| AppError::not_found("run", id))
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
