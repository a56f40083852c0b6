//! Knowledge bases and the documents in them; what the documents hold is in [`crate::records`].

use domain::{Document, DocumentId, DocumentState, KnowledgeBase, KnowledgeBaseId, TenantId};

use crate::accounts::found;
use crate::columns::{self, Stored, parsed};
use crate::database::{Connection, Row, query};
use crate::error::{Failure, Operation};
use crate::pages::{Cursor, Page, page, with_one_more};
use crate::{Result, Storage};

macro_rules! base_columns {
    () => {
        "id, name, title, description, spec, created_at, updated_at"
    };
}
macro_rules! document_columns {
    () => {
        "id, base, name, version, state, done, total, reason, records, size_bytes, content_hash, created_at, updated_at"
    };
}

/// How far a document has come.
#[derive(Clone, Debug)]
pub struct DocumentProgress {
    pub state: DocumentState,
    /// Of `total` records; both 0 when the state has nothing to count.
    pub done: i64,
    pub total: i64,
    /// In words, when it failed or is less than complete.
    pub reason: Option<String>,
    pub at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnowledgeBaseSize {
    pub documents: i64,
    pub records: i64,
}

impl Stored for KnowledgeBase {
    fn read(row: &Row) -> Result<KnowledgeBase, sqlx::Error> {
        Ok(KnowledgeBase {
            id: parsed(row, "id")?,
            name: row.try_get("name")?,
            title: row.try_get("title")?,
            description: row.try_get("description")?,
            spec: columns::json(row, "spec")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl Stored for Document {
    fn read(row: &Row) -> Result<Document, sqlx::Error> {
        Ok(Document {
            id: parsed(row, "id")?,
            base: parsed(row, "base")?,
            name: row.try_get("name")?,
            version: row.try_get("version")?,
            state: parsed(row, "state")?,
            done: row.try_get("done")?,
            total: row.try_get("total")?,
            reason: row.try_get("reason")?,
            records: row.try_get("records")?,
            size_bytes: row.try_get("size_bytes")?,
            content_hash: row.try_get("content_hash")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

struct OfTenant(TenantId, Document);

impl Stored for OfTenant {
    fn read(row: &Row) -> Result<OfTenant, sqlx::Error> {
        Ok(OfTenant(parsed(row, "tenant")?, Document::read(row)?))
    }
}

impl Stored for KnowledgeBaseSize {
    fn read(row: &Row) -> Result<KnowledgeBaseSize, sqlx::Error> {
        Ok(KnowledgeBaseSize { documents: row.try_get("documents")?, records: row.try_get("records")? })
    }
}

struct Stamp(String);

impl Stored for Stamp {
    fn read(row: &Row) -> Result<Stamp, sqlx::Error> {
        let numbers = [row.try_get::<i64>("a")?, row.try_get("b")?, row.try_get("c")?, row.try_get("d")?];
        Ok(Stamp(format!("{numbers:?}")))
    }
}

impl Storage {
    /// A text that is another one after any change of the base's documents.
    pub async fn documents_stamp(&self, tenant: TenantId, base: KnowledgeBaseId) -> Result<String> {
        let sql = "select count(*) as a, cast(coalesce(sum(version), 0) as bigint) as b, \
                   cast(coalesce(sum(updated_at), 0) as bigint) as c, cast(coalesce(sum(created_at), 0) as bigint) as d \
                   from documents where tenant = $1 and base = $2";
        let stamp = self
            .first("look whether documents have changed", query(sql).bind(tenant.to_string()).bind(base.to_string()));
        Ok(stamp.await?.map_or_else(String::new, |Stamp(it)| it))
    }

    /// A text that is another one after any change of what the tenant's workflows may refer to: what is published,
    /// knowledge bases, plugins, decision tables.
    pub async fn catalog_stamp(&self, tenant: TenantId) -> Result<String> {
        let sql = "select (select count(*) from versions where tenant = $1) as a, \
                   (select count(*) from definitions where tenant = $1 and not deleted) as b, \
                   (select cast(coalesce(sum(updated_at), 0) as bigint) from decision_tables where tenant = $1) as c, \
                   (select cast(coalesce(sum(created_at), 0) as bigint) from knowledge_bases where tenant = $1) \
                   + (select cast(coalesce(sum(installed_at), 0) as bigint) from plugins where tenant = $1) as d";
        let stamp = self.first("look whether something was published", query(sql).bind(tenant.to_string()));
        Ok(stamp.await?.map_or_else(String::new, |Stamp(it)| it))
    }

    /// # Errors
    /// `Conflict` when the name is taken.
    pub async fn create_knowledge_base(&self, tenant: TenantId, base: KnowledgeBase) -> Result<()> {
        const CREATE: Operation = Operation::new("create a knowledge base").conflict("a knowledge base with this name");
        self.write(CREATE, move |connection| {
            Box::pin(async move {
                let KnowledgeBase { id, name, title, description, spec, created_at, updated_at } = base;
                let sql = concat!(
                    "insert into knowledge_bases (tenant, ",
                    base_columns!(),
                    ") values ($1, $2, $3, $4, $5, $6, $7, $8)"
                );
                query(sql)
                    .bind(tenant.to_string())
                    .bind(id.to_string())
                    .bind(name)
                    .bind(title)
                    .bind(description)
                    .bind(spec.to_string())
                    .bind(created_at)
                    .bind(updated_at)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Stores title, description and spec of the base with this id; name and time of creation stay.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such knowledge base.
    pub async fn update_knowledge_base(&self, tenant: TenantId, base: KnowledgeBase) -> Result<()> {
        const UPDATE: Operation = Operation::new("change a knowledge base");
        self.write(UPDATE, move |connection| {
            Box::pin(async move {
                let KnowledgeBase { id, name: _, title, description, spec, created_at: _, updated_at } = base;
                let done = query(
                    "update knowledge_bases set title = $3, description = $4, spec = $5, updated_at = $6 \
                     where tenant = $1 and id = $2",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(title)
                .bind(description)
                .bind(spec.to_string())
                .bind(updated_at)
                .execute(connection)
                .await?;
                found(done, "knowledge base")
            })
        })
        .await
    }

    pub async fn knowledge_base(&self, tenant: TenantId, name: &str) -> Result<Option<KnowledgeBase>> {
        let sql = concat!("select ", base_columns!(), " from knowledge_bases where tenant = $1 and name = $2");
        self.first("read a knowledge base", query(sql).bind(tenant.to_string()).bind(name.to_owned())).await
    }

    /// By name.
    pub async fn list_knowledge_bases(&self, tenant: TenantId) -> Result<Vec<KnowledgeBase>> {
        let sql = concat!("select ", base_columns!(), " from knowledge_bases where tenant = $1 order by name");
        self.all("list the knowledge bases", query(sql).bind(tenant.to_string())).await
    }

    /// Nothing for a base of another tenant.
    pub async fn knowledge_base_size(&self, tenant: TenantId, base: KnowledgeBaseId) -> Result<KnowledgeBaseSize> {
        let query = query(
            "select count(*) as documents, cast(coalesce(sum(records), 0) as bigint) as records from documents \
             where tenant = $1 and base = $2",
        )
        .bind(tenant.to_string())
        .bind(base.to_string());
        let size = self.first("count the records of a knowledge base", query).await?;
        Ok(size.unwrap_or(KnowledgeBaseSize { documents: 0, records: 0 }))
    }

    /// Deletes the base with its documents; their chunks are removed after that, in pieces. False when there is none.
    pub async fn delete_knowledge_base(&self, tenant: TenantId, name: &str) -> Result<bool> {
        const DELETE: Operation = Operation::new("delete a knowledge base");
        let name = name.to_owned();
        let documents = self
            .write(DELETE, move |connection| {
                Box::pin(async move {
                    let rows = query(
                        "select d.id from documents d join knowledge_bases b on b.tenant = d.tenant and b.id = d.base \
                         where b.tenant = $1 and b.name = $2",
                    )
                    .bind(tenant.to_string())
                    .bind(name.clone())
                    .fetch_all(&mut *connection)
                    .await?;
                    let done = query("delete from knowledge_bases where tenant = $1 and name = $2")
                        .bind(tenant.to_string())
                        .bind(name)
                        .execute(connection)
                        .await?;
                    if done == 0 {
                        return Ok(None);
                    }
                    let ids: Result<Vec<DocumentId>, _> = rows.iter().map(|it| parsed(it, "id")).collect();
                    Ok(Some(ids?))
                })
            })
            .await?;
        let Some(documents) = documents else { return Ok(false) };
        for document in documents {
            self.purge_document(tenant, document).await?;
        }
        Ok(true)
    }

    /// # Errors
    /// `NotFound` when the tenant has no such knowledge base, `Conflict` when the base has a document of this name.
    pub async fn create_document(&self, tenant: TenantId, document: Document) -> Result<()> {
        const CREATE: Operation =
            Operation::new("create a document").conflict("a document with this name").missing("knowledge base");
        self.write(CREATE, move |connection| Box::pin(insert_document(connection, tenant, document))).await
    }

    pub async fn document(&self, tenant: TenantId, id: DocumentId) -> Result<Option<Document>> {
        let sql = concat!("select ", document_columns!(), " from documents where tenant = $1 and id = $2");
        self.first("read a document", query(sql).bind(tenant.to_string()).bind(id.to_string())).await
    }

    pub async fn document_by_name(
        &self,
        tenant: TenantId,
        base: KnowledgeBaseId,
        name: &str,
    ) -> Result<Option<Document>> {
        let sql =
            concat!("select ", document_columns!(), " from documents where tenant = $1 and base = $2 and name = $3");
        let query = query(sql).bind(tenant.to_string()).bind(base.to_string()).bind(name.to_owned());
        self.first("look up a document", query).await
    }

    /// The newest first.
    pub async fn list_documents(
        &self,
        tenant: TenantId,
        base: KnowledgeBaseId,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<Document>> {
        let Cursor { at, id } = Cursor::read(cursor)?;
        let sql = concat!(
            "select ",
            document_columns!(),
            " from documents where tenant = $1 and base = $2 and (created_at, id) < ($3, $4) \
             order by created_at desc, id desc limit $5"
        );
        let query = query(sql)
            .bind(tenant.to_string())
            .bind(base.to_string())
            .bind(at)
            .bind(id.to_string())
            .bind(with_one_more(limit));
        let items = self.all("list the documents", query).await?;
        Ok(page(items, limit, |it: &Document| (it.created_at, *it.id.as_uuid())))
    }

    /// # Errors
    /// `NotFound` when the tenant has no such document.
    pub async fn set_document_state(&self, tenant: TenantId, id: DocumentId, progress: DocumentProgress) -> Result<()> {
        const SET: Operation = Operation::new("store how far a document has come");
        self.write(SET, move |connection| {
            Box::pin(async move {
                let DocumentProgress { state, done, total, reason, at } = progress;
                let done = query(
                    "update documents set state = $3, done = $4, total = $5, reason = $6, updated_at = $7 \
                     where tenant = $1 and id = $2",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(state.as_str())
                .bind(done)
                .bind(total)
                .bind(reason)
                .bind(at)
                .execute(connection)
                .await?;
                found(done, "document")
            })
        })
        .await
    }

    /// Deletes a document; its chunks are removed after that, in pieces. False when there is none.
    pub async fn delete_document(&self, tenant: TenantId, id: DocumentId) -> Result<bool> {
        const DELETE: Operation = Operation::new("delete a document");
        let deleted = self
            .write(DELETE, move |connection| {
                Box::pin(async move {
                    let done = query("delete from documents where tenant = $1 and id = $2")
                        .bind(tenant.to_string())
                        .bind(id.to_string())
                        .execute(connection)
                        .await?;
                    Ok(done > 0)
                })
            })
            .await?;
        if deleted {
            self.purge_document(tenant, id).await?;
        }
        Ok(deleted)
    }

    /// Documents that are not done, the oldest first: after a start, what has to be taken up again.
    pub async fn all_tenants_documents_in_progress(&self) -> Result<Vec<(TenantId, Document)>> {
        let sql = concat!(
            "select tenant, ",
            document_columns!(),
            " from documents where state in ('queued', 'parsing', 'embedding', 'indexing') order by created_at, id"
        );
        let found = self.all("list the documents in progress", query(sql)).await?;
        Ok(found.into_iter().map(|OfTenant(tenant, document)| (tenant, document)).collect())
    }
}

async fn insert_document(connection: &mut Connection, tenant: TenantId, document: Document) -> Result<(), Failure> {
    let Document {
        id,
        base,
        name,
        version,
        state,
        done,
        total,
        reason,
        records,
        size_bytes,
        content_hash,
        created_at,
        updated_at,
    } = document;
    let sql = concat!(
        "insert into documents (tenant, ",
        document_columns!(),
        ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
    );
    query(sql)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(base.to_string())
        .bind(name)
        .bind(version)
        .bind(state.as_str())
        .bind(done)
        .bind(total)
        .bind(reason)
        .bind(records)
        .bind(size_bytes)
        .bind(content_hash)
        .bind(created_at)
        .bind(updated_at)
        .execute(connection)
        .await?;
    Ok(())
}
