//! What a compiler may take for granted about the surroundings of a workflow: which tools, workflows and knowledge bases
//! exist, and what they take and give. The server builds it per tenant; the engine itself knows no tenant.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::table::Table;

/// Everything that a document may refer to outside itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Catalog {
    /// By the name that `use:` takes: `plugin/tool`, and also `plugin` where the plugin has only one tool.
    pub tools: BTreeMap<String, ToolSpec>,
    pub workflows: BTreeMap<String, WorkflowSignature>,
    pub knowledge_bases: BTreeSet<String>,
    /// By the name that `table:` of a decision table takes, such as `prices.csv`.
    pub tables: BTreeMap<String, Table>,
}

/// One tool of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolSpec {
    pub plugin: String,
    pub tool: String,
    pub title: String,
    pub description: String,
    /// JSON Schema of the arguments.
    pub input: Value,
    /// JSON Schema of the result.
    pub output: Value,
    pub idempotent: bool,
}

/// What other documents need to know of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkflowSignature {
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// JSON Schema of the inputs, always an object.
    pub inputs: Value,
    /// Names of the outputs, in the document's order.
    pub outputs: Vec<String>,
}
