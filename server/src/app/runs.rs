//! Starting runs, following them, picking them up after a restart.

use std::sync::Arc;

use domain::{DefinitionKind, Run, RunId, RunKind, RunStatus, TenantId, Version, VersionId};
use serde_json::{Value, json};
use workflow_engine::{ChatContext, Program, RunError, RunInput};

use super::clock::new_uuid;
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use crate::run::driver::{Job, Start, launch};
use crate::run::effects::{Surroundings, Usage};
use crate::run::live::LiveRun;

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

/// A run that has just been started.
pub struct Started {
    pub run: Run,
    pub live: Arc<LiveRun>,
}

impl App {
    /// Starts a published workflow.
    pub async fn start_workflow(&self, tenant: TenantId, name: &str, inputs: Value, user: Value) -> Result<Started> {
        self.start_workflow_as(tenant, RunId::from_uuid(new_uuid()), name, (inputs, user)).await
    }

    /// Starts a published workflow as a run whose id was decided before: it can be started once only.
    ///
    /// # Errors
    /// Besides everything that speaks against the workflow or its inputs, `Conflict` when there is such a run.
    pub(super) async fn start_workflow_as(
        &self,
        tenant: TenantId,
        id: RunId,
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
        run.inputs = inputs.clone();
        self.storage().create_run(tenant, run.clone()).await?;
        let input = self.run_input(&run, inputs, Around { chat: None, user, state: json!({}) });
        Ok(self.launch(tenant, run, program, (input, Nesting::default())))
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

    pub(super) fn launch(
        &self,
        tenant: TenantId,
        run: Run,
        program: Arc<Program>,
        (input, nesting): (RunInput, Nesting),
    ) -> Started {
        let Nesting { depth, usage } = nesting;
        let job = Job {
            app: self.clone(),
            tenant,
            run: run.clone(),
            program,
            depth,
            usage,
            start: Start::Fresh(Box::new(input)),
        };
        Started { run, live: launch(job) }
    }

    /// Begins, or finds again, the run behind a `workflow` node. No live run means that it has ended already.
    pub(crate) async fn begin_nested(&self, nested: Nested) -> Result<(RunId, Option<Arc<LiveRun>>)> {
        let Nested { parent, node, workflow, inputs } = nested;
        let tenant = parent.tenant;
        let begun = self.storage().child_runs(tenant, parent.run).await?;
        if let Some(child) = begun.into_iter().find(|it| it.parent_node.as_deref() == Some(node.as_str())) {
            let id = child.id;
            if let Some(live) = self.live().get(id) {
                return Ok((id, Some(live)));
            }
            let live =
                if child.status.is_terminal() { None } else { self.take_up(tenant, child, parent.depth + 1).await? };
            return Ok((id, live));
        }
        let version = self.definition(tenant, DefinitionKind::Workflow, &workflow).await?;
        let program = self.program(tenant, &version).await?;
        let mut run = self.new_run(RunKind::Workflow, &workflow, &version);
        run.inputs = inputs.clone();
        run.conversation = parent.conversation;
        run.parent_run = Some(parent.run);
        run.parent_node = Some(node);
        self.storage().create_run(tenant, run.clone()).await?;
        let around = Around { chat: parent.chat.clone(), user: parent.user.clone(), state: json!({}) };
        let input = self.run_input(&run, inputs, around);
        let nesting = Nesting { depth: parent.depth + 1, usage: parent.usage.clone() };
        let started = self.launch(tenant, run, program, (input, nesting));
        Ok((started.run.id, Some(started.live)))
    }

    /// How a run ended: its outputs and text, or its error.
    pub(crate) async fn run_outcome(
        &self,
        tenant: TenantId,
        id: RunId,
    ) -> Result<std::result::Result<(Value, String), RunError>> {
        let run = self.storage().run(tenant, id).await?.ok_or_else(|| AppError::not_found("run", id))?;
        let text = run.answer.unwrap_or_default();
        let error = |code: &str, message: &str| RunError {
            code: code.to_owned(),
            message: message.to_owned(),
            hint: None,
            node: None,
        };
        Ok(match run.status {
            RunStatus::Finished => Ok((run.outputs.unwrap_or(Value::Null), text)),
            RunStatus::Cancelled => Err(error("cancelled", "the nested run was cancelled")),
            RunStatus::Failed => Err(run
                .error
                .and_then(|it| serde_json::from_value(it).ok())
                .unwrap_or_else(|| error("error", "the nested run failed"))),
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => {
                Err(error("interrupted", "the nested run stopped before it was done"))
            }
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
        for (tenant, run) in self.storage().all_tenants_unfinished_runs().await? {
            if run.parent_run.is_some() || self.live().get(run.id).is_some() {
                continue;
            }
            let id = run.id;
            match self.take_up(tenant, run.clone(), 0).await {
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

    async fn take_up(&self, tenant: TenantId, run: Run, depth: u32) -> Result<Option<Arc<LiveRun>>> {
        let missing = || AppError::new(ErrorCode::RunFailed, "the version this run used is gone");
        let version_id: VersionId = run.version.ok_or_else(missing)?;
        let version = self.storage().version(tenant, version_id).await?.ok_or_else(missing)?;
        let program = match run.kind {
            RunKind::Workflow => self.program(tenant, &version).await?,
            RunKind::Chat => self.assistant_program(tenant, &version).await?.program.clone(),
        };
        let around = self.around_again(tenant, &run).await?;
        let input = self.run_input(&run, run.inputs.clone(), around);
        let start = match self.storage().run_snapshot(tenant, run.id).await? {
            // Killed before its first step was stored: nothing has happened yet.
            None => Start::Fresh(Box::new(input)),
            Some((snapshot, stored_through)) => Start::Again {
                snapshot: serde_json::from_str(&snapshot).map_err(AppError::internal)?,
                stored_through,
                input: Box::new(input),
            },
        };
        let job = Job { app: self.clone(), tenant, run, program, depth, usage: Arc::default(), start };
        Ok(Some(launch(job)))
    }

    /// A run that can never go on must not stay "running" for ever.
    async fn give_up_run(&self, tenant: TenantId, run: &Run, error: &AppError) -> Result<()> {
        let now = self.clock().now_ms();
        let error = json!({ "code": error.code.code(), "message": error.detail, "hint": error.hint, "node": null });
        let after = self.storage().run_snapshot(tenant, run.id).await?.map_or(0, |(_, seq)| seq);
        let step = storage::RunStep {
            events: vec![storage::NewEvent {
                seq: after + 1,
                name: "run.failed".to_owned(),
                data: json!({ "error": error, "answer": "", "at": now }).to_string(),
                at: now,
            }],
            status: Some(RunStatus::Failed),
            error: Some(error.to_string()),
            finished_at: Some(now),
            message: run.message.map(|id| storage::MessageUpdate {
                id,
                content: String::new(),
                status: domain::MessageStatus::Failed,
                error: Some(error.to_string()),
            }),
            ..storage::RunStep::default()
        };
        Ok(self.storage().record_step(tenant, run.id, step).await?)
    }
}

fn input_problem(problem: &workflow_engine::InputProblem) -> super::Problem {
    super::Problem { path: Some(problem.path.clone()), ..super::Problem::new("invalid_input", problem.message.clone()) }
}
