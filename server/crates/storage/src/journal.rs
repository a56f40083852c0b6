//! The journal of a run: one row per step of the engine, from which the run can be had again, and the snapshots that
//! shorten the way there.

use domain::{Message, MessageId, MessageStatus, RunEvent, RunId, RunStatus, TenantId, Wait};
use serde_json::value::RawValue;

use crate::accounts::found;
use crate::columns::Stored;
use crate::conversations::{MessageUpdate, insert_message, write_message};
use crate::database::{Connection, Query, Row, query};
use crate::error::{Failure, Operation};
use crate::waits::{close, open};
use crate::{Result, Storage, StorageError};

/// Everything that one step of the driver changes. It is stored as a whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct RunStep {
    /// 1, 2, 3, … Given by the run's one driver; the same number twice is refused, and with it the step.
    pub number: i64,
    /// What went into the engine: a JSON object with one key.
    pub cause: String,
    /// The number of the first event; the others follow.
    pub first_seq: i64,
    pub events: Vec<NewEvent>,
    pub at: i64,
    /// The run as a value after this step. A terminal step needs none: the last one is removed.
    pub snapshot: Option<String>,
    /// None leaves the status as it is.
    pub status: Option<RunStatus>,
    /// JSON text.
    pub outputs: Option<String>,
    pub answer: Option<String>,
    /// JSON text: `{code, message, hint?, node?}`.
    pub error: Option<String>,
    pub finished_at: Option<i64>,
    pub messages: Vec<MessageUpdate>,
    /// The variables of the run's conversation, as JSON text. A run without a conversation has nowhere to keep them.
    pub conversation_state: Option<String>,
    /// What the run waits for from now on without anybody working on it.
    pub opened: Vec<Wait>,
    /// Effects whose waits end: their outcomes went into the engine, or nobody wants them any more.
    pub closed: Vec<i64>,
    /// A message that the run's answer goes on in.
    pub next_message: Option<Message>,
    /// A message that nothing was said in: it is taken away.
    pub unsaid_message: Option<MessageId>,
    /// Bytes of the run's answer that stand in earlier messages.
    pub message_from: Option<i64>,
    /// Milliseconds that the run has been driven until it began to wait.
    pub active_ms: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct NewEvent {
    pub name: &'static str,
    pub data: Box<RawValue>,
}

/// A stored step as the engine needs it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalStep {
    pub number: i64,
    /// The number of the step's last event, or of the last one before it.
    pub last_seq: i64,
    /// A JSON object with one key.
    pub cause: String,
    pub at: i64,
}

/// A run as it stood after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSnapshot {
    pub step: i64,
    /// JSON text.
    pub snapshot: String,
}

struct StoredEvents(Vec<RunEvent>);

impl Stored for StoredEvents {
    fn read(row: &Row) -> Result<StoredEvents, sqlx::Error> {
        let unreadable = |error: serde_json::Error| sqlx::Error::ColumnDecode {
            index: "events".to_owned(),
            source: Box::new(error),
        };
        let first: i64 = row.try_get("first_seq")?;
        let at: i64 = row.try_get("at")?;
        let text: &str = row.try_get("events")?;
        let events: Vec<(&str, &RawValue)> = serde_json::from_str(text).map_err(unreadable)?;
        let event = |(seq, (name, data)): (i64, (&str, &RawValue))| RunEvent {
            seq,
            name: name.to_owned(),
            data: data.get().to_owned(),
            at,
        };
        Ok(StoredEvents((first..).zip(events).map(event).collect()))
    }
}

impl Stored for JournalStep {
    fn read(row: &Row) -> Result<JournalStep, sqlx::Error> {
        Ok(JournalStep {
            number: row.try_get("step")?,
            last_seq: row.try_get("last_seq")?,
            cause: row.try_get("cause")?,
            at: row.try_get("at")?,
        })
    }
}

impl Stored for RunSnapshot {
    fn read(row: &Row) -> Result<RunSnapshot, sqlx::Error> {
        Ok(RunSnapshot { step: row.try_get("step")?, snapshot: row.try_get("snapshot")? })
    }
}

impl Storage {
    /// Stores one step of a run in one transaction.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such run (it may have been deleted meanwhile); `Conflict` when the run is over
    /// already or the step's number is taken. Nothing of the step is stored then.
    pub async fn record_step(&self, tenant: TenantId, run: RunId, step: RunStep) -> Result<()> {
        const RECORD: Operation =
            Operation::new("store a run's step").conflict("a step with this number in the run").missing("run");
        // The run's driver is the only one to write to the run, but its conversation may go on elsewhere.
        let operation = if step.next_message.is_none() { RECORD.beside_others() } else { RECORD };
        self.write(operation, move |connection| Box::pin(write_step(connection, tenant, run, step))).await
    }

    /// Events with a number above `after_seq`, in order.
    pub async fn run_events(&self, tenant: TenantId, run: RunId, after_seq: i64, limit: i64) -> Result<Vec<RunEvent>> {
        let limit = limit.max(0);
        let query = query(
            "select first_seq, events, at from run_steps where tenant = $1 and run = $2 and last_seq > $3 \
             and last_seq >= first_seq order by step limit $4",
        )
        .bind(tenant.to_string())
        .bind(run.to_string())
        .bind(after_seq)
        .bind(limit);
        let steps: Vec<StoredEvents> = self.all("read a run's events", query).await?;
        let events = steps.into_iter().flat_map(|it| it.0).filter(|it| it.seq > after_seq);
        Ok(events.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
    }

    /// The number of the run's last event; 0 before the first.
    pub async fn last_event(&self, tenant: TenantId, run: RunId) -> Result<i64> {
        let query = query(
            "select step, last_seq, '' as cause, at from run_steps where tenant = $1 and run = $2 order by step desc limit 1",
        )
        .bind(tenant.to_string())
        .bind(run.to_string());
        let last: Option<JournalStep> = self.first("look for a run's last event", query).await?;
        Ok(last.map_or(0, |it| it.last_seq))
    }

    /// The run as it was kept last. None for a run whose whole way is in its journal, and after its end.
    pub async fn run_snapshot(&self, tenant: TenantId, run: RunId) -> Result<Option<RunSnapshot>> {
        let query = query("select step, snapshot from run_snapshots where tenant = $1 and run = $2")
            .bind(tenant.to_string())
            .bind(run.to_string());
        self.first("read where a run stood", query).await
    }

    /// Steps with a number above `after_step`, in order.
    pub async fn run_journal(
        &self,
        tenant: TenantId,
        run: RunId,
        after_step: i64,
        limit: i64,
    ) -> Result<Vec<JournalStep>> {
        let query = query(
            "select step, last_seq, cause, at from run_steps where tenant = $1 and run = $2 and step > $3 \
             order by step limit $4",
        )
        .bind(tenant.to_string())
        .bind(run.to_string())
        .bind(after_step)
        .bind(limit.max(0));
        self.all("read a run's journal", query).await
    }
}

/// Stores a step of a run that is there and not over.
pub(crate) async fn write_step(
    connection: &mut Connection,
    tenant: TenantId,
    run: RunId,
    mut step: RunStep,
) -> Result<(), Failure> {
    if !insert_step(connection, (tenant, run), &mut step).await? {
        return Err(refusal(connection, tenant, run).await);
    }
    let ended = step.status.is_some_and(RunStatus::is_terminal);
    if ended {
        for sql in [
            "delete from run_snapshots where tenant = $1 and run = $2",
            "delete from waits where tenant = $1 and run = $2",
        ] {
            query(sql).bind(tenant.to_string()).bind(run.to_string()).execute(&mut *connection).await?;
        }
    } else if let Some(snapshot) = step.snapshot.take() {
        write_snapshot(connection, (tenant, run), (step.number, snapshot)).await?;
    }
    close(connection, (tenant, run), std::mem::take(&mut step.closed)).await?;
    open(connection, tenant, std::mem::take(&mut step.opened)).await?;
    write_conversation(connection, (tenant, run), &mut step).await?;
    update_run(connection, (tenant, run), step).await
}

/// False when the run is not there or over.
async fn insert_step(
    connection: &mut Connection,
    (tenant, run): (TenantId, RunId),
    step: &mut RunStep,
) -> Result<bool, Failure> {
    let done = query(
        "insert into run_steps (tenant, run, step, first_seq, last_seq, cause, events, at) \
         select tenant, id, $3, $4, $5, $6, $7, $8 from runs \
         where tenant = $1 and id = $2 and status in ('queued', 'running', 'waiting')",
    );
    let done = bind_step(done, (tenant, run), step).execute(connection).await?;
    Ok(done > 0)
}

/// The first step of a run that was inserted in the same transaction, and that may be over already.
pub(crate) async fn write_first_step(
    connection: &mut Connection,
    tenant: TenantId,
    run: RunId,
    mut step: RunStep,
) -> Result<(), Failure> {
    let insert = query(
        "insert into run_steps (tenant, run, step, first_seq, last_seq, cause, events, at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    );
    bind_step(insert, (tenant, run), &mut step).execute(&mut *connection).await?;
    if let Some(snapshot) = step.snapshot.take() {
        write_snapshot(connection, (tenant, run), (step.number, snapshot)).await?;
    }
    open(connection, tenant, std::mem::take(&mut step.opened)).await?;
    write_conversation(connection, (tenant, run), &mut step).await
}

fn bind_step(statement: Query, (tenant, run): (TenantId, RunId), step: &mut RunStep) -> Query {
    let events: Vec<(&str, &RawValue)> = step.events.iter().map(|it| (it.name, &*it.data)).collect();
    let last = step.first_seq + i64::try_from(events.len()).unwrap_or(i64::MAX) - 1;
    // A list of texts and of JSON texts can always be written.
    let events = serde_json::to_string(&events).unwrap_or_default();
    statement
        .bind(tenant.to_string())
        .bind(run.to_string())
        .bind(step.number)
        .bind(step.first_seq)
        .bind(last)
        .bind(std::mem::take(&mut step.cause))
        .bind(events)
        .bind(step.at)
}

/// Why a step could not be stored.
async fn refusal(connection: &mut Connection, tenant: TenantId, run: RunId) -> Failure {
    let row = query("select status from runs where tenant = $1 and id = $2")
        .bind(tenant.to_string())
        .bind(run.to_string())
        .fetch_optional(connection)
        .await;
    match row {
        Ok(Some(_)) => StorageError::Conflict { what: "an end of this run" }.into(),
        Ok(None) => StorageError::NotFound { what: "run" }.into(),
        Err(error) => error.into(),
    }
}

async fn write_snapshot(
    connection: &mut Connection,
    (tenant, run): (TenantId, RunId),
    (step, snapshot): (i64, String),
) -> Result<(), Failure> {
    query(
        "insert into run_snapshots (tenant, run, step, snapshot) values ($1, $2, $3, $4) \
         on conflict (tenant, run) do update set step = excluded.step, snapshot = excluded.snapshot",
    )
    .bind(tenant.to_string())
    .bind(run.to_string())
    .bind(step)
    .bind(snapshot)
    .execute(connection)
    .await?;
    Ok(())
}

/// The row holds the run's inputs; it is not written again for a step that changes nothing in it.
async fn update_run(
    connection: &mut Connection,
    (tenant, run): (TenantId, RunId),
    step: RunStep,
) -> Result<(), Failure> {
    let RunStep { status, outputs, answer, error, finished_at, next_message, message_from, active_ms, .. } = step;
    let unchanged = status.is_none()
        && [&outputs, &answer, &error].into_iter().all(Option::is_none)
        && next_message.is_none()
        && message_from.is_none()
        && active_ms.is_none();
    if unchanged {
        return Ok(());
    }
    query(
        "update runs set status = coalesce($3, status), outputs = coalesce($4, outputs), answer = coalesce($5, answer), \
         error = coalesce($6, error), finished_at = coalesce($7, finished_at), message = coalesce($8, message), \
         message_from = coalesce($9, message_from), active_ms = coalesce($10, active_ms), \
         lease_owner = case when $7 is null then lease_owner end, lease_until = case when $7 is null then lease_until end \
         where tenant = $1 and id = $2",
    )
    .bind(tenant.to_string())
    .bind(run.to_string())
    .bind(status.map(RunStatus::as_str))
    .bind(outputs)
    .bind(answer)
    .bind(error)
    .bind(finished_at)
    .bind(next_message.map(|it| it.id.to_string()))
    .bind(message_from)
    .bind(active_ms)
    .execute(connection)
    .await?;
    Ok(())
}

/// What a step changes in the run's conversation.
async fn write_conversation(
    connection: &mut Connection,
    (tenant, run): (TenantId, RunId),
    step: &mut RunStep,
) -> Result<(), Failure> {
    let (messages, state) = (std::mem::take(&mut step.messages), step.conversation_state.take());
    if messages.is_empty() && state.is_none() && step.next_message.is_none() && step.unsaid_message.is_none() {
        return Ok(());
    }
    if let Some(next) = step.next_message.clone() {
        insert_message(connection, tenant, next).await?;
    }
    for update in messages {
        // A message is over with its run, or with the part of the run that it holds.
        let finished_at = (update.status != MessageStatus::Streaming).then_some(step.at);
        write_message(connection, tenant, update, finished_at).await?;
    }
    if let Some(unsaid) = step.unsaid_message {
        let sql = "delete from messages where tenant = $1 and id = $2";
        query(sql).bind(tenant.to_string()).bind(unsaid.to_string()).execute(&mut *connection).await?;
    }
    let row = query("select conversation from runs where tenant = $1 and id = $2")
        .bind(tenant.to_string())
        .bind(run.to_string())
        .fetch_one(&mut *connection)
        .await?;
    let Some(conversation): Option<String> = row.try_get("conversation")? else { return Ok(()) };
    let done =
        query("update conversations set state = coalesce($3, state), updated_at = $4 where tenant = $1 and id = $2")
            .bind(tenant.to_string())
            .bind(conversation)
            .bind(state)
            .bind(step.at)
            .execute(connection)
            .await?;
    found(done, "conversation")
}
