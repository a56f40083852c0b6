//! A search: both lists made within the filter and one read transaction, fused by reciprocal rank, with everything that
//! made the answer worse than it could be told in its status.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};

use super::put::{no_embedder, unavailable};
use super::scan::QueryCodes;
use super::snapshot::{Snapshot, floats};
use super::tenant::{Reading, TenantIndex};
use super::{Hit, Knowledge, SearchMode, SearchRequest, SearchResponse, SearchStatus, Stage, Stages};
use crate::embedder::Purpose;
use crate::error::KnowledgeError;
use crate::filter::Filter;
use crate::lexical::{Pieces, match_expression, terms_of_query};

/// The usual constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): how slowly a rank's weight falls.
const FUSION_K: f64 = 60.0;
/// Each list is this many times longer than what is asked for, so that a record low in both can still come up.
const CANDIDATES_PER_HIT: usize = 4;
const FEWEST_CANDIDATES: usize = 64;
/// Hits that one search gives at most.
const MAX_TOP_K: u32 = 1000;
/// A single character says less than the word it stands in.
const CHARACTER_WEIGHT: f64 = 0.25;

/// A record by its base's place in the request and its row.
type Key = (usize, i64);

/// A list in its order, best first.
type Ranking = Vec<(Key, f64)>;

/// A base within this search.
struct Scope {
    base: String,
    snapshot: Arc<Snapshot>,
    mask: Option<Vec<Vec<bool>>>,
}

impl Scope {
    /// The rows that pass the filter; none where there is no filter.
    fn allowed_rows(&self) -> Option<Vec<i64>> {
        let mask = self.mask.as_ref()?;
        let segments = self.snapshot.segments.iter().zip(mask);
        Some(
            segments
                .flat_map(|(it, mask)| it.rows.iter().zip(mask))
                .filter(|(_, it)| **it)
                .map(|(row, _)| *row)
                .collect(),
        )
    }

    fn records_in_scope(&self) -> usize {
        match &self.mask {
            None => self.snapshot.records(),
            Some(mask) => mask.iter().flatten().filter(|it| **it).count(),
        }
    }
}

/// Whether vectors take part, and if not, why.
enum Dense {
    Query(Vec<f32>),
    Unavailable(String),
    NotAsked,
}

impl Knowledge {
    /// Finds the records that answer a query best.
    ///
    /// # Errors
    /// `InvalidRequest`, `InvalidFilter`; `EmbeddingUnavailable` in mode dense when there is no model or no vector of it
    /// (in mode hybrid that is the status degraded); `Index`.
    pub async fn search(&self, tenant: &str, request: SearchRequest) -> Result<SearchResponse, KnowledgeError> {
        check(&request)?;
        let filters = compile_filters(&request)?;
        let dense = self.query_vector(&request).await?;
        let index = self.tenant(tenant).await?;
        let mut reading = index.begin_reading().await?;
        let mut scopes = Vec::new();
        for (at, (base, filter)) in request.bases.iter().zip(filters).enumerate() {
            if request.bases.iter().take(at).any(|it| it.id == base.id) {
                continue;
            }
            let found = index.snapshot(&mut reading, base, self.inner.embedder.as_deref()).await?;
            if let Some(snapshot) = found {
                let mask = snapshot.mask(&filter);
                scopes.push(Scope { base: base.id.clone(), snapshot, mask });
            }
        }
        let in_scope: usize = scopes.iter().map(Scope::records_in_scope).sum();
        if in_scope == 0 {
            return Ok(nothing(why_nothing_in_scope(&scopes)));
        }
        let mut doubts = Vec::new();
        let dense = self.usable(dense, &request, &scopes, &mut doubts)?;
        let wanted = usize::try_from(request.top_k).unwrap_or(usize::MAX);
        let candidates = wanted.saturating_mul(CANDIDATES_PER_HIT).max(FEWEST_CANDIDATES);
        let scopes = Arc::new(scopes);
        let by_meaning = match dense {
            Some(vector) => Some(index.by_meaning(&mut reading, scopes.clone(), vector, candidates).await?),
            None => None,
        };
        let by_words = match request.mode {
            SearchMode::Hybrid | SearchMode::Lexical => {
                // Where vectors find what is said otherwise, words need not guess from single characters.
                let pieces = if by_meaning.is_some() { Pieces::Never } else { Pieces::Also };
                Some(index.by_words(&mut reading, &scopes, (&request.query, pieces), candidates).await?)
            }
            SearchMode::Dense => None,
        };
        let mut fused = fuse(request.mode, by_meaning, by_words);
        let best = fused.first().map(|it| it.score);
        fused.retain(|it| request.min_score.is_none_or(|least| it.score >= least));
        fused.truncate(wanted);
        let hits = index.hits(&mut reading, &scopes, fused).await?;
        Ok(answer(&request, hits, best, doubts))
    }

    /// Made before anything is read, so that no transaction waits for a model.
    async fn query_vector(&self, request: &SearchRequest) -> Result<Dense, KnowledgeError> {
        let embedder = match (request.mode, &self.inner.embedder) {
            (SearchMode::Lexical, _) => return Ok(Dense::NotAsked),
            (SearchMode::Dense, None) => return Err(no_embedder()),
            (SearchMode::Hybrid, None) => return Ok(Dense::Unavailable("no embedding model is set up".to_owned())),
            (SearchMode::Dense | SearchMode::Hybrid, Some(embedder)) => embedder,
        };
        match embedder.embed(std::slice::from_ref(&request.query), Purpose::Query).await {
            Ok(vectors) => match vectors.into_iter().next() {
                Some(vector) if vector.len() == embedder.dimensions() => Ok(Dense::Query(vector)),
                Some(_) | None => Ok(Dense::Unavailable("the embedding model gave no usable vector".to_owned())),
            },
            Err(error) if request.mode == SearchMode::Dense => Err(unavailable(error)),
            Err(error) => Ok(Dense::Unavailable(error.to_string())),
        }
    }

    /// The query's vector if there is something to compare it with; what is missing becomes a doubt, or in mode dense an
    /// error when nothing is there.
    fn usable(
        &self,
        dense: Dense,
        request: &SearchRequest,
        scopes: &[Scope],
        doubts: &mut Vec<String>,
    ) -> Result<Option<Vec<f32>>, KnowledgeError> {
        let vector = match dense {
            Dense::NotAsked => return Ok(None),
            Dense::Unavailable(reason) => {
                if request.mode == SearchMode::Dense {
                    return Err(KnowledgeError::EmbeddingUnavailable {
                        reason,
                        hint: "search with mode `hybrid` or `lexical`".to_owned(),
                    });
                }
                doubts.push(format!("{reason}, so this was found by words only"));
                return Ok(None);
            }
            Dense::Query(vector) => vector,
        };
        let segments = || scopes.iter().flat_map(|it| &it.snapshot.segments);
        let records: usize = segments().map(|it| it.rows.len()).sum();
        let without: usize = segments().map(|it| it.without_vector).sum();
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        for (model, count) in segments().flat_map(|it| &it.other_models) {
            *others.entry(model).or_default() += count;
        }
        let current = self.inner.embedder.as_ref().map_or("", |it| it.model());
        let foreign: usize = others.values().sum();
        let mut reasons = Vec::new();
        if foreign > 0 {
            let names: Vec<&str> = others.into_keys().collect();
            reasons.push(format!(
                "{foreign} of {records} records have vectors of another model ({}, and now it is {current})",
                names.join(", ")
            ));
        }
        if without > 0 {
            reasons.push(format!("{without} of {records} records are not embedded yet"));
        }
        let nothing_to_compare = foreign + without == records;
        if nothing_to_compare && request.mode == SearchMode::Dense {
            return Err(KnowledgeError::EmbeddingUnavailable {
                reason: reasons.join("; "),
                hint: "embed the knowledge base again, or search with mode `hybrid` or `lexical`".to_owned(),
            });
        }
        doubts.extend(reasons.into_iter().map(|it| match request.mode {
            SearchMode::Dense => format!("{it}, so they cannot be found by meaning"),
            SearchMode::Hybrid | SearchMode::Lexical => format!("{it}, so they are found by words only"),
        }));
        Ok((!nothing_to_compare).then_some(vector))
    }
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
    Ok(())
}

fn compile_filters(request: &SearchRequest) -> Result<Vec<Filter>, KnowledgeError> {
    let filter = request.filter.as_ref().unwrap_or(&Value::Null);
    let specs: Vec<_> = request.bases.iter().map(|it| &it.spec).collect();
    request.bases.iter().map(|it| Filter::compile(filter, &it.spec, &specs)).collect()
}

fn nothing(reason: String) -> SearchResponse {
    SearchResponse { status: SearchStatus::Empty, reason: Some(reason), hits: Vec::new() }
}

fn why_nothing_in_scope(scopes: &[Scope]) -> String {
    let records: usize = scopes.iter().map(|it| it.snapshot.records()).sum();
    match records {
        0 => "the knowledge base has no records yet".to_owned(),
        _ => format!("none of {records} records passes the filter"),
    }
}

fn answer(request: &SearchRequest, hits: Vec<Hit>, best: Option<f64>, mut doubts: Vec<String>) -> SearchResponse {
    let mut status = SearchStatus::Ok;
    match best {
        Some(best) if hits.is_empty() => {
            status = SearchStatus::BelowThreshold;
            let least = request.min_score.unwrap_or_default();
            doubts.push(format!("the best score is {best:.3}, below the threshold of {least:.3}"));
        }
        None => {
            status = SearchStatus::Empty;
            doubts.push("no record has a word of the query".to_owned());
        }
        Some(_) => {}
    }
    // What was searched badly is told before what was found, whatever came out.
    let degraded = doubts.len() > usize::from(status != SearchStatus::Ok);
    if degraded {
        status = SearchStatus::Degraded;
    }
    let reason = (!doubts.is_empty()).then(|| doubts.join("; "));
    SearchResponse { status, reason, hits }
}

struct Fused {
    key: Key,
    score: f64,
    stages: Stages,
}

fn fuse(mode: SearchMode, by_meaning: Option<Ranking>, by_words: Option<Ranking>) -> Vec<Fused> {
    let lists = usize::from(by_meaning.is_some()) + usize::from(by_words.is_some());
    // What a record has that leads every list.
    let most = lists as f64 / (FUSION_K + 1.0);
    let mut all: BTreeMap<Key, Stages> = BTreeMap::new();
    let ranked = |list: Option<Ranking>| {
        list.into_iter().flatten().zip(1u32..).map(|((key, score), rank)| (key, Stage { score, rank }))
    };
    for (key, stage) in ranked(by_meaning) {
        all.entry(key).or_default().dense = Some(stage);
    }
    for (key, stage) in ranked(by_words) {
        all.entry(key).or_default().lexical = Some(stage);
    }
    let mut fused: Vec<Fused> = all
        .into_iter()
        .map(|(key, mut stages)| {
            let share = |it: Option<Stage>| it.map_or(0.0, |it| 1.0 / (FUSION_K + f64::from(it.rank)));
            let sum = share(stages.dense) + share(stages.lexical);
            let score = match mode {
                SearchMode::Hybrid => {
                    stages.fused = Some(sum);
                    sum / most
                }
                SearchMode::Dense => stages.dense.map_or(0.0, |it| it.score),
                SearchMode::Lexical => stages.lexical.map_or(0.0, |it| it.score),
            };
            Fused { key, score, stages }
        })
        .collect();
    let rank = |it: Option<Stage>| it.map_or(u32::MAX, |it| it.rank);
    fused.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| rank(a.stages.dense).cmp(&rank(b.stages.dense)))
            .then_with(|| rank(a.stages.lexical).cmp(&rank(b.stages.lexical)))
            .then_with(|| a.key.cmp(&b.key))
    });
    fused
}

/// The nearest records by their bytes: cheap enough for all of them.
fn nearest(scopes: &[Scope], query: &[f32], count: usize) -> Vec<Key> {
    let query = QueryCodes::new(query);
    let mut all: Vec<(f32, Key)> = Vec::new();
    for (base, scope) in scopes.iter().enumerate() {
        for (at, segment) in scope.snapshot.segments.iter().enumerate() {
            let mask = scope.mask.as_ref().map(|it| it.get(at).map(Vec::as_slice).unwrap_or_default());
            segment.codes.scan(&query, mask, |place, score| {
                all.extend(segment.rows.get(place).map(|row| (score, (base, *row))));
            });
        }
    }
    if all.len() > count {
        all.select_nth_unstable_by(count, |a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        all.truncate(count);
    }
    all.into_iter().map(|(_, key)| key).collect()
}

impl TenantIndex {
    async fn by_meaning(
        &self,
        reading: &mut Reading,
        scopes: Arc<Vec<Scope>>,
        query: Vec<f32>,
        count: usize,
    ) -> Result<Ranking, KnowledgeError> {
        let query = Arc::new(query);
        let scanned = query.clone();
        let candidates = tokio::task::spawn_blocking(move || nearest(&scopes, &scanned, count))
            .await
            .map_err(|source| KnowledgeError::Worker { operation: "comparing vectors", source })?;
        let bases: HashMap<i64, usize> = candidates.iter().map(|(base, row)| (*row, *base)).collect();
        let rows: Vec<i64> = candidates.iter().map(|(_, row)| *row).collect();
        let found = sqlx::query("SELECT record, vector FROM vectors WHERE record IN (SELECT value FROM json_each($1))")
            .bind(serde_json::to_string(&rows).unwrap_or_default())
            .fetch_all(&mut **reading)
            .await
            .map_err(self.failed("read vectors"))?;
        let mut ranking: Ranking = found
            .into_iter()
            .filter_map(|row| {
                let record: i64 = row.get(0);
                let vector = floats(row.get::<&[u8], _>(1));
                let cosine: f64 = query.iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(b)).sum();
                Some(((*bases.get(&record)?, record), cosine))
            })
            .collect();
        ranking.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(ranking)
    }

    async fn by_words(
        &self,
        reading: &mut Reading,
        scopes: &[Scope],
        (query, pieces): (&str, Pieces),
        count: usize,
    ) -> Result<Ranking, KnowledgeError> {
        let query = query.to_owned();
        let expression =
            tokio::task::spawn_blocking(move || match_expression(&terms_of_query(&query, pieces)))
                .await
                .map_err(|source| KnowledgeError::Worker { operation: "cutting a query into words", source })?;
        let Some(expression) = expression else { return Ok(Vec::new()) };
        let mut ranking: Vec<(usize, Key, f64)> = Vec::new();
        for (at, scope) in scopes.iter().enumerate() {
            let found = self.matches(reading, scope, &expression, count).await?;
            ranking.extend(found.into_iter().enumerate().map(|(rank, (row, score))| (rank, (at, row), score)));
        }
        // Scores come from each base's own statistics and say nothing across bases; places in the lists do.
        ranking.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| b.2.total_cmp(&a.2)).then_with(|| a.1.cmp(&b.1)));
        ranking.truncate(count);
        Ok(ranking.into_iter().map(|(_, key, score)| (key, score)).collect())
    }

    /// Rows with their BM25 score, best first. The filter is a part of the query: `+` keeps it from being looked up row by
    /// row in the words, so that it only decides which matches are scored.
    async fn matches(
        &self,
        reading: &mut Reading,
        scope: &Scope,
        expression: &str,
        count: usize,
    ) -> Result<Vec<(i64, f64)>, KnowledgeError> {
        let words = format!("words_{}", scope.snapshot.base);
        let allowed = scope.allowed_rows();
        let filter = if allowed.is_some() { "AND +rowid IN (SELECT value FROM json_each($3))" } else { "" };
        let statement = format!(
            "SELECT rowid, -bm25({words}, 1.0, {CHARACTER_WEIGHT}) AS score FROM {words}
             WHERE {words} MATCH $1 {filter} ORDER BY score DESC, rowid LIMIT $2"
        );
        let mut query =
            sqlx::query_as(AssertSqlSafe(statement)).bind(expression).bind(i64::try_from(count).unwrap_or(i64::MAX));
        if let Some(allowed) = allowed {
            query = query.bind(serde_json::to_string(&allowed).unwrap_or_default());
        }
        query.fetch_all(&mut **reading).await.map_err(self.failed("search by words"))
    }

    async fn hits(
        &self,
        reading: &mut Reading,
        scopes: &[Scope],
        fused: Vec<Fused>,
    ) -> Result<Vec<Hit>, KnowledgeError> {
        let rows: Vec<i64> = fused.iter().map(|it| it.key.1).collect();
        let mut records = self.read_records(reading, &rows).await?;
        Ok(fused
            .into_iter()
            .filter_map(|it| {
                let record = records.remove(&it.key.1)?;
                Some(Hit {
                    id: record.id,
                    document: record.document,
                    document_id: record.document_id,
                    base: scopes.get(it.key.0)?.base.clone(),
                    text: record.text,
                    fields: record.fields,
                    score: it.score,
                    stages: it.stages,
                })
            })
            .collect())
    }
}
