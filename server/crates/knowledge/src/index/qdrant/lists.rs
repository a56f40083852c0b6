//! The two lists of a search as Qdrant makes them: all that may be seen is a condition of each query, and words are weighed
//! by how rare they are among what may be seen. What comes back names records; the file says what they are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use qdrant_client::qdrant::{
    Condition, Filter as Conditions, IdfParamsBuilder, PayloadIncludeSelector, Query, QueryPoints, QueryPointsBuilder,
    ScoredPoint, SearchParamsBuilder, VectorInput, value::Kind, with_payload_selector::SelectorOptions,
};
use sqlx::Row as _;

use super::QdrantIndex;
use super::collection::Collection;
use super::filter::{Passing, answering, passing};
use super::point::{BASE, DENSE, DOCUMENT, LEXICAL, ORDINAL, VERSION, dimension};
use crate::error::KnowledgeError;
use crate::index::fusion::{Key, Ranking};
use crate::index::postings::query_keys;
use crate::index::schema::{State, row_of};
use crate::index::scope::{Gathered, Nothing, Question, Scope, Seen, Where, in_scope, why_nothing_in_scope};
use crate::index::search::milliseconds;
use crate::index::tenant::{Reading, TenantIndex};
use crate::index::types::permits;
use crate::index::{BaseRef, Timings};
use crate::lexical::{Names, terms_of_query};
use crate::notice::notice;

/// Where one base is searched, and which of its records pass the filter; none where no record of it does.
pub(in crate::index) struct There {
    collection: Collection,
    row: i64,
    passing: Option<Vec<Condition>>,
}

/// Both lists, and whether some of what was found is not in the file as it was read: then it has changed meanwhile.
struct Made {
    dense: Option<Ranking>,
    lexical: Option<Ranking>,
    is_outdated: bool,
}

/// Which list of whose a query makes.
enum Of {
    Model,
    /// A base's place among the scopes.
    Words,
}

/// A record as a point names it.
struct Named {
    scope: usize,
    document: String,
    number: i64,
    ordinal: u32,
    score: f64,
}

impl QdrantIndex {
    /// Qdrant answers. What changes while it is asked makes it be asked once more.
    pub(super) async fn gather(
        &self,
        index: &TenantIndex,
        question: &Question<'_>,
        timings: &mut Timings,
    ) -> Result<Result<Gathered, Nothing>, KnowledgeError> {
        let (gathered, is_outdated) = self.gather_once(index, question, timings).await?;
        if !is_outdated {
            return Ok(gathered);
        }
        // It holds a connection that the second time needs.
        drop(gathered);
        let (mut gathered, is_outdated) = self.gather_once(index, question, timings).await?;
        if let Ok(Gathered { dense, lexical, doubts, .. }) = &mut gathered
            && is_outdated
            && [dense, lexical].into_iter().flatten().all(|it| it.records.is_empty())
        {
            doubts.push(notice!(
                "qdrant_is_behind",
                "what Qdrant found is not what this server has, which is being brought up to date"
            ));
        }
        Ok(gathered)
    }

    async fn gather_once(
        &self,
        index: &TenantIndex,
        question: &Question<'_>,
        timings: &mut Timings,
    ) -> Result<(Result<Gathered, Nothing>, bool), KnowledgeError> {
        let mut places = Vec::new();
        for (base, filter, _) in question.bases() {
            let (collection, row) = self.bring_into_step(index, base, false).await?;
            let passing = match passing(filter, &base.spec) {
                Passing::All => Some(Vec::new()),
                Passing::None => None,
                Passing::Some(condition) => Some(vec![condition]),
            };
            places.push(There { collection, row, passing });
        }
        let mut reading = index.begin_reading().await?;
        let mut scopes = Vec::new();
        for ((base, _, query), there) in question.bases().zip(places) {
            scopes.extend(self.scope(index, &mut reading, (base, question.groups(), query), there).await?);
        }
        if in_scope(&scopes) == Some(0) {
            return Ok((Err(why_nothing_in_scope(&scopes)), false));
        }
        let doubts = match question.judge(&mut scopes) {
            Ok(doubts) => doubts,
            Err(_) if self.nothing_passes(index, question, &scopes).await? => {
                return Ok((Err(why_nothing_in_scope(&scopes)), false));
            }
            Err(error) => return Err(error),
        };
        let step = Instant::now();
        let Made { dense, lexical, is_outdated } = self.lists(index, &mut reading, question, &scopes).await?;
        // One request has both.
        let taken = milliseconds(step);
        (timings.dense_ms, timings.lexical_ms) = (dense.as_ref().map(|_| taken), lexical.as_ref().map(|_| taken));
        let found = [&dense, &lexical].into_iter().flatten().map(|it| it.records.len()).sum::<usize>();
        if found == 0 && !is_outdated && self.nothing_passes(index, question, &scopes).await? {
            return Ok((Err(why_nothing_in_scope(&scopes)), false));
        }
        Ok((Ok(Gathered { reading, scopes: Arc::new(scopes), doubts, dense, lexical }), is_outdated))
    }

    /// The base with what somebody in these groups may see of it; none where nothing was ever put into it.
    async fn scope(
        &self,
        index: &TenantIndex,
        reading: &mut Reading,
        (base, groups, query): (&BaseRef, Option<&[String]>, Option<usize>),
        there: There,
    ) -> Result<Option<Scope>, KnowledgeError> {
        let failed = || index.failed("read a knowledge base");
        let exists: Option<i64> = sqlx::query_scalar("SELECT row FROM bases WHERE id = $1")
            .bind(&base.id)
            .fetch_optional(&mut **reading)
            .await
            .map_err(failed())?;
        if exists.is_none() {
            return Ok(None);
        }
        let rows = sqlx::query(
            "SELECT documents.groups, versions.records, coalesce(told.embedded, 0), coalesce(told.others, '{}')
             FROM documents JOIN versions ON versions.row = documents.visible JOIN bases ON bases.row = documents.base
             LEFT JOIN told_versions AS told ON told.version = versions.row AND told.collection = $1
             WHERE bases.id = $2",
        )
        .bind(there.row)
        .bind(&base.id)
        .fetch_all(&mut **reading)
        .await
        .map_err(failed())?;
        let count = |it: i64| usize::try_from(it).unwrap_or(0);
        let mut seen = Seen::default();
        for row in rows {
            let (records, embedded) = (count(row.get(1)), count(row.get(2)));
            seen.all += records;
            if !permits(&index.groups(row.get(0))?, groups) {
                continue;
            }
            let others: BTreeMap<String, usize> = serde_json::from_str(row.get(3))
                .map_err(|error| index.damaged(format!("what Qdrant was told cannot be read: {error}")))?;
            let foreign: usize = others.values().sum();
            seen.records += records;
            seen.embedded += embedded;
            seen.without_vector += records.saturating_sub(embedded + foreign);
            for (model, records) in others {
                *seen.other_models.entry(model).or_default() += records;
            }
        }
        let is_filtered = there.passing.as_ref().is_none_or(|it| !it.is_empty());
        seen.in_scope = match &there.passing {
            None => Some(0),
            Some(_) if is_filtered && seen.records > 0 => None,
            Some(_) => Some(seen.records),
        };
        seen.dimensions = there.collection.model.as_ref().map(|it| it.1);
        Ok(Some(Scope {
            base: base.id.clone(),
            name: base.spec.name.clone(),
            query,
            seen,
            place: Where::Qdrant(there),
            names: Names::new(&base.spec.words),
        }))
    }

    /// Whether the filters let no record through, which is asked only where that would be told.
    async fn nothing_passes(
        &self,
        index: &TenantIndex,
        question: &Question<'_>,
        scopes: &[Scope],
    ) -> Result<bool, KnowledgeError> {
        for scope in scopes {
            let passing = match (&scope.place, scope.seen.in_scope) {
                (_, Some(0)) | (Where::Qdrant(There { passing: None, .. }) | Where::Held { .. }, _) => continue,
                (_, Some(_)) => return Ok(false),
                (Where::Qdrant(There { collection, row: _, passing: Some(passing) }), None) => (collection, passing),
            };
            let (collection, passing) = passing;
            let conditions = answering(&index.tenant, &scope.base, question.groups()).into_iter();
            let all = Conditions::must(conditions.chain(passing.iter().cloned()));
            if self.server.count(&collection.name, all).await? > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One request for each collection, all at the same time.
    async fn lists(
        &self,
        index: &TenantIndex,
        reading: &mut Reading,
        asked: &Question<'_>,
        scopes: &[Scope],
    ) -> Result<Made, KnowledgeError> {
        let mut requests: BTreeMap<&str, Vec<(Of, QueryPoints)>> = BTreeMap::new();
        for (name, of, query) in queries(&index.tenant, asked, scopes).await? {
            requests.entry(name).or_default().push((of, query));
        }
        let answers = requests.into_iter().map(|(name, queries)| async move {
            let (of, queries): (Vec<Of>, Vec<QueryPoints>) = queries.into_iter().unzip();
            let lists = self.server.query(name, queries).await?;
            Ok::<_, KnowledgeError>((of, lists))
        });
        let mut is_outdated = false;
        let mut lists: Vec<(Of, Vec<Named>)> = Vec::new();
        for (of, answer) in futures::future::try_join_all(answers).await? {
            // Somebody deleted the collection.
            is_outdated |= answer.is_none();
            for (of, points) in of.into_iter().zip(answer.unwrap_or_default()) {
                lists.push((of, points.into_iter().filter_map(|it| named(it, scopes)).collect()));
            }
        }
        let (rows, changed) = rows_of_named(index, reading, asked.groups(), scopes, &lists).await?;
        let (mut dense, mut lexical) = (Vec::new(), Vec::new());
        for (of, list) in lists {
            let mut found: Vec<(Key, f64)> = list
                .into_iter()
                .filter_map(|it| {
                    let version = rows.get(&(it.scope, it.document, it.number))?;
                    Some(((it.scope, row_of(*version, it.ordinal)), it.score))
                })
                .collect();
            found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            match of {
                Of::Model => dense.push(found),
                Of::Words => lexical.push(found),
            }
        }
        let is_meant = scopes.iter().any(|it| it.query.is_some());
        let mut lexical = Ranking::of(lexical);
        lexical.records.truncate(asked.candidates);
        Ok(Made {
            dense: is_meant.then(|| Ranking::of(dense)),
            lexical: asked.by_words.then_some(lexical),
            is_outdated: is_outdated || changed,
        })
    }
}

/// For each model the nearest over all of its bases, whose scores can be compared; for each base the best by its words.
async fn queries<'s>(
    tenant: &str,
    asked: &Question<'_>,
    scopes: &'s [Scope],
) -> Result<Vec<(&'s str, Of, QueryPoints)>, KnowledgeError> {
    let limit = u64::try_from(asked.candidates).unwrap_or(u64::MAX);
    let returned = || {
        let fields = [BASE, DOCUMENT, VERSION, ORDINAL].map(str::to_owned).to_vec();
        SelectorOptions::Include(PayloadIncludeSelector { fields })
    };
    let searched = || {
        scopes.iter().filter_map(|scope| match &scope.place {
            Where::Qdrant(There { collection, row: _, passing: Some(passing) }) => Some((scope, collection, passing)),
            Where::Qdrant(There { passing: None, .. }) | Where::Held { .. } => None,
        })
    };
    let visible = |scope: &Scope| answering(tenant, &scope.base, asked.groups());
    let mut all = Vec::new();
    for (at, vector) in asked.vectors().into_iter().enumerate() {
        let mut collection = None;
        let mut bases: Vec<Conditions> = Vec::new();
        for (scope, there, passing) in searched().filter(|(scope, ..)| scope.query == Some(at)) {
            // A base without a vector is where records without a model are.
            if there.model.is_none() {
                continue;
            }
            collection = Some(there.name.as_str());
            bases.push(Conditions::must(visible(scope).into_iter().chain(passing.iter().cloned())));
        }
        let Some(collection) = collection else { continue };
        let filter = match bases.pop() {
            Some(only) if bases.is_empty() => only,
            last => Conditions::should(bases.into_iter().chain(last).map(Condition::from)),
        };
        let query = QueryPointsBuilder::new(collection)
            .query(Query::new_nearest(VectorInput::new_dense(vector)))
            .using(DENSE)
            .filter(filter)
            .limit(limit)
            .with_payload(returned());
        all.push((collection, Of::Model, query.build()));
    }
    if !asked.by_words {
        return Ok(all);
    }
    let names: Vec<Names> = searched().map(|(scope, ..)| scope.names.clone()).collect();
    let (query, pieces) = (asked.request.query.clone(), asked.pieces(scopes));
    let words = tokio::task::spawn_blocking(move || {
        names.iter().map(|it| query_keys(&terms_of_query(&query, pieces, it))).collect::<Vec<_>>()
    })
    .await
    .map_err(|source| KnowledgeError::Worker { operation: "cutting a query into words", source })?;
    for ((scope, collection, passing), keys) in searched().zip(words) {
        let mut indices: Vec<u32> = keys.into_iter().map(dimension).collect();
        indices.sort_unstable();
        indices.dedup();
        if indices.is_empty() {
            continue;
        }
        // How rare a word is, is told among what may be seen: nobody learns anything from how often others use it.
        let statistics = IdfParamsBuilder::new().corpus(Conditions::must(visible(scope)));
        let values = vec![1.0; indices.len()];
        let query = QueryPointsBuilder::new(&collection.name)
            .query(Query::new_nearest(VectorInput::new_sparse(indices, values)))
            .using(LEXICAL)
            .filter(Conditions::must(visible(scope).into_iter().chain(passing.iter().cloned())))
            .params(SearchParamsBuilder::default().idf(statistics))
            .limit(limit)
            .with_payload(returned());
        all.push((collection.name.as_str(), Of::Words, query.build()));
    }
    Ok(all)
}

fn named(point: ScoredPoint, scopes: &[Scope]) -> Option<Named> {
    let ScoredPoint { payload, score, .. } = point;
    let value = |key: &str| payload.get(key)?.kind.as_ref();
    let text = |key: &str| if let Kind::StringValue(it) = value(key)? { Some(it.as_str()) } else { None };
    let number = |key: &str| if let Kind::IntegerValue(it) = value(key)? { Some(*it) } else { None };
    let base = text(BASE)?;
    Some(Named {
        scope: scopes.iter().position(|it| it.base == base)?,
        document: text(DOCUMENT)?.to_owned(),
        number: number(VERSION)?,
        ordinal: u32::try_from(number(ORDINAL)?).ok()?,
        score: f64::from(score),
    })
}

/// The versions that were found, by scope, document and number, with their rows: of each document only the newest that can
/// be read. True if one cannot, or if there are two: it was replaced while it was found.
async fn rows_of_named(
    index: &TenantIndex,
    reading: &mut Reading,
    groups: Option<&[String]>,
    scopes: &[Scope],
    lists: &[(Of, Vec<Named>)],
) -> Result<(HashMap<(usize, String, i64), i64>, bool), KnowledgeError> {
    let mut found: BTreeMap<usize, BTreeMap<&str, Vec<i64>>> = BTreeMap::new();
    for it in lists.iter().flat_map(|it| &it.1) {
        let numbers = found.entry(it.scope).or_default().entry(&it.document).or_default();
        if !numbers.contains(&it.number) {
            numbers.push(it.number);
        }
    }
    let mut rows = HashMap::new();
    let mut outdated = false;
    for (at, documents) in found {
        let Some(scope) = scopes.get(at) else { continue };
        let names: Vec<&str> = documents.keys().copied().collect();
        let stored = sqlx::query(
            "SELECT documents.id, documents.groups, versions.number, versions.row FROM documents
             JOIN bases ON bases.row = documents.base JOIN versions ON versions.document = documents.row
             WHERE bases.id = $1 AND documents.id IN (SELECT value FROM json_each($2)) AND documents.visible IS NOT NULL
             ORDER BY versions.number, versions.state = $3, versions.row",
        )
        .bind(&scope.base)
        .bind(serde_json::to_string(&names).unwrap_or_default())
        .bind(State::Visible.code())
        .fetch_all(&mut **reading)
        .await
        .map_err(index.failed("look for what was found"))?;
        let mut newest: HashMap<&str, (i64, i64)> = HashMap::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for row in &stored {
            let document: &str = row.get(0);
            let number: i64 = row.get(2);
            let Some((name, numbers)) = documents.get_key_value(document) else { continue };
            // Qdrant has left out what may not be seen; the file has the last word.
            if !permits(&index.groups(row.get(1))?, groups) {
                known.insert(name, numbers.len());
                continue;
            }
            let known = known.entry(name).or_default();
            if numbers.contains(&number) {
                let before = newest.insert(name, (number, row.get(3)));
                match before {
                    Some((before, _)) if before == number => {}
                    // Two versions at once: one list may have been made before the newer one answered.
                    Some(_) => outdated = true,
                    None => {}
                }
                *known += usize::from(before.is_none_or(|it| it.0 != number));
            }
        }
        outdated |= known.iter().any(|(name, known)| documents.get(name).is_some_and(|it| it.len() > *known));
        rows.extend(newest.into_iter().map(|(name, (number, row))| ((at, name.to_owned(), number), row)));
    }
    Ok((rows, outdated))
}
