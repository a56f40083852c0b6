//! Effects that nobody works on: questions to people, and moments that are far away. They are rows in the database while
//! they last, and a run of which nothing else is left needs neither a task nor memory.

use domain::{Conversation, Role, RunId, TenantId, Wait, WaitKind};
use serde_json::{Value, json};
use workflow_engine::{Effect, Outcome, Question, QuestionKind, RequestedEffect};

use super::recorder::{Recorded, Recorder};
use crate::app::clock::Clock;
use crate::app::{App, Result};

/// A shorter pause is slept by the run's own task: between two attempts of an effect nothing is worth storing.
const SLEPT_MS: i64 = 10_000;

/// Whose questions they are.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub app: &'a App,
    pub tenant: TenantId,
    pub run: &'a domain::Run,
    /// The run at the top.
    pub root: RunId,
}

impl Asking<'_> {
    /// Takes the effects that are waits out of what a step asks for, and makes rows and events of them. Answers their
    /// numbers.
    ///
    /// # Errors
    /// The conversation cannot be read.
    pub(crate) async fn open(&self, recorder: &mut Recorder, recorded: &mut Recorded) -> Result<Vec<i64>> {
        let mut opened = Vec::new();
        let mut conversation = None;
        let requested = std::mem::take(&mut recorded.requested);
        for request in requested {
            let Some(mut wait) = self.wait(&request, recorded.step.at) else {
                recorded.requested.push(request);
                continue;
            };
            if wait.kind != WaitKind::Timer {
                if let (Some(id), None) = (self.run.conversation, &conversation) {
                    conversation = self.app.storage().conversation(self.tenant, id).await?;
                }
                wait.assignee = conversation.as_ref().and_then(|it: &Conversation| it.user);
                recorder.add(recorded, "interrupt", &told(&wait));
            }
            opened.push(wait.effect);
            recorded.step.opened.push(wait);
        }
        Ok(opened)
    }

    fn wait(&self, request: &RequestedEffect, now: i64) -> Option<Wait> {
        let mut wait = Wait {
            run: self.run.id,
            effect: i64::try_from(request.id.0).unwrap_or(i64::MAX),
            root_run: self.root,
            kind: WaitKind::Timer,
            node: request.node.clone(),
            title: String::new(),
            body: json!({}),
            conversation: self.run.conversation,
            assignee: None,
            who: None,
            created_at: now,
            due_at: None,
            at_due: json!(Outcome::Ok { value: Value::Null }),
            answered_at: None,
        };
        match &request.effect {
            Effect::AskHuman(question) => {
                ask(&mut wait, question);
                let limit = request.timeout_ms.map(|it| now.saturating_add_unsigned(it));
                if limit.is_some_and(|limit| wait.due_at.is_none_or(|due| limit < due)) {
                    wait.due_at = limit;
                    wait.at_due = json!(super::effects::failed("timeout", "nobody answered in time", None));
                }
                Some(wait)
            }
            Effect::Wait { .. } | Effect::WaitUntil { .. } => {
                let due = due(&request.effect, now, self.app.clock())?;
                wait.due_at = Some(due);
                (due - now >= SLEPT_MS).then_some(wait)
            }
            Effect::Complete { .. }
            | Effect::Embed { .. }
            | Effect::Search { .. }
            | Effect::Query { .. }
            | Effect::CallTool { .. }
            | Effect::RunWorkflow { .. }
            | Effect::Fetch(_)
            | Effect::ParseDocument { .. }
            | Effect::Recall(_) => None,
        }
    }
}

fn ask(wait: &mut Wait, question: &Question) {
    let Question { kind, title, text, options, fields, who, timeout_ms } = question;
    wait.kind = match kind {
        QuestionKind::Ask => WaitKind::Ask,
        QuestionKind::Approve => WaitKind::Approve,
    };
    wait.title.clone_from(title);
    wait.body = json!({ "text": text, "options": options, "fields": fields });
    // A role that does not exist is nobody's; only the owner may do everything.
    wait.who = who.as_deref().map(|it| it.parse().unwrap_or(Role::Owner));
    wait.due_at = timeout_ms.map(|it| wait.created_at.saturating_add_unsigned(it));
    wait.at_due = json!(Outcome::Ok { value: json!({ "timed_out": true }) });
}

/// When a timer ends. None for a moment that cannot be understood.
pub(crate) fn due(effect: &Effect, now: i64, clock: &Clock) -> Option<i64> {
    match effect {
        Effect::Wait { ms } => Some(now.saturating_add_unsigned(*ms)),
        Effect::WaitUntil { time } => clock.moment(time),
        Effect::Complete { .. }
        | Effect::Embed { .. }
        | Effect::Search { .. }
        | Effect::Query { .. }
        | Effect::CallTool { .. }
        | Effect::RunWorkflow { .. }
        | Effect::Fetch(_)
        | Effect::ParseDocument { .. }
        | Effect::AskHuman(_)
        | Effect::Recall(_) => None,
    }
}

/// A wait as events and views tell it.
pub(crate) fn told(wait: &Wait) -> Value {
    let part = |key: &str| wait.body.get(key).cloned().unwrap_or(Value::Null);
    json!({
        "run": wait.run,
        "effect": wait.effect,
        "kind": wait.kind.as_str(),
        "node": wait.node,
        "title": wait.title,
        "question": part("text"),
        "options": part("options"),
        "fields": part("fields"),
        "who": wait.who,
        "created_at": wait.created_at,
        "due_at": wait.due_at,
    })
}
