//! The embedded index: one SQLite file per tenant. Words live in full-text tables, one per knowledge base, so that the
//! statistics of words cross neither tenants nor bases; vectors are scanned exactly, from memory. Every answer is made
//! within one read transaction: a document's old version answers until the new one is complete, and then at once.

mod put;
mod query;
mod scan;
mod search;
mod snapshot;
mod tenant;
mod types;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use sqlx::Row as _;

pub use query::Rows;
pub use types::{
    BaseRef, DocumentIn, Entry, Hit, Page, Progress, PutReport, SearchMode, SearchRequest, SearchResponse,
    SearchStatus, Stage, Stages,
};

use crate::embedder::Embedder;
use crate::error::KnowledgeError;
use crate::filter::Filter;
use tenant::TenantIndex;

/// A page of a listing holds at most this many records.
const MAX_PAGE: u32 = 1000;

/// The index of all tenants. Cheap to clone; every method can be called concurrently.
#[derive(Clone)]
pub struct Knowledge {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    embedder: Option<Arc<dyn Embedder>>,
    /// Written when a tenant is used for the first time.
    tenants: Mutex<HashMap<String, Arc<TenantIndex>>>,
}

impl Knowledge {
    /// Opens the index in a folder of its own. Without an embedder everything is found by words only, and says so.
    ///
    /// # Errors
    /// `Io` when the folder cannot be made.
    pub fn open(dir: PathBuf, embedder: Option<Arc<dyn Embedder>>) -> Result<Knowledge, KnowledgeError> {
        std::fs::create_dir_all(&dir)
            .map_err(|source| KnowledgeError::Io { path: dir.display().to_string(), source })?;
        Ok(Knowledge { inner: Arc::new(Inner { dir, embedder, tenants: Mutex::default() }) })
    }

    async fn tenant(&self, tenant: &str) -> Result<Arc<TenantIndex>, KnowledgeError> {
        let index = {
            let mut tenants = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            match tenants.get(tenant) {
                Some(index) => index.clone(),
                None => {
                    let index = Arc::new(TenantIndex::new(&self.inner.dir, tenant)?);
                    tenants.insert(tenant.to_owned(), index.clone());
                    index
                }
            }
        };
        index.prepare().await?;
        Ok(index)
    }

    /// Removes a document from a base; false when it was not there.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written.
    pub async fn delete_document(&self, tenant: &str, base: &str, document: &str) -> Result<bool, KnowledgeError> {
        self.tenant(tenant).await?.delete_document(base, document).await
    }

    /// Removes a base with everything in it; false when nothing was ever put into it.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written.
    pub async fn delete_base(&self, tenant: &str, base: &str) -> Result<bool, KnowledgeError> {
        self.tenant(tenant).await?.delete_base(base).await
    }

    /// The number of records in a base.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be read.
    pub async fn count(&self, tenant: &str, base: &str) -> Result<u64, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM records JOIN documents ON documents.row = records.document
             JOIN bases ON bases.row = documents.base WHERE bases.id = $1",
        )
        .bind(base)
        .fetch_one(&index.readers)
        .await
        .map_err(index.failed("count records"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The documents of a base, by id, with the versions that answer.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be read.
    pub async fn documents(&self, tenant: &str, base: &str) -> Result<HashMap<String, u32>, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let rows = sqlx::query(
            "SELECT documents.id, documents.version FROM documents JOIN bases ON bases.row = documents.base
             WHERE bases.id = $1",
        )
        .bind(base)
        .fetch_all(&index.readers)
        .await
        .map_err(index.failed("list documents"))?;
        let version = |version: i64| u32::try_from(version).unwrap_or(u32::MAX);
        Ok(rows.into_iter().map(|it| (it.get(0), version(it.get(1)))).collect())
    }

    /// One record by the id that a hit or a listing gave.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be read.
    pub async fn get(&self, tenant: &str, base: &str, id: &str) -> Result<Option<Entry>, KnowledgeError> {
        let Some((document, ordinal)) = split_id(id) else { return Ok(None) };
        let index = self.tenant(tenant).await?;
        let row = sqlx::query(
            "SELECT documents.name, records.text, records.fields FROM records
             JOIN documents ON documents.row = records.document JOIN bases ON bases.row = documents.base
             WHERE bases.id = $1 AND documents.id = $2 AND records.ordinal = $3",
        )
        .bind(base)
        .bind(document)
        .bind(ordinal)
        .fetch_optional(&index.readers)
        .await
        .map_err(index.failed("read a record"))?;
        let Some(row) = row else { return Ok(None) };
        let fields: String = row.get(2);
        Ok(Some(Entry { id: id.to_owned(), document: row.get(0), text: row.get(1), fields: index.fields(&fields)? }))
    }

    /// Records in the order of their documents and rows. A page begins behind the record that the cursor names, whether
    /// or not it still exists.
    ///
    /// # Errors
    /// `InvalidFilter`; `InvalidRequest` for a limit out of range or a cursor that no page gave; `Index`.
    #[expect(clippy::too_many_arguments, reason = "what a listing asks, as the callers' own interfaces have it")]
    pub async fn list(
        &self,
        tenant: &str,
        base: &BaseRef,
        filter: Option<Value>,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page, KnowledgeError> {
        if limit == 0 || limit > MAX_PAGE {
            return Err(KnowledgeError::InvalidRequest {
                message: format!("`limit` is {limit}; it goes from 1 to {MAX_PAGE}"),
                hint: "take the pages one after the other by `cursor`".to_owned(),
            });
        }
        let after = match cursor.as_deref().map(parse_cursor) {
            None => None,
            Some(Some(position)) => Some(position),
            Some(None) => {
                return Err(KnowledgeError::InvalidRequest {
                    message: "the cursor is not one that a page gave".to_owned(),
                    hint: "leave it out to begin with the first page".to_owned(),
                });
            }
        };
        let filter = Filter::compile(&filter.unwrap_or(Value::Null), &base.spec, &[])?;
        let index = self.tenant(tenant).await?;
        let mut reading = index.begin_reading().await?;
        let model = self.inner.embedder.as_deref();
        let Some(snapshot) = index.snapshot(&mut reading, base, model).await? else {
            return Ok(Page { entries: Vec::new(), next_cursor: None });
        };
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut places = snapshot.passing(&filter, after, wanted.saturating_add(1));
        let more = places.len() > wanted;
        places.truncate(wanted);
        let next_cursor = if more { places.last().map(|it| format!("{}:{}", it.document, it.ordinal)) } else { None };
        let rows: Vec<i64> = places.iter().map(|it| it.row).collect();
        let mut found = index.read_records(&mut reading, &rows).await?;
        let entries = rows
            .iter()
            .filter_map(|it| found.remove(it))
            .map(|it| Entry { id: it.id, document: it.document, text: it.text, fields: it.fields })
            .collect();
        Ok(Page { entries, next_cursor })
    }
}

fn split_id(id: &str) -> Option<(&str, i64)> {
    let (document, ordinal) = id.rsplit_once(':')?;
    Some((document, ordinal.parse().ok()?))
}

/// The document's place and the record's ordinal.
fn parse_cursor(cursor: &str) -> Option<(i64, u32)> {
    let (document, ordinal) = cursor.split_once(':')?;
    Some((document.parse().ok()?, ordinal.parse().ok()?))
}
