//! How records get into the tables and out of them, below the question whose they are: in batches, so that a statement
//! costs little for each, and so that nobody waits long for the file.

use std::error::Error;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

use super::postings::encode;
use super::schema::{State, hash_of, row_of, rows_of};
use super::tenant::{Reading, TenantIndex};
use crate::error::KnowledgeError;
use crate::lexical::{Names, terms_of_text};
use crate::parse::{Position, Record};

/// Rows of one statement.
const ROWS_AT_ONCE: usize = 128;
/// So many dead records go within the transaction that makes them dead. More go afterwards, in parts of this size.
const PURGED_AT_ONCE: i64 = 4096;

/// Dead versions, but for those that Qdrant still finds because it was not told of the one that followed.
const NOT_READ: &str = "versions WHERE state = $1 AND NOT EXISTS (
     SELECT 1 FROM told_versions AS told JOIN documents ON documents.row = versions.document
     WHERE told.version = versions.row AND told.live AND NOT EXISTS (
       SELECT 1 FROM told_versions AS newer WHERE newer.version = documents.visible AND newer.live))";

/// A record as the tables have it.
pub(super) struct NewRecord {
    pub(super) ordinal: u32,
    pub(super) hash: Vec<u8>,
    fields: String,
    position: Option<String>,
    answer: Option<String>,
    terms: Vec<u8>,
    text: String,
}

impl NewRecord {
    pub(super) fn new(record: &Record, names: &Names) -> NewRecord {
        let searched = record.searched_text();
        NewRecord {
            ordinal: record.ordinal,
            hash: hash_of(&searched),
            fields: serde_json::to_string(&record.fields).unwrap_or_else(|_| "{}".to_owned()),
            position: (record.position != Position::default())
                .then(|| serde_json::to_string(&record.position).unwrap_or_else(|_| "{}".to_owned())),
            answer: record.answer.clone(),
            terms: encode(&terms_of_text(&searched, names)),
            text: record.text.clone(),
        }
    }
}

/// Cutting Chinese into words is work for a thread of its own.
pub(super) async fn new_records(records: Arc<Vec<Record>>, names: Names) -> Result<Vec<NewRecord>, KnowledgeError> {
    tokio::task::spawn_blocking(move || records.iter().map(|it| NewRecord::new(it, &names)).collect())
        .await
        .map_err(|source| KnowledgeError::Worker { operation: "cutting texts into words", source })
}

impl TenantIndex {
    /// None of them is there yet.
    pub(super) async fn insert_records<'r>(
        &self,
        writing: &mut Reading,
        version: i64,
        records: impl IntoIterator<Item = &'r NewRecord>,
    ) -> Result<(), KnowledgeError> {
        let failed = || self.failed("store records");
        let records: Vec<&NewRecord> = records.into_iter().collect();
        if records.is_empty() {
            return Ok(());
        }
        for part in records.chunks(ROWS_AT_ONCE) {
            let mut insert: QueryBuilder<Sqlite> =
                QueryBuilder::new("INSERT INTO records (row, hash, fields, position, answer, terms, text) ");
            insert.push_values(part.iter().copied(), |mut row, it| {
                row.push_bind(row_of(version, it.ordinal))
                    .push_bind(it.hash.as_slice())
                    .push_bind(it.fields.as_str())
                    .push_bind(it.position.as_deref())
                    .push_bind(it.answer.as_deref())
                    .push_bind(it.terms.as_slice())
                    .push_bind(it.text.as_str());
            });
            let usual = part.len() == ROWS_AT_ONCE;
            insert.build().persistent(usual).execute(&mut **writing).await.map_err(failed())?;
        }
        self.count_records(writing, version, i64::try_from(records.len()).unwrap_or(i64::MAX)).await
    }

    /// True where a record with this ordinal and the same searched text was there: its words and its vector stay, and the
    /// rest of it is written anew.
    pub(super) async fn update_record(
        &self,
        writing: &mut Reading,
        version: i64,
        record: &NewRecord,
    ) -> Result<bool, KnowledgeError> {
        let changed = sqlx::query(
            "UPDATE records SET fields = $3, position = $4, answer = $5, text = $6 WHERE row = $1 AND hash = $2",
        )
        .bind(row_of(version, record.ordinal))
        .bind(record.hash.as_slice())
        .bind(record.fields.as_str())
        .bind(record.position.as_deref())
        .bind(record.answer.as_deref())
        .bind(record.text.as_str())
        .execute(&mut **writing)
        .await
        .map_err(self.failed("update a record"))?;
        Ok(changed.rows_affected() > 0)
    }

    async fn count_records(&self, writing: &mut Reading, version: i64, more: i64) -> Result<(), KnowledgeError> {
        sqlx::query("UPDATE versions SET records = records + $2 WHERE row = $1")
            .bind(version)
            .bind(more)
            .execute(&mut **writing)
            .await
            .map_err(self.failed("count records"))?;
        Ok(())
    }

    /// Takes a version's records within a range of rows out of every table, with the vectors that only they needed.
    pub(super) async fn delete_rows(
        &self,
        writing: &mut Reading,
        version: i64,
        (from, to): (i64, i64),
    ) -> Result<(), KnowledgeError> {
        let failed = || self.failed("delete records");
        // Looked for on either side of the range, where the index of hashes is in the order of the rows: of a text that
        // stands in the range a thousand times, nothing is walked over.
        let needed = |side: &str| {
            format!(
                "SELECT 1 FROM records AS other JOIN versions ON versions.row = other.row >> 24
                 JOIN base_models ON base_models.base = versions.base AND base_models.model = vectors.model
                 WHERE other.hash = vectors.hash AND other.row {side}"
            )
        };
        let statement = format!(
            "DELETE FROM vectors WHERE row IN (
               SELECT vectors.row FROM records JOIN vectors ON vectors.hash = records.hash
               WHERE records.row BETWEEN $1 AND $2 AND NOT EXISTS ({}) AND NOT EXISTS ({}))",
            needed("< $1"),
            needed("> $2")
        );
        sqlx::query(AssertSqlSafe(statement)).bind(from).bind(to).execute(&mut **writing).await.map_err(failed())?;
        let gone = sqlx::query("DELETE FROM records WHERE row BETWEEN $1 AND $2")
            .bind(from)
            .bind(to)
            .execute(&mut **writing)
            .await
            .map_err(failed())?
            .rows_affected();
        self.count_records(writing, version, -i64::try_from(gone).unwrap_or(i64::MAX)).await
    }

    /// Removes what is dead if it is little, and tells whether something is left for [`TenantIndex::purge_later`].
    pub(super) async fn purge_little(&self, writing: &mut Reading) -> Result<bool, KnowledgeError> {
        let dead: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT coalesce(sum(records), 0) FROM {NOT_READ}")))
            .bind(State::Dead.code())
            .fetch_one(&mut **writing)
            .await
            .map_err(self.failed("count dead records"))?;
        if dead > PURGED_AT_ONCE {
            return Ok(true);
        }
        while self.purge_part(writing).await? {}
        Ok(false)
    }

    /// Without making anybody wait. What is left when the process ends is removed after the next start.
    pub(super) fn purge_later(self: &Arc<Self>) {
        let index = self.clone();
        tokio::spawn(async move {
            let _one = index.purging.lock().await;
            if let Err(error) = index.purge().await {
                let error: &(dyn Error + 'static) = &error;
                tracing::warn!(tenant.id = index.tenant, error, "old versions of documents could not be removed yet");
            }
        });
    }

    async fn purge(&self) -> Result<(), KnowledgeError> {
        loop {
            let mut writing = self.begin_writing().await?;
            let more = self.purge_part(&mut writing).await?;
            writing.commit().await.map_err(self.failed("remove an old version"))?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Removes a part of a dead version; false when there is none.
    async fn purge_part(&self, writing: &mut Reading) -> Result<bool, KnowledgeError> {
        let failed = || self.failed("remove an old version");
        let found: Option<(i64, i64)> =
            sqlx::query_as(AssertSqlSafe(format!("SELECT row, records FROM {NOT_READ} LIMIT 1")))
                .bind(State::Dead.code())
                .fetch_optional(&mut **writing)
                .await
                .map_err(failed())?;
        let Some((version, records)) = found else { return Ok(false) };
        let (first, last) = rows_of(version);
        let end: Option<i64> = if records > PURGED_AT_ONCE {
            sqlx::query_scalar("SELECT row FROM records WHERE row BETWEEN $1 AND $2 ORDER BY row LIMIT 1 OFFSET $3")
                .bind(first)
                .bind(last)
                .bind(PURGED_AT_ONCE - 1)
                .fetch_optional(&mut **writing)
                .await
                .map_err(failed())?
        } else {
            None
        };
        self.delete_rows(writing, version, (first, end.unwrap_or(last))).await?;
        if end.is_none() {
            sqlx::query("DELETE FROM versions WHERE row = $1")
                .bind(version)
                .execute(&mut **writing)
                .await
                .map_err(failed())?;
        }
        Ok(true)
    }

    /// Tells everything that holds this base in memory that it has changed.
    pub(super) async fn touch_base(&self, writing: &mut Reading, base: i64) -> Result<(), KnowledgeError> {
        sqlx::query("UPDATE bases SET generation = generation + 1 WHERE row = $1")
            .bind(base)
            .execute(&mut **writing)
            .await
            .map_err(self.failed("mark a change"))?;
        Ok(())
    }

    pub(super) async fn touch_document(&self, writing: &mut Reading, document: i64) -> Result<(), KnowledgeError> {
        sqlx::query("UPDATE documents SET stamp = stamp + 1 WHERE row = $1")
            .bind(document)
            .execute(&mut **writing)
            .await
            .map_err(self.failed("mark a change"))?;
        Ok(())
    }
}
