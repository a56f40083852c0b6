//! Runs of workflows and of assistants, and what happened in them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::named;
use crate::{ConversationId, MessageId, Role, RunId, UserId, VersionId};

named!(
    RunKind, "kind of run", {
        Workflow = "workflow",
        /// One turn of an assistant.
        Chat = "chat",
    }
);

named!(
    RunStatus, "run status", {
        Queued = "queued",
        Running = "running",
        /// Only a person can make it go on.
        Waiting = "waiting",
        Finished = "finished",
        Failed = "failed",
        Cancelled = "cancelled",
    }
);

impl RunStatus {
    /// Whether the run is over: a terminal status never changes again.
    pub const fn is_terminal(self) -> bool {
        match self {
            RunStatus::Finished | RunStatus::Failed | RunStatus::Cancelled => true,
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub kind: RunKind,
    /// The workflow's or the assistant's name.
    pub name: String,
    /// None when the text was never saved, as in a run from a file.
    pub version: Option<VersionId>,
    pub conversation: Option<ConversationId>,
    /// The assistant's message that this run writes.
    pub message: Option<MessageId>,
    /// The run whose node started this one.
    pub parent_run: Option<RunId>,
    pub parent_node: Option<String>,
    pub status: RunStatus,
    pub inputs: Value,
    pub outputs: Option<Value>,
    pub answer: Option<String>,
    /// `{code, message, hint?, node?}`.
    pub error: Option<Value>,
    pub started_at: i64,
    pub finished_at: Option<i64>,
    /// What started it, where it was not simply asked for: `{kind: rerun | replay | schedule | webhook, run?, from?, trigger?}`.
    pub origin: Option<Value>,
}

named!(
    WaitKind, "kind of wait", {
        /// A question to a person.
        Ask = "ask",
        /// Something that a person has to allow.
        Approve = "approve",
        /// A moment that has to come.
        Timer = "timer",
    }
);

/// An effect of a run that nobody works on: it ends when a person answers or a moment comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    pub run: RunId,
    /// The effect's number in the run.
    pub effect: i64,
    /// The run at the top of those that `run` is nested in.
    pub root_run: RunId,
    pub kind: WaitKind,
    pub node: String,
    pub title: String,
    /// What is asked: `{text, options: [{name, title}], fields?}`.
    pub body: Value,
    pub conversation: Option<ConversationId>,
    /// Whose conversation it is; none for an API key's.
    pub assignee: Option<UserId>,
    /// The least role that may answer; none is whoever the conversation is with.
    pub who: Option<Role>,
    pub created_at: i64,
    pub due_at: Option<i64>,
    /// The outcome when nobody has answered by then.
    pub at_due: Value,
    pub answered_at: Option<i64>,
}

/// One stored event. Its number is what a reader gives back to go on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEvent {
    /// 1, 2, 3, … within the run.
    pub seq: i64,
    pub name: String,
    /// JSON text, sent on as it is.
    pub data: String,
    pub at: i64,
}
