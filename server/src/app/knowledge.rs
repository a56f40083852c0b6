//! The tenant's knowledge bases: files in, records in the database as the truth, the index beside it for search.

use domain::{Document, DocumentId, DocumentState, KnowledgeBase, KnowledgeBaseId, TenantId};
use knowledge::{BaseRef, BaseSpec, DocumentIn, Hit, SearchMode, SearchRequest, SearchResponse};
use serde_json::{Map, Value, json};
use storage::DocumentProgress;

use super::clock::{fingerprint, new_uuid};
use super::{App, AppError, Problem, Result};
use crate::error_codes::ErrorCode;

/// What a caller asks of one or several knowledge bases.
pub struct Search {
    pub query: String,
    pub top_k: u32,
    pub min_score: Option<f64>,
    pub mode: SearchMode,
    pub filter: Option<Value>,
}

/// More hits than this serve neither a model nor a reader.
const MAX_TOP_K: u32 = 100;
/// A longer query says less, and costs as much as a document.
const MAX_QUERY_BYTES: usize = 8 << 10;

impl App {
    /// # Errors
    /// The specification is not valid (every problem is told), or the name is taken.
    pub async fn create_base(&self, tenant: TenantId, spec: BaseSpec) -> Result<KnowledgeBase> {
        let problems = spec.check();
        if !problems.is_empty() {
            return Err(AppError::invalid(format!("the knowledge base `{}` is not valid", spec.name))
                .errors(problems.into_iter().map(|it| Problem::new("invalid_input", it)).collect()));
        }
        let now = self.clock().now_ms();
        let base = KnowledgeBase {
            id: KnowledgeBaseId::from_uuid(new_uuid()),
            name: spec.name.clone(),
            title: spec.title.clone(),
            description: spec.description.clone(),
            spec: serde_json::to_value(&spec).map_err(AppError::internal)?,
            created_at: now,
            updated_at: now,
        };
        self.storage().create_knowledge_base(tenant, base.clone()).await?;
        self.programs().forget_all();
        Ok(base)
    }

    pub async fn base(&self, tenant: TenantId, name: &str) -> Result<(KnowledgeBase, BaseSpec)> {
        let found = self.storage().knowledge_base(tenant, name).await?;
        let base = found.ok_or_else(|| AppError::not_found("knowledge base", name))?;
        let spec = serde_json::from_value(base.spec.clone()).map_err(AppError::internal)?;
        Ok((base, spec))
    }

    pub async fn delete_base(&self, tenant: TenantId, name: &str) -> Result<()> {
        let (base, _) = self.base(tenant, name).await?;
        self.0.knowledge.delete_base(&tenant.to_string(), &base.id.to_string()).await?;
        self.storage().delete_knowledge_base(tenant, name).await?;
        self.programs().forget_all();
        Ok(())
    }

    /// Reads a file into records and stores and indexes them; a document of the same name is replaced when, and only
    /// when, the new one is complete. Nothing is stored of a file that cannot be read.
    pub async fn put_document(&self, tenant: TenantId, base: &str, name: &str, bytes: Vec<u8>) -> Result<Document> {
        self.put_file(tenant, base, (name, bytes), Embed::Now).await
    }

    pub(super) async fn put_file(
        &self,
        tenant: TenantId,
        base: &str,
        (name, bytes): (&str, Vec<u8>),
        embed: Embed,
    ) -> Result<Document> {
        let (base, spec) = self.base(tenant, base).await?;
        let file = FileOf {
            name: name.to_owned(),
            hash: content_hash(&bytes),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        };
        let known = self.storage().document_by_name(tenant, base.id, name).await?;
        // What is there already is replaced with its vectors: nobody's search gets worse because a file changed.
        let embed = if known.is_some() { Embed::Now } else { embed };
        if let Some(same) = known
            && same.state == DocumentState::Ready
            && same.content_hash.as_deref() == Some(&file.hash)
        {
            return Ok(same);
        }
        let file_name = name.to_owned();
        let read_by = spec.clone();
        // Parsers run on untrusted bytes: off the async workers, and a panic is the document's error.
        let parsed = tokio::task::spawn_blocking(move || knowledge::parse(&bytes, &file_name, &read_by)).await;
        let parsed = match parsed {
            Ok(parsed) => parsed.map_err(unreadable)?,
            Err(panic) => {
                tracing::error!(document = name, error = %panic, "a parser panicked");
                return Err(AppError::new(ErrorCode::InvalidDocument, format!("`{name}` cannot be read"))
                    .hint("save it again as UTF-8 CSV or JSON"));
            }
        };
        self.store_records(tenant, &base, (file, parsed), embed).await
    }

    async fn store_records(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        (file, parsed): (FileOf, knowledge::Parsed),
        embed: Embed,
    ) -> Result<Document> {
        let mut document = self.begin_document(tenant, base, &file).await?;
        let id = document.id;
        let records = parsed.records.iter().map(|it| storage::NewRecord {
            ordinal: i64::from(it.ordinal),
            text: it.text.clone(),
            fields: Value::Object(it.fields.clone()),
        });
        let new = storage::NewRecords {
            document: id,
            version: document.version + 1,
            records: records.collect(),
            size_bytes: file.size,
            content_hash: file.hash,
            at: self.clock().now_ms(),
        };
        document.version = new.version;
        self.storage().replace_document_records(tenant, new).await?;
        let total = i64::try_from(parsed.records.len()).unwrap_or(i64::MAX);
        let indexed = self.index(tenant, base, (&document, parsed.records), embed).await;
        let (state, reason) = match &indexed {
            Ok(reason) => (DocumentState::Ready, reason.clone()),
            Err(error) => (DocumentState::Failed, Some(error.detail.clone())),
        };
        let progress = DocumentProgress { state, done: total, total, reason, at: self.clock().now_ms() };
        self.storage().set_document_state(tenant, id, progress).await?;
        indexed?;
        let stored = self.storage().document(tenant, id).await?;
        stored.ok_or_else(|| AppError::new(ErrorCode::Conflict, format!("`{}` was deleted meanwhile", file.name)))
    }

    /// The document that these records belong to; made, empty, if there is none of that name.
    async fn begin_document(&self, tenant: TenantId, base: &KnowledgeBase, file: &FileOf) -> Result<Document> {
        if let Some(known) = self.storage().document_by_name(tenant, base.id, &file.name).await? {
            return Ok(known);
        }
        let now = self.clock().now_ms();
        let document = Document {
            id: DocumentId::from_uuid(new_uuid()),
            base: base.id,
            name: file.name.clone(),
            version: 0,
            state: DocumentState::Indexing,
            done: 0,
            total: 0,
            reason: None,
            records: 0,
            size_bytes: file.size,
            content_hash: None,
            created_at: now,
            updated_at: now,
        };
        self.storage().create_document(tenant, document.clone()).await?;
        Ok(document)
    }

    /// Puts the records into the index; answers why they are not embedded, if they are not.
    async fn index(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        (document, records): (&Document, Vec<knowledge::Record>),
        embed: Embed,
    ) -> Result<Option<String>> {
        let spec: BaseSpec = serde_json::from_value(base.spec.clone()).map_err(AppError::internal)?;
        let document = DocumentIn {
            id: document.id.to_string(),
            name: document.name.clone(),
            version: u32::try_from(document.version).unwrap_or(u32::MAX),
            records,
        };
        let base = BaseRef { id: base.id.to_string(), spec };
        let tenant = tenant.to_string();
        let report = match embed {
            Embed::Now => self.0.knowledge.put_document(&tenant, &base, document, &|_| {}).await?,
            Embed::InBackground => self.0.knowledge.put_document_by_words(&tenant, &base, document).await?,
        };
        Ok(report.reason)
    }

    pub async fn delete_document(&self, tenant: TenantId, base: &str, id: DocumentId) -> Result<()> {
        let (base, _) = self.base(tenant, base).await?;
        let found = self.storage().document(tenant, id).await?.filter(|it| it.base == base.id);
        if found.is_none() || !self.storage().delete_document(tenant, id).await? {
            return Err(AppError::not_found("document", id));
        }
        self.0.knowledge.delete_document(&tenant.to_string(), &base.id.to_string(), &id.to_string()).await?;
        Ok(())
    }

    pub async fn search(&self, tenant: TenantId, bases: &[String], search: Search) -> Result<SearchResponse> {
        if search.query.len() > MAX_QUERY_BYTES {
            return Err(AppError::new(ErrorCode::TooLarge, format!("a query has at most {MAX_QUERY_BYTES} bytes"))
                .hint("ask with the words that matter"));
        }
        if search.top_k == 0 || search.top_k > MAX_TOP_K {
            return Err(AppError::invalid(format!("`top_k` is {}; it goes from 1 to {MAX_TOP_K}", search.top_k)));
        }
        let mut references = Vec::new();
        for name in bases {
            let (base, spec) = self.base(tenant, name).await?;
            self.catch_up(tenant, &base).await?;
            references.push(BaseRef { id: base.id.to_string(), spec });
        }
        let Search { query, top_k, min_score, mode, filter } = search;
        let request = SearchRequest { bases: references, query, top_k, min_score, mode, filter };
        Ok(self.0.knowledge.search(&tenant.to_string(), request).await?)
    }

    /// Rows and sums over a base's typed fields.
    ///
    /// # Errors
    /// The query does not fit the base, or the index cannot be read.
    pub async fn query(&self, tenant: TenantId, base: &str, query: &Map<String, Value>) -> Result<knowledge::Rows> {
        let (found, spec) = self.base(tenant, base).await?;
        self.catch_up(tenant, &found).await?;
        let reference = BaseRef { id: found.id.to_string(), spec };
        Ok(self.0.knowledge.query(&tenant.to_string(), &reference, query).await?)
    }

    /// Fetches the embedding model in the background and embeds what was stored before it was there.
    pub fn prepare_embeddings(&self) {
        let Some(local) = self.0.local_model.clone() else { return };
        let app = self.clone();
        self.spawn(async move {
            let fetched = tokio::select! {
                fetched = local.ensure(&|_| {}) => fetched,
                () = app.stopping() => return,
            };
            if let Err(error) = fetched {
                tracing::warn!(error = %error, "the embedding model cannot be had; search goes by words only");
                return;
            }
            if let Err(error) = app.embed_everything().await {
                tracing::error!(error = %error, "not everything could be embedded");
            }
        });
    }

    pub(crate) fn knowledge_index(&self) -> &knowledge::Knowledge {
        &self.0.knowledge
    }

    /// The state of the in-process embedding model; none when the server runs without.
    pub fn embedding_state(&self) -> Option<knowledge::ModelState> {
        self.0.local_model.as_ref().map(|it| it.state())
    }

    pub fn local_model(&self) -> Option<&std::sync::Arc<knowledge::LocalEmbedder>> {
        self.0.local_model.as_ref()
    }

    /// Makes the vectors that are missing, in every tenant.
    ///
    /// # Errors
    /// The model cannot be used, or an index cannot be written; what is done stays done.
    pub async fn embed_everything(&self) -> Result<()> {
        for tenant in self.storage().all_tenants_list_tenants().await? {
            for base in self.storage().list_knowledge_bases(tenant.id).await? {
                if self.is_stopping() {
                    return Ok(());
                }
                self.catch_up(tenant.id, &base).await?;
                let spec: BaseSpec = serde_json::from_value(base.spec.clone()).map_err(AppError::internal)?;
                let reference = BaseRef { id: base.id.to_string(), spec };
                let embedded = self.0.knowledge.embed_missing(&tenant.id.to_string(), &reference, &|_| {}).await?;
                if embedded > 0 {
                    tracing::info!(knowledge.base = base.name, records = embedded, "embedded what was waiting");
                    self.clear_reasons(tenant.id, base.id).await?;
                }
            }
        }
        Ok(())
    }

    /// What was waiting for its vectors waits no longer.
    async fn clear_reasons(&self, tenant: TenantId, base: KnowledgeBaseId) -> Result<()> {
        for it in self.documents(tenant, base).await? {
            if it.state == DocumentState::Ready && it.reason.is_some() {
                let (state, done, total) = (it.state, it.done, it.total);
                let progress = DocumentProgress { state, done, total, reason: None, at: self.clock().now_ms() };
                self.storage().set_document_state(tenant, it.id, progress).await?;
            }
        }
        Ok(())
    }

    pub async fn documents(&self, tenant: TenantId, base: KnowledgeBaseId) -> Result<Vec<Document>> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.storage().list_documents(tenant, base, cursor.as_deref(), 500).await?;
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}

/// When a file's records get their vectors.
#[derive(Clone, Copy)]
pub(super) enum Embed {
    Now,
    /// By [`App::prepare_embeddings`], which whoever chooses this calls when all files are in.
    InBackground,
}

/// A file as far as its document is concerned.
struct FileOf {
    name: String,
    hash: String,
    size: i64,
}

fn unreadable(error: knowledge::KnowledgeError) -> AppError {
    let problems = error
        .problems()
        .into_iter()
        .map(|it| Problem { line: it.row, path: it.column, ..Problem::new("invalid_document", it.message) })
        .collect();
    AppError::from(error).errors(problems)
}

fn content_hash(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    fingerprint(&format!("{:?}", sha2::Sha256::digest(bytes)))
}

/// A hit as workflows see it: its fields beside its id, document, text and score.
pub(crate) fn flat_hit(hit: &Hit) -> Value {
    let mut flat: Map<String, Value> = hit.fields.clone();
    flat.insert("id".into(), json!(hit.id));
    flat.insert("document".into(), json!(hit.document));
    flat.insert("text".into(), json!(hit.text));
    flat.insert("score".into(), json!(hit.score));
    Value::Object(flat)
}
