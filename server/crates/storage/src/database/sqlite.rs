//! What is particular to SQLite.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteError, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqliteConnection, SqlitePool};

use crate::Durability;

/// Takes the file's write lock at once: a transaction that reads first and writes later can be refused in the middle.
pub(crate) const BEGIN: &str = "begin immediate";

/// How long a statement waits for another process (the command line beside a server) before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Tries to open a file that another process is just making; switching to WAL does not wait by itself.
const OPEN_TRIES: u32 = 100;
const OPEN_PAUSE: Duration = Duration::from_millis(50);
/// Each has a thread and up to 2 MB of cache; more than a few cannot read faster on the machines we are made for.
const READERS: u32 = 8;
/// Distinct statements that stay prepared, with room for multi-row inserts of each length.
const STATEMENTS: usize = 256;
/// After a burst the log shrinks to this again.
const LOG_BYTES: &str = "67108864";
/// The writer's page cache in KiB, negative by SQLite's convention.
const WRITER_CACHE: &str = "-8192";

#[derive(Clone, Debug)]
pub(crate) struct File {
    path: PathBuf,
}

impl File {
    pub(super) fn new(path: &Path) -> File {
        File { path: path.to_owned() }
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .statement_cache_capacity(STATEMENTS)
            .disable_statement_logging()
    }

    /// `synchronous = full` waits for the disk once per transaction. `normal` would wait only at checkpoints: after
    /// `kill -9` nothing is missing either way, since the kernel has what was written, but a loss of power could take the
    /// last seconds of answered writes with it, among them the record that a tool was called which must not be called
    /// twice. One writer with group commit makes `full` cheap enough to be the rule.
    pub(super) async fn connect(&self, durability: Durability) -> Result<SqliteConnection, sqlx::Error> {
        let synchronous = match durability {
            Durability::PowerLoss => SqliteSynchronous::Full,
            Durability::ProcessCrash => SqliteSynchronous::Normal,
        };
        let options = self
            .options()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .pragma("cache_size", WRITER_CACHE)
            .pragma("journal_size_limit", LOG_BYTES);
        let mut tries = 1;
        loop {
            match options.connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) if tries < OPEN_TRIES && is_busy(&error) => tries += 1,
                Err(error) => return Err(error),
            }
            tokio::time::sleep(OPEN_PAUSE).await;
        }
    }

    pub(super) fn readers(&self) -> SqlitePool {
        let options = self.options().create_if_missing(false).pragma("query_only", "on");
        SqlitePoolOptions::new()
            .max_connections(READERS)
            // A local file does not go away between two uses, as a network connection does.
            .test_before_acquire(false)
            .idle_timeout(Some(Duration::from_secs(60)))
            .max_lifetime(None)
            .connect_lazy_with(options)
    }
}

/// SQLite's result code with the extended part, <https://sqlite.org/rescode.html>.
fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    error.as_database_error()?.code()?.parse().ok()
}

pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY and SQLITE_LOCKED in their low byte.
    code(error).is_some_and(|it| matches!(it & 0xff, 5 | 6))
}

pub(super) fn is_full(error: &sqlx::Error) -> bool {
    // SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: the write-ahead log's index could not grow.
    code(error).is_some_and(|it| it & 0xff == 13 || it == 4874)
}
