//! What a search goes over: the bases, each with what the asker may see of it and how well that can be searched. Both back
//! ends say it in the same terms, so that their answers tell the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::embed::{no_model, unavailable};
use super::fusion::Ranking;
use super::lists::{Part, by_words};
use super::qdrant::There;
use super::search::milliseconds;
use super::snapshot::Held;
use super::tenant::{Reading, TenantIndex};
use super::{SearchMode, SearchRequest, Timings};
use crate::embedder::EmbedError;
use crate::error::KnowledgeError;
use crate::filter::Filter;
use crate::lexical::{Names, Pieces};
use crate::notice::{Notice, joined, notice};

/// A search on its way into a back end.
pub(super) struct Question<'a> {
    pub(super) request: &'a SearchRequest,
    /// One for each base of the request.
    pub(super) filters: Vec<Filter>,
    /// None where nothing is searched by meaning.
    pub(super) queries: Vec<ModelQuery>,
    pub(super) by_words: bool,
    /// How long each list is at most.
    pub(super) candidates: usize,
}

impl Question<'_> {
    /// Each base once: the first of those that are named twice, with its filter and its model's place among the queries.
    pub(super) fn bases(&self) -> impl Iterator<Item = (&super::BaseRef, &Filter, Option<usize>)> {
        let bases = &self.request.bases;
        bases.iter().zip(&self.filters).enumerate().filter_map(|(at, (base, filter))| {
            let is_first = !bases.iter().take(at).any(|it| it.id == base.id);
            let query = base.model().and_then(|model| self.queries.iter().position(|it| it.model == model));
            is_first.then_some((base, filter, query))
        })
    }

    pub(super) fn groups(&self) -> Option<&[String]> {
        self.request.groups.as_deref()
    }

    /// By the queries' places; empty where a model gave none.
    pub(super) fn vectors(&self) -> Vec<Vec<f32>> {
        self.queries.iter().map(|it| it.vector.as_ref().map_or_else(|_| Vec::new(), Clone::clone)).collect()
    }

    /// Which bases can be searched by meaning, where that is asked for.
    pub(super) fn judge(&self, scopes: &mut [Scope]) -> Result<Vec<Notice>, KnowledgeError> {
        let by_meaning = self.request.mode != SearchMode::Lexical && self.request.weights.dense > 0.0;
        if by_meaning { judge(self.request.mode, &self.queries, scopes) } else { Ok(Vec::new()) }
    }

    /// Where vectors find what is said otherwise, words need not guess from single characters.
    pub(super) fn pieces(&self, scopes: &[Scope]) -> Pieces {
        if scopes.iter().any(|it| it.query.is_some()) { Pieces::Never } else { Pieces::Also }
    }
}

/// The query as one model sees it, or why it does not.
pub(super) struct ModelQuery {
    pub(super) model: String,
    pub(super) vector: Result<Vec<f32>, EmbedError>,
}

/// What the lists of a search are made of, and the lists, as far as each is wanted and can be made.
pub(super) struct Gathered {
    /// The file as it was when the lists were made.
    pub(super) reading: Reading,
    pub(super) scopes: Arc<Vec<Scope>>,
    pub(super) doubts: Vec<Notice>,
    pub(super) dense: Option<Ranking>,
    pub(super) lexical: Option<Ranking>,
}

/// There is nothing to search.
pub(super) struct Nothing {
    pub(super) reason: Notice,
}

/// A base within a search.
pub(super) struct Scope {
    pub(super) base: String,
    pub(super) name: String,
    /// Its model's place among the queries.
    pub(super) query: Option<usize>,
    pub(super) names: Names,
    pub(super) seen: Seen,
    pub(super) place: Where,
}

/// Where a base's records are found.
pub(super) enum Where {
    Held {
        parts: Vec<Part>,
        /// The row of its model; none before its first vector.
        model: Option<i64>,
    },
    Qdrant(There),
}

/// How many records there are of a base, and what is known of their vectors. All but `all` is about what the asker may see.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) all: usize,
    pub(super) records: usize,
    /// Those that the filter lets through; none where only asking would tell.
    pub(super) in_scope: Option<usize>,
    /// Those with a vector of the base's model.
    pub(super) embedded: usize,
    /// Those without a vector of any model.
    pub(super) without_vector: usize,
    /// Those that have only vectors of other models.
    pub(super) other_models: BTreeMap<String, usize>,
    /// How long the vectors of its model are; none where it has none.
    pub(super) dimensions: Option<usize>,
}

impl Scope {
    /// What is held in memory of it.
    pub(super) fn parts(&self) -> &[Part] {
        match &self.place {
            Where::Held { parts, model: _ } => parts,
            Where::Qdrant(_) => &[],
        }
    }

    pub(super) fn model_row(&self) -> Option<i64> {
        match &self.place {
            Where::Held { parts: _, model } => *model,
            Where::Qdrant(_) => None,
        }
    }
}

/// How many records the filters let through; none where only asking would tell.
pub(super) fn in_scope(scopes: &[Scope]) -> Option<usize> {
    scopes.iter().map(|it| it.seen.in_scope).sum()
}

pub(super) fn why_nothing_in_scope(scopes: &[Scope]) -> Nothing {
    let records: usize = scopes.iter().map(|it| it.seen.records).sum();
    let all: usize = scopes.iter().map(|it| it.seen.all).sum();
    let reason = match (records, all) {
        (0, 0) => notice!("base_is_empty", "the knowledge base has no records yet"),
        // Whoever may not see a document is not told that there is one.
        (0, _) => notice!("base_is_empty_for_you", "the knowledge base has no records for you"),
        _ => notice!("filter_passes_none", "none of {records} records passes the filter", records),
    };
    Nothing { reason }
}

/// Which bases can be searched by meaning. What cannot becomes a doubt; in mode dense an error when nothing is left.
fn judge(mode: SearchMode, queries: &[ModelQuery], scopes: &mut [Scope]) -> Result<Vec<Notice>, KnowledgeError> {
    let several = scopes.len() > 1;
    let mut doubts: Vec<Notice> = Vec::new();
    let mut error = None;
    let mut left = 0;
    let dense = mode == SearchMode::Dense;
    for scope in scopes.iter_mut() {
        let whose = if several { format!(" in `{}`", scope.name) } else { String::new() };
        let query = scope.query.and_then(|at| queries.get(at));
        let unavailable_here = match query.map(|it| &it.vector) {
            None => Some(no_model()),
            Some(Err(error)) => Some(error.notice()),
            Some(Ok(vector)) => scope.seen.dimensions.filter(|it| *it != vector.len()).map(|stored| {
                notice!(
                    "other_dimensions",
                    "the embedding model gave a vector of {given} dimensions, and those stored have {stored}",
                    given = vector.len(),
                    stored,
                )
            }),
        };
        if let Some(why) = unavailable_here {
            let model_error = query.and_then(|it| it.vector.as_ref().err().cloned());
            error.get_or_insert_with(|| {
                model_error.map_or_else(
                    || KnowledgeError::EmbeddingUnavailable {
                        reason: format!("{why}{whose}"),
                        hint: "search with mode `hybrid` or `lexical`".to_owned(),
                    },
                    unavailable,
                )
            });
            let base = scope.name.as_str();
            doubts.push(match (dense, several) {
                (true, true) => {
                    notice!("nothing_by_meaning_in", "{why}, so nothing was found by meaning in `{base}`", why, base)
                }
                (true, false) => notice!("nothing_by_meaning", "{why}, so nothing was found by meaning", why),
                (false, true) => {
                    notice!("words_only_in", "{why}, so records in `{base}` were found by words only", why, base)
                }
                (false, false) => notice!("words_only", "{why}, so this was found by words only", why),
            });
            scope.query = None;
            continue;
        }
        let reasons = incomplete(&scope.seen, query.map_or("", |it| &it.model));
        if scope.seen.embedded == 0 && scope.seen.records > 0 {
            error.get_or_insert_with(|| KnowledgeError::EmbeddingUnavailable {
                reason: format!("{}{whose}", joined(&reasons).unwrap_or_default()),
                hint: "embed the knowledge base again, or search with mode `hybrid` or `lexical`".to_owned(),
            });
            scope.query = None;
        } else {
            left += 1;
        }
        let base = scope.name.as_str();
        doubts.extend(reasons.into_iter().map(|why| match (dense, several) {
            (true, true) => {
                notice!("some_not_found_in", "{why}, so they cannot be found by meaning in `{base}`", why, base)
            }
            (true, false) => notice!("some_not_found", "{why}, so they cannot be found by meaning", why),
            (false, true) => {
                notice!("some_words_only_in", "{why}, so they are found by words only in `{base}`", why, base)
            }
            (false, false) => notice!("some_words_only", "{why}, so they are found by words only", why),
        }));
    }
    match error {
        Some(error) if dense && left == 0 => Err(error),
        Some(_) | None => Ok(doubts),
    }
}

/// What of a base cannot be compared with the query.
fn incomplete(seen: &Seen, current: &str) -> Vec<Notice> {
    let Seen { all: _, records, in_scope: _, embedded: _, without_vector, other_models, dimensions: _ } = seen;
    let foreign: usize = other_models.values().sum();
    let mut reasons = Vec::new();
    if foreign > 0 {
        let models = other_models.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        reasons.push(notice!(
            "vectors_of_other_models",
            "{foreign} of {records} records have vectors of another model ({models}, and now it is {current})",
            foreign,
            records = *records,
            models,
            current,
        ));
    }
    if *without_vector > 0 {
        reasons.push(notice!(
            "not_embedded_yet",
            "{missing} of {records} records are not embedded yet",
            missing = *without_vector,
            records = *records,
        ));
    }
    reasons
}

impl TenantIndex {
    /// What is held in memory answers.
    pub(super) async fn gather(
        &self,
        question: &Question<'_>,
        timings: &mut Timings,
    ) -> Result<Result<Gathered, Nothing>, KnowledgeError> {
        let mut reading = self.begin_reading().await?;
        let mut scopes = Vec::new();
        for (base, filter, query) in question.bases() {
            let what = if question.queries.is_empty() { Held::Columns } else { Held::Vectors };
            let Some(snapshot) = self.snapshot(&mut reading, base, what).await? else { continue };
            let parts: Vec<Part> =
                snapshot.segments(question.groups()).into_iter().map(|it| Part::new(it, filter)).collect();
            scopes.push(Scope {
                base: base.id.clone(),
                name: base.spec.name.clone(),
                query,
                names: Names::new(&base.spec.words),
                seen: seen(snapshot.records(), snapshot.dimensions(), &parts),
                place: Where::Held { parts, model: snapshot.model_row() },
            });
        }
        if in_scope(&scopes) == Some(0) {
            return Ok(Err(why_nothing_in_scope(&scopes)));
        }
        let doubts = question.judge(&mut scopes)?;
        let scopes = Arc::new(scopes);
        let step = Instant::now();
        let dense = async {
            if !scopes.iter().any(|it| it.query.is_some()) {
                return Ok(None);
            }
            let vectors = Arc::new(question.vectors());
            let list = self.by_meaning(&mut reading, &scopes, &vectors, question.candidates).await?;
            Ok(Some((list, milliseconds(step))))
        };
        let lexical = async {
            if !question.by_words {
                return Ok(None);
            }
            let asked = (question.request.query.as_str(), question.pieces(&scopes));
            let list = by_words(&scopes, asked, question.candidates).await?;
            Ok::<_, KnowledgeError>(Some((list, milliseconds(step))))
        };
        let (dense, lexical) = futures::future::try_join(dense, lexical).await?;
        let (dense, dense_ms) = dense.unzip();
        let (lexical, lexical_ms) = lexical.unzip();
        (timings.dense_ms, timings.lexical_ms) = (dense_ms, lexical_ms);
        Ok(Ok(Gathered { reading, scopes, doubts, dense, lexical }))
    }
}

fn seen(all: usize, dimensions: Option<usize>, parts: &[Part]) -> Seen {
    let segments = || parts.iter().map(|it| &it.segment);
    let mut other_models: BTreeMap<String, usize> = BTreeMap::new();
    for (model, count) in segments().flat_map(|it| &it.other_models) {
        *other_models.entry(model.clone()).or_default() += count;
    }
    Seen {
        all,
        records: segments().map(|it| it.records()).sum(),
        in_scope: Some(parts.iter().map(Part::in_scope).sum()),
        embedded: segments().map(|it| it.embedded()).sum(),
        without_vector: segments().map(|it| it.without_vector).sum(),
        other_models,
        dimensions,
    }
}
