//! Runs: what they are, what happened in them, and where they stood last.

use domain::{ConversationId, Run, RunEvent, RunId, RunKind, RunStatus, TenantId};
use sqlx::{QueryBuilder, Row as _};

use crate::accounts::found;
use crate::columns::{self, Stored, maybe_parsed, parsed};
use crate::conversations::{MessageUpdate, write_message};
use crate::database::{Connection, Database, Row};
use crate::error::{Failure, Operation};
use crate::pages::{Cursor, Page, page, with_one_more};
use crate::{Result, Storage, StorageError};

macro_rules! run_columns {
    () => {
        "id, kind, name, version, conversation, message, parent_run, parent_node, status, inputs, outputs, answer, error, \
         started_at, finished_at"
    };
}

/// Events of one insert; a step has a handful, and the number of values in a statement is limited.
const EVENTS_AT_ONCE: usize = 100;

/// Everything that one step of the driver changes. It is stored as a whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct RunStep {
    pub events: Vec<NewEvent>,
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
    pub message: Option<MessageUpdate>,
    /// The variables of the run's conversation, as JSON text. A run without a conversation has nowhere to keep them.
    pub conversation_state: Option<String>,
}

#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Given by the run's one driver; the same number twice is refused, and with it the step.
    pub seq: i64,
    pub name: String,
    /// JSON text.
    pub data: String,
    pub at: i64,
}

/// Which runs to list; the default is all of them.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub kind: Option<RunKind>,
    pub name: Option<String>,
    pub conversation: Option<ConversationId>,
    pub status: Option<RunStatus>,
    /// Leaves out runs that a node of another run started.
    pub top_level_only: bool,
}

impl Stored for Run {
    fn read(row: &Row) -> Result<Run, sqlx::Error> {
        Ok(Run {
            id: parsed(row, "id")?,
            kind: parsed(row, "kind")?,
            name: row.try_get("name")?,
            version: maybe_parsed(row, "version")?,
            conversation: maybe_parsed(row, "conversation")?,
            message: maybe_parsed(row, "message")?,
            parent_run: maybe_parsed(row, "parent_run")?,
            parent_node: row.try_get("parent_node")?,
            status: parsed(row, "status")?,
            inputs: columns::json(row, "inputs")?,
            outputs: columns::maybe_json(row, "outputs")?,
            answer: row.try_get("answer")?,
            error: columns::maybe_json(row, "error")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
        })
    }
}

impl Stored for RunEvent {
    fn read(row: &Row) -> Result<RunEvent, sqlx::Error> {
        Ok(RunEvent {
            seq: row.try_get("seq")?,
            name: row.try_get("name")?,
            data: row.try_get("data")?,
            at: row.try_get("at")?,
        })
    }
}

struct OfTenant(TenantId, Run);

impl Stored for OfTenant {
    fn read(row: &Row) -> Result<OfTenant, sqlx::Error> {
        Ok(OfTenant(parsed(row, "tenant")?, Run::read(row)?))
    }
}

struct Snapshot(String, i64);

impl Stored for Snapshot {
    fn read(row: &Row) -> Result<Snapshot, sqlx::Error> {
        Ok(Snapshot(row.try_get("snapshot")?, row.try_get("stored_through")?))
    }
}

impl Storage {
    /// # Errors
    /// `NotFound` when its version, conversation or parent run is not the tenant's; `Conflict` when the id is taken.
    pub async fn create_run(&self, tenant: TenantId, run: Run) -> Result<()> {
        const CREATE: Operation =
            Operation::new("store a run").conflict("a run with this id").missing("version, conversation or parent run");
        self.write(CREATE, move |connection| Box::pin(insert_run(connection, tenant, run))).await
    }

    /// Stores one step of a run in one transaction.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such run (it may have been deleted meanwhile); `Conflict` when the run is over
    /// already or an event's number is taken. Nothing of the step is stored then.
    pub async fn record_step(&self, tenant: TenantId, run: RunId, step: RunStep) -> Result<()> {
        const RECORD: Operation =
            Operation::new("store a run's step").conflict("an event with this number in the run").missing("run");
        self.write(RECORD, move |connection| Box::pin(write_step(connection, tenant, run, step))).await
    }

    pub async fn run(&self, tenant: TenantId, id: RunId) -> Result<Option<Run>> {
        let sql = concat!("select ", run_columns!(), " from runs where tenant = $1 and id = $2");
        self.first("read a run", sqlx::query(sql).bind(tenant.to_string()).bind(id.to_string())).await
    }

    /// The newest first.
    pub async fn list_runs(
        &self,
        tenant: TenantId,
        filter: &RunFilter,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<Run>> {
        let Cursor { at, id } = Cursor::read(cursor)?;
        let RunFilter { kind, name, conversation, status, top_level_only } = filter;
        let mut sql: QueryBuilder<Database> =
            QueryBuilder::new(concat!("select ", run_columns!(), " from runs where tenant = "));
        sql.push_bind(tenant.to_string());
        sql.push(" and (started_at, id) < (").push_bind(at).push(", ").push_bind(id.to_string()).push(")");
        if let Some(kind) = kind {
            sql.push(" and kind = ").push_bind(kind.as_str());
        }
        if let Some(name) = name {
            sql.push(" and name = ").push_bind(name.clone());
        }
        if let Some(conversation) = conversation {
            sql.push(" and conversation = ").push_bind(conversation.to_string());
        }
        if let Some(status) = status {
            sql.push(" and status = ").push_bind(status.as_str());
        }
        if *top_level_only {
            sql.push(" and parent_run is null");
        }
        sql.push(" order by started_at desc, id desc limit ").push_bind(with_one_more(limit));
        let items = self.all("list the runs", sql.build()).await?;
        Ok(page(items, limit, |it: &Run| (it.started_at, *it.id.as_uuid())))
    }

    /// Events with a number above `after_seq`, in order.
    pub async fn run_events(&self, tenant: TenantId, run: RunId, after_seq: i64, limit: i64) -> Result<Vec<RunEvent>> {
        let query = sqlx::query(
            "select seq, name, data, at from run_events where tenant = $1 and run = $2 and seq > $3 order by seq limit $4",
        )
        .bind(tenant.to_string())
        .bind(run.to_string())
        .bind(after_seq)
        .bind(limit.max(0));
        self.all("read a run's events", query).await
    }

    /// The run as it was stored last, with the number of its last event. None before its first step and after its end.
    pub async fn run_snapshot(&self, tenant: TenantId, run: RunId) -> Result<Option<(String, i64)>> {
        let query = sqlx::query(
            "select snapshot, (select coalesce(max(seq), 0) from run_events where tenant = $1 and run = $2) as stored_through \
             from run_snapshots where tenant = $1 and run = $2",
        )
        .bind(tenant.to_string())
        .bind(run.to_string());
        let found = self.first("read where a run stood", query).await?;
        Ok(found.map(|Snapshot(snapshot, stored_through)| (snapshot, stored_through)))
    }

    /// The runs that nodes of this one started, in the order of their start.
    pub async fn child_runs(&self, tenant: TenantId, parent: RunId) -> Result<Vec<Run>> {
        let sql = concat!(
            "select ",
            run_columns!(),
            " from runs where tenant = $1 and parent_run = $2 order by started_at, id"
        );
        self.all("list the nested runs", sqlx::query(sql).bind(tenant.to_string()).bind(parent.to_string())).await
    }

    /// Runs that are not over, the oldest first: after a start, what has to be taken up again.
    pub async fn all_tenants_unfinished_runs(&self) -> Result<Vec<(TenantId, Run)>> {
        let sql = concat!(
            "select tenant, ",
            run_columns!(),
            " from runs where status in ('queued', 'running', 'waiting') order by started_at, id"
        );
        let found = self.all("list the unfinished runs", sqlx::query(sql)).await?;
        Ok(found.into_iter().map(|OfTenant(tenant, run)| (tenant, run)).collect())
    }

    /// Removes up to `limit` runs that ended before `before`, the oldest first, with their nested runs. Answers how many
    /// (not counting nested ones), so that the caller goes on until there are fewer than `limit`.
    pub async fn all_tenants_prune_runs(&self, before: i64, limit: i64) -> Result<u64> {
        const PRUNE: Operation = Operation::new("remove old runs");
        self.write(PRUNE, move |connection| {
            Box::pin(async move {
                let done = sqlx::query(
                    "delete from runs where (tenant, id) in (select tenant, id from runs where parent_run is null \
                     and finished_at is not null and finished_at < $1 order by finished_at limit $2)",
                )
                .bind(before)
                .bind(limit.max(0))
                .execute(connection)
                .await?;
                Ok(done.rows_affected())
            })
        })
        .await
    }
}

pub(crate) async fn insert_run(connection: &mut Connection, tenant: TenantId, run: Run) -> Result<(), Failure> {
    let Run {
        id,
        kind,
        name,
        version,
        conversation,
        message,
        parent_run,
        parent_node,
        status,
        inputs,
        outputs,
        answer,
        error,
        started_at,
        finished_at,
    } = run;
    let sql = concat!(
        "insert into runs (tenant, ",
        run_columns!(),
        ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
    );
    sqlx::query(sql)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(kind.as_str())
        .bind(name)
        .bind(version.map(|it| it.to_string()))
        .bind(conversation.map(|it| it.to_string()))
        .bind(message.map(|it| it.to_string()))
        .bind(parent_run.map(|it| it.to_string()))
        .bind(parent_node)
        .bind(status.as_str())
        .bind(inputs.to_string())
        .bind(outputs.map(|it| it.to_string()))
        .bind(answer)
        .bind(error.map(|it| it.to_string()))
        .bind(started_at)
        .bind(finished_at)
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_step(connection: &mut Connection, tenant: TenantId, run: RunId, step: RunStep) -> Result<(), Failure> {
    let RunStep { events, snapshot, status, outputs, answer, error, finished_at, message, conversation_state } = step;
    let (tenant_text, run_text) = (tenant.to_string(), run.to_string());
    let row = sqlx::query("select status, conversation from runs where tenant = $1 and id = $2")
        .bind(tenant_text.clone())
        .bind(run_text.clone())
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(StorageError::NotFound { what: "run" })?;
    let before: RunStatus = parsed(&row, "status")?;
    let conversation: Option<String> = row.try_get("conversation")?;
    if before.is_terminal() {
        return Err(StorageError::Conflict { what: "an end of this run" }.into());
    }
    let last_at = finished_at.or(events.last().map(|it| it.at));
    insert_events(connection, (&tenant_text, &run_text), events).await?;
    let after = status.unwrap_or(before);
    if after.is_terminal() {
        sqlx::query("delete from run_snapshots where tenant = $1 and run = $2")
            .bind(tenant_text.clone())
            .bind(run_text.clone())
            .execute(&mut *connection)
            .await?;
    } else if let Some(snapshot) = snapshot {
        sqlx::query(
            "insert into run_snapshots (tenant, run, snapshot) values ($1, $2, $3) \
             on conflict (tenant, run) do update set snapshot = excluded.snapshot",
        )
        .bind(tenant_text.clone())
        .bind(run_text.clone())
        .bind(snapshot)
        .execute(&mut *connection)
        .await?;
    }
    // The row holds the run's inputs; it is not written again for a step that changes nothing in it.
    if after != before || outputs.is_some() || answer.is_some() || error.is_some() || finished_at.is_some() {
        sqlx::query(
            "update runs set status = $3, outputs = coalesce($4, outputs), answer = coalesce($5, answer), \
             error = coalesce($6, error), finished_at = coalesce($7, finished_at) where tenant = $1 and id = $2",
        )
        .bind(tenant_text.clone())
        .bind(run_text)
        .bind(after.as_str())
        .bind(outputs)
        .bind(answer)
        .bind(error)
        .bind(finished_at)
        .execute(&mut *connection)
        .await?;
    }
    let changes_conversation = conversation_state.is_some() || message.is_some();
    if let Some(update) = message {
        write_message(connection, tenant, update, finished_at).await?;
    }
    if let Some(conversation) = conversation.filter(|_| changes_conversation) {
        let done = sqlx::query(
            "update conversations set state = coalesce($3, state), updated_at = coalesce($4, updated_at) \
             where tenant = $1 and id = $2",
        )
        .bind(tenant_text)
        .bind(conversation)
        .bind(conversation_state)
        .bind(last_at)
        .execute(&mut *connection)
        .await?;
        found(done.rows_affected(), "conversation")?;
    }
    Ok(())
}

async fn insert_events(
    connection: &mut Connection,
    (tenant, run): (&str, &str),
    mut events: Vec<NewEvent>,
) -> Result<(), Failure> {
    while !events.is_empty() {
        let rest = events.split_off(events.len().min(EVENTS_AT_ONCE));
        let mut insert: QueryBuilder<Database> =
            QueryBuilder::new("insert into run_events (tenant, run, seq, name, data, at) ");
        insert.push_values(events, |mut row, NewEvent { seq, name, data, at }| {
            row.push_bind(tenant.to_owned()).push_bind(run.to_owned());
            row.push_bind(seq).push_bind(name).push_bind(data).push_bind(at);
        });
        insert.build().execute(&mut *connection).await?;
        events = rest;
    }
    Ok(())
}
