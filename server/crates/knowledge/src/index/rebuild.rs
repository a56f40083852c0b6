//! Building a tenant's file anew beside the one that is there, so that the old one stays as it is until the new one is whole.
//! What was expensive is taken over from the old file if it can be read: the vectors, found by their texts' hashes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use sqlx::Connection as _;

use super::Knowledge;
use super::tenant::TenantIndex;
use super::vector_index::Embedded;
use crate::error::KnowledgeError;

/// The folder, inside of the index's own, where new files are made.
const FOLDER: &str = "rebuild";
/// Vectors that are taken over in one transaction: 6 MB with 384 dimensions.
const TAKEN_AT_ONCE: i64 = 4096;
/// What SQLite keeps beside a file while it is open, and of a process that was killed.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// A tenant's index that is being built anew. Nothing answers from it before [`Rebuild::finish`]; what is dropped before that
/// is removed when the next one begins.
pub struct Rebuild {
    tenant: String,
    knowledge: Knowledge,
    fresh: Knowledge,
    /// The present file, if it can be read.
    old: Option<Arc<TenantIndex>>,
    damage: Option<String>,
    whole: bool,
}

impl Knowledge {
    /// Begins to build a tenant's index anew: an empty one, or with `only` a copy of the present one without that base. A file
    /// that is damaged cannot be copied, so everything is built anew then. Nobody else may have the tenant's file open until
    /// the end.
    ///
    /// # Errors
    /// `InvalidRequest` for a tenant's name that is none; `Index` when the present file cannot be looked at for another reason
    /// than damage; `Io` when the new one cannot be made.
    pub async fn rebuild(&self, tenant: &str, only: Option<&str>) -> Result<Rebuild, KnowledgeError> {
        let present = Arc::new(TenantIndex::new(&self.inner.dir, tenant, Arc::new(Embedded))?);
        let folder = self.inner.dir.join(FOLDER);
        let fresh = Knowledge::open(folder)?;
        let place = fresh.file(tenant);
        remove(&place)?;
        for end in BESIDE {
            remove(&with_end(&place, end))?;
        }
        let (mut old, mut damage) = (None, None);
        if self.file(tenant).exists() {
            match present.check().await {
                Ok(()) => old = Some(present),
                Err(KnowledgeError::Damaged { tenant: _, message }) => {
                    present.close().await;
                    damage = Some(message);
                }
                Err(error) => return Err(error),
            }
        }
        let whole = match (&old, only) {
            (Some(old), Some(base)) => {
                old.copy_to(&place).await?;
                fresh.delete_base(tenant, base).await?;
                false
            }
            (Some(_) | None, _) => true,
        };
        Ok(Rebuild { tenant: tenant.to_owned(), knowledge: self.clone(), fresh, old, damage, whole })
    }

    fn file(&self, tenant: &str) -> PathBuf {
        self.inner.dir.join(format!("{tenant}.sqlite"))
    }

    /// Closes a tenant's file, if it is open.
    async fn close(&self, tenant: &str) {
        let open = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner).open.remove(tenant);
        if let Some(index) = open {
            index.close().await;
        }
    }
}

impl Rebuild {
    /// Where the documents are put.
    pub fn index(&self) -> &Knowledge {
        &self.fresh
    }

    /// Whether all bases have to be put there, because nothing was copied.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// What is wrong with the present file, if it is damaged.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Takes the vectors of the present file over whose texts have been put into the new one; answers how many. There are none
    /// to take where there is no file, or a damaged one.
    ///
    /// # Errors
    /// `Index` when either file fails; `Damaged` when the present one turns out to be.
    pub async fn take_vectors(&self) -> Result<u64, KnowledgeError> {
        if self.old.is_none() {
            return Ok(0);
        }
        let index = self.fresh.tenant(&self.tenant).await?;
        let failed = || index.failed("take vectors over");
        let old = self.knowledge.file(&self.tenant);
        let mut connection = index.writer.acquire().await.map_err(failed())?;
        sqlx::query("ATTACH DATABASE $1 AS old")
            .bind(text_of(&old)?)
            .execute(&mut *connection)
            .await
            .map_err(failed())?;
        let taken = take(&mut connection).await.map_err(failed());
        sqlx::query("DETACH DATABASE old").execute(&mut *connection).await.map_err(failed())?;
        taken
    }

    /// Lets the new file take the place of the present one. One that is damaged is kept under its name with `.damaged-` and the
    /// date, whose path is answered.
    ///
    /// # Errors
    /// `Io` when a file cannot be moved, `Index` when the new one cannot be closed: the present one is untouched then.
    pub async fn finish(self, date: &str) -> Result<Option<PathBuf>, KnowledgeError> {
        let Rebuild { tenant, knowledge, fresh, old, damage, whole: _ } = self;
        // A tenant without a single document gets a file as well.
        fresh.tenant(&tenant).await?.settle().await?;
        fresh.close(&tenant).await;
        if let Some(old) = old {
            old.close().await;
        }
        knowledge.close(&tenant).await;
        let (made, place) = (fresh.file(&tenant), knowledge.file(&tenant));
        let mut aside = None;
        if damage.is_some() {
            let kept = PathBuf::from(format!("{}.damaged-{date}", place.display()));
            for end in BESIDE {
                let beside = with_end(&place, end);
                if beside.exists() {
                    moved(&beside, &with_end(&kept, end))?;
                }
            }
            moved(&place, &kept)?;
            aside = Some(kept);
        } else {
            for end in BESIDE {
                // Of another file they would be read as if they belonged to the new one.
                remove(&with_end(&place, end))?;
            }
        }
        moved(&made, &place)?;
        // Another tenant's may be in there.
        let _ = std::fs::remove_dir(&fresh.inner.dir);
        Ok(aside)
    }
}

async fn take(connection: &mut sqlx::SqliteConnection) -> Result<u64, sqlx::Error> {
    sqlx::raw_sql(
        "INSERT OR IGNORE INTO main.models (name, dimensions) SELECT name, dimensions FROM old.models;
         INSERT OR IGNORE INTO main.base_models (base, model)
           SELECT bases.row, models.row FROM old.base_models
           JOIN old.bases AS old_bases ON old_bases.row = base_models.base
           JOIN old.models AS old_models ON old_models.row = base_models.model
           JOIN main.bases ON bases.id = old_bases.id JOIN main.models ON models.name = old_models.name;",
    )
    .execute(&mut *connection)
    .await?;
    let (mut taken, mut last) = (0, 0_i64);
    loop {
        let end: Option<i64> = sqlx::query_scalar(
            "SELECT max(row) FROM (SELECT row FROM old.vectors WHERE row > $1 ORDER BY row LIMIT $2)",
        )
        .bind(last)
        .bind(TAKEN_AT_ONCE)
        .fetch_one(&mut *connection)
        .await?;
        let Some(end) = end else { return Ok(taken) };
        let mut writing = connection.begin().await?;
        taken += sqlx::query(
            "INSERT OR IGNORE INTO main.vectors (hash, model, vector)
             SELECT old_vectors.hash, models.row, old_vectors.vector FROM old.vectors AS old_vectors
             JOIN old.models AS old_models ON old_models.row = old_vectors.model
             JOIN main.models ON models.name = old_models.name
             WHERE old_vectors.row > $1 AND old_vectors.row <= $2
             AND EXISTS (SELECT 1 FROM main.records WHERE records.hash = old_vectors.hash)",
        )
        .bind(last)
        .bind(end)
        .execute(&mut *writing)
        .await?
        .rows_affected();
        writing.commit().await?;
        last = end;
    }
}

impl TenantIndex {
    /// Whether the whole file can be read.
    async fn check(self: &Arc<Self>) -> Result<(), KnowledgeError> {
        self.prepare().await?;
        let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
            .fetch_one(&self.readers)
            .await
            .map_err(self.failed("check its file"))?;
        // A problem takes several lines.
        let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
        if found == "ok" { Ok(()) } else { Err(self.damaged(found)) }
    }

    async fn copy_to(&self, place: &Path) -> Result<(), KnowledgeError> {
        sqlx::query("VACUUM INTO $1")
            .bind(text_of(place)?)
            .execute(&self.writer)
            .await
            .map_err(self.failed("copy its file"))?;
        Ok(())
    }

    /// Everything in the one file, nothing in its log any more.
    async fn settle(&self) -> Result<(), KnowledgeError> {
        let _purged = self.purging.lock().await;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&self.writer)
            .await
            .map_err(self.failed("finish its file"))?;
        Ok(())
    }

    async fn close(&self) {
        let _purged = self.purging.lock().await;
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn text_of(path: &Path) -> Result<&str, KnowledgeError> {
    let no_text = || std::io::Error::new(std::io::ErrorKind::InvalidFilename, "its path is not UTF-8");
    path.to_str().ok_or_else(|| unusable(path, no_text()))
}

fn moved(from: &Path, to: &Path) -> Result<(), KnowledgeError> {
    std::fs::rename(from, to).map_err(|source| unusable(to, source))
}

/// A file that may be there.
fn remove(file: &Path) -> Result<(), KnowledgeError> {
    match std::fs::remove_file(file) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(unusable(file, source)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn unusable(path: &Path, source: std::io::Error) -> KnowledgeError {
    KnowledgeError::Io { path: path.display().to_string(), source }
}
