//! What a run tells: everything that happens in it, in order. The server stores these before it acts on them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::effect::{CacheKey, EffectId, RequestedEffect};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// `inputs` with their defaults filled in.
    RunStarted {
        inputs: Value,
    },
    /// `input` is the node's evaluated `with`, for the author to look at.
    NodeStarted {
        node: String,
        kind: String,
        input: Value,
    },
    /// `port` is the way out that the node took. `saved` is there when the output was kept from an earlier run: the tokens
    /// that it did not take again.
    NodeFinished {
        node: String,
        port: String,
        output: Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        saved: Option<Value>,
    },
    /// The node is not run again: another run has done it.
    NodeKept {
        node: String,
        port: String,
        output: Value,
    },
    /// The output of a node with `cache`, to be given back to `Recall` for the same key.
    OutputKept {
        key: Box<CacheKey>,
        ports: Vec<String>,
        output: Value,
    },
    NodeSkipped {
        node: String,
    },
    /// `handled`: the node's `on_error` took care of it and the run goes on.
    NodeFailed {
        node: String,
        error: RunError,
        handled: bool,
    },
    EffectRequested(RequestedEffect),
    /// Nobody waits for this effect any more.
    EffectCancelled {
        id: EffectId,
        node: String,
    },
    /// A piece of what the visitor reads, already in its final order. Not stored: `AnswerCompleted` repeats it whole.
    AnswerDelta {
        node: String,
        text: String,
    },
    AnswerCompleted {
        node: String,
        text: String,
    },
    /// All conversation variables, after a change.
    StateChanged {
        state: Value,
    },
    /// `answer` is the concatenation of all `AnswerDelta` texts.
    RunFinished {
        outputs: Value,
        answer: String,
    },
    /// `answer` is what had been said until then.
    RunFailed {
        error: RunError,
        answer: String,
    },
    RunCancelled,
}

/// Why a node or a run failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub hint: Option<String>,
    #[serde(default)]
    pub node: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Running,
    /// Only people and timers are waited for: nothing needs memory or a task meanwhile.
    Waiting,
    Finished,
    Failed,
    Cancelled,
}

impl RunStatus {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            RunStatus::Running | RunStatus::Waiting => false,
            RunStatus::Finished | RunStatus::Failed | RunStatus::Cancelled => true,
        }
    }
}
