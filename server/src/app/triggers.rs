//! What starts workflows by itself: schedules and webhooks. They belong to published workflows and change with them.
//!
//! * `schedules`: finds what is due and starts it once, however many servers look.
//! * `hooks`: what a request to a webhook's address does.

mod hooks;
mod schedules;

use domain::{RunId, TenantId, Trigger, TriggerId, TriggerKind};
use serde_json::json;
use workflow_engine::{Schedule, Trigger as Declared, Webhook};

pub use schedules::TakeOver;

use super::accounts::Caller;
use super::clock::{new_secret, new_uuid};
use super::{App, AppError, Result};

/// Whether a trigger does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

/// Where webhooks are, before their token.
pub const HOOKS: &str = "/hooks/";

impl App {
    /// The triggers that a workflow's document declares, as they are stored when it is published for the first time.
    pub(super) fn declared_triggers(&self, workflow: &str, declared: &[Declared]) -> Result<Vec<Trigger>> {
        let now = self.clock().now_ms();
        let mut triggers: Vec<Trigger> = Vec::with_capacity(declared.len());
        for it in declared {
            let (kind, next_at, token) = match it {
                Declared::Schedule(it) => (TriggerKind::Schedule, it.next_after(now, self.clock().zone()), None),
                Declared::Webhook(_) => (TriggerKind::Webhook, None, Some(new_secret()?)),
            };
            let before = triggers.iter().filter(|it| it.kind == kind).count();
            triggers.push(Trigger {
                id: TriggerId::from_uuid(new_uuid()),
                workflow: workflow.to_owned(),
                kind,
                position: i64::try_from(before).unwrap_or(i64::MAX),
                spec: serde_json::to_value(it).map_err(AppError::internal)?,
                token,
                enabled: true,
                next_at,
                last_at: None,
                last_run: None,
                last_error: None,
                created_at: now,
                updated_at: now,
            });
        }
        Ok(triggers)
    }

    pub async fn triggers(&self, tenant: TenantId) -> Result<Vec<Trigger>> {
        Ok(self.storage().list_triggers(tenant).await?)
    }

    pub async fn trigger(&self, tenant: TenantId, id: TriggerId) -> Result<Trigger> {
        self.storage().trigger(tenant, id).await?.ok_or_else(|| AppError::not_found("trigger", id))
    }

    /// Switches a trigger on or off. A schedule that is switched on goes on with its next time; what it missed is gone.
    pub async fn switch_trigger(&self, caller: &Caller, id: TriggerId, switch: Switch) -> Result<Trigger> {
        let mut trigger = self.trigger(caller.tenant.id, id).await?;
        let enabled = switch == Switch::On;
        if trigger.enabled == enabled {
            return Ok(trigger);
        }
        let now = self.clock().now_ms();
        trigger.enabled = enabled;
        trigger.next_at = match declared(&trigger)? {
            Declared::Schedule(schedule) if enabled => schedule.next_after(now, self.clock().zone()),
            Declared::Schedule(_) | Declared::Webhook(_) => None,
        };
        self.change(caller, trigger, if enabled { "trigger.enable" } else { "trigger.disable" }).await
    }

    /// Gives a webhook a new address; the old one is unknown from now on.
    pub async fn rotate_trigger(&self, caller: &Caller, id: TriggerId) -> Result<Trigger> {
        let mut trigger = self.trigger(caller.tenant.id, id).await?;
        if trigger.kind != TriggerKind::Webhook {
            return Err(AppError::invalid("a schedule has no address").hint("only webhooks have one"));
        }
        trigger.token = Some(new_secret()?);
        self.change(caller, trigger, "trigger.rotate").await
    }

    async fn change(&self, caller: &Caller, mut trigger: Trigger, action: &str) -> Result<Trigger> {
        let (tenant, id) = (caller.tenant.id, trigger.id);
        // A schedule's claimer compares this time; two changes within one millisecond must differ in it all the same.
        trigger.updated_at = self.clock().now_ms().max(trigger.updated_at + 1);
        if !self.storage().update_trigger(tenant, trigger.clone()).await? {
            return Err(AppError::not_found("trigger", id));
        }
        self.note_change(caller, action, &id.to_string()).await?;
        Ok(trigger)
    }

    /// Runs a schedule's workflow now, besides its times.
    pub async fn fire_trigger(&self, caller: &Caller, id: TriggerId) -> Result<RunId> {
        let tenant = caller.tenant.id;
        let trigger = self.trigger(tenant, id).await?;
        let Declared::Schedule(schedule) = declared(&trigger)? else {
            return Err(AppError::invalid("a webhook's inputs come with a request").hint("send one to its address"));
        };
        let run = RunId::from_uuid(new_uuid());
        let origin = json!({ "kind": "schedule", "trigger": id });
        self.start_workflow_as(
            tenant,
            (run, Some(origin)),
            &trigger.workflow,
            (schedule.inputs.into(), schedules::user()),
        )
        .await?;
        self.storage().note_trigger_run(tenant, id, run, self.clock().now_ms()).await?;
        self.note_change(caller, "trigger.fire", &id.to_string()).await?;
        Ok(run)
    }
}

/// What the document said when the workflow was published.
pub(crate) fn declared(trigger: &Trigger) -> Result<Declared> {
    serde_json::from_value(trigger.spec.clone()).map_err(AppError::internal)
}

/// One of the two, for whoever shows a trigger.
pub(crate) fn parts(trigger: &Trigger) -> Result<(Option<Schedule>, Option<Webhook>)> {
    Ok(match declared(trigger)? {
        Declared::Schedule(it) => (Some(it), None),
        Declared::Webhook(it) => (None, Some(it)),
    })
}
