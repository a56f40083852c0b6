//! The embedded index: one SQLite file per tenant, and in memory what is searched: words with their records, and vectors,
//! which are compared exactly. The statistics of words cross neither tenants nor bases. Every answer is made
//! within one read transaction: a document's old version answers until the new one is complete, and then at once.

mod edit;
mod embed;
mod expand;
mod fusion;
mod highlight;
mod lists;
mod postings;
mod qdrant;
mod query;
mod rebuild;
mod rerank;
mod scan;
mod schema;
mod scope;
mod search;
mod snapshot;
mod stage;
mod tenant;
mod types;
mod vector_index;
mod write;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::Row as _;

pub use qdrant::QdrantConfig;
pub use query::Rows;
pub use rebuild::Rebuild;
pub use rerank::{HttpReranker, HttpRerankerConfig, LocalReranker, RerankError, Reranker};
pub use types::{
    BaseRef, Completed, DocumentIn, DocumentRef, EmbedReport, Entry, Expand, Hit, IndexState, ListRequest, Page,
    Progress, PutReport, SearchMode, SearchRequest, SearchResponse, SearchStatus, Stage, Stages, Timings, Weights,
};

use crate::error::KnowledgeError;
use crate::filter::Filter;
use crate::parse::Record;
use qdrant::QdrantIndex;
use snapshot::{Held, passing};
use tenant::{StoredRecord, TenantIndex};
use types::permits;
use vector_index::{Embedded, VectorIndex};

/// A page of a listing holds at most this many records.
const MAX_PAGE: u32 = 1000;
/// How often idle memory is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The index of all tenants. Cheap to clone; every method can be called concurrently.
#[derive(Clone)]
pub struct Knowledge {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    /// What finds records.
    finder: Arc<dyn VectorIndex>,
    /// Written when a tenant is used for the first time.
    tenants: Mutex<Tenants>,
}

struct Tenants {
    open: HashMap<String, Arc<TenantIndex>>,
    swept: Instant,
}

impl Knowledge {
    /// Opens the index in a folder of its own. Which model a base's vectors are of, its [`BaseRef`] says.
    ///
    /// # Errors
    /// `Io` when the folder cannot be made.
    pub fn open(dir: PathBuf) -> Result<Knowledge, KnowledgeError> {
        Knowledge::with(dir, Arc::new(Embedded))
    }

    /// The same with a Qdrant server that answers searches. It is asked when it is first needed, and filled from the files of
    /// this folder then.
    ///
    /// # Errors
    /// `InvalidRequest` for an address or a key that cannot be used; `Io` when the folder cannot be made.
    pub fn open_with_qdrant(dir: PathBuf, config: &QdrantConfig) -> Result<Knowledge, KnowledgeError> {
        Knowledge::with(dir, Arc::new(QdrantIndex::new(config)?))
    }

    fn with(dir: PathBuf, finder: Arc<dyn VectorIndex>) -> Result<Knowledge, KnowledgeError> {
        std::fs::create_dir_all(&dir)
            .map_err(|source| KnowledgeError::Io { path: dir.display().to_string(), source })?;
        let tenants = Mutex::new(Tenants { open: HashMap::new(), swept: Instant::now() });
        Ok(Knowledge { inner: Arc::new(Inner { dir, finder, tenants }) })
    }

    /// What finds records, and whether it answers now.
    pub async fn index_state(&self) -> IndexState {
        self.inner.finder.state().await
    }

    async fn tenant(&self, tenant: &str) -> Result<Arc<TenantIndex>, KnowledgeError> {
        let index = {
            let mut tenants = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            if tenants.swept.elapsed() >= SWEEP_EVERY {
                tenants.swept = Instant::now();
                #[expect(clippy::iter_over_hash_type, reason = "each is looked at, in whatever order")]
                for open in tenants.open.values() {
                    open.drop_idle_snapshots();
                }
            }
            match tenants.open.get(tenant) {
                Some(index) => index.clone(),
                None => {
                    let index = Arc::new(TenantIndex::new(&self.inner.dir, tenant, self.inner.finder.clone())?);
                    tenants.open.insert(tenant.to_owned(), index.clone());
                    index
                }
            }
        };
        index.prepare().await?;
        Ok(index)
    }

    /// The number of records in a base that answer.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be read.
    pub async fn count(&self, tenant: &str, base: &str) -> Result<u64, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let count: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(versions.records), 0) FROM documents JOIN versions ON versions.row = documents.visible
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
            "SELECT documents.id, versions.number FROM documents JOIN versions ON versions.row = documents.visible
             JOIN bases ON bases.row = documents.base WHERE bases.id = $1",
        )
        .bind(base)
        .fetch_all(&index.readers)
        .await
        .map_err(index.failed("list documents"))?;
        let version = |version: i64| u32::try_from(version).unwrap_or(u32::MAX);
        Ok(rows.into_iter().map(|it| (it.get(0), version(it.get(1)))).collect())
    }

    /// One record by the id that a hit or a listing gave. Whoever is not in a group of its document is told that there is
    /// none.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be read.
    pub async fn get(
        &self,
        tenant: &str,
        base: &str,
        id: &str,
        groups: Option<&[String]>,
    ) -> Result<Option<Entry>, KnowledgeError> {
        let Some((document, ordinal)) = split_id(id) else { return Ok(None) };
        let index = self.tenant(tenant).await?;
        let mut reading = index.begin_reading().await?;
        let failed = || index.failed("read a record");
        let found: Option<(i64, String)> = sqlx::query_as(
            "SELECT documents.visible, documents.groups FROM documents JOIN bases ON bases.row = documents.base
             WHERE bases.id = $1 AND documents.id = $2 AND documents.visible IS NOT NULL",
        )
        .bind(base)
        .bind(document)
        .fetch_optional(&mut *reading)
        .await
        .map_err(failed())?;
        let Some((version, of)) = found else { return Ok(None) };
        if !permits(&index.groups(&of)?, groups) {
            return Ok(None);
        }
        let row = schema::row_of(version, ordinal);
        Ok(index.read_records(&mut reading, &[row]).await?.remove(&row).map(entry))
    }

    /// Records in the order of their documents and rows. A page begins behind the record that the cursor names, whether
    /// or not it still exists.
    ///
    /// # Errors
    /// `InvalidFilter`; `InvalidRequest` for a limit out of range or a cursor that no page gave; `Index`.
    pub async fn list(&self, tenant: &str, base: &BaseRef, request: ListRequest) -> Result<Page, KnowledgeError> {
        let ListRequest { filter, cursor, limit, document, groups } = request;
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
        let Some(snapshot) = index.snapshot(&mut reading, base, Held::Columns).await? else {
            return Ok(Page { entries: Vec::new(), next_cursor: None });
        };
        let mut segments = snapshot.segments(groups.as_deref());
        if let Some(document) = document {
            let visible = index.visible_version(&mut reading, &base.id, &document).await?;
            let visible = visible.map(|(it, _)| it.version);
            segments.retain(|it| Some(it.version) == visible);
        }
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut places = passing(&segments, &filter, after, wanted.saturating_add(1));
        let more = places.len() > wanted;
        places.truncate(wanted);
        let next_cursor = if more { places.last().map(|it| format!("{}:{}", it.document, it.ordinal)) } else { None };
        let rows: Vec<i64> = places.iter().map(|it| it.row).collect();
        let mut found = index.read_records(&mut reading, &rows).await?;
        Ok(Page { entries: rows.iter().filter_map(|it| found.remove(it)).map(entry).collect(), next_cursor })
    }
}

fn entry(it: StoredRecord) -> Entry {
    let id = it.id();
    let StoredRecord { row: _, document, document_id: _, record } = it;
    let Record { ordinal: _, text, fields, position, answer } = record;
    Entry { id, document, text, answer, fields, position }
}

fn split_id(id: &str) -> Option<(&str, u32)> {
    let (document, ordinal) = id.rsplit_once(':')?;
    Some((document, ordinal.parse().ok().filter(|it| *it <= schema::MAX_ORDINAL)?))
}

/// The document's place and the record's ordinal.
fn parse_cursor(cursor: &str) -> Option<(i64, u32)> {
    let (document, ordinal) = cursor.split_once(':')?;
    Some((document.parse().ok()?, ordinal.parse().ok()?))
}
