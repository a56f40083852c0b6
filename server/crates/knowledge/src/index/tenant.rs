//! One tenant's file: its connections, and what is read of its records.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row as _, Sqlite, Transaction};
use tokio::sync::OnceCell;

use super::schema::{ordinal_of, version_of};
use super::snapshot::Snapshot;
use super::vector_index::VectorIndex;
use crate::error::KnowledgeError;
use crate::parse::{Position, Record};

/// Reads of one tenant at the same time. Searches are short, and two cores have no use for more.
const READERS: u32 = 4;
/// What SQLite keeps in memory in this process, of whatever tenant and of the database too: the pages that were used longest
/// ago go first. Without it, every one of a thousand tenants that get documents keeps megabytes for a minute.
const PAGES_BYTES: &str = "268435456";
/// Connections of tenants that nobody uses are closed.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct TenantIndex {
    pub(super) tenant: String,
    /// One connection: writes wait for each other here and not at the file's lock.
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    prepared: OnceCell<()>,
    /// Held by whoever removes what is dead.
    pub(super) purging: tokio::sync::Mutex<()>,
    /// What finds records.
    pub(super) finder: Arc<dyn VectorIndex>,
    /// Held by whoever brings that into step: who comes meanwhile waits for it instead of doing it again.
    pub(super) telling: tokio::sync::Mutex<()>,
    /// Written by whoever finds its base changed. Readers keep the one they have.
    pub(super) snapshots: Mutex<HashMap<String, Arc<Snapshot>>>,
}

pub(super) type Reading = Transaction<'static, Sqlite>;

/// A record with its document's name, as hits and listings show it.
#[derive(Clone)]
pub(super) struct StoredRecord {
    pub(super) row: i64,
    pub(super) document: String,
    pub(super) document_id: String,
    pub(super) record: Record,
}

impl StoredRecord {
    pub(super) fn id(&self) -> String {
        format!("{}:{}", self.document_id, self.record.ordinal)
    }

    pub(super) fn version(&self) -> i64 {
        version_of(self.row)
    }
}

/// The columns that [`TenantIndex::stored`] reads, in its order.
pub(super) const STORED: &str = "records.row, documents.id, documents.name, records.fields, records.position, records.answer, \
     records.text FROM records JOIN versions ON versions.row = records.row >> 24 \
     JOIN documents ON documents.row = versions.document";

/// Whether SQLite says that a file's content is wrong, and not that it cannot get at it.
fn is_damage(error: &sqlx::Error) -> bool {
    /// `SQLITE_CORRUPT` and `SQLITE_NOTADB`; the bits above them tell more of the same.
    const DAMAGE: [u32; 2] = [11, 26];
    let code = error.as_database_error().and_then(|it| it.code()?.parse::<u32>().ok());
    code.is_some_and(|it| DAMAGE.contains(&(it & 0xff)))
}

impl TenantIndex {
    pub(super) fn new(dir: &Path, tenant: &str, finder: Arc<dyn VectorIndex>) -> Result<TenantIndex, KnowledgeError> {
        // The name becomes a file's name, so it cannot be one that walks out of the folder.
        let plain = !tenant.is_empty()
            && tenant.len() <= 64
            && tenant.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
        if !plain {
            return Err(KnowledgeError::InvalidRequest {
                message: "a tenant's id has letters, digits, `-` and `_` only".to_owned(),
                hint: "use the tenant's UUID".to_owned(),
            });
        }
        let options = SqliteConnectOptions::new()
            .filename(dir.join(format!("{tenant}.sqlite")))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // A large document passes through the log; the file gives the space back afterwards.
            .pragma("journal_size_limit", "67108864")
            .pragma("soft_heap_limit", PAGES_BYTES)
            .busy_timeout(Duration::from_secs(30))
            .foreign_keys(false);
        let pool = |size: u32| {
            SqlitePoolOptions::new()
                .min_connections(0)
                .max_connections(size)
                .idle_timeout(IDLE)
                .acquire_timeout(Duration::from_secs(60))
        };
        Ok(TenantIndex {
            tenant: tenant.to_owned(),
            // Hashes fall everywhere into their index: 32 MB hold that of a million records.
            writer: pool(1).connect_lazy_with(options.clone().pragma("cache_size", "-32768")),
            readers: pool(READERS).connect_lazy_with(options),
            prepared: OnceCell::new(),
            purging: tokio::sync::Mutex::default(),
            finder,
            telling: tokio::sync::Mutex::default(),
            snapshots: Mutex::default(),
        })
    }

    pub(super) fn failed(&self, operation: &'static str) -> impl FnOnce(sqlx::Error) -> KnowledgeError + use<> {
        let tenant = self.tenant.clone();
        move |source| {
            if is_damage(&source) {
                let message = format!("it failed to {operation}: {source}");
                return KnowledgeError::Damaged { tenant, message };
            }
            KnowledgeError::Index { tenant, operation, source }
        }
    }

    pub(super) async fn prepare(self: &Arc<Self>) -> Result<(), KnowledgeError> {
        self.prepared
            .get_or_try_init(|| async {
                self.create_tables().await?;
                self.purge_later();
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// Everything that is read in one transaction is of one moment.
    pub(super) async fn begin_reading(&self) -> Result<Reading, KnowledgeError> {
        self.readers.begin().await.map_err(self.failed("begin to read"))
    }

    pub(super) async fn begin_writing(&self) -> Result<Reading, KnowledgeError> {
        const BEGIN: &str = "BEGIN IMMEDIATE";
        let failed = || self.failed("begin to write");
        match self.writer.begin_with(BEGIN).await {
            // SQLite ended the one before by itself, as it does when the disk is full, and the connection still counts it.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await.map_err(failed())?.close().await.map_err(failed())?;
                self.writer.begin_with(BEGIN).await.map_err(failed())
            }
            begun => begun.map_err(failed()),
        }
    }

    pub(super) fn damaged(&self, message: String) -> KnowledgeError {
        KnowledgeError::Damaged { tenant: self.tenant.clone(), message }
    }

    pub(super) fn fields(&self, stored: &str) -> Result<Map<String, Value>, KnowledgeError> {
        serde_json::from_str(stored).map_err(|error| self.damaged(format!("a record's fields are not JSON: {error}")))
    }

    pub(super) fn position(&self, stored: Option<&str>) -> Result<Position, KnowledgeError> {
        stored.map_or_else(
            || Ok(Position::default()),
            |it| {
                serde_json::from_str(it)
                    .map_err(|error| self.damaged(format!("a record's position cannot be read: {error}")))
            },
        )
    }

    pub(super) fn groups(&self, stored: &str) -> Result<Vec<String>, KnowledgeError> {
        serde_json::from_str(stored).map_err(|error| self.damaged(format!("a document's groups are not JSON: {error}")))
    }

    /// Of a row that selects [`STORED`].
    pub(super) fn stored(&self, row: &SqliteRow) -> Result<StoredRecord, KnowledgeError> {
        let number: i64 = row.get(0);
        Ok(StoredRecord {
            row: number,
            document_id: row.get(1),
            document: row.get(2),
            record: Record {
                ordinal: ordinal_of(number),
                fields: self.fields(row.get(3))?,
                position: self.position(row.get(4))?,
                answer: row.get(5),
                text: row.get(6),
            },
        })
    }

    pub(super) async fn read_records(
        &self,
        reading: &mut Reading,
        rows: &[i64],
    ) -> Result<HashMap<i64, StoredRecord>, KnowledgeError> {
        let wanted = serde_json::to_string(rows).unwrap_or_default();
        let statement = ["SELECT ", STORED, " WHERE records.row IN (SELECT value FROM json_each($1))"].concat();
        let found = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(wanted)
            .fetch_all(&mut **reading)
            .await
            .map_err(self.failed("read records"))?;
        found.iter().map(|row| self.stored(row).map(|it| (it.row, it))).collect()
    }

    /// The records of one version within a range of rows, in their order.
    pub(super) async fn read_range(
        &self,
        reading: &mut Reading,
        (from, to): (i64, i64),
    ) -> Result<Vec<StoredRecord>, KnowledgeError> {
        let statement = ["SELECT ", STORED, " WHERE records.row BETWEEN $1 AND $2 ORDER BY records.row"].concat();
        let found = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(from)
            .bind(to)
            .fetch_all(&mut **reading)
            .await
            .map_err(self.failed("read records side by side"))?;
        found.iter().map(|row| self.stored(row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::vector_index::Embedded;

    #[tokio::test]
    async fn the_next_transaction_begins_after_one_that_a_full_disk_ended() {
        let dir = tempfile::tempdir().unwrap();
        let index = Arc::new(TenantIndex::new(dir.path(), "tenant", Arc::new(Embedded)).unwrap());
        index.prepare().await.unwrap();
        // No smaller than it is.
        sqlx::query("PRAGMA max_page_count = 1").execute(&index.writer).await.unwrap();
        let mut writing = index.begin_writing().await.unwrap();
        let filled = sqlx::query("INSERT INTO models (name, dimensions) VALUES (hex(zeroblob(1000000)), 1)")
            .execute(&mut *writing)
            .await;
        let error = index.failed("write")(filled.unwrap_err());
        assert_eq!(error.code(), "storage_full");
        drop(writing);
        let writing = index.begin_writing().await.unwrap();
        writing.commit().await.unwrap();
    }
}
