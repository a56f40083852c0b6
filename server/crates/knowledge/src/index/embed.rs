//! Vectors: one for each text and model in a tenant's file, made for the records that have none, in batches that are kept as
//! they come. Whoever is interrupted goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::schema::rows_of;
use super::snapshot::bytes;
use super::stage::Staged;
use super::tenant::{Reading, TenantIndex};
use super::{BaseRef, DocumentRef, EmbedReport, Knowledge, Progress};
use crate::embedder::{EmbedError, Embedder, Purpose};
use crate::error::KnowledgeError;
use crate::notice::{Notice, notice};
use crate::parse::Record;

/// Records that are looked at together for those that have no vector.
const LOOKED_AT_ONCE: i64 = 1024;
/// While vectors are made up for, readers see them after so long.
const SHOW_EVERY: Duration = Duration::from_secs(5);
/// Vectors that are looked through in one transaction when a model is forgotten.
const FORGOTTEN_AT_ONCE: i64 = 4096;

impl Knowledge {
    /// Makes the vectors of a staged version. A text that has one of the same model, in whichever document or base of the
    /// tenant, keeps it. When the model fails, the rest is left to words and the report says why; when `stop` says so, or
    /// when this call is dropped, what was made stays, and the next call goes on from there.
    ///
    /// # Errors
    /// `DocumentGone` when nothing of this version is staged; `Index`.
    #[expect(clippy::too_many_arguments, reason = "what is embedded, and the two ways to follow and end it")]
    pub async fn embed_staged(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: &DocumentRef,
        progress: &(dyn Fn(Progress) + Send + Sync),
        stop: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<EmbedReport, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let staged = {
            let mut reading = index.begin_reading().await?;
            let key = (document.id.as_str(), document.version);
            match index.staged_version(&mut reading, &base.id, key).await? {
                Some(staged) => staged,
                // Said again after it was completed.
                None => match index.visible_version(&mut reading, &base.id, &document.id).await? {
                    Some((visible, number)) if number == i64::from(document.version) => visible,
                    Some(_) | None => {
                        return Err(KnowledgeError::DocumentGone { document: document.name.clone() });
                    }
                },
            }
        };
        match base.embedder.as_deref() {
            Some(embedder) => index.embed_versions(&[staged], embedder, progress, stop).await,
            None => Ok(EmbedReport {
                missing: usize::try_from(staged.records).unwrap_or(0),
                reason: Some(no_model().message),
                ..EmbedReport::default()
            }),
        }
    }

    /// Makes the vectors that a base's records do not have of its embedder's model, for instance after the model arrived, or
    /// before the base is moved to another one: vectors of the old model stay until [`Knowledge::forget_model`].
    /// What is done stays done when it is interrupted.
    ///
    /// # Errors
    /// `EmbeddingUnavailable` when the model cannot be used; `Index`.
    pub async fn embed_missing(
        &self,
        tenant: &str,
        base: &BaseRef,
        progress: &(dyn Fn(Progress) + Send + Sync),
        stop: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<EmbedReport, KnowledgeError> {
        let embedder = base.embedder.as_deref().ok_or_else(no_embedder)?;
        let index = self.tenant(tenant).await?;
        let found: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT bases.row, documents.row, versions.row, versions.records FROM documents
             JOIN bases ON bases.row = documents.base JOIN versions ON versions.row = documents.visible
             WHERE bases.id = $1 ORDER BY documents.row",
        )
        .bind(&base.id)
        .fetch_all(&index.readers)
        .await
        .map_err(index.failed("look for records without vectors"))?;
        let versions: Vec<Staged> = found
            .into_iter()
            .map(|(base, document, version, records)| Staged { base, document, version, records })
            .collect();
        let report = index.embed_versions(&versions, embedder, progress, stop).await?;
        if let Some(base) = versions.first()
            && index.holds_fewer_vectors(base.base, embedder.model(), report.missing)
        {
            // Another document's text brought the vector, which the segments in memory do not know of.
            let mut writing = index.begin_writing().await?;
            for version in &versions {
                index.touch_document(&mut writing, version.document).await?;
            }
            index.touch_base(&mut writing, base.base).await?;
            writing.commit().await.map_err(index.failed("mark a change"))?;
        }
        index.finder.swap(&index, base, true).await;
        match report.reason {
            Some(reason) if !report.stopped => Err(KnowledgeError::EmbeddingUnavailable {
                reason,
                hint: "what was embedded until then is kept; try again, or search with mode `lexical`".to_owned(),
            }),
            Some(_) | None => Ok(report),
        }
    }

    /// Removes a base's vectors of a model, for instance of the one that it was moved away from; answers how many were
    /// removed. What another base has embedded with that model stays.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written.
    pub async fn forget_model(&self, tenant: &str, base: &str, model: &str) -> Result<u64, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let failed = || index.failed("forget a model");
        let found: Option<(i64, i64)> =
            sqlx::query_as("SELECT bases.row, models.row FROM bases, models WHERE bases.id = $1 AND models.name = $2")
                .bind(base)
                .bind(model)
                .fetch_optional(&index.readers)
                .await
                .map_err(failed())?;
        index.finder.leave(&index, base, model).await?;
        let Some((base, model)) = found else { return Ok(0) };
        let mut removed = 0;
        let mut last = 0;
        loop {
            let mut writing = index.begin_writing().await?;
            sqlx::query("DELETE FROM base_models WHERE base = $1 AND model = $2")
                .bind(base)
                .bind(model)
                .execute(&mut *writing)
                .await
                .map_err(failed())?;
            let end: Option<i64> = sqlx::query_scalar(
                "SELECT max(row) FROM (SELECT row FROM vectors WHERE row > $1 ORDER BY row LIMIT $2)",
            )
            .bind(last)
            .bind(FORGOTTEN_AT_ONCE)
            .fetch_one(&mut *writing)
            .await
            .map_err(failed())?;
            let Some(end) = end else {
                sqlx::query("UPDATE documents SET stamp = stamp + 1 WHERE base = $1")
                    .bind(base)
                    .execute(&mut *writing)
                    .await
                    .map_err(failed())?;
                index.touch_base(&mut writing, base).await?;
                writing.commit().await.map_err(failed())?;
                return Ok(removed);
            };
            let gone = sqlx::query(
                "DELETE FROM vectors WHERE row > $1 AND row <= $2 AND model = $3 AND NOT EXISTS (
                   SELECT 1 FROM records JOIN versions ON versions.row = records.row >> 24
                   JOIN base_models ON base_models.base = versions.base AND base_models.model = $3
                   WHERE records.hash = vectors.hash)",
            )
            .bind(last)
            .bind(end)
            .bind(model)
            .execute(&mut *writing)
            .await
            .map_err(failed())?
            .rows_affected();
            writing.commit().await.map_err(failed())?;
            removed += gone;
            last = end;
        }
    }
}

pub(super) fn no_model() -> Notice {
    notice!("no_embedding_model", "no embedding model is set up")
}

pub(super) fn no_embedder() -> KnowledgeError {
    KnowledgeError::EmbeddingUnavailable {
        reason: no_model().message,
        hint: "give the knowledge base an embedding model, or search with mode `lexical`".to_owned(),
    }
}

pub(super) fn unavailable(error: EmbedError) -> KnowledgeError {
    KnowledgeError::EmbeddingUnavailable {
        hint: error.hint().unwrap_or_else(|| "search with mode `lexical`".to_owned()),
        reason: error.to_string(),
    }
}

/// What one document's turn shares with the others'.
struct Work<'a> {
    embedder: &'a dyn Embedder,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
    stop: &'a (dyn Fn() -> bool + Send + Sync),
    total: usize,
    /// Documents with vectors that readers have not seen yet.
    unseen: BTreeSet<i64>,
    shown: Instant,
    report: EmbedReport,
    done: usize,
}

impl Work<'_> {
    fn reuse(&mut self, records: usize) {
        self.report.reused += records;
        if records > 0 {
            self.advance(records);
        }
    }

    fn advance(&mut self, records: usize) {
        self.done += records;
        (self.progress)(Progress { done: self.done.min(self.total), total: self.total });
    }
}

impl TenantIndex {
    /// Makes the vectors that these versions' records do not have. A model that fails ends it, with the reason in the report.
    pub(super) async fn embed_versions(
        &self,
        versions: &[Staged],
        embedder: &dyn Embedder,
        progress: &(dyn Fn(Progress) + Send + Sync),
        stop: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<EmbedReport, KnowledgeError> {
        let total = usize::try_from(versions.iter().map(|it| it.records).sum::<i64>()).unwrap_or(0);
        let mut work = Work {
            embedder,
            progress,
            stop,
            total,
            unseen: BTreeSet::new(),
            shown: Instant::now(),
            report: EmbedReport::default(),
            done: 0,
        };
        for version in versions {
            self.use_model(version.base, embedder.model()).await?;
            let whole = self.embed_version(*version, &mut work).await?;
            if !whole {
                break;
            }
        }
        if let Some(version) = versions.first() {
            self.show(version.base, &mut work).await?;
        }
        let mut report = work.report;
        if report.reason.is_some() {
            report.missing = total.saturating_sub(work.done);
        }
        Ok(report)
    }

    /// False when it ended before the last record.
    async fn embed_version(&self, version: Staged, work: &mut Work<'_>) -> Result<bool, KnowledgeError> {
        let (first, last) = rows_of(version.version);
        let mut cursor = first - 1;
        loop {
            let looked: Vec<(i64, Vec<u8>, bool)> = sqlx::query_as(
                "SELECT row, hash, EXISTS (SELECT 1 FROM vectors JOIN models ON models.row = vectors.model
                   WHERE vectors.hash = records.hash AND models.name = $4)
                 FROM records WHERE row > $1 AND row <= $2 ORDER BY row LIMIT $3",
            )
            .bind(cursor)
            .bind(last)
            .bind(LOOKED_AT_ONCE)
            .bind(work.embedder.model())
            .fetch_all(&self.readers)
            .await
            .map_err(self.failed("look for records without vectors"))?;
            let Some((end, ..)) = looked.last() else { return Ok(true) };
            cursor = *end;
            // Of a text that stands here several times, the first record's turn is everybody's.
            let mut texts = BTreeSet::new();
            let waiting: Vec<i64> = looked
                .iter()
                .filter(|(_, hash, there)| !there && texts.insert(hash.as_slice()))
                .map(|(row, ..)| *row)
                .collect();
            let there = looked.iter().filter(|(.., there)| *there).count();
            let repeated = looked.len() - waiting.len() - there;
            work.reuse(there);
            for rows in waiting.chunks(work.embedder.batch().max(1)) {
                if (work.stop)() {
                    work.report.stopped = true;
                    work.report.reason = Some("it was stopped before all records had vectors".to_owned());
                    return Ok(false);
                }
                if let Err(reason) = self.embed_rows(version, rows, work).await? {
                    tracing::warn!(tenant.id = self.tenant, error = reason, "records are left without vectors");
                    work.report.reason = Some(reason);
                    return Ok(false);
                }
                work.advance(rows.len());
            }
            work.reuse(repeated);
        }
    }

    /// The reason if the model failed.
    async fn embed_rows(
        &self,
        version: Staged,
        rows: &[i64],
        work: &mut Work<'_>,
    ) -> Result<Result<(), String>, KnowledgeError> {
        let waiting = self.waiting_texts(rows).await?;
        let (hashes, texts): (Vec<Vec<u8>>, Vec<String>) = waiting.into_iter().unzip();
        let made = match checked(work.embedder, &texts, Purpose::Passage).await {
            Ok(made) => made,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut writing = self.begin_writing().await?;
        let vectors: Vec<(Vec<u8>, Vec<f32>)> = hashes.into_iter().zip(made).collect();
        if let Err(reason) = self.store_vectors(&mut writing, work.embedder.model(), &vectors).await? {
            return Ok(Err(reason));
        }
        writing.commit().await.map_err(self.failed("store vectors"))?;
        work.report.embedded += texts.len();
        work.unseen.insert(version.document);
        if work.shown.elapsed() >= SHOW_EVERY {
            self.show(version.base, work).await?;
        }
        Ok(Ok(()))
    }

    /// Tells readers of new vectors; those of a version that is not visible concern nobody yet.
    async fn show(&self, base: i64, work: &mut Work<'_>) -> Result<(), KnowledgeError> {
        work.shown = Instant::now();
        if work.unseen.is_empty() {
            return Ok(());
        }
        let documents: Vec<i64> = std::mem::take(&mut work.unseen).into_iter().collect();
        let mut writing = self.begin_writing().await?;
        for document in documents {
            self.touch_document(&mut writing, document).await?;
        }
        self.touch_base(&mut writing, base).await?;
        writing.commit().await.map_err(self.failed("mark a change"))
    }

    /// Each text once.
    async fn waiting_texts(&self, rows: &[i64]) -> Result<BTreeMap<Vec<u8>, String>, KnowledgeError> {
        let wanted = serde_json::to_string(rows).unwrap_or_default();
        let found =
            sqlx::query("SELECT hash, position, text FROM records WHERE row IN (SELECT value FROM json_each($1))")
                .bind(wanted)
                .fetch_all(&self.readers)
                .await
                .map_err(self.failed("read texts"))?;
        found
            .into_iter()
            .map(|row| {
                let record = Record { position: self.position(row.get(1))?, text: row.get(2), ..Record::default() };
                Ok((row.get(0), record.searched_text().into_owned()))
            })
            .collect()
    }

    /// A base and a model belong together from now on.
    async fn use_model(&self, base: i64, model: &str) -> Result<(), KnowledgeError> {
        let known: Option<i64> = sqlx::query_scalar(
            "SELECT model FROM base_models JOIN models ON models.row = model WHERE base = $1 AND name = $2",
        )
        .bind(base)
        .bind(model)
        .fetch_optional(&self.readers)
        .await
        .map_err(self.failed("look for a model"))?;
        if known.is_some() {
            return Ok(());
        }
        let mut writing = self.begin_writing().await?;
        let row = self.model_row(&mut writing, model).await?;
        sqlx::query("INSERT OR IGNORE INTO base_models (base, model) VALUES ($1, $2)")
            .bind(base)
            .bind(row)
            .execute(&mut *writing)
            .await
            .map_err(self.failed("store a model's name"))?;
        writing.commit().await.map_err(self.failed("store a model's name"))
    }

    pub(super) async fn use_model_of(&self, base: &str, model: &str) -> Result<(), KnowledgeError> {
        let row: Option<i64> = sqlx::query_scalar("SELECT row FROM bases WHERE id = $1")
            .bind(base)
            .fetch_optional(&self.readers)
            .await
            .map_err(self.failed("look for a knowledge base"))?;
        match row {
            Some(row) => self.use_model(row, model).await,
            None => Ok(()),
        }
    }

    /// Its dimensions are 0 until its first vector comes.
    async fn model_row(&self, writing: &mut Reading, model: &str) -> Result<i64, KnowledgeError> {
        sqlx::query_scalar(
            "INSERT INTO models (name, dimensions) VALUES ($1, 0)
             ON CONFLICT (name) DO UPDATE SET name = name RETURNING row",
        )
        .bind(model)
        .fetch_one(&mut **writing)
        .await
        .map_err(self.failed("store a model's name"))
    }

    /// A record that was removed in the meantime gets no vector. The reason if they do not fit those that are there.
    pub(super) async fn store_vectors(
        &self,
        writing: &mut Reading,
        model: &str,
        vectors: &[(Vec<u8>, Vec<f32>)],
    ) -> Result<Result<(), String>, KnowledgeError> {
        let failed = || self.failed("store vectors");
        let Some((_, first)) = vectors.first() else { return Ok(Ok(())) };
        let row = self.model_row(writing, model).await?;
        let dimensions = i64::try_from(first.len()).unwrap_or(i64::MAX);
        let known: i64 = sqlx::query_scalar(
            "UPDATE models SET dimensions = CASE dimensions WHEN 0 THEN $2 ELSE dimensions END WHERE row = $1
             RETURNING dimensions",
        )
        .bind(row)
        .bind(dimensions)
        .fetch_one(&mut **writing)
        .await
        .map_err(failed())?;
        if known != dimensions {
            return Ok(Err(format!(
                "`{model}` gave vectors of {dimensions} dimensions, and those that are stored have {known}"
            )));
        }
        for part in vectors.chunks(64) {
            let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new("WITH made (hash, vector) AS (");
            insert.push_values(part, |mut row, (hash, vector)| {
                row.push_bind(hash.as_slice()).push_bind(bytes(vector));
            });
            insert.push(") INSERT INTO vectors (hash, model, vector) SELECT hash, ");
            insert.push_bind(row);
            insert.push(
                ", vector FROM made WHERE EXISTS (SELECT 1 FROM records WHERE records.hash = made.hash)
                 ON CONFLICT (hash, model) DO NOTHING",
            );
            insert.build().persistent(part.len() == 64).execute(&mut **writing).await.map_err(failed())?;
        }
        Ok(Ok(()))
    }

    pub(super) async fn records_without_vector(
        &self,
        reading: &mut Reading,
        version: i64,
        model: &str,
    ) -> Result<usize, KnowledgeError> {
        let (first, last) = rows_of(version);
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM records WHERE row BETWEEN $1 AND $2 AND NOT EXISTS (
               SELECT 1 FROM vectors JOIN models ON models.row = vectors.model
               WHERE vectors.hash = records.hash AND models.name = $3)",
        )
        .bind(first)
        .bind(last)
        .bind(model)
        .fetch_one(&mut **reading)
        .await
        .map_err(self.failed("count records without vectors"))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

/// Vectors for all texts, which can be compared: as many as texts, equally long, and numbers.
pub(super) async fn checked(
    embedder: &dyn Embedder,
    texts: &[String],
    purpose: Purpose,
) -> Result<Vec<Vec<f32>>, EmbedError> {
    let failed = |reason: String| Err(EmbedError::Failed { reason });
    let made = embedder.embed(texts, purpose).await?;
    if made.len() != texts.len() {
        return failed(format!("it gave {} vectors for {} texts", made.len(), texts.len()));
    }
    let dimensions = made.first().map_or(0, Vec::len);
    if !texts.is_empty() && dimensions == 0 {
        return failed("it gave an empty vector".to_owned());
    }
    if made.iter().any(|it| it.len() != dimensions) {
        return failed("its vectors are not equally long".to_owned());
    }
    if made.iter().flatten().any(|it| !it.is_finite()) {
        return failed("a vector has members that are no numbers".to_owned());
    }
    Ok(made)
}
