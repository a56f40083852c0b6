//! The two lists that a search is made of: the nearest by meaning and the best by words, each within what may be seen.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use sqlx::Row as _;

use super::fusion::{Key, Ranking};
use super::postings::WordQuery;
use super::scan::QueryCodes;
use super::scope::Scope;
use super::snapshot::{Segment, floats};
use super::tenant::{Reading, TenantIndex};
use crate::error::KnowledgeError;
use crate::filter::Filter;
use crate::lexical::{Pieces, Terms, terms_of_query};

/// A document within a search, with which of its records pass the filter; none where there is no filter.
pub(super) struct Part {
    pub(super) segment: Arc<Segment>,
    mask: Option<Vec<bool>>,
}

impl Part {
    pub(super) fn new(segment: Arc<Segment>, filter: &Filter) -> Part {
        let mask = (!filter.is_empty()).then(|| filter.evaluate(&segment.columns));
        Part { segment, mask }
    }

    pub(super) fn in_scope(&self) -> usize {
        match &self.mask {
            None => self.segment.records(),
            Some(mask) => mask.iter().filter(|it| **it).count(),
        }
    }

    fn passes(&self, at: usize) -> bool {
        self.mask.as_ref().is_none_or(|it| it.get(at) == Some(&true))
    }
}

/// The nearest records of one model's bases by their bytes: cheap enough for all of them.
fn nearest(scopes: &[Scope], query: (usize, &[f32]), count: usize) -> Vec<Key> {
    let codes = QueryCodes::new(query.1);
    let mut best = Best::new(count);
    for (base, scope) in scopes.iter().enumerate().filter(|(_, it)| it.query == Some(query.0)) {
        for part in scope.parts() {
            part.segment.codes.scan(&codes, part.mask.as_deref(), |place, score| {
                if score >= best.least
                    && let Some(row) = part.segment.row(place)
                {
                    best.push(score, (base, row));
                }
            });
        }
    }
    best.sorted().into_iter().map(|(_, key)| key).collect()
}

/// A base's records that have a word of the query, best first.
fn best_by_words(scope: &Scope, terms: &Terms, base: usize, count: usize) -> Vec<(Key, f64)> {
    let mut query = WordQuery::new(terms, scope.parts().iter().map(|it| &it.segment.postings));
    let mut best = Best::new(count);
    for part in scope.parts() {
        query.score(&part.segment.postings, |place, score| {
            if score >= best.least
                && part.passes(place)
                && let Some(row) = part.segment.row(place)
            {
                best.push(score, (base, row));
            }
        });
    }
    best.sorted().into_iter().map(|(score, key)| (key, f64::from(score))).collect()
}

/// The best so far, and somewhat more: sorted out whenever they are twice as many as wanted.
struct Best {
    count: usize,
    /// What is below will not be among the best.
    least: f32,
    all: Vec<(f32, Key)>,
}

impl Best {
    fn new(count: usize) -> Best {
        Best { count, least: f32::NEG_INFINITY, all: Vec::with_capacity(count.saturating_mul(2)) }
    }

    fn push(&mut self, score: f32, key: Key) {
        self.all.push((score, key));
        if self.all.len() >= self.count.saturating_mul(2) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.all.len() > self.count {
            self.all.select_nth_unstable_by(self.count, better);
            self.all.truncate(self.count);
            self.least = self.all.iter().fold(f32::INFINITY, |least, it| least.min(it.0));
        }
    }

    fn sorted(mut self) -> Vec<(f32, Key)> {
        self.cut();
        self.all.sort_unstable_by(better);
        self.all
    }
}

/// Of two with equal scores, the earlier record comes first.
fn better(a: &(f32, Key), b: &(f32, Key)) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1))
}

impl TenantIndex {
    /// One list for each model, in the order of the exact cosines.
    pub(super) async fn by_meaning(
        &self,
        reading: &mut Reading,
        scopes: &Arc<Vec<Scope>>,
        queries: &Arc<Vec<Vec<f32>>>,
        count: usize,
    ) -> Result<Ranking, KnowledgeError> {
        let (scanned, asked) = (scopes.clone(), queries.clone());
        let candidates = tokio::task::spawn_blocking(move || {
            let asked = asked.iter().enumerate().filter(|(at, _)| scanned.iter().any(|it| it.query == Some(*at)));
            asked.map(|(at, query)| (at, nearest(&scanned, (at, query), count))).collect::<Vec<_>>()
        })
        .await
        .map_err(|source| KnowledgeError::Worker { operation: "comparing vectors", source })?;
        let mut lists = Vec::new();
        for (at, candidates) in candidates {
            let model = scopes.iter().filter(|it| it.query == Some(at)).find_map(Scope::model_row);
            let query = queries.get(at).map(Vec::as_slice).unwrap_or_default();
            lists.push(self.rescored(reading, candidates, (model.unwrap_or(0), query)).await?);
        }
        Ok(Ranking::of(lists))
    }

    async fn rescored(
        &self,
        reading: &mut Reading,
        candidates: Vec<Key>,
        (model, query): (i64, &[f32]),
    ) -> Result<Vec<(Key, f64)>, KnowledgeError> {
        let bases: HashMap<i64, usize> = candidates.iter().map(|(base, row)| (*row, *base)).collect();
        let rows: Vec<i64> = candidates.iter().map(|(_, row)| *row).collect();
        let found = sqlx::query(
            "SELECT records.row, vectors.vector FROM records
             JOIN vectors ON vectors.hash = records.hash AND vectors.model = $2
             WHERE records.row IN (SELECT value FROM json_each($1))",
        )
        .bind(serde_json::to_string(&rows).unwrap_or_default())
        .bind(model)
        .fetch_all(&mut **reading)
        .await
        .map_err(self.failed("read vectors"))?;
        let mut list: Vec<(Key, f64)> = found
            .into_iter()
            .filter_map(|row| {
                let record: i64 = row.get(0);
                let vector = floats(row.get::<&[u8], _>(1));
                let cosine: f64 = query.iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(b)).sum();
                Some(((*bases.get(&record)?, record), cosine))
            })
            .collect();
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(list)
    }
}

/// One list for each base: scores come from its own statistics.
pub(super) async fn by_words(
    scopes: &Arc<Vec<Scope>>,
    (query, pieces): (&str, Pieces),
    count: usize,
) -> Result<Ranking, KnowledgeError> {
    let (query, scopes) = (query.to_owned(), scopes.clone());
    let lists = tokio::task::spawn_blocking(move || {
        let terms = scopes.iter().map(|it| terms_of_query(&query, pieces, &it.names));
        scopes
            .iter()
            .zip(terms)
            .enumerate()
            .map(|(at, (scope, terms))| best_by_words(scope, &terms, at, count))
            .collect()
    })
    .await
    .map_err(|source| KnowledgeError::Worker { operation: "looking for words", source })?;
    let mut ranking = Ranking::of(lists);
    ranking.records.truncate(count);
    Ok(ranking)
}
