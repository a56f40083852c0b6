//! Changes that other servers make. What this one keeps in memory, or in its own index, is compared with the database now
//! and then, by a stamp that any change changes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{KnowledgeBase, KnowledgeBaseId, TenantId};
use knowledge::{BaseRef, DocumentIn, Knowledge, Record};

use super::documents::index_version;
use super::{App, Result};
use crate::config::Database;
use crate::jobs::record_of;

/// How long a change by another server may go unseen.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Records of a document that are read at once.
const RECORDS_AT_ONCE: i64 = 1_000;

/// What stamps were seen last, and when.
#[derive(Debug)]
pub(super) struct Stamps<K>(Mutex<HashMap<K, (Instant, String)>>);

impl<K> Default for Stamps<K> {
    fn default() -> Self {
        Stamps(Mutex::default())
    }
}

impl<K: Hash + Eq> Stamps<K> {
    /// When the stamp was looked at last.
    fn looked(&self, key: &K) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(|it| it.0)
    }

    /// The stamp that was there before.
    fn keep(&self, key: K, stamp: String) -> Option<String> {
        let mut stamps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.insert(key, (Instant::now(), stamp)).map(|it| it.1)
    }
}

/// What is compared with the database.
#[derive(Debug, Default)]
pub(super) struct CatchingUp {
    catalogs: Stamps<TenantId>,
    bases: Stamps<(TenantId, KnowledgeBaseId)>,
    /// Held while an index is brought up to date: whoever comes meanwhile waits for it instead of doing it again.
    index: tokio::sync::Mutex<()>,
}

impl App {
    /// Forgets compiled programs if what they were compiled against has changed elsewhere.
    pub(super) async fn notice_changes(&self, tenant: TenantId) -> Result<()> {
        let catalogs = &self.0.catching_up.catalogs;
        if catalogs.looked(&tenant).is_some_and(|it| it.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        let stamp = self.storage().catalog_stamp(tenant).await?;
        if catalogs.keep(tenant, stamp.clone()).is_some_and(|it| it != stamp) {
            self.programs().forget_all();
        }
        Ok(())
    }

    /// Brings this server's index of a base into step with the documents in the database: another server may have changed
    /// them, or the index may have been lost.
    pub(crate) async fn catch_up(&self, tenant: TenantId, base: &KnowledgeBase) -> Result<()> {
        let key = (tenant, base.id);
        if self.is_in_step(&key) {
            return Ok(());
        }
        let _one = self.0.catching_up.index.lock().await;
        if self.is_in_step(&key) {
            return Ok(());
        }
        let stamp = self.storage().documents_stamp(tenant, base.id).await?;
        if self.0.catching_up.bases.keep(key, stamp.clone()).is_some_and(|it| it == stamp) {
            return Ok(());
        }
        self.index_anew(tenant, base).await
    }

    fn is_in_step(&self, key: &(TenantId, KnowledgeBaseId)) -> bool {
        let looked = self.0.catching_up.bases.looked(key);
        match self.config().database {
            // Whoever else writes to the file has the same index beside it.
            Database::File(_) => looked.is_some(),
            Database::Server(_) => looked.is_some_and(|it| it.elapsed() < LOOK_EVERY),
        }
    }

    /// Indexes what is missing in the index or of another version, and takes out what is gone.
    async fn index_anew(&self, tenant: TenantId, base: &KnowledgeBase) -> Result<()> {
        let reference = self.base_ref(base)?;
        let (tenant_id, documents) = (tenant.to_string(), self.documents(tenant, base.id).await?);
        let mut indexed = self.0.knowledge.documents(&tenant_id, &reference.id).await?;
        let mut added = 0_u32;
        for document in documents {
            let version = index_version(document.version, document.edits);
            let there = indexed.remove(&document.id.to_string());
            // One without a version is just being read for the first time.
            if !document.is_answering() || there == Some(version) {
                continue;
            }
            self.put_stored(&self.0.knowledge, tenant, (&reference, document)).await?;
            added += 1;
        }
        for gone in indexed.into_keys() {
            self.0.knowledge.delete_document(&tenant_id, &reference.id, &gone).await?;
        }
        if added > 0 {
            tracing::info!(
                knowledge.base = base.name,
                documents = added,
                "indexed what the database has and the index had not"
            );
            self.embed_soon(tenant_id, reference);
        }
        Ok(())
    }

    /// Puts a document as the database has it into an index; answers how many records it has.
    pub(super) async fn put_stored(
        &self,
        index: &Knowledge,
        tenant: TenantId,
        (base, document): (&BaseRef, domain::Document),
    ) -> Result<usize> {
        let version = index_version(document.version, document.edits);
        let records = self.stored_records(tenant, document.id).await?;
        let (id, groups) = (document.id.to_string(), document.groups);
        let document = DocumentIn { id, name: document.name, version, groups, records };
        Ok(index.put_document_by_words(&tenant.to_string(), base, document).await?.records)
    }

    async fn stored_records(&self, tenant: TenantId, document: domain::DocumentId) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut after = None;
        loop {
            let chunks = self.storage().chunks(tenant, document, None, (after, RECORDS_AT_ONCE)).await?;
            let Some(last) = chunks.last() else { return Ok(records) };
            after = Some(last.ordinal);
            records.extend(chunks.into_iter().filter(|it| it.enabled).map(record_of));
        }
    }

    /// Found by words at once, by meaning a moment later.
    fn embed_soon(&self, tenant: String, base: BaseRef) {
        if base.embedder.is_none() {
            return;
        }
        let app = self.clone();
        self.spawn(async move {
            if let Err(error) = app.0.knowledge.embed_missing(&tenant, &base, &|_| {}, &|| app.is_stopping()).await {
                tracing::warn!(knowledge.base = base.id, error = %error, "what came from another server is found by words only");
            }
        });
    }
}
