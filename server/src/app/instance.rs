//! This process among others on the same data folder. Each holds a lock on a file of its own for as long as it lives; the
//! system lets go of it whatever way the process ends, so another can tell at once that nobody drives its runs any more.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use storage::Lease;

use super::clock::new_uuid;
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;

/// Without a word for so long, a process has lost its runs even if it seems to live: ten times the interval in which it
/// says so.
const LEASE_MS: i64 = 30_000;

/// How the files' names end.
const LOCK: &str = ".lock";

#[derive(Debug)]
pub(super) struct Instance {
    id: String,
    folder: PathBuf,
    /// Locked until it is dropped.
    _lock: File,
}

impl Instance {
    pub(super) fn begin(data: &Path) -> anyhow::Result<Instance> {
        let folder = data.join("instances");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
        let id = new_uuid().to_string();
        // Under its name only when it is locked: nobody may take a process for dead that is just beginning.
        let unlocked = folder.join(format!("{id}.new"));
        let lock = File::create_new(&unlocked).with_context(|| format!("cannot create `{}`", unlocked.display()))?;
        lock.lock().with_context(|| format!("cannot lock `{}`", unlocked.display()))?;
        std::fs::rename(&unlocked, folder.join(format!("{id}{LOCK}")))?;
        Ok(Instance { id, folder, _lock: lock })
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}{LOCK}"))
    }

    /// Where a process keeps files on their way in.
    fn incoming(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.incoming"))
    }

    /// Processes that have ended without a word.
    fn dead(&self) -> Vec<String> {
        self.others().filter(|it| self.is_dead(it)).collect()
    }

    fn others(&self) -> impl Iterator<Item = String> {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = files.filter_map(|it| it.file_name().into_string().ok());
        names.filter_map(|it| it.strip_suffix(LOCK).map(str::to_owned)).filter(|it| *it != self.id)
    }

    fn is_dead(&self, id: &str) -> bool {
        let Ok(file) = File::open(self.path(id)) else { return false };
        match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.incoming(&self.id));
        // Whoever finds it gone looks at the lease alone; one that is left over is taken for what it is.
        let _ = std::fs::remove_file(self.path(&self.id));
    }
}

impl App {
    /// For what can only be done while nobody else has the data folder's files open.
    ///
    /// # Errors
    /// `InUse`: another process works on the data folder.
    pub(super) fn alone(&self) -> Result<()> {
        let instance = &self.0.instance;
        // One whose file is gone has ended while it was looked for.
        if instance.others().all(|it| instance.is_dead(&it) || !instance.path(&it).exists()) {
            return Ok(());
        }
        let folder = self.config().data.display();
        Err(AppError::new(ErrorCode::InUse, format!("another process works on the data folder `{folder}`"))
            .hint("stop the server first; another command ends by itself in a moment"))
    }

    /// Where this process keeps files on their way in.
    pub(super) fn incoming(&self) -> PathBuf {
        self.0.instance.incoming(&self.0.instance.id)
    }

    /// What this process says of a run that it drives, and of a document that it reads.
    pub(crate) fn lease(&self) -> Lease {
        Lease { owner: self.0.instance.id.clone(), until: self.clock().now_ms() + LEASE_MS }
    }

    pub(super) async fn renew_leases(&self) -> Result<()> {
        if self.live().count() > 0 || self.is_reading_documents() {
            self.storage().all_tenants_renew_leases(self.lease()).await?;
        }
        Ok(())
    }

    /// Gives away the runs of processes that have ended.
    pub(super) async fn free_dead_leases(&self) -> Result<()> {
        for owner in self.0.instance.dead() {
            self.storage().all_tenants_free_leases(&owner).await?;
            let _ = std::fs::remove_dir_all(self.0.instance.incoming(&owner));
            // Not before: without its file nobody could tell any more.
            let _ = std::fs::remove_file(self.0.instance.path(&owner));
        }
        Ok(())
    }

    pub(super) async fn free_own_leases(&self) {
        if let Err(error) = self.storage().all_tenants_free_leases(&self.0.instance.id).await {
            tracing::warn!(error = %error, "the runs of this process could not be given away; others wait for their lease");
        }
    }
}
