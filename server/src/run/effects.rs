//! One file per effect. Each takes what the engine asked for and answers with an outcome; none knows of nodes or events.

mod call_tool;
mod complete;
mod embed;
mod fetch;
mod parse_document;
mod query;
mod recall;
mod run_workflow;
mod search;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{ConversationId, RunId, TenantId};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use workflow_engine::{Delta, Effect, EffectError, EffectId, Outcome, RequestedEffect};

use crate::app::App;

pub(crate) use call_tool::code as code_of_call;

/// Tokens that the models of a run and of its nested runs have used.
#[derive(Default, Debug)]
pub(crate) struct Usage {
    pub input_tokens: AtomicU64,
    pub output_tokens: AtomicU64,
    /// Of the run that this one is nested in.
    above: Option<Arc<Usage>>,
}

impl Usage {
    /// Counts for itself and for the run above.
    pub(crate) fn within(above: Arc<Usage>) -> Arc<Usage> {
        Arc::new(Usage { above: Some(above), ..Usage::default() })
    }

    pub(crate) fn add(&self, input: u64, output: u64) {
        self.input_tokens.fetch_add(input, Ordering::Relaxed);
        self.output_tokens.fetch_add(output, Ordering::Relaxed);
        if let Some(above) = &self.above {
            above.add(input, output);
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let [input, output] = [&self.input_tokens, &self.output_tokens].map(|it| it.load(Ordering::Relaxed));
        json!({ "input_tokens": input, "output_tokens": output })
    }
}

/// What every effect of one run shares.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub app: App,
    pub tenant: TenantId,
    pub run: RunId,
    /// The run at the top of those that this one is nested in.
    pub root: RunId,
    pub conversation: Option<ConversationId>,
    /// How many workflows stand above this run, and how many may.
    pub depth: u32,
    pub max_depth: u32,
    pub usage: Arc<Usage>,
    /// Context that nested workflows see as well.
    pub chat: Option<workflow_engine::ChatContext>,
    pub user: Value,
    pub deltas: UnboundedSender<FromEffect>,
}

/// What an effect says before it is done.
pub(crate) enum FromEffect {
    Delta(EffectId, Delta),
    Log { node: String, lines: Vec<Value> },
    ChildRun { node: String, run: RunId },
}

impl Surroundings {
    pub(crate) fn delta(&self, effect: EffectId, delta: Delta) {
        // The driver may be gone because the run was cancelled; then nobody wants the text.
        let _ = self.deltas.send(FromEffect::Delta(effect, delta));
    }
}

/// How the work on an effect ended.
pub(crate) enum Performed {
    Done(Outcome),
    /// The nested run waits, and with it the effect: whoever is told that something has come in performs it again.
    Parked(RunId),
}

/// Performs one effect, within its timeout.
pub(crate) fn perform(around: Surroundings, request: RequestedEffect) -> BoxFuture<'static, (EffectId, Performed)> {
    Box::pin(async move {
        let id = request.id;
        let limit = request.timeout_ms;
        let work = dispatch(around, request);
        let performed = match limit {
            None => work.await,
            Some(ms) => match tokio::time::timeout(Duration::from_millis(ms), work).await {
                Ok(performed) => performed,
                Err(_) => {
                    let message = format!("no answer within {ms} ms");
                    Performed::Done(failed("timeout", message, Some("raise the node's `timeout`")))
                }
            },
        };
        (id, performed)
    })
}

/// Each effect's work is a box of its own: together they would all take the room of the largest, for as long as a model takes
/// to answer.
async fn dispatch(around: Surroundings, request: RequestedEffect) -> Performed {
    let RequestedEffect { id, node, attempt: _, effect, timeout_ms } = request;
    Performed::Done(match effect {
        Effect::RunWorkflow { workflow, version, inputs } => {
            return Box::pin(run_workflow::perform(&around, id, node, (workflow, version), inputs)).await;
        }
        Effect::Complete { model, messages, temperature, max_tokens, schema, tools } => {
            let request = model_client::CompletionRequest {
                messages: messages.into_iter().map(complete::message).collect(),
                temperature,
                max_tokens,
                schema,
                tools: tools.into_iter().map(complete::tool).collect(),
            };
            Box::pin(complete::perform(&around, id, &model, request)).await
        }
        Effect::Embed { texts, purpose } => Box::pin(embed::perform(&around, texts, purpose)).await,
        Effect::Search { knowledge_bases, query, top_k, min_score, mode, filter, rerank, expand } => {
            let mut request = crate::app::knowledge::Search::new(query, top_k);
            request.min_score = min_score;
            request.mode = search::mode(mode);
            request.filter = filter;
            request.rerank = rerank;
            request.groups = search::groups_of(&around.user);
            Box::pin(search::perform(&around, knowledge_bases, request, expand)).await
        }
        Effect::Query { knowledge_base, query } => Box::pin(query::perform(&around, &knowledge_base, &query)).await,
        Effect::CallTool { plugin, tool, arguments } => {
            Box::pin(call_tool::perform(&around, node, &plugin, &tool, arguments)).await
        }
        Effect::Wait { .. } | Effect::WaitUntil { .. } => sleep(&around, &effect).await,
        // Nobody performs it: it is a row in the database from the step on that asks.
        Effect::AskHuman(_) => failed("interrupted", "the question was lost", Some("run again")),
        Effect::Recall(key) => Box::pin(recall::perform(&around, &key)).await,
        Effect::Fetch(request) => Box::pin(fetch::perform(&around, &node, *request, timeout_ms)).await,
        Effect::ParseDocument { file } => Box::pin(parse_document::perform(file)).await,
    })
}

/// A pause that is too short to be stored.
async fn sleep(around: &Surroundings, timer: &Effect) -> Outcome {
    let clock = around.app.clock();
    let now = clock.now_ms();
    let Some(due) = super::waiting::due(timer, now, clock) else {
        return failed(
            "invalid_input",
            "this is no moment",
            Some("for example 2026-11-27T12:00:00+08:00 or 2026-11-27"),
        );
    };
    tokio::time::sleep(Duration::from_millis(u64::try_from(due - now).unwrap_or(0))).await;
    Outcome::Ok { value: Value::Null }
}

/// Whether an effect whose outcome was lost in a crash may simply be performed again.
pub(crate) fn safe_to_repeat(effect: &Effect, idempotent_tool: impl Fn(&str, &str) -> bool) -> bool {
    match effect {
        Effect::Complete { .. }
        | Effect::Embed { .. }
        | Effect::Search { .. }
        | Effect::Query { .. }
        | Effect::RunWorkflow { .. }
        | Effect::ParseDocument { .. }
        | Effect::AskHuman(_)
        | Effect::WaitUntil { .. }
        | Effect::Recall(_)
        | Effect::Wait { .. } => true,
        // What is read may be read again; what changes something may not.
        Effect::Fetch(request) => matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS"),
        Effect::CallTool { plugin, tool, .. } => idempotent_tool(plugin, tool),
    }
}

pub(crate) fn failed(code: &str, message: impl Into<String>, hint: Option<&str>) -> Outcome {
    Outcome::Failed {
        error: EffectError {
            code: code.to_owned(),
            message: message.into(),
            hint: hint.map(str::to_owned),
            retry_after_ms: None,
        },
    }
}

/// A use case's refusal as the engine understands it.
pub(crate) fn refused(error: crate::app::AppError) -> Outcome {
    if let Some(cause) = error.source() {
        tracing::error!(error = cause, "an effect failed inside the server");
    }
    Outcome::Failed {
        error: EffectError {
            code: error.code.code().to_owned(),
            message: error.detail,
            hint: error.hint,
            retry_after_ms: error.retry_after_s.map(|it| it * 1000),
        },
    }
}
