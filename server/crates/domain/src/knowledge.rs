//! Knowledge bases, the documents in them and the pieces they are searched by.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::named;
use crate::{DocumentId, KnowledgeBaseId, RetrievalTestId};

named!(
    /// How far a document has come on its way into the index.
    DocumentState, "document state", {
        Queued = "queued",
        Parsing = "parsing",
        Embedding = "embedding",
        Indexing = "indexing",
        Ready = "ready",
        Failed = "failed",
        Cancelled = "cancelled",
    }
);

impl DocumentState {
    /// Whether work on the document is going on or still to be done.
    pub const fn is_in_progress(self) -> bool {
        match self {
            DocumentState::Queued | DocumentState::Parsing | DocumentState::Embedding | DocumentState::Indexing => true,
            DocumentState::Ready | DocumentState::Failed | DocumentState::Cancelled => false,
        }
    }
}

named!(
    /// What the progress of an ingestion counts.
    ProgressUnit, "unit of progress", {
        Bytes = "bytes",
        Records = "records",
    }
);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnowledgeBase {
    pub id: KnowledgeBaseId,
    /// Unique per tenant; what workflows refer to.
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// The fields and what each is for, in the form of `knowledge.yaml`.
    pub spec: Value,
    /// The model whose vectors answer; none for the server's own.
    pub embedding_model: Option<String>,
    /// The model that the base is on its way to, while the other one answers.
    pub next_embedding_model: Option<String>,
    /// Why it does not get there, in words.
    pub embedding_problem: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub id: DocumentId,
    pub base: KnowledgeBaseId,
    /// Unique per knowledge base; usually the file's name.
    pub name: String,
    /// Grows with each replacement of the document's records. 0 while there are none yet.
    pub version: i64,
    /// Grows with each change of a single record of this version.
    pub edits: i64,
    /// Why it is less than complete, in words.
    pub reason: Option<String>,
    /// How many records (chunks) it has.
    pub records: i64,
    pub size_bytes: i64,
    /// Of the file that the records came from; the same file again changes nothing.
    pub content_hash: Option<String>,
    pub media_type: Option<String>,
    /// The address that the file came from.
    pub source: Option<String>,
    /// Column of the file → field, a JSON object.
    pub columns: Value,
    /// Whose visitors may see it; nobody is shut out by an empty list.
    pub groups: Vec<String>,
    /// A JSON object.
    pub metadata: Value,
    /// What the owner may want to know of the file, each with a code, a message and values.
    pub warnings: Vec<Value>,
    pub created_at: i64,
    pub updated_at: i64,
    /// What is being made of a new version, or why there is none.
    pub ingestion: Option<Ingestion>,
}

impl Document {
    pub fn state(&self) -> DocumentState {
        self.ingestion.as_ref().map_or(DocumentState::Ready, |it| it.state)
    }

    /// Whether a version answers, be it an older one.
    pub fn is_answering(&self) -> bool {
        self.version > 0
    }
}

/// A new version of a document on its way into the index, or what kept it from getting there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ingestion {
    /// Of the chunks that will count.
    pub version: i64,
    pub state: DocumentState,
    /// Work done and to do in the present state.
    pub done: i64,
    pub total: i64,
    pub unit: ProgressUnit,
    /// Why it failed, in words.
    pub reason: Option<String>,
    /// All that is wrong with the file, and what to do: `{errors, hint}`.
    pub problems: Value,
    /// As [`Document::warnings`].
    pub warnings: Vec<Value>,
    pub media_type: Option<String>,
    pub columns: Value,
    pub source: Option<String>,
    /// Of the file; none while it has not been fetched from its source.
    pub content_hash: Option<String>,
    pub size_bytes: i64,
    pub attempts: i64,
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
    /// The standard answer, where the text is a question.
    pub answer: Option<String>,
    /// A JSON object with the record's fields.
    pub fields: Value,
    /// Where in its document it comes from, a JSON object.
    pub position: Value,
    /// Of the embedding model, roughly.
    pub tokens: i64,
    /// Only these are searched.
    pub enabled: bool,
    /// Whether a person wrote or changed it.
    pub edited: bool,
}

/// A query with the passages that it should find.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrievalTest {
    pub id: RetrievalTestId,
    pub base: KnowledgeBaseId,
    pub query: String,
    pub filter: Option<Value>,
    /// `[{"document": "menu.csv", "ordinal": 3}, {"document": "menu.csv", "contains": "…"}]`
    pub expected: Value,
    pub created_at: i64,
}
