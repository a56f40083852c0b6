//! The tables of a tenant's file, and how an older file becomes one of this kind.
//!
//! A record's row says where it belongs: the row of its document's version and its ordinal in one number, so that a version
//! is a range of rows.

use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Row as _};

use super::postings::encode;
use super::tenant::{Reading, TenantIndex};
use super::write::NewRecord;
use crate::error::KnowledgeError;
use crate::lexical::{Names, terms_of_text};
use crate::parse::Record;

/// Raised when the tables change; a file of a newer server is not touched.
pub(super) const SCHEMA_VERSION: i64 = 3;

/// A version has at most 2^24 records, which is sixteen times what the exact scan is made for.
pub(super) const ORDINAL_BITS: u32 = 24;
pub(super) const MAX_ORDINAL: u32 = (1 << ORDINAL_BITS) - 1;

/// Migrating reads and writes so many records at a time.
const AT_ONCE: i64 = 512;

/// Documents keep their `row` when they are replaced, so listings keep their order; `visible` is the version that answers.
/// `stamp` and `generation` change with every write: what is held in memory is compared by them. A text has one vector of
/// each model, found by its hash, wherever in this file it stands. `base_models` says which models a base was embedded
/// with, so that a vector can go when no base needs it. `withdrawn` are versions that were deleted while somebody staged them: whoever goes on is told.
/// `records.terms` are a record's words as [`super::postings`] writes them. Texts come last in their rows: what is read
/// without them does not walk over their pages.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS bases (
  row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
  row INTEGER PRIMARY KEY AUTOINCREMENT, base INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
  groups TEXT NOT NULL, visible INTEGER, stamp INTEGER NOT NULL, UNIQUE (base, id));
CREATE TABLE IF NOT EXISTS versions (
  row INTEGER PRIMARY KEY AUTOINCREMENT, base INTEGER NOT NULL, document INTEGER NOT NULL, number INTEGER NOT NULL,
  state INTEGER NOT NULL, records INTEGER NOT NULL, name TEXT NOT NULL, groups TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS versions_by_document ON versions (document);
CREATE INDEX IF NOT EXISTS versions_by_base ON versions (base, state);
CREATE INDEX IF NOT EXISTS versions_by_state ON versions (state);
CREATE TABLE IF NOT EXISTS records (
  row INTEGER PRIMARY KEY, hash BLOB NOT NULL, fields TEXT NOT NULL, position TEXT, answer TEXT,
  terms BLOB NOT NULL DEFAULT x'', text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS records_by_hash ON records (hash);
CREATE TABLE IF NOT EXISTS models (
  row INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dimensions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS base_models (
  base INTEGER NOT NULL, model INTEGER NOT NULL, PRIMARY KEY (base, model)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors (
  row INTEGER PRIMARY KEY, hash BLOB NOT NULL, model INTEGER NOT NULL, vector BLOB NOT NULL, UNIQUE (hash, model));
CREATE TABLE IF NOT EXISTS withdrawn (
  base TEXT NOT NULL, document TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (base, document, number)) WITHOUT ROWID;
";

/// What a version is doing, as `versions.state` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Being put together by whoever knows its number, over restarts.
    Staged,
    /// Being put together by one call, which takes it along when it ends.
    Passing,
    Visible,
    /// Waiting to be removed.
    Dead,
}

impl State {
    pub(super) fn code(self) -> i64 {
        match self {
            State::Staged => 0,
            State::Passing => 1,
            State::Visible => 2,
            State::Dead => 3,
        }
    }
}

/// The row of a version's record.
pub(super) fn row_of(version: i64, ordinal: u32) -> i64 {
    (version << ORDINAL_BITS) | i64::from(ordinal)
}

pub(super) fn ordinal_of(row: i64) -> u32 {
    u32::try_from(row & i64::from(MAX_ORDINAL)).unwrap_or(MAX_ORDINAL)
}

pub(super) fn version_of(row: i64) -> i64 {
    row >> ORDINAL_BITS
}

/// The first and the last row that a version's records can have.
pub(super) fn rows_of(version: i64) -> (i64, i64) {
    (row_of(version, 0), row_of(version, MAX_ORDINAL))
}

/// What a text's vector is found by. Half of a SHA-256: nobody finds two texts that share it.
pub(super) fn hash_of(searched_text: &str) -> Vec<u8> {
    let mut hash = Sha256::digest(searched_text.as_bytes()).to_vec();
    hash.truncate(16);
    hash
}

impl TenantIndex {
    pub(super) async fn create_tables(&self) -> Result<(), KnowledgeError> {
        let failed = || self.failed("open its file");
        let mut writing = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *writing).await.map_err(failed())?;
        if version > SCHEMA_VERSION {
            return Err(KnowledgeError::Damaged {
                tenant: self.tenant.clone(),
                message: format!(
                    "it was written by a newer server (version {version}, this one knows {SCHEMA_VERSION})"
                ),
            });
        }
        if version == 1 || version == 2 {
            tracing::info!(tenant.id = self.tenant, "the index of a tenant is being brought up to date");
            self.drop_word_tables(&mut writing).await?;
        }
        match version {
            1 => self.migrate_from_1(&mut writing).await?,
            2 => self.migrate_from_2(&mut writing).await?,
            _ => {
                sqlx::raw_sql(SCHEMA).execute(&mut *writing).await.map_err(failed())?;
            }
        }
        if version != SCHEMA_VERSION {
            sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {SCHEMA_VERSION}")))
                .execute(&mut *writing)
                .await
                .map_err(failed())?;
        }
        self.create_told_tables(&mut writing, self.finder.address()).await?;
        // What a call was putting when the process ended is nobody's now.
        sqlx::query("UPDATE versions SET state = $1 WHERE state = $2")
            .bind(State::Dead.code())
            .bind(State::Passing.code())
            .execute(&mut *writing)
            .await
            .map_err(failed())?;
        writing.commit().await.map_err(failed())
    }

    /// Up to version 2, each base had its words in a full-text table, which does not tell them.
    async fn drop_word_tables(&self, writing: &mut Reading) -> Result<(), KnowledgeError> {
        let failed = || self.failed("bring its file up to date");
        let bases: Vec<i64> =
            sqlx::query_scalar("SELECT row FROM bases").fetch_all(&mut **writing).await.map_err(failed())?;
        for base in bases {
            sqlx::query(AssertSqlSafe(format!("DROP TABLE IF EXISTS words_{base}")))
                .execute(&mut **writing)
                .await
                .map_err(failed())?;
        }
        Ok(())
    }

    /// Words are cut again, of every text once. Those of a base's own come with its next change, or when its documents are
    /// read again.
    async fn migrate_from_2(&self, writing: &mut Reading) -> Result<(), KnowledgeError> {
        let failed = || self.failed("bring its records up to date");
        sqlx::raw_sql("ALTER TABLE records ADD COLUMN terms BLOB NOT NULL DEFAULT x''")
            .execute(&mut **writing)
            .await
            .map_err(failed())?;
        let mut last = i64::MIN;
        loop {
            let rows: Vec<(i64, Option<String>, String)> =
                sqlx::query_as("SELECT row, position, text FROM records WHERE row > $1 ORDER BY row LIMIT $2")
                    .bind(last)
                    .bind(AT_ONCE)
                    .fetch_all(&mut **writing)
                    .await
                    .map_err(failed())?;
            if rows.is_empty() {
                break;
            }
            for (row, position, text) in rows {
                last = row;
                let record = Record { text, position: self.position(position.as_deref())?, ..Record::default() };
                let terms = encode(&terms_of_text(&record.searched_text(), &Names::default()));
                sqlx::query("UPDATE records SET terms = $2 WHERE row = $1")
                    .bind(row)
                    .bind(terms)
                    .execute(&mut **writing)
                    .await
                    .map_err(failed())?;
            }
        }
        sqlx::raw_sql("UPDATE bases SET generation = generation + 1").execute(&mut **writing).await.map_err(failed())?;
        Ok(())
    }

    /// Version 1 had one vector for each record, no groups, positions or answers, and rows without meaning. Vectors are
    /// kept, one for each text.
    async fn migrate_from_1(&self, writing: &mut Reading) -> Result<(), KnowledgeError> {
        let failed = || self.failed("bring its file up to date");
        sqlx::raw_sql(
            "ALTER TABLE documents RENAME TO old_documents; ALTER TABLE records RENAME TO old_records;
             ALTER TABLE models RENAME TO old_models; ALTER TABLE vectors RENAME TO old_vectors;",
        )
        .execute(&mut **writing)
        .await
        .map_err(failed())?;
        sqlx::raw_sql(SCHEMA).execute(&mut **writing).await.map_err(failed())?;
        sqlx::raw_sql(
            "INSERT INTO documents (row, base, id, name, groups, visible, stamp)
               SELECT row, base, id, name, '[]', row, stamp FROM old_documents;
             INSERT INTO versions (row, base, document, number, state, records, name, groups)
               SELECT row, base, row, version, 2, 0, name, '[]' FROM old_documents;
             INSERT INTO models (row, name, dimensions)
               SELECT row, name, (SELECT length(vector) / 4 FROM old_vectors WHERE model = old_models.row LIMIT 1)
               FROM old_models WHERE EXISTS (SELECT 1 FROM old_vectors WHERE model = old_models.row);",
        )
        .execute(&mut **writing)
        .await
        .map_err(failed())?;
        self.migrate_records(writing).await?;
        sqlx::raw_sql(
            "INSERT OR IGNORE INTO base_models (base, model)
               SELECT DISTINCT old_documents.base, old_vectors.model FROM old_vectors
               JOIN old_records ON old_records.row = old_vectors.record
               JOIN old_documents ON old_documents.row = old_records.document;
             DROP TABLE old_vectors; DROP TABLE old_records; DROP TABLE old_documents; DROP TABLE old_models;
             UPDATE bases SET generation = generation + 1;",
        )
        .execute(&mut **writing)
        .await
        .map_err(failed())?;
        Ok(())
    }

    async fn migrate_records(&self, writing: &mut Reading) -> Result<(), KnowledgeError> {
        let failed = || self.failed("bring its records up to date");
        let mut last = i64::MIN;
        loop {
            let rows = sqlx::query(
                "SELECT old_records.row, document, ordinal, text, fields, old_vectors.model, vector
                 FROM old_records JOIN old_documents ON old_documents.row = old_records.document
                 LEFT JOIN old_vectors ON old_vectors.record = old_records.row
                 WHERE old_records.row > $1 ORDER BY old_records.row LIMIT $2",
            )
            .bind(last)
            .bind(AT_ONCE)
            .fetch_all(&mut **writing)
            .await
            .map_err(failed())?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                last = row.get(0);
                let (version, ordinal): (i64, i64) = (row.get(1), row.get(2));
                let fields: String = row.get(4);
                let record = Record {
                    ordinal: u32::try_from(ordinal).unwrap_or(MAX_ORDINAL),
                    text: row.get(3),
                    fields: self.fields(&fields)?,
                    ..Record::default()
                };
                let new = NewRecord::new(&record, &Names::default());
                self.insert_records(writing, version, std::slice::from_ref(&new)).await?;
                if let (Some(model), Some(vector)) = (row.get::<Option<i64>, _>(5), row.get::<Option<Vec<u8>>, _>(6)) {
                    sqlx::query("INSERT OR IGNORE INTO vectors (hash, model, vector) VALUES ($1, $2, $3)")
                        .bind(&new.hash)
                        .bind(model)
                        .bind(vector)
                        .execute(&mut **writing)
                        .await
                        .map_err(failed())?;
                }
            }
        }
    }
}
