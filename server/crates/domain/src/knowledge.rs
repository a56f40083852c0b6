//! Knowledge bases, the documents in them and the pieces they are searched by.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::named;
use crate::{DocumentId, KnowledgeBaseId};

named!(
    /// How far a document has come on its way into the index.
    DocumentState, "document state", {
        Queued = "queued",
        Parsing = "parsing",
        Embedding = "embedding",
        Indexing = "indexing",
        Ready = "ready",
        Failed = "failed",
    }
);

impl DocumentState {
    /// Whether work on the document is going on or still to be done.
    pub const fn is_in_progress(self) -> bool {
        match self {
            DocumentState::Queued | DocumentState::Parsing | DocumentState::Embedding | DocumentState::Indexing => true,
            DocumentState::Ready | DocumentState::Failed => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnowledgeBase {
    pub id: KnowledgeBaseId,
    /// Unique per tenant; what workflows refer to.
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// The fields and what each is for, in the form of `knowledge.yaml`.
    pub spec: Value,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub id: DocumentId,
    pub base: KnowledgeBaseId,
    /// Unique per knowledge base; usually the file's name.
    pub name: String,
    /// Grows with each replacement of the document's records.
    pub version: i64,
    pub state: DocumentState,
    /// Work done and to do in the present state, in records.
    pub done: i64,
    pub total: i64,
    /// Why it failed, or why it is less than complete, in words.
    pub reason: Option<String>,
    /// How many records (chunks) it has.
    pub records: i64,
    pub size_bytes: i64,
    /// Of the file that the records came from; the same file again changes nothing.
    pub content_hash: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// One searchable piece of a document. The index can be built again from these at any time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    pub document: DocumentId,
    /// 0, 1, 2, … within the document.
    pub ordinal: i64,
    pub version: i64,
    /// What is embedded and lexically indexed.
    pub text: String,
    /// A JSON object with the record's fields.
    pub fields: Value,
}
