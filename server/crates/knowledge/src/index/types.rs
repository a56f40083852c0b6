//! What goes into the index and what comes out of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::parse::Record;
use crate::spec::BaseSpec;

/// A knowledge base by its id, with the fields that its filters speak of.
#[derive(Clone, Debug)]
pub struct BaseRef {
    pub id: String,
    pub spec: BaseSpec,
}

/// A complete version of a document. Putting it replaces the version that is there.
#[derive(Clone, Debug)]
pub struct DocumentIn {
    pub id: String,
    pub name: String,
    pub version: u32,
    pub records: Vec<Record>,
}

/// How far a long piece of work has come, in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutReport {
    pub records: usize,
    /// Whether every record has a vector. Without one a record is found by its words only.
    pub embedded: bool,
    /// Why not, in words.
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    #[default]
    Hybrid,
    Dense,
    Lexical,
}

#[derive(Clone, Debug)]
pub struct SearchRequest {
    pub bases: Vec<BaseRef>,
    pub query: String,
    pub top_k: u32,
    /// Hits with a smaller [`Hit::score`] are left out.
    pub min_score: Option<f64>,
    pub mode: SearchMode,
    pub filter: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchStatus {
    Ok,
    /// Nothing is in scope: no records, none that the filter lets through, or none that shares a word.
    Empty,
    /// There were candidates, but none reached `min_score`; the reason tells the best score.
    BelowThreshold,
    /// The hits are worse than they could be; the reason says why.
    Degraded,
}

impl SearchStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            SearchStatus::Ok => "ok",
            SearchStatus::Empty => "empty",
            SearchStatus::BelowThreshold => "below_threshold",
            SearchStatus::Degraded => "degraded",
        }
    }
}

/// A hit's place in one list. Ranks begin at 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stage {
    pub score: f64,
    pub rank: u32,
}

/// Where a hit's score comes from. `dense` is a cosine, `lexical` a BM25 score, `fused` the raw reciprocal rank sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stages {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dense: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lexical: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fused: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// Names the record within its base, over all versions of its document: `<document id>:<ordinal>`.
    pub id: String,
    /// The document's name.
    pub document: String,
    pub document_id: String,
    /// The base's id.
    pub base: String,
    pub text: String,
    pub fields: Map<String, Value>,
    /// Higher is better, comparable within one result. Dense: the cosine. Lexical: BM25. Hybrid: the fused rank score
    /// as a share of the best possible one, so that 1 is a record which leads every list.
    pub score: f64,
    pub stages: Stages,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchResponse {
    pub status: SearchStatus,
    pub reason: Option<String>,
    pub hits: Vec<Hit>,
}

/// A record outside of any search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    pub id: String,
    pub document: String,
    pub text: String,
    pub fields: Map<String, Value>,
}

/// Records in the order of their documents and rows, which no replacement of a document changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub next_cursor: Option<String>,
}
