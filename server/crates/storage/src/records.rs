//! The records of documents, as chunks: the truth behind the search index.
//!
//! A large document is written and removed in small pieces, so that nobody else has to wait for it. What makes that whole
//! is the version in the document's row: chunks of any other version are on their way in or out, and no reader sees them.

use domain::{Chunk, DocumentId, TenantId};
use serde_json::Value;

use crate::accounts::found;
use crate::columns::{self, Stored, parsed};
use crate::database::{Connection, Row, query};
use crate::error::{Failure, Operation};
use crate::{Result, Storage, StorageError};

/// Chunks of one write: a few milliseconds, so that a large document holds nobody up.
const CHUNKS_AT_ONCE: usize = 250;

#[derive(Clone, Debug)]
pub struct NewRecord {
    pub ordinal: i64,
    pub text: String,
    pub answer: Option<String>,
    /// A JSON object.
    pub fields: Value,
    /// A JSON object.
    pub position: Value,
    pub tokens: i64,
}

/// What is changed of one record; what is not there stays.
#[derive(Clone, Debug, Default)]
pub struct ChunkChange {
    pub text: Option<String>,
    /// `Some(None)` takes the answer away.
    pub answer: Option<Option<String>>,
    pub fields: Option<Value>,
    pub tokens: Option<i64>,
    pub enabled: Option<bool>,
}

macro_rules! chunk_columns {
    () => {
        "c.document, c.ordinal, c.version, c.text, c.answer, c.fields, c.position, c.tokens, c.enabled, c.edited"
    };
}

impl Stored for Chunk {
    fn read(row: &Row) -> Result<Chunk, sqlx::Error> {
        Ok(Chunk {
            document: parsed(row, "document")?,
            ordinal: row.try_get("ordinal")?,
            version: row.try_get("version")?,
            text: row.try_get("text")?,
            answer: row.try_get("answer")?,
            fields: columns::json(row, "fields")?,
            position: columns::json(row, "position")?,
            tokens: row.try_get("tokens")?,
            enabled: row.try_get("enabled")?,
            edited: row.try_get("edited")?,
        })
    }
}

impl Storage {
    /// Adds records to a version that does not count yet. The same records again change nothing.
    ///
    /// # Errors
    /// `NotFound` when no ingestion of the document makes this version: it was deleted, or a newer one was begun.
    pub async fn append_chunks(
        &self,
        tenant: TenantId,
        document: DocumentId,
        version: i64,
        mut records: Vec<NewRecord>,
    ) -> Result<()> {
        const STAGE: Operation = Operation::new("store a document's records");
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(CHUNKS_AT_ONCE));
            let piece = std::mem::replace(&mut records, rest);
            self.write(STAGE, move |connection| {
                Box::pin(async move {
                    must_be_made(connection, (tenant, document), version).await?;
                    insert_chunks(connection, (tenant, document), version, piece).await
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Removes chunks of a version that its document does not have (yet).
    pub async fn unstage(&self, tenant: TenantId, document: DocumentId, version: i64) -> Result<()> {
        const UNSTAGE: Operation = Operation::new("remove a document's unfinished records");
        self.write(UNSTAGE, move |connection| {
            Box::pin(async move {
                query(
                    "delete from chunks where tenant = $1 and document = $2 and version = $3 and not exists \
                     (select 1 from documents where tenant = $1 and id = $2 and version = $3)",
                )
                .bind(tenant.to_string())
                .bind(document.to_string())
                .bind(version)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// A document's records with a number above `after`, in order; only those in whose text or answer `containing` stands.
    pub async fn chunks(
        &self,
        tenant: TenantId,
        document: DocumentId,
        containing: Option<&str>,
        (after, limit): (Option<i64>, i64),
    ) -> Result<Vec<Chunk>> {
        let sql = concat!(
            "select ",
            chunk_columns!(),
            " from documents d join chunks c on c.tenant = d.tenant and c.document = d.id and c.version = d.version \
             where d.tenant = $1 and d.id = $2 and c.ordinal > $3 \
             and ($5 is null or lower(c.text) like lower($5) escape '\\' or lower(c.answer) like lower($5) escape '\\') \
             order by c.ordinal limit $4"
        );
        let query = query(sql)
            .bind(tenant.to_string())
            .bind(document.to_string())
            .bind(after.unwrap_or(-1))
            .bind(limit.max(0))
            .bind(containing.map(columns::containing));
        self.all("read a document's records", query).await
    }

    /// The same of a version that does not count yet.
    pub async fn staged_chunks(
        &self,
        tenant: TenantId,
        (document, version): (DocumentId, i64),
        after: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Chunk>> {
        let sql = concat!(
            "select ",
            chunk_columns!(),
            " from chunks c where c.tenant = $1 and c.document = $2 and c.version = $3 and c.ordinal > $4 \
             order by c.ordinal limit $5"
        );
        let query = query(sql)
            .bind(tenant.to_string())
            .bind(document.to_string())
            .bind(version)
            .bind(after.unwrap_or(-1))
            .bind(limit.max(0));
        self.all("read a document's new records", query).await
    }

    pub async fn chunk(&self, tenant: TenantId, document: DocumentId, ordinal: i64) -> Result<Option<Chunk>> {
        let sql = concat!(
            "select ",
            chunk_columns!(),
            " from documents d join chunks c on c.tenant = d.tenant and c.document = d.id and c.version = d.version \
             where d.tenant = $1 and d.id = $2 and c.ordinal = $3"
        );
        let query = query(sql).bind(tenant.to_string()).bind(document.to_string()).bind(ordinal);
        self.first("read a record", query).await
    }

    /// Adds a record behind the last one; answers its number.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such document.
    pub async fn add_chunk(&self, tenant: TenantId, document: DocumentId, new: NewRecord, at: i64) -> Result<i64> {
        const ADD: Operation = Operation::new("add a record");
        self.write(ADD, move |connection| {
            Box::pin(async move {
                let NewRecord { ordinal: _, text, answer, fields, position, tokens } = new;
                let row = query(
                    "insert into chunks (tenant, document, version, ordinal, text, answer, fields, position, tokens, edited) \
                     select d.tenant, d.id, d.version, (select cast(coalesce(max(c.ordinal), -1) as bigint) + 1 from chunks c \
                     where c.tenant = d.tenant and c.document = d.id and c.version = d.version), $3, $4, $5, $6, $7, true \
                     from documents d where d.tenant = $1 and d.id = $2 returning ordinal",
                )
                .bind(tenant.to_string())
                .bind(document.to_string())
                .bind(text)
                .bind(answer)
                .bind(fields.to_string())
                .bind(position.to_string())
                .bind(tokens)
                .fetch_optional(&mut *connection)
                .await?
                .ok_or(StorageError::NotFound { what: "document" })?;
                note_edit(connection, (tenant, document), 1, at).await?;
                Ok(row.try_get("ordinal")?)
            })
        })
        .await
    }

    /// # Errors
    /// `NotFound` when the document has no such record.
    pub async fn change_chunk(
        &self,
        tenant: TenantId,
        (document, ordinal): (DocumentId, i64),
        change: ChunkChange,
        at: i64,
    ) -> Result<()> {
        const CHANGE: Operation = Operation::new("change a record");
        self.write(CHANGE, move |connection| {
            Box::pin(async move {
                let ChunkChange { text, answer, fields, tokens, enabled } = change;
                let content = text.is_some() || answer.is_some() || fields.is_some();
                let done = query(
                    "update chunks set text = coalesce($4, text), answer = case when $5 then $6 else answer end, \
                     fields = coalesce($7, fields), tokens = coalesce($8, tokens), enabled = coalesce($9, enabled), \
                     edited = (edited or $10) where tenant = $1 and document = $2 and ordinal = $3 and version = \
                     (select version from documents where tenant = $1 and id = $2)",
                )
                .bind(tenant.to_string())
                .bind(document.to_string())
                .bind(ordinal)
                .bind(text)
                .bind(answer.is_some())
                .bind(answer.flatten())
                .bind(fields.map(|it| it.to_string()))
                .bind(tokens)
                .bind(enabled)
                .bind(content)
                .execute(&mut *connection)
                .await?;
                found(done, "record")?;
                note_edit(connection, (tenant, document), 0, at).await
            })
        })
        .await
    }

    /// # Errors
    /// `NotFound` when the document has no such record.
    pub async fn delete_chunk(&self, tenant: TenantId, (document, ordinal): (DocumentId, i64), at: i64) -> Result<()> {
        const DELETE: Operation = Operation::new("delete a record");
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let done = query(
                    "delete from chunks where tenant = $1 and document = $2 and ordinal = $3 and version = \
                     (select version from documents where tenant = $1 and id = $2)",
                )
                .bind(tenant.to_string())
                .bind(document.to_string())
                .bind(ordinal)
                .execute(&mut *connection)
                .await?;
                found(done, "record")?;
                note_edit(connection, (tenant, document), -1, at).await
            })
        })
        .await
    }

    /// Removes chunks that no document counts any more: what a crash in the middle of a replacement or a deletion left.
    /// Answers how many.
    pub async fn all_tenants_purge_chunks(&self) -> Result<u64> {
        const PURGE: Operation = Operation::new("remove left-over records");
        let mut count = 0;
        loop {
            let removed = self
                .write(PURGE, move |connection| {
                    Box::pin(async move {
                        let done = query(
                            "delete from chunks where (tenant, document, version, ordinal) in ( \
                             select c.tenant, c.document, c.version, c.ordinal from chunks c \
                             where not exists (select 1 from documents d where d.tenant = c.tenant \
                             and d.id = c.document and d.version = c.version) \
                             and not exists (select 1 from ingestions i where i.tenant = c.tenant \
                             and i.document = c.document and i.version = c.version) limit $1)",
                        )
                        .bind(i64::try_from(CHUNKS_AT_ONCE).unwrap_or(i64::MAX))
                        .execute(connection)
                        .await?;
                        Ok(done)
                    })
                })
                .await?;
            if removed == 0 {
                return Ok(count);
            }
            count += removed;
        }
    }

    /// Removes the document's chunks of older versions, or all of them when it is gone.
    pub(crate) async fn purge_document(&self, tenant: TenantId, document: DocumentId) -> Result<()> {
        const PURGE: Operation = Operation::new("remove a document's old records");
        loop {
            let removed = self
                .write(PURGE, move |connection| {
                    Box::pin(async move {
                        let done = query(
                            "delete from chunks where tenant = $1 and document = $2 and (version, ordinal) in ( \
                             select version, ordinal from chunks where tenant = $1 and document = $2 and version < \
                             coalesce((select version from documents where tenant = $1 and id = $2), $3) limit $4)",
                        )
                        .bind(tenant.to_string())
                        .bind(document.to_string())
                        .bind(i64::MAX)
                        .bind(i64::try_from(CHUNKS_AT_ONCE).unwrap_or(i64::MAX))
                        .execute(connection)
                        .await?;
                        Ok(done)
                    })
                })
                .await?;
            if removed == 0 {
                return Ok(());
            }
        }
    }
}

async fn must_be_made(
    connection: &mut Connection,
    (tenant, document): (TenantId, DocumentId),
    version: i64,
) -> Result<(), Failure> {
    let made = query("select 1 from ingestions where tenant = $1 and document = $2 and version = $3")
        .bind(tenant.to_string())
        .bind(document.to_string())
        .bind(version)
        .fetch_optional(connection)
        .await?;
    made.map(|_| ()).ok_or_else(|| StorageError::NotFound { what: "ingestion of this version" }.into())
}

async fn note_edit(
    connection: &mut Connection,
    (tenant, document): (TenantId, DocumentId),
    more: i64,
    at: i64,
) -> Result<(), Failure> {
    query(
        "update documents set edits = edits + 1, records = records + $3, updated_at = $4 where tenant = $1 and id = $2",
    )
    .bind(tenant.to_string())
    .bind(document.to_string())
    .bind(more)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_chunks(
    connection: &mut Connection,
    (tenant, document): (TenantId, DocumentId),
    version: i64,
    records: Vec<NewRecord>,
) -> Result<(), Failure> {
    let (tenant, document) = (tenant.to_string(), document.to_string());
    let mut insert = query(
        "insert into chunks (tenant, document, version, ordinal, text, answer, fields, position, tokens) values ",
    );
    for (at, NewRecord { ordinal, text, answer, fields, position, tokens }) in records.into_iter().enumerate() {
        insert.push(if at > 0 { ", (" } else { "(" }).push_bind(tenant.clone());
        insert.push(", ").push_bind(document.clone()).push(", ").push_bind(version).push(", ").push_bind(ordinal);
        insert.push(", ").push_bind(text).push(", ").push_bind(answer).push(", ").push_bind(fields.to_string());
        insert.push(", ").push_bind(position.to_string()).push(", ").push_bind(tokens).push(")");
    }
    insert.push(" on conflict do nothing");
    insert.execute(connection).await?;
    Ok(())
}
