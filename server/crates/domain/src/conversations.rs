//! Conversations of visitors with assistants, and the messages in them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::named;
use crate::{ConversationId, MessageId, RunId, UserId};

named!(
    MessageRole, "message role", {
        User = "user",
        Assistant = "assistant",
    }
);

named!(
    MessageStatus, "message status", {
        Complete = "complete",
        /// Its run is still writing it.
        Streaming = "streaming",
        Failed = "failed",
        Cancelled = "cancelled",
    }
);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    pub id: ConversationId,
    /// The assistant's name; the version is chosen anew for each turn.
    pub assistant: String,
    /// None when an API key began it.
    pub user: Option<UserId>,
    pub title: String,
    /// The conversation's variables: a JSON object that workflows read and set.
    pub state: Value,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub conversation: ConversationId,
    pub role: MessageRole,
    pub content: String,
    pub status: MessageStatus,
    /// What went wrong, as the visitor may see it: `{code, message, hint?}`.
    pub error: Option<Value>,
    /// The run that writes or wrote an assistant's message. The run may have been pruned since.
    pub run: Option<RunId>,
    pub created_at: i64,
    pub finished_at: Option<i64>,
}
