//! What starts workflows by itself, as the server keeps it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::named;
use crate::{RunId, TriggerId};

named!(
    TriggerKind, "kind of trigger", {
        Schedule = "schedule",
        Webhook = "webhook",
    }
);

named!(
    /// What became of one tick of a schedule.
    TickState, "state of a tick", {
        /// One server has it; its run may not exist yet.
        Claimed = "claimed",
        /// Its run exists, or existed until it was pruned.
        Started = "started",
        /// Its run could not be started, and trying again would not help.
        Failed = "failed",
        /// Its run could not be started in time.
        Late = "late",
    }
);

/// A trigger of a published workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    pub id: TriggerId,
    pub workflow: String,
    pub kind: TriggerKind,
    /// Within the workflow's triggers of this kind, from 0: a workflow that is published again keeps its triggers by it.
    pub position: i64,
    /// What the document says, as the engine wrote it.
    pub spec: Value,
    /// The secret part of a webhook's address.
    pub token: Option<String>,
    pub enabled: bool,
    /// When a schedule is due; none for webhooks, and for schedules that have no next time.
    pub next_at: Option<i64>,
    /// The last tick, or when the last request came.
    pub last_at: Option<i64>,
    pub last_run: Option<RunId>,
    /// Why the last run could not be started: `{code, message}`.
    pub last_error: Option<Value>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A tick that one server has claimed. The run's id is decided with it, so that no other run can ever be its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// When it was due.
    pub due_at: i64,
    pub run: RunId,
    pub claimed_at: i64,
}
