//! Documents of a knowledge base: how they come in, what they are besides their records, and how they go. Reading them is
//! the work of [`crate::jobs`].

use std::time::Duration;

use domain::{Document, DocumentId, DocumentState, KnowledgeBase, KnowledgeBaseId, TenantId};
use serde_json::{Map, Value, json};
use storage::{DocumentChange, NewIngestion, Page, StorageError};

use super::clock::new_uuid;
use super::incoming::Incoming;
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;

const MAX_NAME_CHARS: usize = 255;
const MAX_GROUPS: usize = 100;
const MAX_METADATA_BYTES: usize = 64 << 10;
/// Bits of an index's version that count edits of single records.
const EDIT_BITS: u32 = 12;
/// How often whoever waits for a document looks at it.
const LOOK: Duration = Duration::from_millis(100);
/// Attempts to store a file that somebody else's broom takes away meanwhile.
const ATTEMPTS: usize = 3;

/// What is said of a document besides its content; what is not said stays.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub media_type: Option<String>,
    /// Column of the file → field; an empty field leaves the column out.
    pub columns: Option<Map<String, Value>>,
    pub groups: Option<Vec<String>>,
    pub metadata: Option<Map<String, Value>>,
    /// The address that it came from.
    pub source: Option<String>,
}

impl About {
    fn check(&self) -> Result<()> {
        if let Some(groups) = &self.groups
            && (groups.len() > MAX_GROUPS || groups.iter().any(|it| it.trim().is_empty() || it.chars().count() > 100))
        {
            return Err(AppError::invalid(format!(
                "a document has at most {MAX_GROUPS} groups, each with a name of 1 to 100 characters"
            )));
        }
        if let Some(metadata) = &self.metadata
            && Value::Object(metadata.clone()).to_string().len() > MAX_METADATA_BYTES
        {
            return Err(AppError::invalid(format!("a document's metadata have at most {MAX_METADATA_BYTES} bytes"))
                .hint("what is searched belongs into the document itself"));
        }
        if let Some(columns) = &self.columns
            && let Some((header, _)) = columns.iter().find(|(_, it)| !it.is_string())
        {
            return Err(AppError::invalid(format!("the field of the column `{header}` is not a text"))
                .hint("for example {\"菜名\": \"name\", \"备注\": \"\"}; an empty text leaves the column out"));
        }
        Ok(())
    }

    fn change(&self) -> DocumentChange {
        DocumentChange { groups: self.groups.clone(), metadata: self.metadata.clone().map(Value::Object) }
    }
}

/// A document's version as its index knows it: it grows with every replacement and with every edit of a record, so that
/// an index that missed one is seen.
pub(crate) fn index_version(version: i64, edits: i64) -> u32 {
    let most = (1 << EDIT_BITS) - 1;
    let edits = u32::try_from(edits).unwrap_or(most).min(most);
    u32::try_from(version).unwrap_or(0).wrapping_shl(EDIT_BITS) | edits
}

impl App {
    /// Takes a file in; it is read in the background. A document of the same name is replaced when, and only when, the
    /// new version is complete. The same file again changes nothing.
    ///
    /// # Errors
    /// The base is not there, the name or what is said of the file is not usable, or the disk is full.
    pub async fn put_document(
        &self,
        tenant: TenantId,
        base: &str,
        (name, file): (&str, &Incoming),
        about: About,
    ) -> Result<Document> {
        let (base, _) = self.base(tenant, base).await?;
        if file.size == 0 {
            return Err(AppError::new(ErrorCode::InvalidDocument, format!("`{name}` is empty"))
                .hint("check that the file was saved before it was sent"));
        }
        let (document, is_new) = self.document_named(tenant, &base, name, &about).await?;
        let columns = about.columns.clone().map_or_else(|| document.columns.clone(), Value::Object);
        let unchanged = document.content_hash.as_deref() == Some(&file.hash)
            && document.columns == columns
            && document.ingestion.is_none();
        if !is_new {
            self.change_document(tenant, &base, &document, &about).await?;
        }
        if unchanged && !is_new {
            return self.document(tenant, &base, document.id).await;
        }
        let new = NewIngestion {
            document: document.id,
            media_type: about.media_type,
            columns,
            source: about.source,
            content_hash: Some(file.hash.clone()),
            size_bytes: i64::try_from(file.size).unwrap_or(i64::MAX),
            at: self.clock().now_ms(),
        };
        self.keep_and_begin(tenant, file, new).await?;
        self.document(tenant, &base, document.id).await
    }

    /// Stores the file and says that it is to be read. Both or, for somebody who deletes the last other document with
    /// this file at the same moment, both again.
    async fn keep_and_begin(&self, tenant: TenantId, file: &Incoming, new: NewIngestion) -> Result<()> {
        for attempt in 1.. {
            self.keep_file(tenant, file).await?;
            match self.storage().begin_ingestion(tenant, new.clone()).await {
                Err(StorageError::Conflict { .. }) if attempt < ATTEMPTS => {}
                begun => {
                    begun?;
                    break;
                }
            }
        }
        self.documents_wait();
        Ok(())
    }

    /// Takes the content of an address in; it is fetched and read in the background.
    ///
    /// # Errors
    /// As [`App::put_document`].
    pub async fn put_address(&self, tenant: TenantId, base: &str, name: &str, about: About) -> Result<Document> {
        let (base, _) = self.base(tenant, base).await?;
        let (document, is_new) = self.document_named(tenant, &base, name, &about).await?;
        if !is_new {
            self.change_document(tenant, &base, &document, &about).await?;
        }
        let new = NewIngestion {
            document: document.id,
            media_type: None,
            columns: about.columns.map_or(document.columns, Value::Object),
            source: about.source,
            content_hash: None,
            size_bytes: 0,
            at: self.clock().now_ms(),
        };
        self.storage().begin_ingestion(tenant, new).await?;
        self.documents_wait();
        self.document(tenant, &base, document.id).await
    }

    /// The document of this name, made without records if there is none; and whether it was made.
    async fn document_named(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        name: &str,
        about: &About,
    ) -> Result<(Document, bool)> {
        about.check()?;
        if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(AppError::invalid(format!("a document's name has 1 to {MAX_NAME_CHARS} printable characters")));
        }
        if let Some(known) = self.storage().document_by_name(tenant, base.id, name).await? {
            return Ok((known, false));
        }
        let now = self.clock().now_ms();
        let document = Document {
            id: DocumentId::from_uuid(new_uuid()),
            base: base.id,
            name: name.to_owned(),
            version: 0,
            edits: 0,
            reason: None,
            records: 0,
            size_bytes: 0,
            content_hash: None,
            media_type: None,
            source: None,
            columns: json!({}),
            groups: about.groups.clone().unwrap_or_default(),
            metadata: Value::Object(about.metadata.clone().unwrap_or_default()),
            warnings: Vec::new(),
            created_at: now,
            updated_at: now,
            ingestion: None,
        };
        match self.storage().create_document(tenant, document.clone()).await {
            // Somebody else has just sent a file of the same name: both are versions of one document.
            Err(StorageError::Conflict { .. }) => {
                let known = self.storage().document_by_name(tenant, base.id, name).await?;
                known.map(|it| (it, false)).ok_or_else(|| AppError::not_found("document", name))
            }
            made => made.map(|()| (document, true)).map_err(AppError::from),
        }
    }

    /// Changes groups and metadata, which count at once. Metadata that are fields of the base become values of the records
    /// when the document is read again.
    pub(crate) async fn change_document(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        document: &Document,
        about: &About,
    ) -> Result<()> {
        about.check()?;
        let groups = about.groups.as_ref().filter(|it| **it != document.groups);
        let metadata = about.metadata.as_ref().filter(|it| document.metadata.as_object() != Some(*it));
        if groups.is_none() && metadata.is_none() {
            return Ok(());
        }
        self.storage().change_document(tenant, document.id, about.change(), self.clock().now_ms()).await?;
        if let Some(groups) = groups {
            let (tenant, base, id) = (tenant.to_string(), base.id.to_string(), document.id.to_string());
            self.knowledge_index().set_groups(&tenant, &base, &id, groups).await?;
        }
        Ok(())
    }

    /// # Errors
    /// `NotFound`.
    pub async fn document(&self, tenant: TenantId, base: &KnowledgeBase, id: DocumentId) -> Result<Document> {
        let found = self.storage().document(tenant, id).await?.filter(|it| it.base == base.id);
        found.ok_or_else(|| AppError::not_found("document", id))
    }

    /// Waits until nothing is being made of the document, for as long as is given.
    ///
    /// # Errors
    /// `NotFound` when it is deleted meanwhile.
    pub async fn document_at_rest(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        id: DocumentId,
        time: Duration,
    ) -> Result<Document> {
        let until = tokio::time::Instant::now() + time;
        loop {
            let document = self.document(tenant, base, id).await?;
            if !document.state().is_in_progress() || tokio::time::Instant::now() >= until || self.is_stopping() {
                return Ok(document);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Begins again what failed or was stopped; a document that is ready is read again from its file or address.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while it is being read; the original file is not kept.
    pub async fn read_again(&self, tenant: TenantId, base: &KnowledgeBase, id: DocumentId) -> Result<Document> {
        let document = self.document(tenant, base, id).await?;
        if document.state().is_in_progress() {
            return Err(AppError::new(ErrorCode::Conflict, format!("`{}` is being read", document.name))
                .hint("wait for it, or stop it first"));
        }
        if document.state() == DocumentState::Ready {
            self.begin_again(tenant, &document).await?;
        } else {
            self.storage().retry_ingestion(tenant, id, self.clock().now_ms()).await?;
        }
        self.documents_wait();
        self.document(tenant, base, id).await
    }

    pub(crate) async fn begin_again(&self, tenant: TenantId, document: &Document) -> Result<()> {
        let new = NewIngestion {
            document: document.id,
            media_type: document.media_type.clone(),
            columns: document.columns.clone(),
            source: document.source.clone(),
            content_hash: document.content_hash.clone(),
            size_bytes: document.size_bytes,
            at: self.clock().now_ms(),
        };
        match self.storage().begin_ingestion(tenant, new).await {
            Err(StorageError::Conflict { .. }) => {
                Err(AppError::new(ErrorCode::NotFound, format!("the original file of `{}` is not kept", document.name))
                    .hint("upload it once more"))
            }
            begun => begun.map(|_| ()).map_err(AppError::from),
        }
    }

    /// Stops reading a document; the version that answers goes on to.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when nothing is being made of it.
    pub async fn stop_reading(&self, tenant: TenantId, base: &KnowledgeBase, id: DocumentId) -> Result<Document> {
        let document = self.document(tenant, base, id).await?;
        if !self.storage().cancel_ingestion(tenant, id, self.clock().now_ms()).await? {
            return Err(AppError::new(ErrorCode::Conflict, format!("nothing is being made of `{}`", document.name)));
        }
        self.document(tenant, base, id).await
    }

    /// # Errors
    /// `NotFound`.
    pub async fn delete_document(&self, tenant: TenantId, base: &str, id: DocumentId) -> Result<()> {
        let (base, _) = self.base(tenant, base).await?;
        self.document(tenant, &base, id).await?;
        if !self.storage().delete_document(tenant, id).await? {
            return Err(AppError::not_found("document", id));
        }
        self.knowledge_index().delete_document(&tenant.to_string(), &base.id.to_string(), &id.to_string()).await?;
        Ok(())
    }

    pub async fn documents(&self, tenant: TenantId, base: KnowledgeBaseId) -> Result<Vec<Document>> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page: Page<Document> =
                self.storage().list_documents(tenant, base, None, (cursor.as_deref(), 500)).await?;
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}
