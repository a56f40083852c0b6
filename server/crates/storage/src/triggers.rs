//! What starts workflows by itself, and what was started: ticks of schedules, deliveries to webhooks.
//!
//! Several servers may look at the same triggers. A tick belongs to whoever inserts its row, and the row names the run
//! before the run exists: after a crash in between, another server starts exactly that run.

use domain::{DefinitionKind, RunId, TenantId, Tick, TickState, Trigger, TriggerId, Version};
use serde_json::Value;

use crate::columns::{self, Stored, maybe_parsed, parsed};
use crate::database::{Connection, Row, query};
use crate::error::{Failure, Operation};
use crate::{Result, Storage, definitions};

macro_rules! trigger_columns {
    () => {
        "t.tenant, t.id, t.workflow, t.kind, t.position, t.spec, t.token, t.enabled, t.next_at, t.last_at, t.last_run, \
         t.last_error, t.created_at, t.updated_at"
    };
}

/// What a due schedule comes to.
#[derive(Clone, Copy, Debug)]
pub struct TickClaim {
    /// The tick that is to be started; none only moves on to the next time.
    pub tick: Option<Tick>,
    pub next_at: Option<i64>,
}

/// How starting a tick's run ended.
#[derive(Clone, Debug)]
pub struct TickEnd {
    pub state: TickState,
    /// `{code, message}`, when there is no run.
    pub error: Option<Value>,
}

impl Stored for Trigger {
    fn read(row: &Row) -> Result<Trigger, sqlx::Error> {
        Ok(Trigger {
            id: parsed(row, "id")?,
            workflow: row.try_get("workflow")?,
            kind: parsed(row, "kind")?,
            position: row.try_get("position")?,
            spec: columns::json(row, "spec")?,
            token: row.try_get("token")?,
            enabled: row.try_get("enabled")?,
            next_at: row.try_get("next_at")?,
            last_at: row.try_get("last_at")?,
            last_run: maybe_parsed(row, "last_run")?,
            last_error: columns::maybe_json(row, "last_error")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

struct OfTenant(TenantId, Trigger);

impl Stored for OfTenant {
    fn read(row: &Row) -> Result<OfTenant, sqlx::Error> {
        Ok(OfTenant(parsed(row, "tenant")?, Trigger::read(row)?))
    }
}

struct Open(OfTenant, Tick);

impl Stored for Open {
    fn read(row: &Row) -> Result<Open, sqlx::Error> {
        let tick =
            Tick { due_at: row.try_get("due_at")?, run: parsed(row, "run")?, claimed_at: row.try_get("claimed_at")? };
        Ok(Open(OfTenant::read(row)?, tick))
    }
}

impl Storage {
    /// Publishes a workflow with its triggers: `save_version` and the triggers in one transaction. Triggers at a place
    /// that had one keep its id, token, history and whether it is switched on; with an unchanged spec also its next time.
    pub async fn save_workflow(
        &self,
        tenant: TenantId,
        name: &str,
        version: Version,
        triggers: Vec<Trigger>,
    ) -> Result<Version> {
        const SAVE: Operation = Operation::new("save a workflow").conflict("a version with this id");
        let name = name.to_owned();
        self.write(SAVE, move |connection| {
            Box::pin(async move {
                let kind = DefinitionKind::Workflow;
                let saved = definitions::save(connection, tenant, (kind, name.clone()), version).await?;
                replace(connection, tenant, &name, triggers).await?;
                Ok(saved)
            })
        })
        .await
    }

    /// By workflow, kind and position.
    pub async fn list_triggers(&self, tenant: TenantId) -> Result<Vec<Trigger>> {
        let sql = concat!(
            "select ",
            trigger_columns!(),
            " from triggers t where t.tenant = $1 order by t.workflow, t.kind, t.position"
        );
        self.all("list the triggers", query(sql).bind(tenant.to_string())).await
    }

    pub async fn trigger(&self, tenant: TenantId, id: TriggerId) -> Result<Option<Trigger>> {
        let sql = concat!("select ", trigger_columns!(), " from triggers t where t.tenant = $1 and t.id = $2");
        self.first("read a trigger", query(sql).bind(tenant.to_string()).bind(id.to_string())).await
    }

    /// Stores whether the trigger is on, its next time and its token as they are in the value; whether it is there.
    pub async fn update_trigger(&self, tenant: TenantId, trigger: Trigger) -> Result<bool> {
        const UPDATE: Operation = Operation::new("change a trigger").conflict("a trigger with this token");
        self.write(UPDATE, move |connection| {
            Box::pin(async move {
                let done = query(
                    "update triggers set enabled = $3, next_at = $4, token = $5, updated_at = $6 where tenant = $1 and id = $2",
                )
                .bind(tenant.to_string())
                .bind(trigger.id.to_string())
                .bind(trigger.enabled)
                .bind(trigger.next_at)
                .bind(trigger.token)
                .bind(trigger.updated_at)
                .execute(connection)
                .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Remembers the run that a trigger started outside of its schedule.
    pub async fn note_trigger_run(&self, tenant: TenantId, id: TriggerId, run: RunId, at: i64) -> Result<bool> {
        const NOTE: Operation = Operation::new("note a trigger's run");
        self.write(NOTE, move |connection| {
            Box::pin(async move {
                let done = query(
                    "update triggers set last_at = $3, last_run = $4, last_error = null where tenant = $1 and id = $2",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(at)
                .bind(run.to_string())
                .execute(connection)
                .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// The webhook with this token, whoever's it is: a token is all that a sender has.
    pub async fn all_tenants_trigger_of_token(&self, token: &str) -> Result<Option<(TenantId, Trigger)>> {
        let sql = concat!("select ", trigger_columns!(), " from triggers t where t.token = $1");
        let found = self.first("find a webhook", query(sql).bind(token.to_owned())).await?;
        Ok(found.map(|OfTenant(tenant, trigger)| (tenant, trigger)))
    }

    /// Schedules whose time has come, the longest waiting first.
    pub async fn all_tenants_due_triggers(&self, now: i64) -> Result<Vec<(TenantId, Trigger)>> {
        let sql = concat!(
            "select ",
            trigger_columns!(),
            " from triggers t where t.enabled and t.next_at is not null and t.next_at <= $1 order by t.next_at"
        );
        let found = self.all("find the due schedules", query(sql).bind(now)).await?;
        Ok(found.into_iter().map(|OfTenant(tenant, trigger)| (tenant, trigger)).collect())
    }

    /// When the next schedule is due.
    pub async fn all_tenants_next_trigger_at(&self) -> Result<Option<i64>> {
        struct At(Option<i64>);
        impl Stored for At {
            fn read(row: &Row) -> Result<At, sqlx::Error> {
                row.try_get("at").map(At)
            }
        }
        let sql = "select min(next_at) as at from triggers where enabled and next_at is not null";
        Ok(self.first("find the next schedule", query(sql)).await?.and_then(|At(at)| at))
    }

    /// Ticks that were claimed until `claimed_by` and have not come to an end: their server may have stopped in between.
    pub async fn all_tenants_open_ticks(&self, claimed_by: i64) -> Result<Vec<(TenantId, Trigger, Tick)>> {
        let sql = concat!(
            "select ",
            trigger_columns!(),
            ", k.due_at, k.run, k.claimed_at from trigger_ticks k join triggers t on t.tenant = k.tenant \
             and t.id = k.trigger_id where k.state = 'claimed' and k.claimed_at <= $1 order by k.due_at"
        );
        let found = self.all("find the unfinished ticks", query(sql).bind(claimed_by)).await?;
        Ok(found.into_iter().map(|Open(OfTenant(tenant, trigger), tick)| (tenant, trigger, tick)).collect())
    }

    /// Moves a due schedule on and takes its tick. True for the one claimer that may start the tick's run. Nothing happens
    /// when the trigger is no longer as it was seen: another server was faster, or it was published or switched meanwhile.
    pub async fn claim_tick(&self, tenant: TenantId, seen: &Trigger, claim: TickClaim) -> Result<bool> {
        const CLAIM: Operation = Operation::new("claim a tick");
        let (id, seen_next, seen_change) = (seen.id, seen.next_at, seen.updated_at);
        self.write(CLAIM, move |connection| {
            Box::pin(async move {
                let TickClaim { tick, next_at } = claim;
                let moved = query(
                    "update triggers set next_at = $5, last_at = coalesce($6, last_at), last_run = coalesce($7, last_run) \
                     where tenant = $1 and id = $2 and next_at = $3 and updated_at = $4 and enabled",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(seen_next)
                .bind(seen_change)
                .bind(next_at)
                .bind(tick.map(|it| it.due_at))
                .bind(tick.map(|it| it.run.to_string()))
                .execute(&mut *connection)
                .await?;
                let Some(tick) = tick.filter(|_| moved > 0) else { return Ok(false) };
                let taken = query(
                    "insert into trigger_ticks (tenant, trigger_id, due_at, run, state, claimed_at) \
                     values ($1, $2, $3, $4, $5, $6) on conflict (tenant, trigger_id, due_at) do nothing",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(tick.due_at)
                .bind(tick.run.to_string())
                .bind(TickState::Claimed.as_str())
                .bind(tick.claimed_at)
                .execute(connection)
                .await?;
                Ok(taken > 0)
            })
        })
        .await
    }

    /// Stores how starting a tick's run ended. False when it had ended before.
    pub async fn end_tick(&self, tenant: TenantId, id: TriggerId, due_at: i64, end: TickEnd) -> Result<bool> {
        const END: Operation = Operation::new("store how a tick ended");
        self.write(END, move |connection| {
            Box::pin(async move {
                let done = query(
                    "update trigger_ticks set state = $4 where tenant = $1 and trigger_id = $2 and due_at = $3 \
                     and state = 'claimed'",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(due_at)
                .bind(end.state.as_str())
                .execute(&mut *connection)
                .await?;
                if done == 0 {
                    return Ok(false);
                }
                // Without a run there is none to look at: the trigger itself says what was wrong.
                query(
                    "update triggers set last_error = $3, last_run = case when $3 is null then last_run end \
                     where tenant = $1 and id = $2 and last_at = $4",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(end.error.map(|it| it.to_string()))
                .bind(due_at)
                .execute(connection)
                .await?;
                Ok(true)
            })
        })
        .await
    }

    /// The run of a delivery: the given one if the delivery is new, else the one that it had at first.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such trigger.
    pub async fn claim_delivery(
        &self,
        tenant: TenantId,
        id: TriggerId,
        delivery: &str,
        (run, at): (RunId, i64),
    ) -> Result<RunId> {
        const CLAIM: Operation = Operation::new("store a delivery").missing("trigger");
        let delivery = delivery.to_owned();
        self.write(CLAIM, move |connection| {
            Box::pin(async move {
                query(
                    "insert into trigger_deliveries (tenant, trigger_id, delivery, run, at) values ($1, $2, $3, $4, $5) \
                     on conflict (tenant, trigger_id, delivery) do nothing",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(delivery.clone())
                .bind(run.to_string())
                .bind(at)
                .execute(&mut *connection)
                .await?;
                let row = query(
                    "select run from trigger_deliveries where tenant = $1 and trigger_id = $2 and delivery = $3",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(delivery)
                .fetch_one(connection)
                .await?;
                Ok(parsed(&row, "run")?)
            })
        })
        .await
    }

    /// Forgets a delivery whose run could not be started, so that the sender may try again.
    pub async fn release_delivery(&self, tenant: TenantId, id: TriggerId, run: RunId) -> Result<bool> {
        const RELEASE: Operation = Operation::new("forget a delivery");
        self.write(RELEASE, move |connection| {
            Box::pin(async move {
                let done = query("delete from trigger_deliveries where tenant = $1 and trigger_id = $2 and run = $3")
                    .bind(tenant.to_string())
                    .bind(id.to_string())
                    .bind(run.to_string())
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Removes ticks and deliveries from before `before`, but for ticks that somebody still has to start.
    pub async fn all_tenants_prune_ticks(&self, before: i64) -> Result<()> {
        const PRUNE: Operation = Operation::new("remove old ticks");
        self.write(PRUNE, move |connection| {
            Box::pin(async move {
                query("delete from trigger_ticks where claimed_at < $1 and state <> 'claimed'")
                    .bind(before)
                    .execute(&mut *connection)
                    .await?;
                query("delete from trigger_deliveries where at < $1").bind(before).execute(connection).await?;
                Ok(())
            })
        })
        .await
    }
}

/// Brings a workflow's triggers up to date with what its document says.
async fn replace(
    connection: &mut Connection,
    tenant: TenantId,
    workflow: &str,
    triggers: Vec<Trigger>,
) -> Result<(), Failure> {
    let sql = concat!("select ", trigger_columns!(), " from triggers t where t.tenant = $1 and t.workflow = $2");
    let rows = query(sql).bind(tenant.to_string()).bind(workflow.to_owned()).fetch_all(&mut *connection).await?;
    let mut known = rows.iter().map(Trigger::read).collect::<Result<Vec<_>, _>>()?;
    for trigger in triggers {
        let same_place = |it: &Trigger| (it.kind, it.position) == (trigger.kind, trigger.position);
        match known.iter().position(same_place).map(|it| known.swap_remove(it)) {
            None => insert(connection, tenant, trigger).await?,
            Some(old) if old.spec == trigger.spec => {}
            Some(old) => {
                query("update triggers set spec = $3, next_at = $4, updated_at = $5 where tenant = $1 and id = $2")
                    .bind(tenant.to_string())
                    .bind(old.id.to_string())
                    .bind(trigger.spec.to_string())
                    .bind(trigger.next_at)
                    .bind(trigger.updated_at)
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    for old in known {
        query("delete from triggers where tenant = $1 and id = $2")
            .bind(tenant.to_string())
            .bind(old.id.to_string())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn insert(connection: &mut Connection, tenant: TenantId, trigger: Trigger) -> Result<(), Failure> {
    let Trigger {
        id,
        workflow,
        kind,
        position,
        spec,
        token,
        enabled,
        next_at,
        last_at,
        last_run,
        last_error,
        created_at,
        updated_at,
    } = trigger;
    query(
        "insert into triggers (tenant, id, workflow, kind, position, spec, token, enabled, next_at, last_at, last_run, \
         last_error, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(tenant.to_string())
    .bind(id.to_string())
    .bind(workflow)
    .bind(kind.as_str())
    .bind(position)
    .bind(spec.to_string())
    .bind(token)
    .bind(enabled)
    .bind(next_at)
    .bind(last_at)
    .bind(last_run.map(|it| it.to_string()))
    .bind(last_error.map(|it| it.to_string()))
    .bind(created_at)
    .bind(updated_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// A workflow that is gone is started by nothing.
pub(crate) async fn remove_all(connection: &mut Connection, tenant: &str, workflow: &str) -> Result<(), Failure> {
    query("delete from triggers where tenant = $1 and workflow = $2")
        .bind(tenant.to_owned())
        .bind(workflow.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}
