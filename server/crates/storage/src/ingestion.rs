//! Work on new versions of documents: what is to be done is a row beside the document, and whoever does it holds a lease,
//! as on a run. A version begins to count in the transaction that removes its row.

use domain::{Document, DocumentId, DocumentState, ProgressUnit, TenantId};
use serde_json::Value;

use crate::columns::{Stored, parsed};
use crate::database::{Query, Row, query};
use crate::error::Operation;
use crate::knowledge::document_select;
use crate::{Lease, Result, Storage, StorageError};

/// What a new version of a document is to be made from.
#[derive(Clone, Debug)]
pub struct NewIngestion {
    pub document: DocumentId,
    pub media_type: Option<String>,
    /// Column of the file → field, a JSON object.
    pub columns: Value,
    pub source: Option<String>,
    /// Of a file that is stored; none when it has to be fetched from its source first.
    pub content_hash: Option<String>,
    pub size_bytes: i64,
    pub at: i64,
}

/// How far an ingestion has come.
#[derive(Clone, Copy, Debug)]
pub struct Advance {
    pub state: DocumentState,
    /// Of `total`; both 0 when the state has nothing to count.
    pub done: i64,
    pub total: i64,
    pub unit: ProgressUnit,
    pub at: i64,
}

/// What a file turned out to be, once all of its records are stored.
#[derive(Clone, Debug)]
pub struct ReadFile {
    pub records: i64,
    pub media_type: String,
    pub warnings: Vec<Value>,
    pub at: i64,
}

/// What came of an ingestion.
#[derive(Clone, Debug)]
pub struct Finished {
    pub records: i64,
    pub media_type: Option<String>,
    pub warnings: Vec<Value>,
    /// Why it is less than complete, in words.
    pub reason: Option<String>,
    pub at: i64,
}

/// Names an ingestion and whoever works on it.
#[derive(Clone, Debug)]
pub struct Held {
    pub document: DocumentId,
    pub version: i64,
    pub owner: String,
}

impl Held {
    /// As `$1` to `$4`: tenant, document, version, owner.
    fn named_in(self, statement: Query, tenant: TenantId) -> Query {
        let statement = statement.bind(tenant.to_string()).bind(self.document.to_string());
        statement.bind(self.version).bind(self.owner)
    }
}

/// A document to work on.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedIngestion {
    pub tenant: TenantId,
    pub document: Document,
}

struct Waiting;

impl Stored for Waiting {
    fn read(_: &Row) -> Result<Waiting, sqlx::Error> {
        Ok(Waiting)
    }
}

impl Stored for ClaimedIngestion {
    fn read(row: &Row) -> Result<ClaimedIngestion, sqlx::Error> {
        Ok(ClaimedIngestion { tenant: parsed(row, "tenant")?, document: Document::read(row)? })
    }
}

impl Storage {
    /// Begins a new version, in place of one that is being made; answers its number.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such document, `Conflict` when the file is not stored whole.
    pub async fn begin_ingestion(&self, tenant: TenantId, new: NewIngestion) -> Result<i64> {
        const BEGIN: Operation = Operation::new("begin to read a document");
        self.write(BEGIN, move |connection| {
            Box::pin(async move {
                let NewIngestion { document, media_type, columns, source, content_hash, size_bytes, at } = new;
                if let Some(hash) = &content_hash {
                    let row = query(
                        "select cast(coalesce(sum(length(bytes)), 0) as bigint) as stored from file_pieces \
                         where tenant = $1 and hash = $2",
                    )
                    .bind(tenant.to_string())
                    .bind(hash.clone())
                    .fetch_optional(&mut *connection)
                    .await?;
                    let stored: i64 = row.map(|it| it.try_get("stored")).transpose()?.unwrap_or(0);
                    if stored != size_bytes {
                        return Err(StorageError::Conflict { what: "a removal of the same file" }.into());
                    }
                }
                let row = query(
                    "insert into ingestions (tenant, document, version, state, done, total, unit, reason, problems, warnings, \
                     media_type, columns, source, content_hash, size_bytes, attempts, not_before, created_at, updated_at) \
                     select d.tenant, d.id, d.version + 1, 'queued', 0, 0, 'bytes', null, '{}', '[]', $3, $4, $5, $6, $7, 0, $8, $8, $8 \
                     from documents d where d.tenant = $1 and d.id = $2 \
                     on conflict (tenant, document) do update set version = ingestions.version + 1, state = 'queued', \
                     done = 0, total = 0, unit = 'bytes', reason = null, problems = '{}', warnings = '[]', media_type = excluded.media_type, \
                     columns = excluded.columns, source = excluded.source, content_hash = excluded.content_hash, \
                     size_bytes = excluded.size_bytes, attempts = 0, not_before = excluded.not_before, \
                     lease_owner = null, lease_until = null, updated_at = excluded.updated_at returning version",
                )
                .bind(tenant.to_string())
                .bind(document.to_string())
                .bind(media_type)
                .bind(columns.to_string())
                .bind(source)
                .bind(content_hash)
                .bind(size_bytes)
                .bind(at)
                .fetch_optional(connection)
                .await?
                .ok_or(StorageError::NotFound { what: "document" })?;
                Ok(row.try_get("version")?)
            })
        })
        .await
    }

    /// Whether there is an ingestion that nobody works on; looking costs less than trying to take it.
    pub async fn all_tenants_has_ingestion(&self, now: i64) -> Result<bool> {
        let query = query(
            "select 1 from ingestions where state in ('queued', 'parsing', 'embedding', 'indexing') and not_before <= $1 \
             and (lease_owner is null or lease_until < $1) limit 1",
        )
        .bind(now);
        let found: Option<Waiting> = self.first("look for documents to read", query).await?;
        Ok(found.is_some())
    }

    /// Takes the ingestion of one document, unless somebody works on it or there is none to be done.
    pub async fn claim_ingestion(
        &self,
        tenant: TenantId,
        document: DocumentId,
        lease: Lease,
        now: i64,
    ) -> Result<Option<ClaimedIngestion>> {
        const CLAIM: Operation = Operation::new("take a document to read");
        self.write(CLAIM, move |connection| {
            Box::pin(async move {
                let claimed = query(
                    "update ingestions set lease_owner = $3, lease_until = $4, attempts = attempts + 1, updated_at = $5 \
                     where tenant = $1 and document = $2 and state in ('queued', 'parsing', 'embedding', 'indexing') \
                     and (lease_owner is null or lease_until < $5)",
                )
                .bind(tenant.to_string())
                .bind(document.to_string())
                .bind(lease.owner)
                .bind(lease.until)
                .bind(now)
                .execute(&mut *connection)
                .await?;
                if claimed == 0 {
                    return Ok(None);
                }
                let sql = document_select!("where d.tenant = $1 and d.id = $2");
                let query = query(sql).bind(tenant.to_string()).bind(document.to_string());
                let row = query.fetch_optional(connection).await?;
                Ok(row.map(|it| ClaimedIngestion::read(&it)).transpose()?)
            })
        })
        .await
    }

    /// Takes the ingestion that should be worked on next: of the tenant for which least is being done, the oldest.
    pub async fn all_tenants_claim_ingestion(&self, lease: Lease, now: i64) -> Result<Option<ClaimedIngestion>> {
        const CLAIM: Operation = Operation::new("take a document to read");
        self.write(CLAIM, move |connection| {
            Box::pin(async move {
                let row = query(
                    "update ingestions set lease_owner = $1, lease_until = $2, attempts = attempts + 1, updated_at = $3 \
                     where (tenant, document) in (select i.tenant, i.document from ingestions i \
                     where i.state in ('queued', 'parsing', 'embedding', 'indexing') and i.not_before <= $3 \
                     and (i.lease_owner is null or i.lease_until < $3) \
                     order by (select count(*) from ingestions o where o.tenant = i.tenant and o.lease_owner is not null \
                     and o.lease_until >= $3), i.created_at, i.document limit 1) returning tenant, document",
                )
                .bind(lease.owner)
                .bind(lease.until)
                .bind(now)
                .fetch_optional(&mut *connection)
                .await?;
                let Some(row) = row else { return Ok(None) };
                let (tenant, document): (String, String) = (row.try_get("tenant")?, row.try_get("document")?);
                let sql = document_select!("where d.tenant = $1 and d.id = $2");
                let row = query(sql).bind(tenant).bind(document).fetch_optional(connection).await?;
                Ok(row.map(|it| ClaimedIngestion::read(&it)).transpose()?)
            })
        })
        .await
    }

    /// Stores how far an ingestion has come, and keeps it for longer. False when it is no longer this worker's: it was
    /// cancelled, replaced or deleted, or another server has it.
    pub async fn advance_ingestion(&self, tenant: TenantId, held: Held, lease: i64, advance: Advance) -> Result<bool> {
        const ADVANCE: Operation = Operation::new("store how far a document has come");
        self.write(ADVANCE, move |connection| {
            Box::pin(async move {
                let statement = query(
                    "update ingestions set state = $5, done = $6, total = $7, unit = $8, updated_at = $9, lease_until = $10 \
                     where tenant = $1 and document = $2 and version = $3 and lease_owner = $4 \
                     and state in ('queued', 'parsing', 'embedding', 'indexing')",
                );
                let done = held
                    .named_in(statement, tenant)
                    .bind(advance.state.as_str())
                    .bind(advance.done)
                    .bind(advance.total)
                    .bind(advance.unit.as_str())
                    .bind(advance.at)
                    .bind(lease)
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Notes the file that was fetched from a document's source. False as in [`Storage::advance_ingestion`].
    pub async fn note_fetched_file(
        &self,
        tenant: TenantId,
        held: Held,
        (hash, size_bytes): (String, i64),
        media_type: Option<String>,
    ) -> Result<bool> {
        const NOTE: Operation = Operation::new("note a fetched file");
        self.write(NOTE, move |connection| {
            Box::pin(async move {
                let statement = query(
                    "update ingestions set content_hash = $5, size_bytes = $6, media_type = $7 \
                     where tenant = $1 and document = $2 and version = $3 and lease_owner = $4",
                );
                let done = held
                    .named_in(statement, tenant)
                    .bind(hash)
                    .bind(size_bytes)
                    .bind(media_type)
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Notes that all records of the file are stored. False as in [`Storage::advance_ingestion`].
    pub async fn note_read_file(&self, tenant: TenantId, held: Held, read: ReadFile) -> Result<bool> {
        const NOTE: Operation = Operation::new("note what was read of a file");
        self.write(NOTE, move |connection| {
            Box::pin(async move {
                let statement = query(
                    "update ingestions set state = 'embedding', done = 0, total = $5, unit = 'records', media_type = $6, \
                     warnings = $7, updated_at = $8 where tenant = $1 and document = $2 and version = $3 \
                     and lease_owner = $4 and state in ('queued', 'parsing')",
                );
                let done = held
                    .named_in(statement, tenant)
                    .bind(read.records)
                    .bind(read.media_type)
                    .bind(Value::from(read.warnings).to_string())
                    .bind(read.at)
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Ends an ingestion without a new version, or puts it off until `again_at`. False as in
    /// [`Storage::advance_ingestion`].
    pub async fn fail_ingestion(
        &self,
        tenant: TenantId,
        held: Held,
        (reason, problems): (String, Value),
        (again_at, at): (Option<i64>, i64),
    ) -> Result<bool> {
        const FAIL: Operation = Operation::new("say why a document cannot be read");
        self.write(FAIL, move |connection| {
            Box::pin(async move {
                let statement = query(
                    "update ingestions set state = case when $6 then 'queued' else 'failed' end, reason = $5, \
                     problems = $9, not_before = coalesce($7, not_before), lease_owner = null, lease_until = null, \
                     updated_at = $8 \
                     where tenant = $1 and document = $2 and version = $3 and lease_owner = $4",
                );
                let done = held
                    .named_in(statement, tenant)
                    .bind(reason)
                    .bind(again_at.is_some())
                    .bind(again_at)
                    .bind(at)
                    .bind(problems.to_string())
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Stops an ingestion; what answers goes on to. False when there is none in progress.
    pub async fn cancel_ingestion(&self, tenant: TenantId, document: DocumentId, at: i64) -> Result<bool> {
        const CANCEL: Operation = Operation::new("stop reading a document");
        self.write(CANCEL, move |connection| {
            Box::pin(async move {
                let done = query(
                    "update ingestions set state = 'cancelled', lease_owner = null, lease_until = null, updated_at = $3 \
                     where tenant = $1 and document = $2 and state in ('queued', 'parsing', 'embedding', 'indexing')",
                )
                .bind(tenant.to_string())
                .bind(document.to_string())
                .bind(at)
                .execute(connection)
                .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Begins an ingestion that failed or was stopped again, under a new number: whoever has not yet heard that it was
    /// stopped has nothing to do with it. False when there is none.
    pub async fn retry_ingestion(&self, tenant: TenantId, document: DocumentId, at: i64) -> Result<bool> {
        const RETRY: Operation = Operation::new("read a document again");
        self.write(RETRY, move |connection| {
            Box::pin(async move {
                let done = query(
                    "update ingestions set version = version + 1, state = 'queued', reason = null, problems = '{}', attempts = 0, \
                     not_before = $3, updated_at = $3 \
                     where tenant = $1 and document = $2 and state in ('failed', 'cancelled')",
                )
                .bind(tenant.to_string())
                .bind(document.to_string())
                .bind(at)
                .execute(connection)
                .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Puts a new version in place of the old one. False as in [`Storage::advance_ingestion`]; then nothing has changed.
    pub async fn finish_ingestion(&self, tenant: TenantId, held: Held, finished: Finished) -> Result<bool> {
        const FINISH: Operation = Operation::new("put a document's new records in place");
        let document = held.document;
        let done = self
            .write(FINISH, move |connection| {
                Box::pin(async move {
                    let Finished { records, media_type, warnings, reason, at } = finished;
                    let statement = query(
                        "update documents set version = i.version, edits = 0, records = $5, size_bytes = i.size_bytes, \
                         content_hash = i.content_hash, media_type = coalesce($6, i.media_type), source = i.source, \
                         columns = i.columns, warnings = $7, reason = $8, updated_at = $9 from ingestions i \
                         where documents.tenant = $1 and documents.id = $2 and i.tenant = $1 and i.document = $2 \
                         and i.version = $3 and i.lease_owner = $4 and i.state in ('queued', 'parsing', 'embedding', 'indexing') \
                         and $5 = (select count(*) from chunks c where c.tenant = $1 and c.document = $2 and c.version = $3)",
                    );
                    let switched = held
                        .named_in(statement, tenant)
                        .bind(records)
                        .bind(media_type)
                        .bind(Value::from(warnings).to_string())
                        .bind(reason)
                        .bind(at)
                        .execute(&mut *connection)
                        .await?;
                    if switched > 0 {
                        query("delete from ingestions where tenant = $1 and document = $2")
                            .bind(tenant.to_string())
                            .bind(document.to_string())
                            .execute(connection)
                            .await?;
                    }
                    Ok(switched > 0)
                })
            })
            .await?;
        if done {
            self.purge_document(tenant, document).await?;
            self.purge_files(tenant).await?;
        }
        Ok(done)
    }

    /// Forgets an ingestion whose result would be what is there already. False as in [`Storage::advance_ingestion`].
    pub async fn drop_ingestion(&self, tenant: TenantId, held: Held) -> Result<bool> {
        const DROP: Operation = Operation::new("forget a document that has not changed");
        self.write(DROP, move |connection| {
            Box::pin(async move {
                let statement = query(
                    "delete from ingestions where tenant = $1 and document = $2 and version = $3 and lease_owner = $4",
                );
                let done = held.named_in(statement, tenant).execute(connection).await?;
                Ok(done > 0)
            })
        })
        .await
    }
}
