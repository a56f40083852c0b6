//! Questions that runs ask people: who may answer, what an answer may be, and what becomes of it.

use domain::{Conversation, Role, Run, RunId, RunStatus, Wait, WaitKind};
use serde_json::{Map, Value, json};
use storage::{BeginTurn, NewAnswer, Page, StorageError, WaitFilter, WhoseConversations};
use workflow_engine::Outcome;

use super::accounts::{Caller, Scope};
use super::runs::Started;
use super::{App, AppError, Problem, Result};
use crate::error_codes::ErrorCode;

/// What somebody answers; which parts it may have depends on what was asked.
#[derive(Debug, Default)]
pub struct Reply {
    pub text: Option<String>,
    pub option: Option<String>,
    pub fields: Option<Value>,
    pub approved: Option<bool>,
    pub comment: Option<String>,
}

impl Caller {
    /// A key that may manage stands for an admin, one that may run workflows for an operator.
    fn role(&self) -> Role {
        match &self.user {
            Some(user) => user.role,
            None if self.may(Scope::Manage) => Role::Admin,
            None if self.may(Scope::Run) => Role::Operator,
            None => Role::Member,
        }
    }

    fn may_answer(&self, wait: &Wait) -> bool {
        match (wait.who, wait.conversation) {
            // Roles are in the order of what they may do, the most powerful first.
            (Some(least), _) => self.role() <= least,
            (None, Some(_)) => self.sees_all_conversations() || wait.assignee == self.user.as_ref().map(|it| it.id),
            (None, None) => self.may(Scope::Run),
        }
    }

    /// As outcomes tell it.
    fn by(&self) -> Value {
        match &self.user {
            Some(user) => json!({ "id": user.id, "name": user.name }),
            None => json!({ "id": "api", "name": "API" }),
        }
    }

    fn id(&self) -> String {
        self.user.as_ref().map_or_else(|| "api".to_owned(), |it| it.id.to_string())
    }
}

impl App {
    /// The open questions that the caller may answer, the newest first.
    pub async fn waits(&self, caller: &Caller, cursor: Option<&str>, limit: i64) -> Result<Page<Wait>> {
        let role = caller.role();
        let filter = WaitFilter {
            roles: Role::ALL.iter().copied().filter(|least| role <= *least).collect(),
            of_runs: caller.may(Scope::Run),
            conversations: match &caller.user {
                Some(user) => WhoseConversations::Of(user.id),
                None if caller.sees_all_conversations() => WhoseConversations::All,
                None => WhoseConversations::OfKeys,
            },
            now: self.clock().now_ms(),
        };
        Ok(self.storage().list_waits(caller.tenant.id, &filter, cursor, limit).await?)
    }

    /// Answers a question of a run. `visible` tells whether the caller may see the run at all.
    pub async fn answer(
        &self,
        caller: &Caller,
        (run, visible): (&Run, Seen),
        effect: i64,
        reply: Reply,
    ) -> Result<Run> {
        let tenant = caller.tenant.id;
        let unknown = || AppError::not_found("open question", format!("{}/{effect}", run.id));
        let Some(wait) = self.storage().wait(tenant, run.id, effect).await? else {
            return Err(match visible {
                Seen::Yes if self.was_asked(caller, run.id, effect).await? => answered_already(),
                Seen::Yes => unknown(),
                Seen::No => AppError::not_found("run", run.id),
            });
        };
        if !caller.may_answer(&wait) {
            return Err(match (visible, wait.who) {
                (Seen::No, _) => AppError::not_found("run", run.id),
                (Seen::Yes, Some(least)) => {
                    AppError::new(ErrorCode::MissingScope, format!("this is for the role `{least}` and those above"))
                        .hint("`GET /api/v1/waits` shows the questions that you may answer")
                }
                (Seen::Yes, None) => {
                    AppError::new(ErrorCode::MissingScope, "this is for the visitor of the conversation")
                        .hint("`GET /api/v1/waits` shows the questions that you may answer")
                }
            });
        }
        if wait.kind == WaitKind::Timer {
            return Err(AppError::invalid("this is no question: the run waits for a moment"));
        }
        let value = self.check(&wait, reply, caller)?;
        self.give(caller, &wait, value, None).await?;
        self.wake(tenant, wait.root_run).await?;
        self.run(tenant, run.id).await
    }

    /// A message of a conversation that answers the question which is open there.
    pub(super) async fn answer_in_chat(
        &self,
        caller: &Caller,
        conversation: &Conversation,
        wait: &Wait,
        content: &str,
    ) -> Result<(domain::Message, domain::Message, Started)> {
        let tenant = caller.tenant.id;
        let now = self.clock().now_ms();
        let root = self.run(tenant, wait.root_run).await?;
        if root.status != RunStatus::Waiting {
            // It says more before the visitor's turn comes; an answer that is no message may come at any time.
            return Err(super::chat::in_progress());
        }
        let asked = super::chat::said(conversation.id, content, now);
        let answer = super::chat::going_on(conversation.id, root.id, now);
        let turn = BeginTurn {
            conversation: conversation.id,
            user_message: asked.clone(),
            assistant_message: answer.clone(),
            title: None,
        };
        let after = self.storage().last_event(tenant, root.id).await?;
        if let Err(error) = self.give(caller, wait, json!({ "text": content, "by": caller.by() }), Some(turn)).await {
            let waits = self.run(tenant, root.id).await?.status == RunStatus::Waiting;
            return Err(if waits { error } else { super::chat::in_progress() });
        }
        let live = self.wake(tenant, root.id).await?;
        Ok((asked, answer, Started { run: root, live, frames: Vec::new(), after }))
    }

    async fn give(&self, caller: &Caller, wait: &Wait, value: Value, turn: Option<BeginTurn>) -> Result<()> {
        let at = self.clock().now_ms();
        if wait.answered_at.is_some() {
            return Err(answered_already());
        }
        if wait.due_at.is_some_and(|due| due <= at) {
            return Err(expired());
        }
        let outcome = serde_json::to_string(&Outcome::Ok { value }).map_err(AppError::internal)?;
        let answer = NewAnswer { outcome, by: Some(caller.id()), at, turn };
        let given = self.storage().answer_wait(caller.tenant.id, (wait.run, wait.effect), answer).await;
        given.map_err(|error| match error {
            StorageError::Conflict { .. } => answered_already(),
            other @ (StorageError::NotFound { .. }
            | StorageError::InvalidCursor { .. }
            | StorageError::StorageFull { .. }
            | StorageError::Open { .. }
            | StorageError::NewerDatabase { .. }
            | StorageError::Migrate { .. }
            | StorageError::InvalidAddress
            | StorageError::Encoding { .. }
            | StorageError::QuotaExceeded { .. }
            | StorageError::Busy { .. }
            | StorageError::Read { .. }
            | StorageError::Write { .. }
            | StorageError::Closed { .. }) => other.into(),
        })
    }

    /// Whether the effect was a question once, so that whoever comes too late is told so.
    async fn was_asked(&self, caller: &Caller, run: RunId, effect: i64) -> Result<bool> {
        let mut after = 0;
        loop {
            let page = self.storage().run_events(caller.tenant.id, run, after, 500).await?;
            let Some(last) = page.last() else { return Ok(false) };
            after = last.seq;
            let asks = |data: &str| {
                let data: Value = serde_json::from_str(data).unwrap_or_default();
                data.get("effect").and_then(Value::as_i64) == Some(effect)
            };
            if page.iter().any(|it| it.name == "interrupt" && asks(&it.data)) {
                return Ok(true);
            }
        }
    }

    /// The answer as the engine takes it, if it fits the question.
    fn check(&self, wait: &Wait, reply: Reply, caller: &Caller) -> Result<Value> {
        let Reply { text, option, fields, approved, comment } = reply;
        for said in [&text, &comment].into_iter().flatten() {
            self.check_length(said)?;
        }
        let mut value = Map::new();
        value.insert("by".into(), caller.by());
        if wait.kind == WaitKind::Approve {
            if text.is_some() || option.is_some() || fields.is_some() {
                return Err(AppError::invalid("this is an approval; it takes no text, option or fields")
                    .hint("send `{\"approved\": true}` or `{\"approved\": false, \"comment\": \"…\"}`"));
            }
            let approved = approved.ok_or_else(|| {
                AppError::invalid("`approved` is missing")
                    .hint("send `{\"approved\": true}` or `{\"approved\": false}`")
            })?;
            value.insert("approved".into(), approved.into());
            value.insert("comment".into(), comment.unwrap_or_default().into());
            return Ok(Value::Object(value));
        }
        if approved.is_some() || comment.is_some() {
            return Err(
                AppError::invalid("this is a question, not an approval").hint("send `text`, `option` or `fields`")
            );
        }
        let text = text.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
        if text.is_none() && option.is_none() && fields.is_none() {
            return Err(AppError::invalid("the answer is empty").hint("send `text`, `option` or `fields`"));
        }
        if let Some(option) = option {
            check_option(wait, &option)?;
            value.insert("option".into(), option.into());
        }
        if let Some(fields) = fields {
            check_fields(wait, &fields)?;
            value.insert("fields".into(), fields);
        }
        if let Some(text) = text {
            value.insert("text".into(), text.into());
        }
        Ok(Value::Object(value))
    }
}

/// Whether a caller may look at a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Yes,
    No,
}

fn check_option(wait: &Wait, option: &str) -> Result<()> {
    let options = wait.body.get("options").and_then(Value::as_array);
    let names: Vec<&str> =
        options.into_iter().flatten().filter_map(|it| it.get("name").and_then(Value::as_str)).collect();
    if names.contains(&option) {
        return Ok(());
    }
    let problem = AppError::invalid(format!("there is no option `{option}`"));
    Err(if names.is_empty() {
        problem.hint("the question has none; send `text` or `fields`")
    } else {
        problem.hint(format!("options: {}", names.join(", ")))
    })
}

fn check_fields(wait: &Wait, fields: &Value) -> Result<()> {
    let schema = wait.body.get("fields").filter(|it| !it.is_null());
    let Some(schema) = schema else {
        return Err(AppError::invalid("the question asks for no fields").hint("send `text` or `option`"));
    };
    let validator = jsonschema::validator_for(schema).map_err(|error| AppError::internal(error.to_string()))?;
    let problems: Vec<Problem> = validator
        .iter_errors(fields)
        .map(|error| Problem {
            path: Some(format!("/fields{}", error.instance_path())),
            ..Problem::new("invalid_input", error.to_string())
        })
        .collect();
    match problems.first() {
        None => Ok(()),
        Some(first) => Err(AppError::invalid(first.message.clone()).errors(problems)),
    }
}

fn answered_already() -> AppError {
    AppError::new(ErrorCode::Conflict, "this was answered already").hint("the first answer counts")
}

fn expired() -> AppError {
    AppError::new(ErrorCode::Conflict, "the time for an answer is over")
}
