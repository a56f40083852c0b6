//! One tenant's file: its tables, its connections, and what is deleted from it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, Transaction};
use tokio::sync::OnceCell;

use super::snapshot::Snapshot;
use crate::error::KnowledgeError;

/// Raised when the tables change; a file of a newer server is not touched.
const SCHEMA_VERSION: i64 = 1;
/// Reads of one tenant at the same time. Searches are short, and two cores have no use for more.
const READERS: u32 = 4;
/// Connections of tenants that nobody uses are closed.
const IDLE: Duration = Duration::from_secs(300);

/// Documents keep their `row` when they are replaced, so listings keep their order. `stamp` and `generation` change with
/// every write: what is held in memory is compared by them.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS bases (
  row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
  row INTEGER PRIMARY KEY AUTOINCREMENT, base INTEGER NOT NULL REFERENCES bases (row), id TEXT NOT NULL,
  name TEXT NOT NULL, version INTEGER NOT NULL, stamp INTEGER NOT NULL, UNIQUE (base, id));
CREATE TABLE IF NOT EXISTS records (
  row INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES documents (row),
  ordinal INTEGER NOT NULL, text TEXT NOT NULL, fields TEXT NOT NULL, UNIQUE (document, ordinal));
CREATE TABLE IF NOT EXISTS models (row INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS vectors (
  record INTEGER PRIMARY KEY REFERENCES records (row), model INTEGER NOT NULL REFERENCES models (row),
  vector BLOB NOT NULL);
";

pub(super) struct TenantIndex {
    pub(super) tenant: String,
    /// One connection: writes wait for each other here and not at the file's lock.
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    prepared: OnceCell<()>,
    /// Written by whoever finds its base changed. Readers keep the one they have.
    pub(super) snapshots: Mutex<HashMap<String, Arc<Snapshot>>>,
}

pub(super) type Reading = Transaction<'static, Sqlite>;

/// A record with its document's name, as hits and listings show it.
pub(super) struct StoredRecord {
    pub(super) id: String,
    pub(super) document: String,
    pub(super) document_id: String,
    pub(super) text: String,
    pub(super) fields: Map<String, Value>,
}

impl TenantIndex {
    pub(super) fn new(dir: &Path, tenant: &str) -> Result<TenantIndex, KnowledgeError> {
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
            writer: pool(1).connect_lazy_with(options.clone()),
            readers: pool(READERS).connect_lazy_with(options),
            prepared: OnceCell::new(),
            snapshots: Mutex::default(),
        })
    }

    pub(super) fn failed(&self, operation: &'static str) -> impl FnOnce(sqlx::Error) -> KnowledgeError + use<> {
        let tenant = self.tenant.clone();
        move |source| KnowledgeError::Index { tenant, operation, source }
    }

    pub(super) async fn prepare(&self) -> Result<(), KnowledgeError> {
        self.prepared.get_or_try_init(|| self.create_tables()).await?;
        Ok(())
    }

    async fn create_tables(&self) -> Result<(), KnowledgeError> {
        let failed = || self.failed("open its file");
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failed())?;
        if version > SCHEMA_VERSION {
            return Err(KnowledgeError::Damaged {
                tenant: self.tenant.clone(),
                message: format!(
                    "it was written by a newer server (version {version}, this one knows {SCHEMA_VERSION})"
                ),
            });
        }
        sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await.map_err(failed())?;
        sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {SCHEMA_VERSION}")))
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())
    }

    /// Everything that is read in one transaction is of one moment.
    pub(super) async fn begin_reading(&self) -> Result<Reading, KnowledgeError> {
        self.readers.begin().await.map_err(self.failed("begin to read"))
    }

    pub(super) async fn begin_writing(&self) -> Result<Reading, KnowledgeError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(self.failed("begin to write"))
    }

    pub(super) fn fields(&self, stored: &str) -> Result<Map<String, Value>, KnowledgeError> {
        serde_json::from_str(stored).map_err(|error| KnowledgeError::Damaged {
            tenant: self.tenant.clone(),
            message: format!("a record's fields are not JSON: {error}"),
        })
    }

    pub(super) async fn read_records(
        &self,
        reading: &mut Reading,
        rows: &[i64],
    ) -> Result<HashMap<i64, StoredRecord>, KnowledgeError> {
        let wanted = serde_json::to_string(rows).unwrap_or_default();
        let found = sqlx::query(
            "SELECT records.row, documents.id, records.ordinal, documents.name, records.text, records.fields
             FROM records JOIN documents ON documents.row = records.document
             WHERE records.row IN (SELECT value FROM json_each($1))",
        )
        .bind(wanted)
        .fetch_all(&mut **reading)
        .await
        .map_err(self.failed("read records"))?;
        found
            .into_iter()
            .map(|row| {
                let document_id: String = row.get(1);
                let ordinal: i64 = row.get(2);
                let fields: String = row.get(5);
                let record = StoredRecord {
                    id: format!("{document_id}:{ordinal}"),
                    document_id,
                    document: row.get(3),
                    text: row.get(4),
                    fields: self.fields(&fields)?,
                };
                Ok((row.get::<i64, _>(0), record))
            })
            .collect()
    }

    pub(super) async fn delete_document(&self, base: &str, document: &str) -> Result<bool, KnowledgeError> {
        let failed = || self.failed("delete a document");
        let mut writing = self.begin_writing().await?;
        let found: Option<(i64, i64)> = sqlx::query_as(
            "SELECT bases.row, documents.row FROM documents JOIN bases ON bases.row = documents.base
             WHERE bases.id = $1 AND documents.id = $2",
        )
        .bind(base)
        .bind(document)
        .fetch_optional(&mut *writing)
        .await
        .map_err(failed())?;
        let Some((base, document)) = found else { return Ok(false) };
        self.delete_records(&mut writing, base, document).await?;
        sqlx::query("DELETE FROM documents WHERE row = $1")
            .bind(document)
            .execute(&mut *writing)
            .await
            .map_err(failed())?;
        self.touch_base(&mut writing, base).await?;
        writing.commit().await.map_err(failed())?;
        Ok(true)
    }

    pub(super) async fn delete_base(&self, base: &str) -> Result<bool, KnowledgeError> {
        let failed = || self.failed("delete a knowledge base");
        let mut writing = self.begin_writing().await?;
        let found: Option<i64> = sqlx::query_scalar("SELECT row FROM bases WHERE id = $1")
            .bind(base)
            .fetch_optional(&mut *writing)
            .await
            .map_err(failed())?;
        let Some(row) = found else { return Ok(false) };
        for statement in [
            "DELETE FROM vectors WHERE record IN
               (SELECT records.row FROM records JOIN documents ON documents.row = document WHERE base = $1)",
            "DELETE FROM records WHERE document IN (SELECT row FROM documents WHERE base = $1)",
            "DELETE FROM documents WHERE base = $1",
            "DELETE FROM bases WHERE row = $1",
        ] {
            sqlx::query(statement).bind(row).execute(&mut *writing).await.map_err(failed())?;
        }
        sqlx::query(AssertSqlSafe(format!("DROP TABLE IF EXISTS words_{row}")))
            .execute(&mut *writing)
            .await
            .map_err(failed())?;
        writing.commit().await.map_err(failed())?;
        self.snapshots.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(base);
        Ok(true)
    }

    pub(super) async fn delete_records(
        &self,
        writing: &mut Reading,
        base: i64,
        document: i64,
    ) -> Result<(), KnowledgeError> {
        let failed = || self.failed("delete records");
        let words = format!("DELETE FROM words_{base} WHERE rowid IN (SELECT row FROM records WHERE document = $1)");
        sqlx::query(AssertSqlSafe(words)).bind(document).execute(&mut **writing).await.map_err(failed())?;
        for statement in [
            "DELETE FROM vectors WHERE record IN (SELECT row FROM records WHERE document = $1)",
            "DELETE FROM records WHERE document = $1",
        ] {
            sqlx::query(statement).bind(document).execute(&mut **writing).await.map_err(failed())?;
        }
        Ok(())
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
}
