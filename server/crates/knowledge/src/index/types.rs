//! What goes into the index and what comes out of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rerank::Reranker;
use crate::embedder::Embedder;
use crate::notice::{Notice, joined};
use crate::parse::{Position, Record};
use crate::spec::BaseSpec;

/// A knowledge base by its id, with the fields that its filters speak of and the model that its vectors are of.
#[derive(Clone, Debug)]
pub struct BaseRef {
    pub id: String,
    pub spec: BaseSpec,
    /// Without one, everything is found by words only, and searches say so.
    pub embedder: Option<Arc<dyn Embedder>>,
}

impl BaseRef {
    pub fn new(id: impl Into<String>, spec: BaseSpec, embedder: Option<Arc<dyn Embedder>>) -> BaseRef {
        BaseRef { id: id.into(), spec, embedder }
    }

    pub(super) fn model(&self) -> Option<&str> {
        self.embedder.as_deref().map(Embedder::model)
    }
}

/// A version of a document that is being put into a base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentRef {
    pub id: String,
    pub name: String,
    pub version: u32,
    /// Who may find it: whoever is in one of these groups, or everybody where there are none. They count from the first
    /// [`super::Knowledge::stage`] of this version on; afterwards [`super::Knowledge::set_groups`] changes them.
    pub groups: Vec<String>,
}

/// A complete version of a small document. Putting it replaces the version that is there.
#[derive(Clone, Debug, Default)]
pub struct DocumentIn {
    pub id: String,
    pub name: String,
    pub version: u32,
    pub groups: Vec<String>,
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
    /// Why not, in words; or that a newer version answers already.
    pub reason: Option<String>,
}

/// What became of the vectors of some records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbedReport {
    /// Texts that went through the model.
    pub embedded: usize,
    /// Records whose text had a vector already.
    pub reused: usize,
    /// Records that have none now and are found by their words only.
    pub missing: usize,
    /// Why some are missing, in words.
    pub reason: Option<String>,
    /// The caller wanted it to stop; what was made until then is kept.
    pub stopped: bool,
}

/// What became of a version that was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// It answers now.
    Visible,
    /// A newer version answers already, so this one was discarded.
    Superseded,
    /// Its document or base was deleted meanwhile, or it was discarded or never staged.
    Gone,
}

/// What finds records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// This process.
    Embedded,
    /// A Qdrant server; the problem says why it does not answer.
    Qdrant { problem: Option<String> },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    #[default]
    Hybrid,
    Dense,
    Lexical,
}

/// How much each list counts when the two are fused. A list that counts for nothing is not made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    pub dense: f64,
    pub lexical: f64,
}

impl Default for Weights {
    fn default() -> Weights {
        Weights { dense: 1.0, lexical: 1.0 }
    }
}

/// What is shown around a record that was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expand {
    #[default]
    None,
    /// Hits that stand side by side become one, and each gets the records before and behind it.
    Neighbours,
    /// The larger passage that a record is a part of.
    Parent,
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
    pub weights: Weights,
    /// Who asks: `None` sees everything, `Some` sees documents without groups and those that share one of these.
    pub groups: Option<Vec<String>>,
    pub expand: Expand,
    /// Texts of all hits together have at most so many tokens, as estimated from their characters. The first hit is
    /// always there.
    pub token_budget: Option<u32>,
    /// Puts the best candidates into its own order, and scores them.
    pub reranker: Option<Arc<dyn Reranker>>,
}

impl SearchRequest {
    /// The usual search: hybrid, 8 hits, no filter, by somebody who sees everything.
    pub fn new(bases: Vec<BaseRef>, query: impl Into<String>) -> SearchRequest {
        SearchRequest {
            bases,
            query: query.into(),
            top_k: 8,
            min_score: None,
            mode: SearchMode::Hybrid,
            filter: None,
            weights: Weights::default(),
            groups: None,
            expand: Expand::None,
            token_budget: None,
            reranker: None,
        }
    }
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

/// Where a hit's score comes from. `dense` is a cosine, `lexical` a BM25 score, `fused` the weighted
/// mean of both (see [`Hit::score`]), `rerank` what the reranker said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stages {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dense: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lexical: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fused: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerank: Option<Stage>,
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
    /// The record's text, or with [`Expand`] that of a larger passage around it.
    pub text: String,
    /// The standard answer, if the text is a question that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    pub fields: Map<String, Value>,
    /// Of the record that was found, also where the text is larger.
    pub position: Position,
    /// Higher is better, comparable within one result. Reranked: what the reranker said. Else dense: the cosine; lexical:
    /// BM25; hybrid: the weighted mean of two parts from 0 to 1, so that 1 is a record which leads both lists. A part is the
    /// cosine's place between the list's least and best, and the BM25 score's share of the list's best. Where scores cannot
    /// be compared (bases with models of their own, words of several bases), parts and scores are reciprocal ranks,
    /// 61 / (60 + rank).
    pub score: f64,
    pub stages: Stages,
    /// Where the query's words stand in `text`: from and to, in characters.
    pub highlights: Vec<[u32; 2]>,
    /// The ordinals of the records whose texts are in `text`.
    pub merged: Vec<u32>,
    /// The ids of further hits that say exactly the same and were left out for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

/// What a search took, in milliseconds; what was not done is not there. Two answers with other timings are equal.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Timings {
    pub total_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embed_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dense_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lexical_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerank_ms: Option<f64>,
}

impl PartialEq for Timings {
    fn eq(&self, _: &Timings) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchResponse {
    pub status: SearchStatus,
    /// Why it is worse than it could be, or why there is nothing.
    pub reasons: Vec<Notice>,
    pub hits: Vec<Hit>,
    pub timings: Timings,
}

impl SearchResponse {
    /// The reasons as one English text.
    pub fn reason(&self) -> Option<String> {
        joined(&self.reasons)
    }
}

/// A record outside of any search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    pub id: String,
    pub document: String,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    pub fields: Map<String, Value>,
    pub position: Position,
}

/// Which records are listed.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    pub filter: Option<Value>,
    /// As the page before gave it; the first page has none.
    pub cursor: Option<String>,
    pub limit: u32,
    /// Only this document's records, by its id.
    pub document: Option<String>,
    /// Who asks, as in [`SearchRequest::groups`].
    pub groups: Option<Vec<String>>,
}

/// Records in the order of their documents and rows, which no replacement of a document changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub next_cursor: Option<String>,
}

/// Whether somebody in the groups of `asking` may see what belongs to `groups`.
pub(super) fn permits(groups: &[String], asking: Option<&[String]>) -> bool {
    groups.is_empty() || asking.is_none_or(|asking| groups.iter().any(|it| asking.contains(it)))
}
