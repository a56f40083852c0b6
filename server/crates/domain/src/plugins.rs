//! Plugins as a tenant has them installed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{PluginCallId, PluginId, RunId};

/// An installed plugin without its code, which is large and read on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plugin {
    pub id: PluginId,
    /// The name that the plugin gives itself; unique per tenant.
    pub plugin_id: String,
    pub version: String,
    /// What the plugin's `describe` answered.
    pub manifest: Value,
    /// Of the plugin's bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Comes with Parlour and is kept up to date by it.
    pub system: bool,
    pub enabled: bool,
    pub installed_at: i64,
}

/// A version of an uploaded plugin whose code is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginVersion {
    /// Of the plugin's bytes, in lower-case hexadecimal.
    pub sha256: String,
    pub version: String,
    /// False for one that was published and that nobody has installed yet.
    pub installed: bool,
    /// When it was installed last, or published.
    pub at: i64,
}

/// What came of one call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginCall {
    pub id: PluginCallId,
    pub plugin_id: String,
    /// Of the plugin.
    pub version: String,
    pub tool: String,
    /// None when it was tried by hand.
    pub run: Option<RunId>,
    pub node: Option<String>,
    pub at: i64,
    /// Microseconds, waiting included.
    pub duration_us: i64,
    /// Microseconds of the guest's own processor time.
    pub cpu_us: i64,
    pub memory_bytes: i64,
    /// Of models, input and output together.
    pub tokens: i64,
    /// `{code, message}`.
    pub error: Option<Value>,
    /// `[{level, message}]`.
    pub logs: Value,
}
