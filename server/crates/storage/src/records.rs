//! The records of documents, as chunks: the truth behind the search index.
//!
//! A large document is written and removed in small pieces, so that nobody else has to wait for it. What makes that whole
//! is the version in the document's row: chunks of any other version are on their way in or out, and no reader sees them.

use domain::{Chunk, DocumentId, TenantId};
use serde_json::Value;

use crate::columns::{self, Stored, parsed};
use crate::database::{Connection, Row, query};
use crate::error::{Failure, Operation};
use crate::{Result, Storage, StorageError};

/// Chunks of one write: a few milliseconds, so that a large document holds nobody up.
const CHUNKS_AT_ONCE: usize = 250;

/// The records that replace a document's.
#[derive(Clone, Debug)]
pub struct NewRecords {
    pub document: DocumentId,
    /// Higher than the document's present one.
    pub version: i64,
    pub records: Vec<NewRecord>,
    pub size_bytes: i64,
    /// Of the file that the records came from.
    pub content_hash: String,
    pub at: i64,
}

#[derive(Clone, Debug)]
pub struct NewRecord {
    pub ordinal: i64,
    pub text: String,
    /// A JSON object.
    pub fields: Value,
}

impl Stored for Chunk {
    fn read(row: &Row) -> Result<Chunk, sqlx::Error> {
        Ok(Chunk {
            document: parsed(row, "document")?,
            ordinal: row.try_get("ordinal")?,
            version: row.try_get("version")?,
            text: row.try_get("text")?,
            fields: columns::json(row, "fields")?,
        })
    }
}

impl Storage {
    /// Replaces all of a document's records. Readers see the old ones until the new ones are complete; a crash in between
    /// leaves the old ones. Its state is left as it is.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such document, `Conflict` when it has this version or a newer one already.
    pub async fn replace_document_records(&self, tenant: TenantId, new: NewRecords) -> Result<()> {
        let (document, version) = (new.document, new.version);
        let replaced = self.stage_and_switch(tenant, new).await;
        if replaced.is_err() {
            // The first error is what the caller has to hear; what this leaves, the next attempt removes.
            let _ = self.unstage(tenant, document, version).await;
        }
        replaced?;
        self.purge_document(tenant, document).await
    }

    async fn stage_and_switch(&self, tenant: TenantId, new: NewRecords) -> Result<()> {
        const STAGE: Operation = Operation::new("store a document's records").conflict("a record with this number");
        const SWITCH: Operation = Operation::new("put a document's new records in place");
        let NewRecords { document, version, mut records, size_bytes, content_hash, at } = new;
        let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
        self.write(STAGE, move |connection| {
            Box::pin(async move { must_be_newer(connection, (tenant, document), version).await })
        })
        .await?;
        // What an earlier attempt at this version may have left.
        self.unstage(tenant, document, version).await?;
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(CHUNKS_AT_ONCE));
            let piece = std::mem::replace(&mut records, rest);
            self.write(STAGE, move |connection| {
                Box::pin(insert_chunks(connection, (tenant, document), version, piece))
            })
            .await?;
        }
        self.write(SWITCH, move |connection| {
            Box::pin(async move {
                must_be_newer(connection, (tenant, document), version).await?;
                let switched = query(
                    "update documents set version = $3, records = $4, size_bytes = $5, content_hash = $6, updated_at = $7 \
                     where tenant = $1 and id = $2 and $4 = \
                     (select count(*) from chunks where tenant = $1 and document = $2 and version = $3)",
                )
                .bind(tenant.to_string())
                .bind(document.to_string())
                .bind(version)
                .bind(count)
                .bind(size_bytes)
                .bind(content_hash)
                .bind(at)
                .execute(connection)
                .await?;
                if switched == 0 {
                    // Somebody else replaces the same document at the same time, and has removed our records.
                    return Err(StorageError::Conflict { what: "a replacement of this document in progress" }.into());
                }
                Ok(())
            })
        })
        .await
    }

    /// Removes chunks of a version that its document does not have (yet).
    async fn unstage(&self, tenant: TenantId, document: DocumentId, version: i64) -> Result<()> {
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

    /// A document's records with a number above `after`, in order.
    pub async fn chunks(
        &self,
        tenant: TenantId,
        document: DocumentId,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Chunk>> {
        let query = query(
            "select c.document, c.ordinal, c.version, c.text, c.fields from documents d \
             join chunks c on c.tenant = d.tenant and c.document = d.id and c.version = d.version \
             where d.tenant = $1 and d.id = $2 and c.ordinal > $3 order by c.ordinal limit $4",
        )
        .bind(tenant.to_string())
        .bind(document.to_string())
        .bind(after.unwrap_or(-1))
        .bind(limit.max(0));
        self.all("read a document's records", query).await
    }

    /// Removes chunks that no document counts any more: what a crash in the middle of a replacement or a deletion left.
    /// Answers how many. Must not run while records are being replaced.
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
                             and d.id = c.document and d.version = c.version) limit $1)",
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

async fn must_be_newer(
    connection: &mut Connection,
    (tenant, document): (TenantId, DocumentId),
    version: i64,
) -> Result<(), Failure> {
    let row = query("select version from documents where tenant = $1 and id = $2")
        .bind(tenant.to_string())
        .bind(document.to_string())
        .fetch_optional(connection)
        .await?
        .ok_or(StorageError::NotFound { what: "document" })?;
    let present: i64 = row.try_get("version")?;
    if present >= version {
        return Err(StorageError::Conflict { what: "this version of the document or a newer one" }.into());
    }
    Ok(())
}

async fn insert_chunks(
    connection: &mut Connection,
    (tenant, document): (TenantId, DocumentId),
    version: i64,
    records: Vec<NewRecord>,
) -> Result<(), Failure> {
    let (tenant, document) = (tenant.to_string(), document.to_string());
    let mut insert = query("insert into chunks (tenant, document, version, ordinal, text, fields) values ");
    for (position, NewRecord { ordinal, text, fields }) in records.into_iter().enumerate() {
        insert.push(if position > 0 { ", (" } else { "(" }).push_bind(tenant.clone());
        insert.push(", ").push_bind(document.clone()).push(", ").push_bind(version).push(", ").push_bind(ordinal);
        insert.push(", ").push_bind(text).push(", ").push_bind(fields.to_string()).push(")");
    }
    insert.execute(connection).await?;
    Ok(())
}
