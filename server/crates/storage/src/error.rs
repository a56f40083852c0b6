//! What can go wrong with the database, by what the caller can do about it.

use std::sync::Arc;

use sqlx::error::ErrorKind;
use thiserror::Error;

use crate::database::{Alone, is_busy, is_full};

/// Shared, because one failed commit is the cause of many failed writes.
pub type Cause = Arc<sqlx::Error>;

#[derive(Debug, Error)]
pub enum StorageError {
    #[error("cannot open the database `{database}`")]
    Open { database: String, source: Cause },

    /// The address has a password in it as a rule, so the message does not repeat it.
    #[error("the database's address cannot be read; it looks like `postgres://user:password@host:5432/database`")]
    InvalidAddress,

    #[error("the database `{database}` keeps its texts as {encoding}; make one with the encoding UTF8")]
    Encoding { database: String, encoding: String },

    #[error(
        "the database `{database}` was written by a newer version: it has migration {found}, this one knows up to {known}"
    )]
    NewerDatabase { database: String, found: i64, known: i64 },

    #[error("cannot bring the tables of `{database}` up to date")]
    Migrate { database: String, source: sqlx::migrate::MigrateError },

    /// Something with the same id or name is there already. `what` reads well after "there is already".
    #[error("there is already {what}")]
    Conflict { what: &'static str },

    /// What was to be changed, or what it refers to, is not there, at least not in this tenant.
    #[error("there is no such {what}")]
    NotFound { what: &'static str },

    /// Somebody may keep only so much.
    #[error("that would be {bytes} bytes, and at most {max_bytes} may be kept")]
    QuotaExceeded { bytes: i64, max_bytes: i64 },

    #[error("cannot {operation}: the disk is full")]
    StorageFull { operation: &'static str, source: Cause },

    /// Another process has kept the database to itself for longer than a write waits. Trying again helps.
    #[error("cannot {operation}: another process is writing")]
    Busy { operation: &'static str, source: Cause },

    #[error("cannot {operation}")]
    Read { operation: &'static str, source: Cause },

    #[error("cannot {operation}")]
    Write { operation: &'static str, source: Cause },

    /// The storage was closed, or the write itself panicked. Nothing was stored.
    #[error("cannot {operation}: the database is closed")]
    Closed { operation: &'static str },

    #[error("`{cursor}` is not a place in a list; take it from `next_cursor` as it is")]
    InvalidCursor { cursor: String },
}

/// Turns a failed read into an error that names it.
pub(crate) fn reading(operation: &'static str) -> impl Fn(sqlx::Error) -> StorageError {
    move |error| {
        if matches!(error, sqlx::Error::PoolClosed) {
            return StorageError::Closed { operation };
        }
        let busy = is_busy(&error);
        let source = Arc::new(error);
        if busy { StorageError::Busy { operation, source } } else { StorageError::Read { operation, source } }
    }
}

/// A write, in the words that its errors need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    /// Reads well after "cannot".
    pub(crate) name: &'static str,
    /// What is there already when a unique index refuses.
    pub(crate) conflict: &'static str,
    /// What is missing when a foreign key refuses.
    pub(crate) missing: &'static str,
    pub(crate) alone: Alone,
}

impl Operation {
    pub(crate) const fn new(name: &'static str) -> Operation {
        Operation { name, conflict: "something with this id", missing: "tenant", alone: Alone::Yes }
    }

    pub(crate) const fn conflict(self, conflict: &'static str) -> Operation {
        Operation { conflict, ..self }
    }

    pub(crate) const fn missing(self, missing: &'static str) -> Operation {
        Operation { missing, ..self }
    }

    /// It writes only to what belongs to this process: no other server can make what it reads untrue meanwhile.
    pub(crate) const fn beside_others(self) -> Operation {
        Operation { alone: Alone::No, ..self }
    }

    pub(crate) fn failed(self, cause: Cause) -> StorageError {
        let operation = self.name;
        match cause.as_database_error().map(|it| it.kind()) {
            Some(ErrorKind::UniqueViolation) => StorageError::Conflict { what: self.conflict },
            Some(ErrorKind::ForeignKeyViolation) => StorageError::NotFound { what: self.missing },
            _ if is_full(&cause) => StorageError::StorageFull { operation, source: cause },
            _ if is_busy(&cause) => StorageError::Busy { operation, source: cause },
            _ => StorageError::Write { operation, source: cause },
        }
    }
}

/// How a write's work ends when it does not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database refused; the operation gives it its name.
    Database(Cause),
    /// The work itself found that it cannot be done.
    Refused(StorageError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Failure {
        Failure::Database(Arc::new(error))
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Failure {
        Failure::Refused(error)
    }
}
