//! Runs: what they are, how they begin, and when they go. What happens in them is in their journal.

use domain::{ConversationId, Run, RunId, RunKind, RunStatus, TenantId};

use crate::columns::{self, Stored, maybe_parsed, parsed};
use crate::conversations::{BeginTurn, write_turn};
use crate::database::{Connection, Row, query};
use crate::error::{Failure, Operation};
use crate::journal::{RunStep, write_first_step};
use crate::leases::Lease;
use crate::pages::{Cursor, Page, page, with_one_more};
use crate::{Result, Storage, StorageError};

macro_rules! run_columns {
    () => {
        "id, kind, name, version, conversation, message, parent_run, parent_node, status, inputs, outputs, answer, error, \
         started_at, finished_at, origin"
    };
}
pub(crate) use run_columns;

/// A run with its first step, which may be its last, and the turn of a conversation that it answers.
#[derive(Clone, Debug)]
pub struct BeginRun {
    /// As it stands after the step.
    pub run: Run,
    /// Its changes to the run and to the message are in those already.
    pub first: RunStep,
    pub turn: Option<BeginTurn>,
    /// Of whoever goes on with the run; none when it is over.
    pub lease: Option<Lease>,
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
            origin: columns::maybe_json(row, "origin")?,
        })
    }
}

pub(crate) struct OfTenant(pub(crate) TenantId, pub(crate) Run);

impl Stored for OfTenant {
    fn read(row: &Row) -> Result<OfTenant, sqlx::Error> {
        Ok(OfTenant(parsed(row, "tenant")?, Run::read(row)?))
    }
}

impl Storage {
    /// Stores a run with its first step, and the turn that it answers, in one transaction.
    ///
    /// # Errors
    /// `NotFound` when its version, conversation or parent run is not the tenant's; `Conflict` when an id is taken or a run
    /// that does not wait still answers an earlier turn.
    pub async fn begin_run(&self, tenant: TenantId, begin: BeginRun) -> Result<()> {
        const BEGIN: Operation =
            Operation::new("begin a run").conflict("a run with this id").missing("version, conversation or parent run");
        // Nobody else knows the run yet.
        let operation = if begin.turn.is_none() { BEGIN.beside_others() } else { BEGIN };
        self.write(operation, move |connection| {
            Box::pin(async move {
                let BeginRun { run, first, turn, lease } = begin;
                if let Some(turn) = turn {
                    if run.conversation != Some(turn.conversation) {
                        return Err(StorageError::NotFound { what: "conversation" }.into());
                    }
                    no_turn_in_progress(connection, tenant, turn.conversation).await?;
                    write_turn(connection, tenant, turn).await?;
                }
                let id = run.id;
                insert_run(connection, tenant, run, lease).await?;
                write_first_step(connection, tenant, id, first).await
            })
        })
        .await
    }

    pub async fn run(&self, tenant: TenantId, id: RunId) -> Result<Option<Run>> {
        let sql = concat!("select ", run_columns!(), " from runs where tenant = $1 and id = $2");
        self.first("read a run", query(sql).bind(tenant.to_string()).bind(id.to_string())).await
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
        let mut sql = query(concat!("select ", run_columns!(), " from runs where tenant = "));
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
        let items = self.all("list the runs", sql).await?;
        Ok(page(items, limit, |it: &Run| (it.started_at, *it.id.as_uuid())))
    }

    /// The runs that nodes of this one started, in the order of their start.
    pub async fn child_runs(&self, tenant: TenantId, parent: RunId) -> Result<Vec<Run>> {
        let sql = concat!(
            "select ",
            run_columns!(),
            " from runs where tenant = $1 and parent_run = $2 order by started_at, id"
        );
        self.all("list the nested runs", query(sql).bind(tenant.to_string()).bind(parent.to_string())).await
    }

    /// Runs of a conversation that are not over.
    pub async fn unfinished_runs_of(&self, tenant: TenantId, conversation: ConversationId) -> Result<Vec<RunId>> {
        let sql = concat!(
            "select ",
            run_columns!(),
            " from runs where tenant = $1 and conversation = $2 and parent_run is null and finished_at is null"
        );
        let query = query(sql).bind(tenant.to_string()).bind(conversation.to_string());
        let found: Vec<Run> = self.all("list a conversation's unfinished runs", query).await?;
        Ok(found.into_iter().map(|it| it.id).collect())
    }

    /// Removes up to `limit` runs that ended before `before`, the oldest first, with their nested runs. Answers how many
    /// (not counting nested ones), so that the caller goes on until there are fewer than `limit`.
    pub async fn all_tenants_prune_runs(&self, before: i64, limit: i64) -> Result<u64> {
        const PRUNE: Operation = Operation::new("remove old runs");
        self.write(PRUNE, move |connection| {
            Box::pin(async move {
                let done = query(
                    "delete from runs where (tenant, id) in (select tenant, id from runs where parent_run is null \
                     and finished_at is not null and finished_at < $1 order by finished_at limit $2)",
                )
                .bind(before)
                .bind(limit.max(0))
                .execute(connection)
                .await?;
                Ok(done)
            })
        })
        .await
    }
}

/// Of two turns that two servers would begin at the same moment one begins. Only a conversation's last messages can be
/// growing.
async fn no_turn_in_progress(
    connection: &mut Connection,
    tenant: TenantId,
    conversation: ConversationId,
) -> Result<(), Failure> {
    let answering = query(
        "select 1 from messages m join runs r on r.tenant = m.tenant and r.id = m.run where m.tenant = $1 \
         and m.conversation = $2 and m.status = 'streaming' and r.status in ('queued', 'running') and m.position > \
         (select coalesce(max(position), 0) from messages where tenant = $1 and conversation = $2) - 3 limit 1",
    )
    .bind(tenant.to_string())
    .bind(conversation.to_string())
    .fetch_optional(connection)
    .await?;
    match answering {
        Some(_) => Err(StorageError::Conflict { what: "a turn in progress" }.into()),
        None => Ok(()),
    }
}

async fn insert_run(
    connection: &mut Connection,
    tenant: TenantId,
    run: Run,
    lease: Option<Lease>,
) -> Result<(), Failure> {
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
        origin,
    } = run;
    let sql = concat!(
        "insert into runs (tenant, ",
        run_columns!(),
        ", lease_owner, lease_until) values \
         ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
    );
    query(sql)
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
        .bind(origin.map(|it| it.to_string()))
        .bind(lease.as_ref().map(|it| it.owner.clone()))
        .bind(lease.map(|it| it.until))
        .execute(connection)
        .await?;
    Ok(())
}
