//! What was changed, by whom and when.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::AuditEntryId;

/// One management change. Entries are only ever added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub id: AuditEntryId,
    pub at: i64,
    /// `user/ID`, `key/ID` or `system`.
    pub actor: String,
    /// A verb and its noun, for example `workflow.publish`.
    pub action: String,
    /// The id or name of what was changed.
    pub subject: String,
    /// What is worth knowing beyond that; never a secret.
    pub detail: Value,
}
