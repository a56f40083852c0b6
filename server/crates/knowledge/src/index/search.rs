//! A search: lists made by meaning and by words, within filters, groups and one read transaction; fused, put into a reranker's
//! order, and widened. Everything that made the answer worse than it could be is told in its status.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use super::embed::checked;
use super::expand::Shown;
use super::fusion::{Fused, fuse};
use super::highlight::Marker;
use super::scope::{Gathered, ModelQuery, Nothing, Question, Scope};
use super::tenant::{Reading, StoredRecord, TenantIndex};
use super::{Hit, Knowledge, SearchMode, SearchRequest, SearchResponse, SearchStatus, Stage, Stages, Timings};
use crate::embedder::Purpose;
use crate::error::KnowledgeError;
use crate::filter::Filter;
use crate::notice::{Notice, notice};

/// Each list is this many times longer than what is asked for, so that a record low in both can still come up.
const CANDIDATES_PER_HIT: usize = 4;
const FEWEST_CANDIDATES: usize = 64;
/// A reranker reads at least so many texts, and at most so many unless more are asked for: it takes milliseconds for each.
const FEWEST_RERANKED: usize = 20;
const MOST_RERANKED: usize = 100;
const RERANKED_PER_HIT: usize = 3;
/// Records read beyond those wanted, in case some say the same.
const SPARE: usize = 8;
/// Hits that one search gives at most.
const MAX_TOP_K: u32 = 1000;

/// A record that was found, on its way to becoming a hit.
pub(super) struct Found {
    pub(super) base: String,
    pub(super) stored: StoredRecord,
    pub(super) score: f64,
    pub(super) stages: Stages,
    pub(super) also: Vec<String>,
}

pub(super) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

impl Knowledge {
    /// Finds the records that answer a query best.
    ///
    /// # Errors
    /// `InvalidRequest`, `InvalidFilter`; `EmbeddingUnavailable` in mode dense when there is no model or no vector of it
    /// (in mode hybrid that is the status degraded); `IndexUnavailable` when the server that finds records cannot be asked;
    /// `Index`.
    pub async fn search(&self, tenant: &str, request: SearchRequest) -> Result<SearchResponse, KnowledgeError> {
        check(&request)?;
        let began = Instant::now();
        let mut timings = Timings::default();
        let filters = compile_filters(&request)?;
        let by_words = request.mode != SearchMode::Dense && request.weights.lexical > 0.0;
        let by_meaning = request.mode != SearchMode::Lexical && request.weights.dense > 0.0;
        // Made before anything is read, so that no transaction waits for a model.
        let queries = if by_meaning { query_vectors(&request).await } else { Vec::new() };
        if queries.iter().any(|it| it.vector.is_ok()) {
            timings.embed_ms = Some(milliseconds(began));
        }
        let index = self.tenant(tenant).await?;
        let wanted = usize::try_from(request.top_k).unwrap_or(usize::MAX);
        let candidates = wanted.saturating_mul(CANDIDATES_PER_HIT).max(FEWEST_CANDIDATES);
        let question = Question { request: &request, filters, queries, by_words, candidates };
        let gathered = index.finder.search(&index, &question, &mut timings).await?;
        let Gathered { mut reading, scopes, mut doubts, dense, lexical } = match gathered {
            Ok(gathered) => gathered,
            Err(Nothing { reason }) => {
                timings.total_ms = milliseconds(began);
                return Ok(nothing(reason, timings));
            }
        };
        let mut fused = fuse(request.mode, request.weights, dense, lexical);
        let mut best = fused.first().map(|it| it.score);
        let enough = |it: f64| request.min_score.is_none_or(|least| it >= least);
        let depth = match &request.reranker {
            None => {
                fused.retain(|it| enough(it.score));
                wanted
            }
            Some(_) => {
                let usual = wanted.saturating_mul(RERANKED_PER_HIT).clamp(FEWEST_RERANKED, MOST_RERANKED);
                usual.max(wanted)
            }
        };
        let mut found = index.distinct(&mut reading, &scopes, fused, depth).await?;
        // Nothing below needs the moment that this transaction holds on to: rows name their versions.
        drop(reading);
        if let Some(reranker) = request.reranker.as_deref().filter(|_| !found.is_empty()) {
            let step = Instant::now();
            match reranked(reranker, &request.query, &mut found).await {
                Ok(()) => {
                    timings.rerank_ms = Some(milliseconds(step));
                    best = found.first().map(|it| it.score);
                    found.retain(|it| enough(it.score));
                }
                Err(reason) => {
                    tracing::warn!(
                        tenant.id = tenant,
                        reranker = reranker.name(),
                        error = reason.message,
                        "a search was not reranked"
                    );
                    doubts.push(match request.min_score {
                        Some(_) => notice!(
                            "not_reranked_nor_cut",
                            "{reason}, so this is the order without it, and the threshold, which is for its scores, was \
                             left out",
                            reason,
                        ),
                        None => notice!("not_reranked", "{reason}, so this is the order without it", reason),
                    });
                }
            }
            found.truncate(wanted);
        }
        let shown = index.expanded(found, request.expand, request.token_budget).await?;
        let hits = hits(&request.query, &scopes, shown);
        timings.total_ms = milliseconds(began);
        Ok(answer(&request, hits, best, doubts, timings))
    }
}

/// For each model once, all at the same time.
async fn query_vectors(request: &SearchRequest) -> Vec<ModelQuery> {
    let mut embedders: BTreeMap<&str, _> = BTreeMap::new();
    for embedder in request.bases.iter().filter_map(|it| it.embedder.as_ref()) {
        embedders.entry(embedder.model()).or_insert(embedder);
    }
    let query = std::slice::from_ref(&request.query);
    let asked = embedders.into_iter().map(|(model, embedder)| async move {
        let made = checked(embedder.as_ref(), query, Purpose::Query).await;
        let vector = made.map(|it| it.into_iter().next().unwrap_or_default());
        ModelQuery { model: model.to_owned(), vector }
    });
    futures::future::join_all(asked).await
}

fn check(request: &SearchRequest) -> Result<(), KnowledgeError> {
    let refuse = |message: String, hint: &str| KnowledgeError::InvalidRequest { message, hint: hint.to_owned() };
    if request.query.trim().is_empty() {
        return Err(refuse(
            "the query is empty".to_owned(),
            "ask with at least one word; to list records use a listing",
        ));
    }
    if request.top_k == 0 || request.top_k > MAX_TOP_K {
        return Err(refuse(format!("`top_k` is {}; it goes from 1 to {MAX_TOP_K}", request.top_k), "8 is usual"));
    }
    if request.bases.is_empty() {
        return Err(refuse("no knowledge base is named".to_owned(), "name at least one"));
    }
    if request.min_score.is_some_and(|it| !it.is_finite()) {
        return Err(refuse("`min_score` is not a number".to_owned(), "leave it out"));
    }
    let weights = [request.weights.dense, request.weights.lexical];
    if weights.iter().any(|it| !it.is_finite() || *it < 0.0) || weights.iter().sum::<f64>() <= 0.0 {
        return Err(refuse(
            "the weights are not usable".to_owned(),
            "two numbers from 0, and not both 0; 1 and 1 are usual",
        ));
    }
    Ok(())
}

fn compile_filters(request: &SearchRequest) -> Result<Vec<Filter>, KnowledgeError> {
    let filter = request.filter.as_ref().unwrap_or(&Value::Null);
    let specs: Vec<_> = request.bases.iter().map(|it| &it.spec).collect();
    request.bases.iter().map(|it| Filter::compile(filter, &it.spec, &specs)).collect()
}

fn nothing(reason: Notice, timings: Timings) -> SearchResponse {
    let (hits, reasons) = (Vec::new(), vec![reason]);
    SearchResponse { status: SearchStatus::Empty, reasons, hits, timings }
}

fn answer(
    request: &SearchRequest,
    hits: Vec<Hit>,
    best: Option<f64>,
    mut doubts: Vec<Notice>,
    timings: Timings,
) -> SearchResponse {
    let mut status = SearchStatus::Ok;
    match best {
        Some(best) if hits.is_empty() => {
            status = SearchStatus::BelowThreshold;
            let least = request.min_score.unwrap_or_default();
            doubts.push(notice!(
                "below_threshold",
                "the best score is {best}, below the threshold of {least}",
                best = format!("{best:.3}"),
                least = format!("{least:.3}"),
            ));
        }
        None => {
            status = SearchStatus::Empty;
            doubts.push(notice!("no_word_found", "no record has a word of the query"));
        }
        Some(_) => {}
    }
    // What was searched badly is told before what was found, whatever came out.
    let degraded = doubts.len() > usize::from(status != SearchStatus::Ok);
    if degraded {
        status = SearchStatus::Degraded;
    }
    SearchResponse { status, reasons: doubts, hits, timings }
}

/// In the reranker's order and with its scores; the reason where it has none.
async fn reranked(reranker: &dyn super::Reranker, query: &str, found: &mut [Found]) -> Result<(), Notice> {
    let texts: Vec<String> = found
        .iter()
        .map(|it| {
            let searched = it.stored.record.searched_text();
            match &it.stored.record.answer {
                Some(answer) => format!("{searched}\n{answer}"),
                None => searched.into_owned(),
            }
        })
        .collect();
    let scores = reranker.rerank(query, &texts).await.map_err(|error| error.notice())?;
    if scores.len() != found.len() || scores.iter().any(|it| !it.is_finite()) {
        let (scores, texts) = (scores.len(), found.len());
        return Err(notice!(
            "reranker_scores",
            "the reranker gave {scores} usable scores for {texts} texts",
            scores,
            texts
        ));
    }
    for (it, score) in found.iter_mut().zip(scores) {
        it.score = score;
    }
    // Stable: of equal scores, the fused order decides.
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    for (it, rank) in found.iter_mut().zip(1u32..) {
        it.stages.rerank = Some(Stage { score: it.score, rank });
    }
    Ok(())
}

fn hits(query: &str, scopes: &[Scope], shown: Vec<Shown>) -> Vec<Hit> {
    let mut markers: BTreeMap<&str, Marker> = BTreeMap::new();
    for scope in scopes {
        markers.insert(&scope.base, Marker::new(query, &scope.names));
    }
    shown
        .into_iter()
        .map(|Shown { found, text, merged }| {
            let Found { base, stored, score, stages, also } = found;
            Hit {
                id: stored.id(),
                document: stored.document,
                document_id: stored.document_id,
                highlights: markers.get(base.as_str()).map_or_else(Vec::new, |it| it.mark(&text)),
                base,
                text,
                answer: stored.record.answer,
                fields: stored.record.fields,
                position: stored.record.position,
                score,
                stages,
                merged,
                also,
            }
        })
        .collect()
}

impl TenantIndex {
    /// The best records, read from the file. Those that say exactly the same stand behind the best of them.
    async fn distinct(
        &self,
        reading: &mut Reading,
        scopes: &[Scope],
        fused: Vec<Fused>,
        wanted: usize,
    ) -> Result<Vec<Found>, KnowledgeError> {
        let mut found: Vec<Found> = Vec::new();
        let mut rest = fused.into_iter();
        while found.len() < wanted {
            let part: Vec<Fused> = rest.by_ref().take(wanted - found.len() + SPARE).collect();
            if part.is_empty() {
                break;
            }
            let rows: Vec<i64> = part.iter().map(|it| it.key.1).collect();
            let mut records = self.read_records(reading, &rows).await?;
            for Fused { key, score, stages } in part {
                let Some(stored) = records.remove(&key.1) else { continue };
                let same = |it: &&mut Found| {
                    let (one, other) = (&it.stored.record, &stored.record);
                    one.text == other.text && one.answer == other.answer && one.fields == other.fields
                };
                if let Some(same) = found.iter_mut().find(same) {
                    same.also.push(stored.id());
                } else if found.len() < wanted
                    && let Some(scope) = scopes.get(key.0)
                {
                    found.push(Found { base: scope.base.clone(), stored, score, stages, also: Vec::new() });
                }
            }
        }
        Ok(found)
    }
}
