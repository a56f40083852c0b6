//! What is held in memory of a base: for each document a segment with its filterable columns, its words, and its vectors as
//! bytes.
//! Segments never change; a write makes the changed document's segment anew and leaves all others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::Instant;

use futures::TryStreamExt as _;
use serde_json::Value;
use sqlx::Row as _;

use super::BaseRef;
use super::postings::{Postings, PostingsBuilder};
use super::scan::Codes;
use super::schema::{ordinal_of, row_of, rows_of};
use super::tenant::{Reading, TenantIndex};
use super::types::permits;
use crate::error::KnowledgeError;
use crate::filter::{ColumnBuilder, Columns, Filter};
use crate::spec::FieldKind;

/// A base that nobody searches gives its memory back after so long.
const IDLE_SECONDS: u64 = 1800;
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(super) struct Snapshot {
    generation: i64,
    /// The base's row in its tenant's file.
    base: i64,
    fields: Vec<(String, FieldKind)>,
    model: Option<Model>,
    /// In the order of the documents' rows.
    documents: Vec<Shown>,
    /// Seconds since the process began; written by every use.
    used: AtomicU64,
}

/// A document that answers, and who may find it.
struct Shown {
    groups: Vec<String>,
    segment: Arc<Segment>,
}

/// The model whose vectors are held.
#[derive(Clone, PartialEq, Eq)]
struct Model {
    name: String,
    /// Its row, and how long its vectors are; none before its first vector.
    stored: Option<(i64, usize)>,
}

pub(super) struct Segment {
    pub(super) document: i64,
    stamp: i64,
    pub(super) version: i64,
    /// Ascending.
    ordinals: Vec<u32>,
    pub(super) columns: Columns,
    pub(super) postings: Postings,
    pub(super) codes: Codes,
    /// Records without a vector of any model, and the models of vectors that are not the current model's.
    pub(super) without_vector: usize,
    pub(super) other_models: Vec<(String, usize)>,
}

impl Segment {
    pub(super) fn records(&self) -> usize {
        self.ordinals.len()
    }

    pub(super) fn row(&self, place: usize) -> Option<i64> {
        self.ordinals.get(place).map(|it| row_of(self.version, *it))
    }

    pub(super) fn embedded(&self) -> usize {
        self.records().saturating_sub(self.unembedded())
    }

    fn unembedded(&self) -> usize {
        self.without_vector + self.other_models.iter().map(|(_, count)| count).sum::<usize>()
    }
}

/// A record's place in a listing.
pub(super) struct Place {
    pub(super) row: i64,
    pub(super) document: i64,
    pub(super) ordinal: u32,
}

/// What of a base is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Its fields only: whatever vectors are in memory stay there.
    Columns,
    /// Its fields, and the vectors of its model.
    Vectors,
}

impl Snapshot {
    pub(super) fn records(&self) -> usize {
        self.documents.iter().map(|it| it.segment.records()).sum()
    }

    /// How long the vectors of its model are; none where it has none.
    pub(super) fn dimensions(&self) -> Option<usize> {
        self.model.as_ref()?.stored.map(|(_, dimensions)| dimensions)
    }

    /// The row of its model; none before its first vector.
    pub(super) fn model_row(&self) -> Option<i64> {
        self.model.as_ref()?.stored.map(|(row, _)| row)
    }

    /// What somebody in these groups may see.
    pub(super) fn segments(&self, asking: Option<&[String]>) -> Vec<Arc<Segment>> {
        self.documents.iter().filter(|it| permits(&it.groups, asking)).map(|it| it.segment.clone()).collect()
    }

    pub(super) fn touch(&self) {
        self.used.store(START.elapsed().as_secs(), Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        START.elapsed().as_secs().saturating_sub(self.used.load(Ordering::Relaxed)) >= IDLE_SECONDS
    }
}

/// The records that pass, behind a place and at most so many.
pub(super) fn passing(
    segments: &[Arc<Segment>],
    filter: &Filter,
    after: Option<(i64, u32)>,
    limit: usize,
) -> Vec<Place> {
    let mut places = Vec::new();
    for segment in segments {
        if after.is_some_and(|(document, _)| segment.document < document) {
            continue;
        }
        let passed = filter.evaluate(&segment.columns);
        for (ordinal, passes) in segment.ordinals.iter().zip(passed) {
            if !passes || after.is_some_and(|it| (segment.document, *ordinal) <= it) {
                continue;
            }
            let row = row_of(segment.version, *ordinal);
            places.push(Place { row, document: segment.document, ordinal: *ordinal });
            if places.len() == limit {
                return places;
            }
        }
    }
    places
}

impl TenantIndex {
    /// Gives back the memory of bases that nobody searches.
    pub(super) fn drop_idle_snapshots(&self) {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, it| !it.is_idle());
    }

    /// Whether what is in memory of a base lacks more vectors of a model than the file does.
    pub(super) fn holds_fewer_vectors(&self, base: i64, model: &str, missing: usize) -> bool {
        let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.values().any(|it| {
            it.base == base
                && it.model.as_ref().is_some_and(|it| it.name == model)
                && it.documents.iter().map(|it| it.segment.unembedded()).sum::<usize>() > missing
        })
    }

    /// The base as this transaction sees it; none when nothing was ever put into it.
    pub(super) async fn snapshot(
        &self,
        reading: &mut Reading,
        base: &BaseRef,
        what: Held,
    ) -> Result<Option<Arc<Snapshot>>, KnowledgeError> {
        let failed = || self.failed("read a knowledge base");
        let found: Option<(i64, i64)> = sqlx::query_as("SELECT row, generation FROM bases WHERE id = $1")
            .bind(&base.id)
            .fetch_optional(&mut **reading)
            .await
            .map_err(failed())?;
        let Some((row, generation)) = found else { return Ok(None) };
        let fields: Vec<(String, FieldKind)> =
            base.spec.fields.iter().filter(|it| it.filter).map(|it| (it.name.clone(), it.kind)).collect();
        let held = {
            let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
            snapshots.retain(|_, it| !it.is_idle());
            snapshots.get(&base.id).filter(|it| it.fields == fields && it.base == row).cloned()
        };
        let name = match (what, &held) {
            (Held::Columns, Some(held)) => held.model.as_ref().map(|it| it.name.clone()),
            // Where Qdrant searches, nobody looks at vectors here.
            (Held::Columns, None) if self.finder.is_elsewhere() => None,
            (Held::Columns, None) | (Held::Vectors, _) => base.model().map(str::to_owned),
        };
        let same_model = |it: &Snapshot| it.model.as_ref().map(|it| &it.name) == name.as_ref();
        if let Some(held) = held.as_ref().filter(|it| it.generation == generation && same_model(it)) {
            held.touch();
            return Ok(Some(held.clone()));
        }
        let model = match name {
            None => None,
            Some(name) => {
                let stored: Option<(i64, i64)> =
                    sqlx::query_as("SELECT row, dimensions FROM models WHERE name = $1 AND dimensions > 0")
                        .bind(&name)
                        .fetch_optional(&mut **reading)
                        .await
                        .map_err(failed())?;
                let stored = stored.map(|(row, dimensions)| (row, usize::try_from(dimensions).unwrap_or(0)));
                Some(Model { name, stored })
            }
        };
        let held = held.filter(|it| it.model == model);
        let fresh = self.assemble(reading, (row, generation), (fields, model), held.as_deref()).await?;
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        // Another reader may have seen a later state already; the newest one stays.
        let newer = snapshots.get(&base.id).is_some_and(|it| it.base == row && it.generation > generation);
        if !newer {
            snapshots.insert(base.id.clone(), fresh.clone());
        }
        Ok(Some(fresh))
    }

    /// With the segments that are held already and have not changed.
    async fn assemble(
        &self,
        reading: &mut Reading,
        (base, generation): (i64, i64),
        (fields, model): (Vec<(String, FieldKind)>, Option<Model>),
        held: Option<&Snapshot>,
    ) -> Result<Arc<Snapshot>, KnowledgeError> {
        let failed = || self.failed("read a knowledge base");
        let found: Vec<(i64, i64, i64, String)> = sqlx::query_as(
            "SELECT row, stamp, visible, groups FROM documents WHERE base = $1 AND visible IS NOT NULL ORDER BY row",
        )
        .bind(base)
        .fetch_all(&mut **reading)
        .await
        .map_err(failed())?;
        let mut documents = Vec::with_capacity(found.len());
        for (document, stamp, version, groups) in found {
            let kept = held.and_then(|it| {
                let at = it.documents.binary_search_by_key(&document, |it| it.segment.document).ok()?;
                it.documents.get(at).map(|it| &it.segment).filter(|it| it.stamp == stamp).cloned()
            });
            let segment = match kept {
                Some(segment) => segment,
                None => {
                    Arc::new(self.load_segment(reading, (document, stamp, version), &fields, model.as_ref()).await?)
                }
            };
            documents.push(Shown { groups: self.groups(&groups)?, segment });
        }
        let fresh = Snapshot { generation, base, fields, model, documents, used: AtomicU64::new(0) };
        fresh.touch();
        Ok(Arc::new(fresh))
    }

    async fn load_segment(
        &self,
        reading: &mut Reading,
        (document, stamp, version): (i64, i64, i64),
        fields: &[(String, FieldKind)],
        model: Option<&Model>,
    ) -> Result<Segment, KnowledgeError> {
        let failed = || self.failed("load a document");
        let records: i64 = sqlx::query_scalar("SELECT records FROM versions WHERE row = $1")
            .bind(version)
            .fetch_one(&mut **reading)
            .await
            .map_err(failed())?;
        let records = usize::try_from(records).unwrap_or(0);
        let (model_row, dimensions) = model.and_then(|it| it.stored).unwrap_or((0, 0));
        let mut builders: Vec<ColumnBuilder> = fields.iter().map(|(_, kind)| ColumnBuilder::new(*kind)).collect();
        // What is held for a long time takes the memory that it needs and no more.
        let mut ordinals = Vec::with_capacity(records);
        // Where Qdrant searches, only fields are looked at here.
        let is_searched = !self.finder.is_elsewhere();
        let mut postings = PostingsBuilder::new(if is_searched { records } else { 0 });
        let mut codes = Codes::new(dimensions, records);
        let mut missing = 0;
        let (first, last) = rows_of(version);
        {
            let mut rows = sqlx::query(
                "SELECT records.row, vectors.vector, records.terms, CASE WHEN $4 THEN records.fields ELSE '' END FROM records
                 LEFT JOIN vectors ON vectors.hash = records.hash AND vectors.model = $3
                 WHERE records.row BETWEEN $1 AND $2 ORDER BY records.row",
            )
            .bind(first)
            .bind(last)
            .bind(model_row)
            .bind(!fields.is_empty())
            .fetch(&mut **reading);
            while let Some(row) = rows.try_next().await.map_err(failed())? {
                ordinals.push(ordinal_of(row.get(0)));
                if !fields.is_empty() {
                    let values: Value = Value::Object(self.fields(row.get(3))?);
                    for ((name, _), builder) in fields.iter().zip(&mut builders) {
                        builder.push(values.get(name));
                    }
                }
                let vector = row.get::<Option<&[u8]>, _>(1).map(floats);
                if vector.as_ref().is_some_and(|it| it.len() != dimensions) {
                    return Err(self.damaged(format!("a vector does not have {dimensions} dimensions")));
                }
                if is_searched && !postings.push(row.get::<&[u8], _>(2)) {
                    return Err(self.damaged("a record's words cannot be read".to_owned()));
                }
                missing += usize::from(vector.is_none());
                codes.push(vector.as_deref());
            }
        }
        let other_models = if is_searched && missing > 0 {
            self.other_models(reading, (first, last), model_row).await?
        } else {
            Vec::new()
        };
        let others: usize = other_models.iter().map(|(_, count)| count).sum();
        let named = fields.iter().zip(builders).map(|((name, _), it)| (name.clone(), it.finish())).collect();
        Ok(Segment {
            document,
            stamp,
            version,
            postings: postings
                .finish()
                .ok_or_else(|| self.damaged("a document has more words than are searched".to_owned()))?,
            columns: Columns { rows: ordinals.len(), named },
            ordinals,
            codes,
            without_vector: missing.saturating_sub(others),
            other_models,
        })
    }

    /// How many records have no vector of this model, but one of another, by its name.
    pub(super) async fn other_models(
        &self,
        reading: &mut Reading,
        (first, last): (i64, i64),
        model: i64,
    ) -> Result<Vec<(String, usize)>, KnowledgeError> {
        let found: Vec<(String, i64)> = sqlx::query_as(
            "SELECT models.name, count(*) FROM (
               SELECT (SELECT max(model) FROM vectors WHERE vectors.hash = records.hash) AS other FROM records
               WHERE row BETWEEN $1 AND $2 AND NOT EXISTS (
                 SELECT 1 FROM vectors WHERE vectors.hash = records.hash AND vectors.model = $3))
             JOIN models ON models.row = other GROUP BY models.name ORDER BY models.name",
        )
        .bind(first)
        .bind(last)
        .bind(model)
        .fetch_all(&mut **reading)
        .await
        .map_err(self.failed("count vectors of other models"))?;
        Ok(found.into_iter().map(|(name, count)| (name, usize::try_from(count).unwrap_or(0))).collect())
    }
}

pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|it| it.try_into().map_or(0.0, f32::from_le_bytes)).collect()
}

pub(super) fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|it| it.to_le_bytes()).collect()
}
