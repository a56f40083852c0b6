//! Assistants and workflows as versioned documents.

use serde::{Deserialize, Serialize};

use crate::VersionId;
use crate::names::named;

named!(
    /// What a document defines.
    DefinitionKind, "kind of definition", {
        Assistant = "assistant",
        Workflow = "workflow",
    }
);

/// A named assistant or workflow with the version that is published now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub kind: DefinitionKind,
    /// Unique per tenant and kind.
    pub name: String,
    pub version: Version,
    /// When the first version was made.
    pub created_at: i64,
}

/// One text of a definition. It never changes: runs name the version they used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub id: VersionId,
    /// 1, 2, 3, … within its definition; given by the storage.
    pub number: i64,
    pub yaml: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// Who saved it, as the author reads it: a person's name, a key's name, a project folder.
    pub author: Option<String>,
    pub created_at: i64,
}
