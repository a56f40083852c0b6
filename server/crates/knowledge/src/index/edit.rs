//! Changes to what answers: one record at a time, who may see a document, and what is deleted.

use std::sync::{Arc, PoisonError};

use sqlx::AssertSqlSafe;

use super::embed::{checked, no_model};
use super::schema::{State, row_of};
use super::stage::groups_as_stored;
use super::tenant::{Reading, TenantIndex};
use super::write::new_records;
use super::{BaseRef, Knowledge, PutReport};
use crate::embedder::Purpose;
use crate::error::KnowledgeError;
use crate::lexical::Names;
use crate::parse::Record;

impl Knowledge {
    /// Puts one record into the version that answers, in place of the one with its ordinal: it was edited, enabled or added.
    ///
    /// # Errors
    /// `DocumentGone` when no version of the document answers; `InvalidRequest` for an ordinal out of range; `Index`.
    pub async fn put_record(
        &self,
        tenant: &str,
        base: &BaseRef,
        document: &str,
        record: Record,
    ) -> Result<PutReport, KnowledgeError> {
        super::stage::check_ordinals(std::slice::from_ref(&record))?;
        let index = self.tenant(tenant).await?;
        let text = vec![record.searched_text().into_owned()];
        let new = new_records(Arc::new(vec![record]), Names::new(&base.spec.words)).await?;
        let Some(record) = new.first() else { return Ok(PutReport { records: 0, embedded: true, reason: None }) };
        // Made before anything is written, so that no transaction waits for a model.
        let (vector, mut reason) = match base.embedder.as_deref() {
            None => (None, Some(no_model().message)),
            Some(embedder) if index.has_vector(&record.hash, embedder.model()).await? => (None, None),
            Some(embedder) => match checked(embedder, &text, Purpose::Passage).await {
                Ok(made) => (made.into_iter().next(), None),
                Err(error) => (None, Some(error.to_string())),
            },
        };
        if let (Some(model), true) = (base.model(), vector.is_some()) {
            index.use_model_of(&base.id, model).await?;
        }
        let mut writing = index.begin_writing().await?;
        let Some((place, _)) = index.visible_version(&mut writing, &base.id, document).await? else {
            return Err(KnowledgeError::DocumentGone { document: document.to_owned() });
        };
        if !index.update_record(&mut writing, place.version, record).await? {
            let row = row_of(place.version, record.ordinal);
            index.delete_rows(&mut writing, place.version, (row, row)).await?;
            index.insert_records(&mut writing, place.version, &new).await?;
        }
        if let (Some(model), Some(vector)) = (base.model(), vector) {
            let stored = index.store_vectors(&mut writing, model, &[(record.hash.clone(), vector)]).await?;
            reason = stored.err();
        }
        index.touch_document(&mut writing, place.document).await?;
        index.touch_base(&mut writing, place.base).await?;
        writing.commit().await.map_err(index.failed("store a record"))?;
        index.finder.swap(&index, base, false).await;
        Ok(PutReport { records: 1, embedded: reason.is_none(), reason })
    }

    /// Takes one record out of the version that answers; false when it was not there.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written.
    pub async fn remove_record(
        &self,
        tenant: &str,
        base: &str,
        document: &str,
        ordinal: u32,
    ) -> Result<bool, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let mut writing = index.begin_writing().await?;
        let Some((place, _)) = index.visible_version(&mut writing, base, document).await? else { return Ok(false) };
        let row = row_of(place.version, ordinal);
        let there: Option<i64> = sqlx::query_scalar("SELECT row FROM records WHERE row = $1")
            .bind(row)
            .fetch_optional(&mut *writing)
            .await
            .map_err(index.failed("look for a record"))?;
        if there.is_none() {
            return Ok(false);
        }
        index.delete_rows(&mut writing, place.version, (row, row)).await?;
        index.touch_document(&mut writing, place.document).await?;
        index.touch_base(&mut writing, place.base).await?;
        writing.commit().await.map_err(index.failed("remove a record"))?;
        Ok(true)
    }

    /// Says who may find a document, also the versions of it that are being put together; false when it is not there.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written.
    pub async fn set_groups(
        &self,
        tenant: &str,
        base: &str,
        document: &str,
        groups: &[String],
    ) -> Result<bool, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let failed = || index.failed("say who may find a document");
        let mut writing = index.begin_writing().await?;
        let Some((base, document)) = index.place(&mut writing, base, document).await? else { return Ok(false) };
        for statement in
            ["UPDATE documents SET groups = $2 WHERE row = $1", "UPDATE versions SET groups = $2 WHERE document = $1"]
        {
            sqlx::query(statement)
                .bind(document)
                .bind(groups_as_stored(groups))
                .execute(&mut *writing)
                .await
                .map_err(failed())?;
        }
        index.touch_base(&mut writing, base).await?;
        writing.commit().await.map_err(failed())?;
        Ok(true)
    }

    /// Removes a document from a base, with the versions of it that are being put together; false when it was not there.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written.
    pub async fn delete_document(&self, tenant: &str, base: &str, document: &str) -> Result<bool, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let failed = || index.failed("delete a document");
        let mut writing = index.begin_writing().await?;
        let Some((base_row, row)) = index.place(&mut writing, base, document).await? else { return Ok(false) };
        index.withdraw(&mut writing, (base_row, Some(row))).await?;
        for statement in [
            format!("UPDATE versions SET state = {} WHERE document = $1", State::Dead.code()),
            "DELETE FROM documents WHERE row = $1".to_owned(),
        ] {
            sqlx::query(AssertSqlSafe(statement)).bind(row).execute(&mut *writing).await.map_err(failed())?;
        }
        index.touch_base(&mut writing, base_row).await?;
        index.commit_and_purge(writing).await?;
        index.finder.delete(&index).await;
        Ok(true)
    }

    /// Removes a base with everything in it; false when nothing was ever put into it.
    ///
    /// # Errors
    /// `Index` when the tenant's file cannot be written.
    pub async fn delete_base(&self, tenant: &str, base: &str) -> Result<bool, KnowledgeError> {
        let index = self.tenant(tenant).await?;
        let failed = || index.failed("delete a knowledge base");
        let mut writing = index.begin_writing().await?;
        let found: Option<i64> = sqlx::query_scalar("SELECT row FROM bases WHERE id = $1")
            .bind(base)
            .fetch_optional(&mut *writing)
            .await
            .map_err(failed())?;
        let Some(row) = found else { return Ok(false) };
        index.withdraw(&mut writing, (row, None)).await?;
        for statement in [
            format!("UPDATE versions SET state = {} WHERE base = $1", State::Dead.code()),
            "DELETE FROM documents WHERE base = $1".to_owned(),
            "DELETE FROM base_models WHERE base = $1".to_owned(),
            "DELETE FROM bases WHERE row = $1".to_owned(),
        ] {
            sqlx::query(AssertSqlSafe(statement)).bind(row).execute(&mut *writing).await.map_err(failed())?;
        }
        index.commit_and_purge(writing).await?;
        index.snapshots.lock().unwrap_or_else(PoisonError::into_inner).remove(base);
        index.finder.delete(&index).await;
        Ok(true)
    }
}

impl TenantIndex {
    /// The rows of a base and of a document in it, whether or not it answers.
    async fn place(
        &self,
        reading: &mut Reading,
        base: &str,
        document: &str,
    ) -> Result<Option<(i64, i64)>, KnowledgeError> {
        sqlx::query_as(
            "SELECT bases.row, documents.row FROM documents JOIN bases ON bases.row = documents.base
             WHERE bases.id = $1 AND documents.id = $2",
        )
        .bind(base)
        .bind(document)
        .fetch_optional(&mut **reading)
        .await
        .map_err(self.failed("look for a document"))
    }

    /// Remembers which versions are being put together, so that whoever does it is told that their place is gone.
    async fn withdraw(
        &self,
        writing: &mut Reading,
        (base, document): (i64, Option<i64>),
    ) -> Result<(), KnowledgeError> {
        sqlx::query(
            "INSERT OR IGNORE INTO withdrawn (base, document, number)
             SELECT bases.id, documents.id, versions.number FROM versions
             JOIN documents ON documents.row = versions.document JOIN bases ON bases.row = documents.base
             WHERE bases.row = $1 AND documents.row = coalesce($2, documents.row) AND versions.state = $3",
        )
        .bind(base)
        .bind(document)
        .bind(State::Staged.code())
        .execute(&mut **writing)
        .await
        .map_err(self.failed("withdraw a version"))?;
        Ok(())
    }

    async fn has_vector(&self, hash: &[u8], model: &str) -> Result<bool, KnowledgeError> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT vectors.row FROM vectors JOIN models ON models.row = vectors.model
             WHERE vectors.hash = $1 AND models.name = $2",
        )
        .bind(hash)
        .bind(model)
        .fetch_optional(&self.readers)
        .await
        .map_err(self.failed("look for a vector"))?;
        Ok(found.is_some())
    }
}
