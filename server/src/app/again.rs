//! Runs that are made from other runs: beginning again from a node, with what was finished before it kept; and the replay of
//! a run with its recorded outcomes, in which nothing outside is called.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{DefinitionKind, Run, RunId, RunKind, TenantId};
use serde_json::json;
use workflow_engine::{EffectId, Event, Program, RerunError, RunError, RunInput};

use super::catalog::Runnable;
use super::runs::{Begun, Nesting, Started};
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use crate::run::journal::{Cause, Settled, cause, end, settle};

/// Which text of the workflow a run begins again with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithVersion {
    /// The one that the first run used.
    Same,
    /// The one that is published now.
    Latest,
}

/// The node that asked, and how often it had asked before.
type Request = (String, usize);
/// The outcomes that a run was given, in their order.
type Recorded = Vec<(Request, Settled)>;

impl App {
    /// Begins a run again from a node: what it had finished is kept, except for that node and everything that depends on it.
    ///
    /// # Errors
    /// The run is still going on, the node is none of the outermost ones, or the run is older than its journal.
    pub async fn rerun(&self, tenant: TenantId, id: RunId, (from, with): (&str, WithVersion)) -> Result<Started> {
        self.admit()?;
        let (record, used) = self.ended_run(tenant, id).await?;
        let (engine, _) = self.rebuild(tenant, &record, &used).await?;
        let past = engine.past(&used);
        let (version, program) = match (with, record.version) {
            (WithVersion::Same, version) => (version, used),
            (WithVersion::Latest, _) => {
                let kind = match record.kind {
                    RunKind::Workflow => DefinitionKind::Workflow,
                    RunKind::Chat => DefinitionKind::Assistant,
                };
                let version = self.definition(tenant, kind, &record.name).await?;
                let program = match record.kind {
                    RunKind::Workflow => self.program(tenant, &version).await?,
                    RunKind::Chat => self.assistant_program(tenant, &version).await?.program.clone(),
                };
                (Some(version.id), program)
            }
        };
        let mut run = self.made_from(&record);
        run.version = version;
        run.origin = Some(json!({ "kind": "rerun", "run": id, "from": from }));
        let input = self.same_input(tenant, id, &run).await?;
        let (chat, user) = (input.chat.clone(), input.user.clone());
        let cause = cause("again", &json!({ "input": input, "from": from, "past": past }));
        let (engine, events) =
            workflow_engine::Run::start_from(&program, input, (from, &past)).map_err(|it| no_such_node(&it))?;
        let begun = Begun { engine, events, cause, chat, user };
        self.begin_with(tenant, (run, program, None), begun, Nesting::default()).await
    }

    /// Runs a run once more with the outcomes that it was given then. The new run is over when this returns.
    ///
    /// # Errors
    /// The run is still going on, or is older than its journal.
    pub async fn replay(&self, tenant: TenantId, id: RunId) -> Result<Started> {
        self.admit()?;
        let (record, program) = self.ended_run(tenant, id).await?;
        let recorded = self.recorded_outcomes(tenant, &record, &program).await?;
        let mut run = self.made_from(&record);
        run.origin = Some(json!({ "kind": "replay", "run": id }));
        let input = self.same_input(tenant, id, &run).await?;
        let (chat, user) = (input.chat.clone(), input.user.clone());
        let first = input.clone();
        let (mut engine, mut events) = workflow_engine::Run::start(&program, input);
        let outcomes = play(&program, &mut engine, &mut events, recorded);
        let cause = cause("replayed", &json!({ "input": first, "outcomes": outcomes }));
        let begun = Begun { engine, events, cause, chat, user };
        self.begin_with(tenant, (run, program, None), begun, Nesting::default()).await
    }

    /// A run that is over, and the program that it used.
    async fn ended_run(&self, tenant: TenantId, id: RunId) -> Result<(Run, Arc<Runnable>)> {
        let record = self.run(tenant, id).await?;
        if !record.status.is_terminal() {
            return Err(AppError::new(ErrorCode::Conflict, "the run is still going on")
                .hint("wait until it is over, or stop it first"));
        }
        let program = self.program_of(tenant, &record).await?;
        Ok((record, program))
    }

    /// A run like another one, not begun yet. It stands outside of the conversation that the other one was a part of.
    fn made_from(&self, record: &Run) -> Run {
        Run {
            id: RunId::from_uuid(super::clock::new_uuid()),
            conversation: None,
            message: None,
            parent_run: None,
            parent_node: None,
            status: domain::RunStatus::Running,
            outputs: None,
            answer: None,
            error: None,
            started_at: self.clock().now_ms(),
            finished_at: None,
            ..record.clone()
        }
    }

    async fn same_input(&self, tenant: TenantId, id: RunId, run: &Run) -> Result<RunInput> {
        let mut input = self.input_of(tenant, id).await?;
        input.run_id = run.id.to_string();
        input.started_at = self.clock().local_rfc3339(run.started_at);
        Ok(input)
    }

    async fn recorded_outcomes(&self, tenant: TenantId, record: &Run, program: &Program) -> Result<Recorded> {
        let mut recorded = Recorded::new();
        let mut asked = Asked::default();
        let mut engine = None;
        for step in self.journal(tenant, record.id).await? {
            let what: Cause = serde_json::from_str(&step.cause).map_err(AppError::internal)?;
            let outcomes = match what.begin(program) {
                Ok((begun, events, outcomes)) => {
                    asked.note(&events);
                    engine = Some(begun);
                    outcomes
                }
                Err(Cause::Outcomes(outcomes)) => outcomes,
                Err(_) => Vec::new(),
            };
            let Some(engine) = &mut engine else { continue };
            for settled in outcomes {
                recorded.extend(asked.by_effect.remove(&settled.effect).map(|it| (it, settled.clone())));
                asked.note(&settle(program, engine, settled));
            }
        }
        Ok(recorded)
    }
}

/// What the effects of a run are called in every run of the same program.
#[derive(Default)]
struct Asked {
    by_effect: BTreeMap<EffectId, Request>,
    counts: BTreeMap<String, usize>,
}

impl Asked {
    fn note(&mut self, events: &[Event]) {
        for event in events {
            if let Event::EffectRequested(request) = event {
                let count = self.counts.entry(request.node.clone()).or_default();
                self.by_effect.insert(request.id, (request.node.clone(), *count));
                *count += 1;
            }
        }
    }
}

/// Gives a run the outcomes that were recorded, in their order, until it is over. Answers them as they were given.
fn play(
    program: &Program,
    engine: &mut workflow_engine::Run,
    events: &mut Vec<Event>,
    recorded: Recorded,
) -> Vec<Settled> {
    let mut asked = Asked::default();
    asked.note(events);
    let mut given = Vec::new();
    for (request, settled) in recorded {
        let Some(effect) = asked.by_effect.iter().find(|(_, it)| **it == request).map(|(id, _)| *id) else { continue };
        asked.by_effect.remove(&effect);
        let settled = Settled { effect, ..settled };
        given.push(settled.clone());
        let more = settle(program, engine, settled);
        asked.note(&more);
        events.extend(more);
    }
    if !engine.status().is_terminal() {
        let error = RunError {
            code: "not_recorded".to_owned(),
            message: "the first run ended before this was answered".to_owned(),
            hint: Some("begin it again from a node to have it done".to_owned()),
            node: None,
        };
        events.extend(end(engine, &error));
    }
    given
}

fn no_such_node(error: &RerunError) -> AppError {
    let RerunError::UnknownNode { node, known } = error;
    AppError::invalid(format!("there is no node `{node}` to begin from"))
        .hint(format!("outermost nodes: {}; nodes of a container begin with it", known.join(", ")))
}
