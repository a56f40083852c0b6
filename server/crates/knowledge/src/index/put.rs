//! Writing: a document's new version in one transaction, and the vectors that could not be made when it came.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row as _};

use super::snapshot::{bytes, floats};
use super::tenant::{Reading, TenantIndex};
use super::{BaseRef, DocumentIn, Knowledge, Progress, PutReport};
use crate::embedder::{EmbedError, Embedder, Purpose};
use crate::error::KnowledgeError;
use crate::lexical::{stored, terms_of_text};
use crate::parse::Record;

/// Texts for the embedder at a time: enough to fill its batches, few enough to tell progress.
const EMBED_BATCH: usize = 64;
/// While vectors are made up for, readers see them after so many.
const SHOW_EVERY: usize = 2048;

impl Knowledge {
    /// Puts a complete version of a document into a base, in place of the one that is there. Texts that were embedded
    /// before keep their vectors. Without an embedder, or when it fails, the records are stored all the same and found by
    /// words; the report says why.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written: then the old version is untouched.
    pub async fn put_document(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: DocumentIn,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<PutReport, KnowledgeError> {
        self.put(tenant, base, document, Some(progress)).await
    }

    /// The same without waiting for vectors: the records are found by words at once, and by meaning after
    /// [`Knowledge::embed_missing`]. A server that starts with a project answers while its knowledge is being embedded.
    ///
    /// # Errors
    /// As [`Knowledge::put_document`].
    pub async fn put_document_by_words(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: DocumentIn,
    ) -> Result<PutReport, KnowledgeError> {
        self.put(tenant, base, document, None).await
    }

    /// With vectors if there is somebody to tell of their progress.
    async fn put(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: DocumentIn,
        progress: Option<&(dyn Fn(Progress) + Send + Sync)>,
    ) -> Result<PutReport, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let embedder = self.inner.embedder.as_deref();
        let without = || vec![None; document.records.len()];
        let (vectors, reason) = match (embedder, progress) {
            (None, _) => (without(), Some("no embedding model is set up".to_owned())),
            (Some(_), None) => (without(), Some("waiting to be embedded; found by words until then".to_owned())),
            (Some(embedder), Some(progress)) => index.vectors_for(&base.id, &document, embedder, progress).await?,
        };
        let embedded = vectors.iter().all(Option::is_some);
        let DocumentIn { id, name, version, records } = document;
        let records = Arc::new(records);
        let words = words_of(records.clone()).await?;
        let mut writing = index.begin_writing().await?;
        let place = index.replace_document(&mut writing, &base.id, (&id, &name, version)).await?;
        let model = match embedder {
            Some(embedder) if vectors.iter().any(Option::is_some) => {
                Some(index.model_row(&mut writing, embedder.model()).await?)
            }
            Some(_) | None => None,
        };
        for ((record, words), vector) in records.iter().zip(&words).zip(&vectors) {
            let row = index.insert_record(&mut writing, place, record, words).await?;
            if let (Some(model), Some(vector)) = (model, vector) {
                index.insert_vector(&mut writing, row, model, vector).await?;
            }
        }
        index.touch_base(&mut writing, place.base).await?;
        writing.commit().await.map_err(index.failed("store a document"))?;
        Ok(PutReport { records: records.len(), embedded, reason })
    }

    /// Makes the vectors that are missing or of another model, for instance after the model arrived; answers how many.
    /// What is done stays done when it is interrupted.
    ///
    /// # Errors
    /// `EmbeddingUnavailable` when the model cannot be used; `Index`.
    pub async fn embed_missing(
        &self,
        tenant: &str,
        base: &BaseRef,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<usize, KnowledgeError> {
        let embedder = self.inner.embedder.as_deref().ok_or_else(no_embedder)?;
        let index = self.tenant(tenant).await?;
        let waiting = index.without_vector(&base.id, embedder.model()).await?;
        let total = waiting.len();
        let mut done = 0;
        let mut unseen = 0;
        for batch in waiting.chunks(EMBED_BATCH) {
            let texts = index.texts(batch).await?;
            let passages: Vec<String> = texts.iter().map(|(_, text)| text.clone()).collect();
            let vectors = embedder.embed(&passages, Purpose::Passage).await.map_err(unavailable)?;
            let mut writing = index.begin_writing().await?;
            let model = index.model_row(&mut writing, embedder.model()).await?;
            for ((row, _), vector) in texts.iter().zip(&vectors) {
                index.insert_vector(&mut writing, *row, model, vector).await?;
            }
            done += batch.len();
            unseen += batch.len();
            if unseen >= SHOW_EVERY || done == total {
                unseen = 0;
                index.touch_documents(&mut writing, &base.id).await?;
            }
            writing.commit().await.map_err(index.failed("store vectors"))?;
            progress(Progress { done, total });
        }
        Ok(done)
    }
}

pub(super) fn no_embedder() -> KnowledgeError {
    KnowledgeError::EmbeddingUnavailable {
        reason: "no embedding model is set up".to_owned(),
        hint: "start the server with its embedding model, or search with mode `lexical`".to_owned(),
    }
}

pub(super) fn unavailable(error: EmbedError) -> KnowledgeError {
    KnowledgeError::EmbeddingUnavailable {
        hint: error.hint().unwrap_or_else(|| "search with mode `lexical`".to_owned()),
        reason: error.to_string(),
    }
}

/// Rows of the base and of the document that is being written.
#[derive(Clone, Copy)]
struct Place {
    base: i64,
    document: i64,
}

struct Words {
    words: String,
    characters: String,
}

/// Cutting Chinese into words is work for a thread of its own.
async fn words_of(records: Arc<Vec<Record>>) -> Result<Vec<Words>, KnowledgeError> {
    tokio::task::spawn_blocking(move || {
        records
            .iter()
            .map(|it| {
                let terms = terms_of_text(&it.text);
                Words { words: stored(&terms.words), characters: stored(&terms.characters) }
            })
            .collect()
    })
    .await
    .map_err(|source| KnowledgeError::Worker { operation: "cutting texts into words", source })
}

impl TenantIndex {
    /// A vector for each record, or none with the reason. Nothing is embedded twice.
    async fn vectors_for(
        &self,
        base: &str,
        document: &DocumentIn,
        embedder: &dyn Embedder,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(Vec<Option<Vec<f32>>>, Option<String>), KnowledgeError> {
        let known = self.known_vectors(base, &document.id, embedder.model()).await?;
        let mut vectors: Vec<Option<Vec<f32>>> =
            document.records.iter().map(|it| known.get(&it.text).cloned()).collect();
        let total = vectors.len();
        let waiting: Vec<usize> = vectors.iter().enumerate().filter(|(_, it)| it.is_none()).map(|(at, _)| at).collect();
        let mut done = total - waiting.len();
        for batch in waiting.chunks(EMBED_BATCH) {
            let texts: Vec<String> =
                batch.iter().filter_map(|at| document.records.get(*at)).map(|it| it.text.clone()).collect();
            match embedder.embed(&texts, Purpose::Passage).await {
                Ok(made) => {
                    for (at, vector) in batch.iter().zip(made) {
                        if let Some(slot) = vectors.get_mut(*at) {
                            *slot = Some(vector);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(tenant.id = self.tenant, document.id = document.id, error = %error, "a document is stored without all of its vectors");
                    return Ok((vectors, Some(error.to_string())));
                }
            }
            done += batch.len();
            progress(Progress { done, total });
        }
        Ok((vectors, None))
    }

    async fn known_vectors(
        &self,
        base: &str,
        document: &str,
        model: &str,
    ) -> Result<HashMap<String, Vec<f32>>, KnowledgeError> {
        let rows = sqlx::query(
            "SELECT records.text, vectors.vector FROM vectors JOIN records ON records.row = vectors.record
             JOIN models ON models.row = vectors.model JOIN documents ON documents.row = records.document
             JOIN bases ON bases.row = documents.base
             WHERE bases.id = $1 AND documents.id = $2 AND models.name = $3",
        )
        .bind(base)
        .bind(document)
        .bind(model)
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read vectors"))?;
        Ok(rows.into_iter().map(|row| (row.get(0), floats(row.get::<&[u8], _>(1)))).collect())
    }

    /// Makes room for the new version: base and document are there afterwards, its old records are not.
    async fn replace_document(
        &self,
        writing: &mut Reading,
        base: &str,
        (id, name, version): (&str, &str, u32),
    ) -> Result<Place, KnowledgeError> {
        let failed = || self.failed("replace a document");
        let base: i64 = sqlx::query_scalar(
            "INSERT INTO bases (id, generation) VALUES ($1, 0) ON CONFLICT (id) DO UPDATE SET id = id RETURNING row",
        )
        .bind(base)
        .fetch_one(&mut **writing)
        .await
        .map_err(failed())?;
        // Nothing but the words' places is stored here: `content=''` keeps no second copy of the texts.
        sqlx::query(AssertSqlSafe(format!(
            "CREATE VIRTUAL TABLE IF NOT EXISTS words_{base}
             USING fts5(words, characters, content='', contentless_delete=1, tokenize='ascii')"
        )))
        .execute(&mut **writing)
        .await
        .map_err(failed())?;
        let document: i64 = sqlx::query_scalar(
            "INSERT INTO documents (base, id, name, version, stamp) VALUES ($1, $2, $3, $4, 0)
             ON CONFLICT (base, id) DO UPDATE SET name = $3, version = $4, stamp = stamp + 1 RETURNING row",
        )
        .bind(base)
        .bind(id)
        .bind(name)
        .bind(i64::from(version))
        .fetch_one(&mut **writing)
        .await
        .map_err(failed())?;
        self.delete_records(writing, base, document).await?;
        Ok(Place { base, document })
    }

    async fn insert_record(
        &self,
        writing: &mut Reading,
        place: Place,
        record: &Record,
        words: &Words,
    ) -> Result<i64, KnowledgeError> {
        let failed = || self.failed("store a record");
        let fields = serde_json::to_string(&record.fields).unwrap_or_else(|_| "{}".to_owned());
        let row = sqlx::query("INSERT INTO records (document, ordinal, text, fields) VALUES ($1, $2, $3, $4)")
            .bind(place.document)
            .bind(i64::from(record.ordinal))
            .bind(&record.text)
            .bind(fields)
            .execute(&mut **writing)
            .await
            .map_err(failed())?
            .last_insert_rowid();
        let insert = format!("INSERT INTO words_{} (rowid, words, characters) VALUES ($1, $2, $3)", place.base);
        sqlx::query(AssertSqlSafe(insert))
            .bind(row)
            .bind(&words.words)
            .bind(&words.characters)
            .execute(&mut **writing)
            .await
            .map_err(failed())?;
        Ok(row)
    }

    /// A record that was replaced in the meantime gets no vector.
    async fn insert_vector(
        &self,
        writing: &mut Reading,
        record: i64,
        model: i64,
        vector: &[f32],
    ) -> Result<(), KnowledgeError> {
        sqlx::query(
            "INSERT INTO vectors (record, model, vector) SELECT row, $2, $3 FROM records WHERE row = $1
             ON CONFLICT (record) DO UPDATE SET model = excluded.model, vector = excluded.vector",
        )
        .bind(record)
        .bind(model)
        .bind(bytes(vector))
        .execute(&mut **writing)
        .await
        .map_err(self.failed("store a vector"))?;
        Ok(())
    }

    async fn model_row(&self, writing: &mut Reading, model: &str) -> Result<i64, KnowledgeError> {
        sqlx::query_scalar(
            "INSERT INTO models (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = name RETURNING row",
        )
        .bind(model)
        .fetch_one(&mut **writing)
        .await
        .map_err(self.failed("store a model's name"))
    }

    async fn without_vector(&self, base: &str, model: &str) -> Result<Vec<i64>, KnowledgeError> {
        sqlx::query_scalar(
            "SELECT records.row FROM records JOIN documents ON documents.row = records.document
             JOIN bases ON bases.row = documents.base LEFT JOIN vectors ON vectors.record = records.row
             LEFT JOIN models ON models.row = vectors.model
             WHERE bases.id = $1 AND (models.name IS NULL OR models.name <> $2) ORDER BY records.row",
        )
        .bind(base)
        .bind(model)
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("look for records without vectors"))
    }

    async fn texts(&self, rows: &[i64]) -> Result<Vec<(i64, String)>, KnowledgeError> {
        let wanted = serde_json::to_string(rows).unwrap_or_default();
        sqlx::query_as("SELECT row, text FROM records WHERE row IN (SELECT value FROM json_each($1)) ORDER BY row")
            .bind(wanted)
            .fetch_all(&self.readers)
            .await
            .map_err(self.failed("read texts"))
    }

    async fn touch_documents(&self, writing: &mut Reading, base: &str) -> Result<(), KnowledgeError> {
        for statement in [
            "UPDATE documents SET stamp = stamp + 1 WHERE base = (SELECT row FROM bases WHERE id = $1)",
            "UPDATE bases SET generation = generation + 1 WHERE id = $1",
        ] {
            sqlx::query(statement).bind(base).execute(&mut **writing).await.map_err(self.failed("mark a change"))?;
        }
        Ok(())
    }
}
