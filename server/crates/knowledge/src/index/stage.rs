//! Documents' versions: put together record by record beside the one that answers, made visible in one transaction, and
//! taken away again. Whatever ends in between, the old version answers, and whoever goes on finds what was done.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::embed::no_model;
use super::schema::{MAX_ORDINAL, State, row_of};
use super::tenant::{Reading, TenantIndex};
use super::write::{NewRecord, new_records};
use super::{BaseRef, Completed, DocumentIn, DocumentRef, Knowledge, Progress, PutReport};
use crate::error::KnowledgeError;
use crate::lexical::Names;
use crate::parse::Record;

/// Records that are written in one transaction while a version is put together.
const STAGED_AT_ONCE: usize = 1024;

/// A version that is being put together: the rows of its base, its document and itself.
#[derive(Clone, Copy)]
pub(super) struct Staged {
    pub(super) base: i64,
    pub(super) document: i64,
    pub(super) version: i64,
    pub(super) records: i64,
}

impl Knowledge {
    /// Adds records to a version that is not visible yet, by words; [`Knowledge::embed_staged`] makes the vectors. A record
    /// that is there with the same ordinal is replaced, so that a batch can be sent twice. Batches come in any size; a few
    /// hundred records keep memory small. An empty one begins a version that may stay empty.
    ///
    /// # Errors
    /// `DocumentGone` when the document or its base was deleted while this version was put together (a batch with ordinal 0,
    /// or an empty one, begins anew); `InvalidRequest` for an ordinal out of range; `Index`.
    pub async fn stage(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: &DocumentRef,
        records: Vec<Record>,
    ) -> Result<(), KnowledgeError> {
        check_ordinals(&records)?;
        let index = self.tenant(tenant).await?;
        let begins = records.is_empty() || records.iter().any(|it| it.ordinal == 0);
        let records = new_records(Arc::new(records), Names::new(&base.spec.words)).await?;
        let mut parts = records.chunks(STAGED_AT_ONCE);
        let mut part = parts.next().unwrap_or_default();
        let mut begins = begins;
        loop {
            let mut writing = index.begin_writing().await?;
            let staged = index.begin_version(&mut writing, &base.id, document, begins).await?;
            index.replace_records(&mut writing, staged, part).await?;
            writing.commit().await.map_err(index.failed("stage records"))?;
            begins = false;
            match parts.next() {
                Some(next) => part = next,
                None => return Ok(()),
            }
        }
    }

    /// How many records of a version are staged; 0 where there is none, or where it answers already.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be read.
    pub async fn staged(&self, tenant: &str, base: &str, document: &str, version: u32) -> Result<u64, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let mut reading = index.begin_reading().await?;
        let found = index.staged_version(&mut reading, base, (document, version)).await?;
        Ok(found.map_or(0, |it| u64::try_from(it.records).unwrap_or(0)))
    }

    /// Makes a staged version answer, in one transaction and in place of the one that did. Records without vectors are found
    /// by their words. To say it twice does no harm.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written: then the old version answers.
    pub async fn complete(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: &DocumentRef,
    ) -> Result<Completed, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let key = (document.id.as_str(), document.version);
        let staged = {
            let mut reading = index.begin_reading().await?;
            index.staged_version(&mut reading, &base.id, key).await?
        };
        if let Some(staged) = staged {
            index.finder.upsert(&index, base, staged).await?;
        }
        let mut writing = index.begin_writing().await?;
        let Some(staged) = index.staged_version(&mut writing, &base.id, key).await? else {
            let visible = index.visible_version(&mut writing, &base.id, &document.id).await?;
            return Ok(match visible {
                Some((_, number)) if number == i64::from(document.version) => Completed::Visible,
                Some((_, number)) if number > i64::from(document.version) => Completed::Superseded,
                Some(_) | None => Completed::Gone,
            });
        };
        index.make_visible(writing, base, staged).await
    }

    /// Takes a staged version away; the one that answers stays. Where there is none, nothing happens.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written.
    pub async fn discard(&self, tenant: &str, base: &str, document: &str, version: u32) -> Result<(), KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let failed = || index.failed("discard a version");
        let mut writing = index.begin_writing().await?;
        sqlx::query("DELETE FROM withdrawn WHERE base = $1 AND document = $2 AND number = $3")
            .bind(base)
            .bind(document)
            .bind(i64::from(version))
            .execute(&mut *writing)
            .await
            .map_err(failed())?;
        if let Some(staged) = index.staged_version(&mut writing, base, (document, version)).await? {
            index.bury(&mut writing, staged.version).await?;
            // A document that never answered, and that nobody else puts together, leaves no place behind.
            sqlx::query(
                "DELETE FROM documents WHERE row = $1 AND visible IS NULL
                 AND NOT EXISTS (SELECT 1 FROM versions WHERE document = $1 AND state < $2)",
            )
            .bind(staged.document)
            .bind(State::Dead.code())
            .execute(&mut *writing)
            .await
            .map_err(failed())?;
        }
        index.commit_and_purge(writing).await?;
        index.finder.delete(&index).await;
        Ok(())
    }

    /// Puts a complete version of a small document into a base, in place of the one that is there. Texts that were embedded
    /// before keep their vectors. Without an embedder, or when it fails, the records are stored all the same and found by
    /// words; the report says why.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written: then the old version is untouched.
    pub async fn put_document(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: DocumentIn,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<PutReport, KnowledgeError> {
        self.put(tenant, base, document, Some(progress)).await
    }

    /// The same without waiting for vectors: the records are found by words at once, and by meaning after
    /// [`Knowledge::embed_missing`]. A server that starts with a project answers while its knowledge is being embedded.
    ///
    /// # Errors
    /// As [`Knowledge::put_document`].
    pub async fn put_document_by_words(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: DocumentIn,
    ) -> Result<PutReport, KnowledgeError> {
        self.put(tenant, base, document, None).await
    }

    /// With vectors if there is somebody to tell of their progress. The version belongs to this call alone, so that two that
    /// put the same one do not mix their records.
    async fn put(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: DocumentIn,
        progress: Option<&(dyn Fn(Progress) + Send + Sync)>,
    ) -> Result<PutReport, KnowledgeError> {
        let DocumentIn { id, name, version, groups, records } = document;
        check_ordinals(&records)?;
        let document = DocumentRef { id, name, version, groups };
        let index = self.tenant(tenant).await?;
        let count = records.len();
        let records = new_records(Arc::new(records), Names::new(&base.spec.words)).await?;
        let mut writing = index.begin_writing().await?;
        let place = index.place_of(&mut writing, &base.id, &document).await?;
        let version = index.new_version(&mut writing, place, &document, State::Passing).await?;
        let staged = Staged { base: place.0, document: place.1, version, records: 0 };
        let mut rest = records.as_slice();
        while rest.len() > STAGED_AT_ONCE {
            let (part, more) = rest.split_at(STAGED_AT_ONCE);
            index.insert_records(&mut writing, version, part).await?;
            writing.commit().await.map_err(index.failed("store a document"))?;
            writing = index.begin_writing().await?;
            if !index.is_passing(&mut writing, version).await? {
                return Ok(gone(count));
            }
            rest = more;
        }
        index.insert_records(&mut writing, version, rest).await?;
        drop(records);
        let reason = match (base.embedder.as_deref(), progress) {
            (None, _) => Some(no_model().message),
            (Some(_), None) => Some("waiting to be embedded; found by words until then".to_owned()),
            (Some(embedder), Some(progress)) => {
                writing.commit().await.map_err(index.failed("store a document"))?;
                let all = Staged { records: i64::try_from(count).unwrap_or(i64::MAX), ..staged };
                let report = index.embed_versions(&[all], embedder, progress, &|| false).await?;
                writing = index.begin_writing().await?;
                report.reason
            }
        };
        let missing = match base.model() {
            Some(model) if reason.is_some() => index.records_without_vector(&mut writing, version, model).await?,
            Some(_) => 0,
            None => count,
        };
        if index.finder.is_elsewhere() {
            writing.commit().await.map_err(index.failed("store a document"))?;
            if let Err(error) = index.finder.upsert(&index, base, staged).await {
                let mut writing = index.begin_writing().await?;
                index.bury(&mut writing, version).await?;
                index.commit_and_purge(writing).await?;
                return Err(error);
            }
            writing = index.begin_writing().await?;
        }
        let reason = match index.make_visible(writing, base, staged).await? {
            Completed::Visible => reason.filter(|_| missing > 0 || base.embedder.is_none()),
            Completed::Superseded => Some("a newer version of the document answers already".to_owned()),
            Completed::Gone => return Ok(gone(count)),
        };
        Ok(PutReport { records: count, embedded: missing == 0, reason })
    }
}

fn gone(records: usize) -> PutReport {
    PutReport { records, embedded: false, reason: Some("the document was deleted meanwhile".to_owned()) }
}

pub(super) fn check_ordinals(records: &[Record]) -> Result<(), KnowledgeError> {
    match records.iter().find(|it| it.ordinal > MAX_ORDINAL) {
        None => Ok(()),
        Some(record) => Err(KnowledgeError::InvalidRequest {
            message: format!("a record has the ordinal {}; a document has at most {MAX_ORDINAL}", record.ordinal),
            hint: "split the document into several".to_owned(),
        }),
    }
}

impl TenantIndex {
    /// The staged version of this number; it is made if it is not there.
    async fn begin_version(
        &self,
        writing: &mut Reading,
        base: &str,
        document: &DocumentRef,
        begins: bool,
    ) -> Result<Staged, KnowledgeError> {
        if let Some(staged) = self.staged_version(writing, base, (&document.id, document.version)).await? {
            return Ok(staged);
        }
        let withdrawn: Option<i64> =
            sqlx::query_scalar("SELECT number FROM withdrawn WHERE base = $1 AND document = $2 AND number = $3")
                .bind(base)
                .bind(&document.id)
                .bind(i64::from(document.version))
                .fetch_optional(&mut **writing)
                .await
                .map_err(self.failed("look for a deleted document"))?;
        if let Some(number) = withdrawn {
            if !begins {
                return Err(KnowledgeError::DocumentGone { document: document.name.clone() });
            }
            sqlx::query("DELETE FROM withdrawn WHERE base = $1 AND document = $2 AND number = $3")
                .bind(base)
                .bind(&document.id)
                .bind(number)
                .execute(&mut **writing)
                .await
                .map_err(self.failed("begin a document again"))?;
        }
        let place = self.place_of(writing, base, document).await?;
        let version = self.new_version(writing, place, document, State::Staged).await?;
        Ok(Staged { base: place.0, document: place.1, version, records: 0 })
    }

    /// The rows of the base and of the document, which are there afterwards.
    async fn place_of(
        &self,
        writing: &mut Reading,
        base: &str,
        document: &DocumentRef,
    ) -> Result<(i64, i64), KnowledgeError> {
        let failed = || self.failed("make room for a document");
        let base: i64 = sqlx::query_scalar(
            "INSERT INTO bases (id, generation) VALUES ($1, 0) ON CONFLICT (id) DO UPDATE SET id = id RETURNING row",
        )
        .bind(base)
        .fetch_one(&mut **writing)
        .await
        .map_err(failed())?;
        let document: i64 = sqlx::query_scalar(
            "INSERT INTO documents (base, id, name, groups, visible, stamp) VALUES ($1, $2, $3, $4, NULL, 0)
             ON CONFLICT (base, id) DO UPDATE SET id = id RETURNING row",
        )
        .bind(base)
        .bind(&document.id)
        .bind(&document.name)
        .bind(groups_as_stored(&document.groups))
        .fetch_one(&mut **writing)
        .await
        .map_err(failed())?;
        Ok((base, document))
    }

    async fn new_version(
        &self,
        writing: &mut Reading,
        (base, place): (i64, i64),
        document: &DocumentRef,
        state: State,
    ) -> Result<i64, KnowledgeError> {
        let version = sqlx::query(
            "INSERT INTO versions (base, document, number, state, records, name, groups)
             VALUES ($1, $2, $3, $4, 0, $5, $6)",
        )
        .bind(base)
        .bind(place)
        .bind(i64::from(document.version))
        .bind(state.code())
        .bind(&document.name)
        .bind(groups_as_stored(&document.groups))
        .execute(&mut **writing)
        .await
        .map_err(self.failed("begin a version"))?
        .last_insert_rowid();
        Ok(version)
    }

    /// Whether a call's own version is still there: the document may have been deleted between two of its transactions.
    async fn is_passing(&self, writing: &mut Reading, version: i64) -> Result<bool, KnowledgeError> {
        let state: Option<i64> = sqlx::query_scalar("SELECT state FROM versions WHERE row = $1")
            .bind(version)
            .fetch_optional(&mut **writing)
            .await
            .map_err(self.failed("look for a version"))?;
        Ok(state == Some(State::Passing.code()))
    }

    pub(super) async fn staged_version(
        &self,
        reading: &mut Reading,
        base: &str,
        (document, number): (&str, u32),
    ) -> Result<Option<Staged>, KnowledgeError> {
        let found: Option<(i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT bases.row, documents.row, versions.row, versions.records FROM versions
             JOIN documents ON documents.row = versions.document JOIN bases ON bases.row = documents.base
             WHERE bases.id = $1 AND documents.id = $2 AND versions.number = $3 AND versions.state = $4",
        )
        .bind(base)
        .bind(document)
        .bind(i64::from(number))
        .bind(State::Staged.code())
        .fetch_optional(&mut **reading)
        .await
        .map_err(self.failed("look for a staged version"))?;
        Ok(found.map(|(base, document, version, records)| Staged { base, document, version, records }))
    }

    /// The row and the number of the version that answers.
    pub(super) async fn visible_version(
        &self,
        reading: &mut Reading,
        base: &str,
        document: &str,
    ) -> Result<Option<(Staged, i64)>, KnowledgeError> {
        let found: Option<(i64, i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT bases.row, documents.row, versions.row, versions.records, versions.number FROM documents
             JOIN versions ON versions.row = documents.visible JOIN bases ON bases.row = documents.base
             WHERE bases.id = $1 AND documents.id = $2",
        )
        .bind(base)
        .bind(document)
        .fetch_optional(&mut **reading)
        .await
        .map_err(self.failed("look for a document"))?;
        Ok(found
            .map(|(base, document, version, records, number)| (Staged { base, document, version, records }, number)))
    }

    async fn replace_records(
        &self,
        writing: &mut Reading,
        staged: Staged,
        records: &[NewRecord],
    ) -> Result<(), KnowledgeError> {
        if staged.records == 0 {
            return self.insert_records(writing, staged.version, records).await;
        }
        let rows: Vec<i64> = records.iter().map(|it| row_of(staged.version, it.ordinal)).collect();
        let there: BTreeSet<i64> =
            sqlx::query_scalar("SELECT row FROM records WHERE row IN (SELECT value FROM json_each($1))")
                .bind(serde_json::to_string(&rows).unwrap_or_default())
                .fetch_all(&mut **writing)
                .await
                .map_err(self.failed("look for records"))?
                .into_iter()
                .collect();
        let mut new = Vec::new();
        for (record, row) in records.iter().zip(rows) {
            if there.contains(&row) {
                if self.update_record(writing, staged.version, record).await? {
                    continue;
                }
                self.delete_rows(writing, staged.version, (row, row)).await?;
            }
            new.push(record);
        }
        self.insert_records(writing, staged.version, new).await
    }

    /// Unless the version was taken away or a newer one answers.
    pub(super) async fn make_visible(
        self: &Arc<Self>,
        mut writing: Reading,
        base: &BaseRef,
        staged: Staged,
    ) -> Result<Completed, KnowledgeError> {
        let failed = || self.failed("make a version visible");
        let found: Option<(i64, i64, Option<i64>, Option<i64>)> = sqlx::query_as(
            "SELECT staged.state, staged.number, visible.row, visible.number FROM versions AS staged
             JOIN documents ON documents.row = staged.document LEFT JOIN versions AS visible ON visible.row = documents.visible
             WHERE staged.row = $1",
        )
        .bind(staged.version)
        .fetch_optional(&mut *writing)
        .await
        .map_err(failed())?;
        let completed = match found {
            None => Completed::Gone,
            Some((state, ..)) if state != State::Staged.code() && state != State::Passing.code() => Completed::Gone,
            Some((_, number, _, Some(visible))) if visible > number => {
                self.bury(&mut writing, staged.version).await?;
                Completed::Superseded
            }
            Some((_, number, visible, _)) => {
                if let Some(visible) = visible {
                    self.bury(&mut writing, visible).await?;
                }
                sqlx::query("UPDATE versions SET state = $3 WHERE document = $1 AND number < $2 AND state = $4")
                    .bind(staged.document)
                    .bind(number)
                    .bind(State::Dead.code())
                    .bind(State::Staged.code())
                    .execute(&mut *writing)
                    .await
                    .map_err(failed())?;
                sqlx::query("UPDATE versions SET state = $2 WHERE row = $1")
                    .bind(staged.version)
                    .bind(State::Visible.code())
                    .execute(&mut *writing)
                    .await
                    .map_err(failed())?;
                sqlx::query(
                    "UPDATE documents SET visible = versions.row, name = versions.name, groups = versions.groups,
                       stamp = stamp + 1
                     FROM versions WHERE versions.row = $1 AND documents.row = versions.document",
                )
                .bind(staged.version)
                .execute(&mut *writing)
                .await
                .map_err(failed())?;
                Completed::Visible
            }
        };
        self.touch_base(&mut writing, staged.base).await?;
        if self.finder.is_elsewhere() {
            writing.commit().await.map_err(self.failed("make a version visible"))?;
            match completed {
                Completed::Visible => self.finder.swap(self, base, false).await,
                Completed::Superseded | Completed::Gone => self.finder.delete(self).await,
            }
            writing = self.begin_writing().await?;
        }
        self.commit_and_purge(writing).await?;
        Ok(completed)
    }

    pub(super) async fn bury(&self, writing: &mut Reading, version: i64) -> Result<(), KnowledgeError> {
        sqlx::query("UPDATE versions SET state = $2 WHERE row = $1")
            .bind(version)
            .bind(State::Dead.code())
            .execute(&mut **writing)
            .await
            .map_err(self.failed("take a version away"))?;
        Ok(())
    }

    pub(super) async fn commit_and_purge(self: &Arc<Self>, mut writing: Reading) -> Result<(), KnowledgeError> {
        let later = self.purge_little(&mut writing).await?;
        writing.commit().await.map_err(self.failed("commit a change"))?;
        if later {
            self.purge_later();
        }
        Ok(())
    }
}

pub(super) fn groups_as_stored(groups: &[String]) -> String {
    serde_json::to_string(groups).unwrap_or_else(|_| "[]".to_owned())
}
