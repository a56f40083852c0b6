//! Knowledge bases and the documents in them; what the documents hold is in [`crate::records`].

use domain::{Document, DocumentId, Ingestion, KnowledgeBase, KnowledgeBaseId, TenantId};
use serde_json::Value;

use crate::accounts::found;
use crate::columns::{self, Stored, parsed};
use crate::database::{Connection, Row, query};
use crate::error::{Failure, Operation};
use crate::pages::{Cursor, Page, page, with_one_more};
use crate::{Result, Storage};

macro_rules! base_columns {
    () => {
        "id, name, title, description, spec, embedding_model, next_embedding_model, embedding_problem, created_at, \
         updated_at"
    };
}
/// A document with what is being made of it; the ingestion's columns come with `i_` before their names.
macro_rules! document_select {
    ($from:literal) => {
        concat!(
            "select d.tenant, d.id, d.base, d.name, d.version, d.edits, d.reason, d.records, d.size_bytes, d.content_hash, \
             d.media_type, d.source, d.columns, d.groups, d.metadata, d.warnings, d.created_at, d.updated_at, \
             i.version as i_version, i.state as i_state, i.done as i_done, i.total as i_total, i.unit as i_unit, \
             i.reason as i_reason, i.problems as i_problems, i.warnings as i_warnings, i.media_type as i_media_type, i.columns as i_columns, \
             i.source as i_source, i.content_hash as i_content_hash, i.size_bytes as i_size_bytes, \
             i.attempts as i_attempts, i.created_at as i_created_at, i.updated_at as i_updated_at \
             from documents d left join ingestions i on i.tenant = d.tenant and i.document = d.id ",
            $from
        )
    };
}
pub(crate) use document_select;

/// What a document is besides its records.
#[derive(Clone, Debug, Default)]
pub struct DocumentChange {
    pub groups: Option<Vec<String>>,
    /// A JSON object.
    pub metadata: Option<Value>,
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
            embedding_model: row.try_get("embedding_model")?,
            next_embedding_model: row.try_get("next_embedding_model")?,
            embedding_problem: row.try_get("embedding_problem")?,
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
            edits: row.try_get("edits")?,
            reason: row.try_get("reason")?,
            records: row.try_get("records")?,
            size_bytes: row.try_get("size_bytes")?,
            content_hash: row.try_get("content_hash")?,
            media_type: row.try_get("media_type")?,
            source: row.try_get("source")?,
            columns: columns::json(row, "columns")?,
            groups: columns::typed(row, "groups")?,
            metadata: columns::json(row, "metadata")?,
            warnings: columns::typed(row, "warnings")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            ingestion: match row.try_get::<Option<i64>>("i_version")? {
                None => None,
                Some(version) => Some(read_ingestion(row, version)?),
            },
        })
    }
}

fn read_ingestion(row: &Row, version: i64) -> Result<Ingestion, sqlx::Error> {
    Ok(Ingestion {
        version,
        state: parsed(row, "i_state")?,
        done: row.try_get("i_done")?,
        total: row.try_get("i_total")?,
        unit: parsed(row, "i_unit")?,
        reason: row.try_get("i_reason")?,
        problems: columns::json(row, "i_problems")?,
        warnings: columns::typed(row, "i_warnings")?,
        media_type: row.try_get("i_media_type")?,
        columns: columns::json(row, "i_columns")?,
        source: row.try_get("i_source")?,
        content_hash: row.try_get("i_content_hash")?,
        size_bytes: row.try_get("i_size_bytes")?,
        attempts: row.try_get("i_attempts")?,
        created_at: row.try_get("i_created_at")?,
        updated_at: row.try_get("i_updated_at")?,
    })
}

impl Stored for KnowledgeBaseSize {
    fn read(row: &Row) -> Result<KnowledgeBaseSize, sqlx::Error> {
        Ok(KnowledgeBaseSize { documents: row.try_get("documents")?, records: row.try_get("records")? })
    }
}

struct Incomplete(DocumentId);

impl Stored for Incomplete {
    fn read(row: &Row) -> Result<Incomplete, sqlx::Error> {
        Ok(Incomplete(parsed(row, "id")?))
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
                let KnowledgeBase {
                    id,
                    name,
                    title,
                    description,
                    spec,
                    embedding_model,
                    next_embedding_model,
                    embedding_problem,
                    created_at,
                    updated_at,
                } = base;
                let sql = concat!(
                    "insert into knowledge_bases (tenant, ",
                    base_columns!(),
                    ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
                );
                query(sql)
                    .bind(tenant.to_string())
                    .bind(id.to_string())
                    .bind(name)
                    .bind(title)
                    .bind(description)
                    .bind(spec.to_string())
                    .bind(embedding_model)
                    .bind(next_embedding_model)
                    .bind(embedding_problem)
                    .bind(created_at)
                    .bind(updated_at)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Stores everything of the base with this id but its name and time of creation.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such knowledge base.
    pub async fn update_knowledge_base(&self, tenant: TenantId, base: KnowledgeBase) -> Result<()> {
        const UPDATE: Operation = Operation::new("change a knowledge base");
        self.write(UPDATE, move |connection| {
            Box::pin(async move {
                let done = query(
                    "update knowledge_bases set title = $3, description = $4, spec = $5, embedding_model = $6, \
                     next_embedding_model = $7, embedding_problem = $8, updated_at = $9 where tenant = $1 and id = $2",
                )
                .bind(tenant.to_string())
                .bind(base.id.to_string())
                .bind(base.title)
                .bind(base.description)
                .bind(base.spec.to_string())
                .bind(base.embedding_model)
                .bind(base.next_embedding_model)
                .bind(base.embedding_problem)
                .bind(base.updated_at)
                .execute(connection)
                .await?;
                found(done, "knowledge base")
            })
        })
        .await
    }

    /// Says why a base does not get to its next embedding model. Nothing if that is no longer the next one.
    pub async fn set_embedding_problem(
        &self,
        tenant: TenantId,
        base: KnowledgeBaseId,
        next: &str,
        problem: Option<String>,
    ) -> Result<()> {
        const SET: Operation = Operation::new("say why a knowledge base keeps its embedding model");
        let next = next.to_owned();
        self.write(SET, move |connection| {
            Box::pin(async move {
                query(
                    "update knowledge_bases set embedding_problem = $4 where tenant = $1 and id = $2 \
                     and next_embedding_model = $3",
                )
                .bind(tenant.to_string())
                .bind(base.to_string())
                .bind(next)
                .bind(problem)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Lets a base's next embedding model answer. False when that is no longer the next one.
    pub async fn finish_embedding_move(
        &self,
        tenant: TenantId,
        base: KnowledgeBaseId,
        next: &str,
        at: i64,
    ) -> Result<bool> {
        const FINISH: Operation = Operation::new("let another embedding model answer");
        let next = next.to_owned();
        self.write(FINISH, move |connection| {
            Box::pin(async move {
                let done = query(
                    "update knowledge_bases set embedding_model = $3, next_embedding_model = null, \
                     embedding_problem = null, updated_at = $4 where tenant = $1 and id = $2 and next_embedding_model = $3",
                )
                .bind(tenant.to_string())
                .bind(base.to_string())
                .bind(next)
                .bind(at)
                .execute(connection)
                .await?;
                Ok(done > 0)
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
        self.purge_files(tenant).await?;
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
        let sql = document_select!("where d.tenant = $1 and d.id = $2");
        self.first("read a document", query(sql).bind(tenant.to_string()).bind(id.to_string())).await
    }

    pub async fn document_by_name(
        &self,
        tenant: TenantId,
        base: KnowledgeBaseId,
        name: &str,
    ) -> Result<Option<Document>> {
        let sql = document_select!("where d.tenant = $1 and d.base = $2 and d.name = $3");
        let query = query(sql).bind(tenant.to_string()).bind(base.to_string()).bind(name.to_owned());
        self.first("look up a document", query).await
    }

    /// The newest first; only those in whose name, or in a group's name of whose groups, `containing` stands.
    pub async fn list_documents(
        &self,
        tenant: TenantId,
        base: KnowledgeBaseId,
        containing: Option<&str>,
        (cursor, limit): (Option<&str>, i64),
    ) -> Result<Page<Document>> {
        let Cursor { at, id } = Cursor::read(cursor)?;
        let sql = document_select!(
            "where d.tenant = $1 and d.base = $2 and (d.created_at, d.id) < ($3, $4) \
             and ($6 is null or lower(d.name) like lower($6) escape '\\' or lower(d.groups) like lower($7) escape '\\') \
             order by d.created_at desc, d.id desc limit $5"
        );
        let query = query(sql)
            .bind(tenant.to_string())
            .bind(base.to_string())
            .bind(at)
            .bind(id.to_string())
            .bind(with_one_more(limit))
            .bind(containing.map(columns::containing))
            .bind(containing.and_then(columns::list_containing));
        let items = self.all("list the documents", query).await?;
        Ok(page(items, limit, |it: &Document| (it.created_at, *it.id.as_uuid())))
    }

    /// # Errors
    /// `NotFound` when the tenant has no such document.
    pub async fn change_document(
        &self,
        tenant: TenantId,
        id: DocumentId,
        change: DocumentChange,
        at: i64,
    ) -> Result<()> {
        const CHANGE: Operation = Operation::new("change a document");
        self.write(CHANGE, move |connection| {
            Box::pin(async move {
                let groups = change.groups.map(|it| columns::list(&it));
                let done = query(
                    "update documents set groups = coalesce($3, groups), metadata = coalesce($4, metadata), \
                     edits = edits + 1, updated_at = $5 where tenant = $1 and id = $2",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(groups)
                .bind(change.metadata.map(|it| it.to_string()))
                .bind(at)
                .execute(connection)
                .await?;
                found(done, "document")
            })
        })
        .await
    }

    /// Documents that answer and are less than complete.
    pub async fn documents_with_reason(&self, tenant: TenantId, base: KnowledgeBaseId) -> Result<Vec<DocumentId>> {
        let query = query("select id from documents where tenant = $1 and base = $2 and reason is not null")
            .bind(tenant.to_string())
            .bind(base.to_string());
        let found: Vec<Incomplete> = self.all("list documents that are less than complete", query).await?;
        Ok(found.into_iter().map(|Incomplete(it)| it).collect())
    }

    /// Says why a document is less than complete, or that it is not.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such document.
    pub async fn set_document_reason(&self, tenant: TenantId, id: DocumentId, reason: Option<String>) -> Result<()> {
        const SET: Operation = Operation::new("say why a document is less than complete");
        self.write(SET, move |connection| {
            Box::pin(async move {
                let done = query("update documents set reason = $3 where tenant = $1 and id = $2")
                    .bind(tenant.to_string())
                    .bind(id.to_string())
                    .bind(reason)
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
            self.purge_files(tenant).await?;
        }
        Ok(deleted)
    }
}

async fn insert_document(connection: &mut Connection, tenant: TenantId, document: Document) -> Result<(), Failure> {
    let Document {
        id,
        base,
        name,
        version,
        edits,
        reason,
        records,
        size_bytes,
        content_hash,
        media_type,
        source,
        columns: mapping,
        groups,
        metadata,
        warnings,
        created_at,
        updated_at,
        // What becomes of it is begun by itself.
        ingestion: _,
    } = document;
    query(
        "insert into documents (tenant, id, base, name, version, edits, reason, records, size_bytes, content_hash, \
         media_type, source, columns, groups, metadata, warnings, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    )
    .bind(tenant.to_string())
    .bind(id.to_string())
    .bind(base.to_string())
    .bind(name)
    .bind(version)
    .bind(edits)
    .bind(reason)
    .bind(records)
    .bind(size_bytes)
    .bind(content_hash)
    .bind(media_type)
    .bind(source)
    .bind(mapping.to_string())
    .bind(columns::list(&groups))
    .bind(metadata.to_string())
    .bind(Value::from(warnings).to_string())
    .bind(created_at)
    .bind(updated_at)
    .execute(connection)
    .await?;
    Ok(())
}
