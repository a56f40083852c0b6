//! A tenant's search index, thrown away and built anew from the database. Only while no server has it open.

use std::path::PathBuf;

use domain::{KnowledgeBase, Tenant};
use knowledge::Progress;

use super::{App, AppError, Result};

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReindexStep<'a> {
    /// Documents of a base are put into the new index.
    Documents { base: &'a str },
    /// Records of a base get their vectors.
    Vectors { base: &'a str },
}

/// How a tenant's index was built anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reindexed {
    pub bases: usize,
    pub documents: usize,
    pub records: usize,
    /// Vectors that the old index had.
    pub kept_vectors: u64,
    pub new_vectors: usize,
    /// Bases that are searched by words only for the time being, and why.
    pub without_vectors: Vec<(String, String)>,
    /// Where the old index is, and what was wrong with it.
    pub damaged: Option<(PathBuf, String)>,
}

/// Told of every step, and of how far it has come.
pub type OnReindex<'a> = &'a (dyn Fn(ReindexStep<'_>, Progress) + Send + Sync);

impl App {
    /// Builds a tenant's index anew, or of one base only; all of it where the index is damaged. Until the end the old one stays
    /// as it is.
    ///
    /// # Errors
    /// `InUse` when another process works on the data folder; `NotFound` for a base that is not there; the old index cannot
    /// be looked at, or the new one not be written.
    pub async fn reindex(&self, tenant: &Tenant, only: Option<&str>, told: OnReindex<'_>) -> Result<Reindexed> {
        self.alone()?;
        let id = tenant.id.to_string();
        let mut bases = self.storage().list_knowledge_bases(tenant.id).await?;
        let chosen = match only {
            Some(name) => Some(self.base(tenant.id, name).await?.0.id),
            None => None,
        };
        let rebuild = self.knowledge_index().rebuild(&id, chosen.map(|it| it.to_string()).as_deref()).await?;
        if !rebuild.is_whole() {
            bases.retain(|it| Some(it.id) == chosen);
        }
        let mut done = Reindexed { bases: bases.len(), ..Reindexed::default() };
        for base in &bases {
            self.put_all_stored(tenant, base, (rebuild.index(), told), &mut done).await?;
        }
        done.kept_vectors = rebuild.take_vectors().await?;
        for base in &bases {
            let reference = self.base_ref(base)?;
            if reference.embedder.is_none() {
                continue;
            }
            let progress = |it: Progress| told(ReindexStep::Vectors { base: &base.name }, it);
            match rebuild.index().embed_missing(&id, &reference, &progress, &|| false).await {
                Ok(report) => done.new_vectors += report.embedded,
                Err(error @ knowledge::KnowledgeError::EmbeddingUnavailable { .. }) => {
                    done.without_vectors.push((base.name.clone(), error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        // Whoever has come since has the old file open.
        self.alone()?;
        let damage = rebuild.damage().map(str::to_owned);
        let now = self.clock().local_rfc3339(self.clock().now_ms());
        let seconds = now.get(..19).unwrap_or_default().replace(['-', ':'], "").replace('T', "-");
        let aside = rebuild.finish(&seconds).await?;
        done.damaged = aside.zip(damage);
        Ok(done)
    }

    async fn put_all_stored(
        &self,
        tenant: &Tenant,
        base: &KnowledgeBase,
        (index, told): (&knowledge::Knowledge, OnReindex<'_>),
        done: &mut Reindexed,
    ) -> Result<()> {
        let reference = self.base_ref(base)?;
        let mut documents = self.documents(tenant.id, base.id).await?;
        documents.retain(domain::Document::is_answering);
        let total = documents.len();
        for (at, document) in documents.into_iter().enumerate() {
            told(ReindexStep::Documents { base: &base.name }, Progress { done: at, total });
            done.records += self.put_stored(index, tenant.id, (&reference, document)).await?;
        }
        told(ReindexStep::Documents { base: &base.name }, Progress { done: total, total });
        done.documents += total;
        Ok(())
    }

    /// The tenants whose indexes a command means: one by its short name, or every one that has the base.
    ///
    /// # Errors
    /// `NotFound`, for the tenant or for the base.
    pub async fn tenants_to_reindex(&self, slug: Option<&str>, base: Option<&str>) -> Result<Vec<Tenant>> {
        if let Some(slug) = slug {
            return Ok(vec![self.tenant(Some(slug)).await?]);
        }
        let mut tenants = self.storage().all_tenants_list_tenants().await?;
        if let Some(base) = base {
            let mut having = Vec::new();
            for tenant in tenants {
                if self.storage().knowledge_base(tenant.id, base).await?.is_some() {
                    having.push(tenant);
                }
            }
            if having.is_empty() {
                return Err(AppError::not_found("knowledge base", base));
            }
            tenants = having;
        }
        Ok(tenants)
    }
}
