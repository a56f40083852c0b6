//! Plugins as a tenant has them installed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::PluginId;

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
