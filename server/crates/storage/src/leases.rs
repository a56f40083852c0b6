//! Who drives which run, and who reads which document. A process says so when it begins or takes up a run, and again every few seconds; a run whose
//! process has not said so for a while is anybody's.

use domain::{Run, RunId, TenantId};

use crate::columns::{Stored, parsed};
use crate::database::{Row, query};
use crate::error::Operation;
use crate::runs::{OfTenant, run_columns};
use crate::{Result, Storage};

/// A process that drives a run, and until when it may without saying so again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub owner: String,
    pub until: i64,
}

/// A run as whoever takes it up needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedRun {
    pub run: Run,
    /// Milliseconds that it was driven before it waited.
    pub active_ms: i64,
    /// Bytes of its answer that stand in earlier messages than its own.
    pub message_from: i64,
    /// Whether its message has been closed: what it says from now on goes into another.
    pub message_done: bool,
}

struct Driven;

impl Stored for Driven {
    fn read(_: &Row) -> Result<Driven, sqlx::Error> {
        Ok(Driven)
    }
}

struct Found(TenantId, RunId);

impl Stored for Found {
    fn read(row: &Row) -> Result<Found, sqlx::Error> {
        Ok(Found(parsed(row, "tenant")?, parsed(row, "id")?))
    }
}

impl Storage {
    /// Takes a run that is not over and that nobody else drives. None when somebody does, or it is over, or not there.
    pub async fn claim_run(&self, tenant: TenantId, run: RunId, lease: Lease, now: i64) -> Result<Option<ClaimedRun>> {
        const CLAIM: Operation = Operation::new("take a run");
        self.write(CLAIM, move |connection| {
            Box::pin(async move {
                let sql = concat!(
                    "update runs set lease_owner = $3, lease_until = $4, status = 'running' where tenant = $1 and id = $2 \
                     and status in ('queued', 'running', 'waiting') \
                     and (lease_owner is null or lease_owner = $3 or lease_until < $5) \
                     returning active_ms, message_from, ",
                    run_columns!()
                );
                let row = query(sql)
                    .bind(tenant.to_string())
                    .bind(run.to_string())
                    .bind(lease.owner)
                    .bind(lease.until)
                    .bind(now)
                    .fetch_optional(&mut *connection)
                    .await?;
                let Some(row) = row else { return Ok(None) };
                let run = Run::read(&row)?;
                let message = query("select 1 from messages where tenant = $1 and id = $2 and status = 'streaming'")
                    .bind(tenant.to_string())
                    .bind(run.message.map(|it| it.to_string()))
                    .fetch_optional(connection)
                    .await?;
                let message_done = run.message.is_some() && message.is_none();
                let (active_ms, message_from) = (row.try_get("active_ms")?, row.try_get("message_from")?);
                Ok(Some(ClaimedRun { run, active_ms, message_from, message_done }))
            })
        })
        .await
    }

    /// Whether some process drives the run now.
    pub async fn is_driven(&self, tenant: TenantId, run: RunId, now: i64) -> Result<bool> {
        let sql = "select 1 from runs where tenant = $1 and id = $2 and lease_until >= $3 and lease_owner is not null";
        let query = query(sql).bind(tenant.to_string()).bind(run.to_string()).bind(now);
        let found: Option<Driven> = self.first("look who drives a run", query).await?;
        Ok(found.is_some())
    }

    pub async fn all_tenants_renew_leases(&self, lease: Lease) -> Result<u64> {
        const RENEW: Operation = Operation::new("keep the work of this process");
        self.write(RENEW, move |connection| {
            Box::pin(async move {
                let sql = "update runs set lease_until = $2 where lease_owner = $1";
                let runs = query(sql).bind(lease.owner.clone()).bind(lease.until).execute(&mut *connection).await?;
                let sql = "update ingestions set lease_until = $2 where lease_owner = $1";
                let documents = query(sql).bind(lease.owner).bind(lease.until).execute(connection).await?;
                Ok(runs + documents)
            })
        })
        .await
    }

    /// Gives away what a process held, because it stops or is known to be dead.
    pub async fn all_tenants_free_leases(&self, owner: &str) -> Result<u64> {
        const FREE: Operation = Operation::new("give work away");
        let owner = owner.to_owned();
        self.write(FREE, move |connection| {
            Box::pin(async move {
                let sql = "update runs set lease_owner = null, lease_until = null where lease_owner = $1";
                let runs = query(sql).bind(owner.clone()).execute(&mut *connection).await?;
                let sql = "update ingestions set lease_owner = null, lease_until = null where lease_owner = $1";
                let documents = query(sql).bind(owner).execute(connection).await?;
                Ok(runs + documents)
            })
        })
        .await
    }

    /// Runs at the top that should be driven and that nobody but `owner` says to drive, the oldest first.
    pub async fn all_tenants_adrift_runs(&self, owner: &str, now: i64) -> Result<Vec<(TenantId, Run)>> {
        let sql = concat!(
            "select tenant, ",
            run_columns!(),
            " from runs where status in ('queued', 'running', 'waiting') and status <> 'waiting' and parent_run is null \
             and (lease_owner is null or lease_owner = $1 or lease_until < $2) order by started_at, id"
        );
        let found = self.all("list the runs that nobody drives", query(sql).bind(owner.to_owned()).bind(now)).await?;
        Ok(found.into_iter().map(|OfTenant(tenant, run)| (tenant, run)).collect())
    }

    /// Nested runs that are not over although the run above is: a process ended between the two.
    pub async fn all_tenants_orphaned_runs(&self) -> Result<Vec<(TenantId, RunId)>> {
        let sql = "select child.tenant, child.id from runs child join runs parent on parent.tenant = child.tenant \
                   and parent.id = child.parent_run where child.status in ('queued', 'running', 'waiting') \
                   and parent.status in ('finished', 'failed', 'cancelled')";
        let found: Vec<Found> = self.all("list the runs that nobody waits for", query(sql)).await?;
        Ok(found.into_iter().map(|Found(tenant, run)| (tenant, run)).collect())
    }

    /// Waiting runs below which a run has ended since: nobody told them.
    pub async fn all_tenants_untold_runs(&self) -> Result<Vec<(TenantId, RunId)>> {
        let sql = "select distinct parent.tenant, parent.id from runs parent join runs child \
                   on child.tenant = parent.tenant and child.parent_run = parent.id \
                   where parent.status in ('queued', 'running', 'waiting') and parent.status = 'waiting' \
                   and child.finished_at >= parent.parked_at";
        let found: Vec<Found> = self.all("list the runs that nobody told", query(sql)).await?;
        Ok(found.into_iter().map(|Found(tenant, run)| (tenant, run)).collect())
    }

    /// The run at the top of those that a run is nested in; itself when it is nested in none.
    pub async fn root_run(&self, tenant: TenantId, run: RunId) -> Result<Option<RunId>> {
        let sql = "with recursive above (id, parent) as (select id, parent_run from runs where tenant = $1 and id = $2 \
                   union all select r.id, r.parent_run from runs r join above a on r.tenant = $1 and r.id = a.parent) \
                   select $1 as tenant, id from above where parent is null";
        let query = query(sql).bind(tenant.to_string()).bind(run.to_string());
        let found: Option<Found> = self.first("look for the run at the top", query).await?;
        Ok(found.map(|Found(_, run)| run))
    }
}
