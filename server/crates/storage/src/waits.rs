//! What runs wait for while nobody works on it: answers of people, and moments.
//!
//! A wait is opened in the step that asks, answered by one statement that exactly one caller wins, and closed in the step
//! that hands its outcome to the engine. A crash between any two of these loses nothing.

use domain::{ConversationId, Role, RunId, TenantId, UserId, Wait};
use serde_json::Value;

use crate::columns::{self, Stored, maybe_parsed, parsed};
use crate::conversations::{BeginTurn, write_turn};
use crate::database::{Connection, Row, query};
use crate::error::{Failure, Operation};
use crate::journal::{RunStep, write_step};
use crate::pages::{Page, with_one_more};
use crate::{Result, Storage, StorageError};

macro_rules! wait_columns {
    () => {
        "run, effect, root_run, kind, node, title, body, conversation, assignee, who, created_at, due_at, at_due, \
         answered_at"
    };
}

/// Runs below one, itself included: `$1` is the tenant, `$2` the run.
macro_rules! with_below {
    ($sql:literal) => {
        concat!(
            "with recursive below (id) as (select id from runs where tenant = $1 and id = $2 \
             union all select r.id from runs r join below b \
             on r.tenant = $1 and r.parent_run = b.id) ",
            $sql
        )
    };
}

/// Somebody's answer, as the engine takes it.
#[derive(Clone, Debug)]
pub struct NewAnswer {
    /// JSON text.
    pub outcome: String,
    pub by: Option<String>,
    pub at: i64,
    /// When the answer is a message of a conversation: the turn it is, whose second message the run at the top goes on in.
    pub turn: Option<BeginTurn>,
}

/// Whose open questions to list.
#[derive(Clone, Debug)]
pub struct WaitFilter {
    /// Questions to somebody of these roles.
    pub roles: Vec<Role>,
    /// Questions to whoever runs workflows, outside of conversations.
    pub of_runs: bool,
    pub conversations: WhoseConversations,
    pub now: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhoseConversations {
    All,
    Of(UserId),
    /// Those that API keys began.
    OfKeys,
}

/// A place in the list of open questions.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: i64,
    run: uuid::Uuid,
    effect: i64,
}

impl Place {
    const START: Place = Place { at: i64::MAX, run: uuid::Uuid::max(), effect: i64::MAX };

    fn read(cursor: Option<&str>) -> Result<Place> {
        let Some(cursor) = cursor else { return Ok(Place::START) };
        let read = || {
            let mut parts = cursor.splitn(3, '.');
            let (at, run, effect) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Place { at: at.parse().ok()?, run: uuid::Uuid::try_parse(run).ok()?, effect: effect.parse().ok()? })
        };
        read().ok_or_else(|| StorageError::InvalidCursor { cursor: cursor.chars().take(80).collect() })
    }
}

impl Stored for Wait {
    fn read(row: &Row) -> Result<Wait, sqlx::Error> {
        Ok(Wait {
            run: parsed(row, "run")?,
            effect: row.try_get("effect")?,
            root_run: parsed(row, "root_run")?,
            kind: parsed(row, "kind")?,
            node: row.try_get("node")?,
            title: row.try_get("title")?,
            body: columns::json(row, "body")?,
            conversation: maybe_parsed(row, "conversation")?,
            assignee: maybe_parsed(row, "assignee")?,
            who: maybe_parsed(row, "who")?,
            created_at: row.try_get("created_at")?,
            due_at: row.try_get("due_at")?,
            at_due: columns::json(row, "at_due")?,
            answered_at: row.try_get("answered_at")?,
        })
    }
}

struct Answered(i64, Value);

impl Stored for Answered {
    fn read(row: &Row) -> Result<Answered, sqlx::Error> {
        Ok(Answered(row.try_get("effect")?, columns::json(row, "outcome")?))
    }
}

struct Root(TenantId, RunId);

impl Stored for Root {
    fn read(row: &Row) -> Result<Root, sqlx::Error> {
        Ok(Root(parsed(row, "tenant")?, parsed(row, "root_run")?))
    }
}

struct Yes(bool);

impl Stored for Yes {
    fn read(row: &Row) -> Result<Yes, sqlx::Error> {
        Ok(Yes(row.try_get("yes")?))
    }
}

const NEWS: &str = with_below!(
    "select exists (select 1 from waits w join below b on w.tenant = $1 and w.run = b.id where w.outcome is not null) \
     or exists (select 1 from runs child join below b on child.tenant = $1 and child.id = b.id \
     join runs parent on parent.tenant = $1 and parent.id = child.parent_run join below p on p.id = parent.id \
     where parent.status = 'waiting' and child.finished_at >= parent.parked_at) as yes"
);

impl Storage {
    /// Effects of the run that are waits, answered or not.
    pub async fn wait_effects(&self, tenant: TenantId, run: RunId) -> Result<Vec<i64>> {
        let sql = "select effect, 'null' as outcome from waits where tenant = $1 and run = $2 order by effect";
        let found: Vec<Answered> =
            self.all("read what a run waits for", query(sql).bind(tenant.to_string()).bind(run.to_string())).await?;
        Ok(found.into_iter().map(|Answered(effect, _)| effect).collect())
    }

    /// What the run waits for and nobody has answered, in the order in which it was asked; for a run at the top also what
    /// the runs below it wait for.
    pub async fn open_waits(&self, tenant: TenantId, run: RunId) -> Result<Vec<Wait>> {
        let sql = concat!(
            "select ",
            wait_columns!(),
            " from waits where tenant = $1 and (run = $2 or root_run = $2) and outcome is null \
             order by created_at, run, effect"
        );
        self.all("read what a run waits for", query(sql).bind(tenant.to_string()).bind(run.to_string())).await
    }

    pub async fn wait(&self, tenant: TenantId, run: RunId, effect: i64) -> Result<Option<Wait>> {
        let sql = concat!("select ", wait_columns!(), " from waits where tenant = $1 and run = $2 and effect = $3");
        let query = query(sql).bind(tenant.to_string()).bind(run.to_string()).bind(effect);
        self.first("read what a run waits for", query).await
    }

    /// Outcomes that the run has not taken yet, by effect. JSON values.
    pub async fn answered_waits(&self, tenant: TenantId, run: RunId) -> Result<Vec<(i64, Value)>> {
        let sql = "select effect, outcome from waits where tenant = $1 and run = $2 and outcome is not null \
                   order by answered_at, effect";
        let found: Vec<Answered> =
            self.all("read a run's answers", query(sql).bind(tenant.to_string()).bind(run.to_string())).await?;
        Ok(found.into_iter().map(|Answered(effect, outcome)| (effect, outcome)).collect())
    }

    /// Whether something has come in for a waiting run or for one below it.
    pub async fn has_news(&self, tenant: TenantId, run: RunId) -> Result<bool> {
        let query = query(NEWS).bind(tenant.to_string()).bind(run.to_string());
        let found: Option<Yes> = self.first("look whether a run can go on", query).await?;
        Ok(found.is_some_and(|Yes(it)| it))
    }

    /// The question that a message in the conversation would answer: the one that was asked first.
    pub async fn open_question(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
        now: i64,
    ) -> Result<Option<Wait>> {
        let sql = concat!(
            "select ",
            wait_columns!(),
            " from waits where tenant = $1 and conversation = $2 and kind = 'ask' and outcome is null \
             and (due_at is null or due_at > $3) and who is null order by created_at, run, effect limit 1"
        );
        let query = query(sql).bind(tenant.to_string()).bind(conversation.to_string()).bind(now);
        self.first("look for a conversation's open question", query).await
    }

    /// Open questions, the newest first.
    pub async fn list_waits(
        &self,
        tenant: TenantId,
        filter: &WaitFilter,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<Wait>> {
        let Place { at, run, effect } = Place::read(cursor)?;
        let WaitFilter { roles, of_runs, conversations, now } = filter;
        let mut sql = query(concat!("select ", wait_columns!(), " from waits where tenant = "));
        sql.push_bind(tenant.to_string()).push(" and outcome is null and kind <> 'timer'");
        sql.push(" and (due_at is null or due_at > ").push_bind(*now).push(")");
        sql.push(" and (created_at, run, effect) < (").push_bind(at).push(", ").push_bind(run.to_string());
        // An empty list after `in` is understood by SQLite only.
        sql.push(", ").push_bind(effect).push(") and (who in (''");
        for role in roles {
            sql.push(", ").push_bind(role.as_str());
        }
        sql.push(")");
        if *of_runs {
            sql.push(" or who is null and conversation is null");
        }
        match conversations {
            WhoseConversations::All => sql.push(" or who is null and conversation is not null"),
            WhoseConversations::Of(user) => {
                sql.push(" or who is null and conversation is not null and assignee = ").push_bind(user.to_string())
            }
            WhoseConversations::OfKeys => sql.push(" or who is null and conversation is not null and assignee is null"),
        };
        sql.push(") order by created_at desc, run desc, effect desc limit ").push_bind(with_one_more(limit));
        let mut items: Vec<Wait> = self.all("list the open questions", sql).await?;
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = items.len() > limit;
        items.truncate(limit);
        let place = |it: &Wait| format!("{}.{}.{}", it.created_at, it.run.as_uuid().simple(), it.effect);
        let next_cursor = items.last().filter(|_| more).map(place);
        Ok(Page { items, next_cursor })
    }

    /// Answers a question. Of several answers at the same moment exactly one is taken.
    ///
    /// # Errors
    /// `Conflict` when it is answered already, is due, or is not there any more, and when the answer is a turn while the run
    /// at the top goes on. Nothing is stored then.
    pub async fn answer_wait(&self, tenant: TenantId, (run, effect): (RunId, i64), answer: NewAnswer) -> Result<()> {
        const ANSWER: Operation = Operation::new("store an answer").missing("run");
        self.write(ANSWER, move |connection| Box::pin(write_answer(connection, tenant, (run, effect), answer))).await
    }

    /// Gives every wait whose moment has come the outcome that it was to have then. Answers how many.
    pub async fn all_tenants_expire_waits(&self, now: i64) -> Result<u64> {
        const EXPIRE: Operation = Operation::new("end what runs waited for");
        let due = "select exists (select 1 from waits where outcome is null and due_at <= $1) as yes";
        let due: Option<Yes> = self.first("look for what is due", query(due).bind(now)).await?;
        if !due.is_some_and(|Yes(it)| it) {
            return Ok(0);
        }
        self.write(EXPIRE, move |connection| {
            Box::pin(async move {
                let sql = "update waits set outcome = at_due, answered_at = $1 where outcome is null and due_at <= $1";
                Ok(query(sql).bind(now).execute(connection).await?)
            })
        })
        .await
    }

    /// The runs at the top for which something has come in.
    pub async fn all_tenants_answered_roots(&self) -> Result<Vec<(TenantId, RunId)>> {
        let sql = "select distinct tenant, root_run from waits where outcome is not null";
        let found: Vec<Root> = self.all("look for answers", query(sql)).await?;
        Ok(found.into_iter().map(|Root(tenant, run)| (tenant, run)).collect())
    }

    /// Stores that a run waits and nobody drives it any more. False, and nothing is stored, when an answer has come in for
    /// it or for one of the runs below it, or one of `nested` is over: then its driver has to go on.
    ///
    /// # Errors
    /// As [`Storage::record_step`].
    pub async fn park_run(&self, tenant: TenantId, run: RunId, (step, nested): (RunStep, Vec<RunId>)) -> Result<bool> {
        const PARK: Operation =
            Operation::new("store that a run waits").conflict("a step with this number in the run").missing("run");
        self.write(PARK, move |connection| {
            Box::pin(async move {
                let (tenant_text, run_text) = (tenant.to_string(), run.to_string());
                let news = query(NEWS).bind(tenant_text.clone()).bind(run_text.clone());
                if news.fetch_one(&mut *connection).await?.try_get("yes")? {
                    return Ok(false);
                }
                for it in nested {
                    let over = "select finished_at is not null as yes from runs where tenant = $1 and id = $2";
                    let over = query(over).bind(tenant_text.clone()).bind(it.to_string());
                    if over.fetch_optional(&mut *connection).await?.is_none_or(|it| it.try_get("yes").unwrap_or(true)) {
                        return Ok(false);
                    }
                }
                let at = step.at;
                write_step(connection, tenant, run, step).await?;
                query(
                    "update runs set status = 'waiting', parked_at = $3, lease_owner = null, lease_until = null \
                     where tenant = $1 and id = $2",
                )
                .bind(tenant_text)
                .bind(run_text)
                .bind(at)
                .execute(connection)
                .await?;
                Ok(true)
            })
        })
        .await
    }
}

async fn write_answer(
    connection: &mut Connection,
    tenant: TenantId,
    (run, effect): (RunId, i64),
    answer: NewAnswer,
) -> Result<(), Failure> {
    let NewAnswer { outcome, by, at, turn } = answer;
    let taken = query(
        "update waits set outcome = $4, answered_by = $5, answered_at = $6 where tenant = $1 and run = $2 \
         and effect = $3 and outcome is null and (due_at is null or due_at > $6) returning root_run",
    )
    .bind(tenant.to_string())
    .bind(run.to_string())
    .bind(effect)
    .bind(outcome)
    .bind(by)
    .bind(at)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(taken) = taken else {
        return Err(StorageError::Conflict { what: "an answer to this question" }.into());
    };
    let Some(turn) = turn else { return Ok(()) };
    let root: RunId = parsed(&taken, "root_run")?;
    let message = turn.assistant_message.id;
    write_turn(connection, tenant, turn).await?;
    // Only then its message is closed, and it is known where the part that comes now begins.
    let moved = query("update runs set message = $3 where tenant = $1 and id = $2 and status = 'waiting' returning id")
        .bind(tenant.to_string())
        .bind(root.to_string())
        .bind(message.to_string())
        .fetch_optional(connection)
        .await?;
    match moved {
        Some(_) => Ok(()),
        None => Err(StorageError::Conflict { what: "a message of a run that does not wait" }.into()),
    }
}

pub(crate) async fn open(connection: &mut Connection, tenant: TenantId, waits: Vec<Wait>) -> Result<(), Failure> {
    for it in waits {
        let Wait {
            run,
            effect,
            root_run,
            kind,
            node,
            title,
            body,
            conversation,
            assignee,
            who,
            created_at,
            due_at,
            at_due,
            answered_at,
        } = it;
        query(concat!(
            "insert into waits (tenant, ",
            wait_columns!(),
            ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
        ))
        .bind(tenant.to_string())
        .bind(run.to_string())
        .bind(effect)
        .bind(root_run.to_string())
        .bind(kind.as_str())
        .bind(node)
        .bind(title)
        .bind(body.to_string())
        .bind(conversation.map(|it| it.to_string()))
        .bind(assignee.map(|it| it.to_string()))
        .bind(who.map(Role::as_str))
        .bind(created_at)
        .bind(due_at)
        .bind(at_due.to_string())
        .bind(answered_at)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Removes waits whose outcome goes into the engine, or that nobody waits for any more.
pub(crate) async fn close(
    connection: &mut Connection,
    (tenant, run): (TenantId, RunId),
    effects: Vec<i64>,
) -> Result<(), Failure> {
    for effect in effects {
        query("delete from waits where tenant = $1 and run = $2 and effect = $3")
            .bind(tenant.to_string())
            .bind(run.to_string())
            .bind(effect)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
