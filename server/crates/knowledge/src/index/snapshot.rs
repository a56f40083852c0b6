//! What is held in memory of a base: for each document a segment with its filterable columns and its vectors as bytes.
//! Segments never change; a write makes the changed document's segment anew and leaves all others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::Instant;

use futures::TryStreamExt as _;
use serde_json::Value;
use sqlx::Row as _;

use super::BaseRef;
use super::scan::Codes;
use super::tenant::{Reading, TenantIndex};
use crate::embedder::Embedder;
use crate::error::KnowledgeError;
use crate::filter::{ColumnBuilder, Columns, Filter};
use crate::spec::FieldKind;

/// A base that nobody searches gives its memory back after so long.
const IDLE_SECONDS: u64 = 1800;
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(super) struct Snapshot {
    generation: i64,
    /// The base's row in its tenant's file, which names its table of words.
    pub(super) base: i64,
    fields: Vec<(String, FieldKind)>,
    model: Option<String>,
    /// In the order of the documents' rows.
    pub(super) segments: Vec<Arc<Segment>>,
    /// Seconds since the process began; written by every use.
    used: AtomicU64,
}

pub(super) struct Segment {
    pub(super) document: i64,
    stamp: i64,
    /// Ascending, in the order of the ordinals.
    pub(super) rows: Vec<i64>,
    pub(super) columns: Columns,
    pub(super) codes: Codes,
    /// Records without a vector, and the models of vectors that are not the current model's.
    pub(super) without_vector: usize,
    pub(super) other_models: Vec<(String, usize)>,
}

/// A record's place in a listing.
pub(super) struct Place {
    pub(super) row: i64,
    pub(super) document: i64,
    pub(super) ordinal: u32,
}

impl Snapshot {
    pub(super) fn records(&self) -> usize {
        self.segments.iter().map(|it| it.rows.len()).sum()
    }

    /// Which records of which segment pass; none where all do.
    pub(super) fn mask(&self, filter: &Filter) -> Option<Vec<Vec<bool>>> {
        (!filter.is_empty()).then(|| self.segments.iter().map(|it| filter.evaluate(&it.columns)).collect())
    }

    pub(super) fn passing(&self, filter: &Filter, after: Option<(i64, u32)>, limit: usize) -> Vec<Place> {
        let mut places = Vec::new();
        for segment in &self.segments {
            if after.is_some_and(|(document, _)| segment.document < document) {
                continue;
            }
            let passed = filter.evaluate(&segment.columns);
            for (ordinal, (row, passes)) in segment.rows.iter().zip(passed).enumerate() {
                let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
                if !passes || after.is_some_and(|it| (segment.document, ordinal) <= it) {
                    continue;
                }
                places.push(Place { row: *row, document: segment.document, ordinal });
                if places.len() == limit {
                    return places;
                }
            }
        }
        places
    }

    fn touch(&self) {
        self.used.store(START.elapsed().as_secs(), Ordering::Relaxed);
    }
}

impl TenantIndex {
    /// The base as this transaction sees it; none when nothing was ever put into it.
    pub(super) async fn snapshot(
        &self,
        reading: &mut Reading,
        base: &BaseRef,
        embedder: Option<&dyn Embedder>,
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
        let model = embedder.map(|it| it.model().to_owned());
        let held = {
            let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
            let now = START.elapsed().as_secs();
            snapshots.retain(|_, it| now.saturating_sub(it.used.load(Ordering::Relaxed)) < IDLE_SECONDS);
            snapshots.get(&base.id).filter(|it| it.fields == fields && it.model == model && it.base == row).cloned()
        };
        if let Some(held) = &held
            && held.generation == generation
        {
            held.touch();
            return Ok(Some(held.clone()));
        }
        let documents: Vec<(i64, i64)> =
            sqlx::query_as("SELECT row, stamp FROM documents WHERE base = $1 ORDER BY row")
                .bind(row)
                .fetch_all(&mut **reading)
                .await
                .map_err(failed())?;
        let mut segments = Vec::with_capacity(documents.len());
        for (document, stamp) in documents {
            let kept = held.as_ref().and_then(|it| {
                let at = it.segments.binary_search_by_key(&document, |it| it.document).ok()?;
                it.segments.get(at).filter(|it| it.stamp == stamp).cloned()
            });
            segments.push(match kept {
                Some(segment) => segment,
                None => Arc::new(self.load_segment(reading, (document, stamp), &fields, embedder).await?),
            });
        }
        let fresh = Arc::new(Snapshot { generation, base: row, fields, model, segments, used: AtomicU64::new(0) });
        fresh.touch();
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        // Another reader may have seen a later state already; the newest one stays.
        let newer = snapshots.get(&base.id).is_some_and(|it| it.base == row && it.generation > generation);
        if !newer {
            snapshots.insert(base.id.clone(), fresh.clone());
        }
        Ok(Some(fresh))
    }

    async fn load_segment(
        &self,
        reading: &mut Reading,
        (document, stamp): (i64, i64),
        fields: &[(String, FieldKind)],
        embedder: Option<&dyn Embedder>,
    ) -> Result<Segment, KnowledgeError> {
        let model = embedder.map(|it| (it.model().to_owned(), it.dimensions()));
        let mut builders: Vec<ColumnBuilder> = fields.iter().map(|(_, kind)| ColumnBuilder::new(*kind)).collect();
        let mut segment = Segment {
            document,
            stamp,
            rows: Vec::new(),
            columns: Columns::default(),
            codes: Codes::new(model.as_ref().map_or(0, |(_, dimensions)| *dimensions)),
            without_vector: 0,
            other_models: Vec::new(),
        };
        {
            let mut rows = sqlx::query(
                "SELECT records.row, records.fields, models.name, vectors.vector FROM records
                 LEFT JOIN vectors ON vectors.record = records.row LEFT JOIN models ON models.row = vectors.model
                 WHERE records.document = $1 ORDER BY records.ordinal",
            )
            .bind(document)
            .fetch(&mut **reading);
            while let Some(row) = rows.try_next().await.map_err(self.failed("load a document"))? {
                segment.rows.push(row.get(0));
                if !fields.is_empty() {
                    let stored: &str = row.get(1);
                    let values: Value = Value::Object(self.fields(stored)?);
                    for ((name, _), builder) in fields.iter().zip(&mut builders) {
                        builder.push(values.get(name));
                    }
                }
                let of: Option<&str> = row.get(2);
                match (of, &model) {
                    (Some(of), Some((name, dimensions))) if of == name => {
                        let vector = floats(row.get::<&[u8], _>(3));
                        if vector.len() != *dimensions {
                            return Err(KnowledgeError::Damaged {
                                tenant: self.tenant.clone(),
                                message: format!("a vector has {} dimensions, not {dimensions}", vector.len()),
                            });
                        }
                        segment.codes.push(Some(&vector));
                    }
                    (Some(of), _) => {
                        segment.codes.push(None);
                        match segment.other_models.iter_mut().find(|(it, _)| it == of) {
                            Some((_, count)) => *count += 1,
                            None => segment.other_models.push((of.to_owned(), 1)),
                        }
                    }
                    (None, _) => {
                        segment.codes.push(None);
                        segment.without_vector += 1;
                    }
                }
            }
        }
        let named = fields.iter().zip(builders).map(|((name, _), it)| (name.clone(), it.finish())).collect();
        segment.columns = Columns { rows: segment.rows.len(), named };
        Ok(segment)
    }
}

pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|it| it.try_into().map_or(0.0, f32::from_le_bytes)).collect()
}

pub(super) fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|it| it.to_le_bytes()).collect()
}
