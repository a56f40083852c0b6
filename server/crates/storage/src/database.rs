//! The kinds of database behind one face: SQLite in a file, and Postgres by its address. What is particular to each is in
//! a file of its own below this one; the queries are the same text for both.

pub(crate) mod postgres;
mod query;
pub(crate) mod sqlite;

use std::path::Path;
use std::sync::Arc;

use sqlx::{PgConnection, PgPool, SqliteConnection, SqlitePool};

use crate::{Durability, Result, StorageError};

pub(crate) use query::{Parameter, Query, Row, query};

/// Where a database is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(sqlite::File),
    Server(postgres::Server),
}

impl Place {
    pub(crate) fn file(path: &Path) -> Place {
        Place::File(sqlite::File::new(path))
    }

    /// # Errors
    /// It is no address of a Postgres database.
    pub(crate) fn server(url: &str) -> Result<Place> {
        postgres::Server::new(url).map(Place::Server)
    }

    /// Without a password, for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Place::File(file) => file.name(),
            Place::Server(server) => server.name(),
        }
    }

    /// Opens it for writing; a file that is not there is made.
    pub(crate) async fn connect(&self, durability: Durability) -> Result<Connection, sqlx::Error> {
        match self {
            Place::File(file) => file.connect(durability).await.map(Connection::Sqlite),
            Place::Server(server) => server.connect(durability).await.map(Connection::Postgres),
        }
    }

    /// # Errors
    /// It keeps texts in an encoding that has no place for most of them, or cannot be asked.
    pub(crate) async fn check(&self, connection: &mut Connection) -> Result<()> {
        let Connection::Postgres(connection) = connection else { return Ok(()) };
        let encoding = postgres::encoding(connection).await;
        let encoding = encoding.map_err(|error| self.not_opened(error))?;
        if encoding == "UTF8" { Ok(()) } else { Err(StorageError::Encoding { database: self.name(), encoding }) }
    }

    pub(crate) fn not_opened(&self, error: sqlx::Error) -> StorageError {
        StorageError::Open { database: self.name(), source: Arc::new(error) }
    }

    /// Connections are made when they are first needed.
    pub(crate) fn readers(&self) -> Pool {
        match self {
            Place::File(file) => Pool::Sqlite(file.readers()),
            Place::Server(server) => Pool::Postgres(server.readers()),
        }
    }

    /// Whether its connections can be lost, so that a write may have to be done again on another.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Place::Server(_))
    }
}

#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(Clone, Debug)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// What a transaction keeps away while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alone {
    /// Every other writer. What it reads stays true until it commits, as if nobody else were there.
    Yes,
    /// Only those that ask to be alone: its writes are to what belongs to this process, such as the runs that it drives.
    /// A file has one writer at a time all the same.
    No,
}

impl Connection {
    pub(crate) async fn begin(&mut self, alone: Alone) -> Result<(), sqlx::Error> {
        match self {
            Connection::Sqlite(_) => self.run(sqlite::BEGIN).await,
            Connection::Postgres(_) => self.run(postgres::begin(alone)).await,
        }
    }

    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.run("commit").await
    }

    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        self.run("rollback").await
    }

    pub(crate) async fn savepoint(&mut self) -> Result<(), sqlx::Error> {
        self.run("savepoint one_write").await
    }

    pub(crate) async fn keep_since_savepoint(&mut self) -> Result<(), sqlx::Error> {
        self.run("release savepoint one_write").await
    }

    pub(crate) async fn undo_to_savepoint(&mut self) -> Result<(), sqlx::Error> {
        self.run("rollback to savepoint one_write").await?;
        self.run("release savepoint one_write").await
    }

    /// A statement without parameters.
    pub(crate) async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Connection::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(|_| ()),
            Connection::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(|_| ()),
        }
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Connection::Sqlite(connection) => sqlx::Connection::close(connection).await,
            Connection::Postgres(connection) => sqlx::Connection::close(connection).await,
        }
    }

    /// Without a word of farewell: whatever transaction is open ends with it.
    pub(crate) async fn drop_hard(self) {
        // It is in doubt; that it cannot be closed properly is no news.
        let _ = match self {
            Connection::Sqlite(connection) => sqlx::Connection::close_hard(connection).await,
            Connection::Postgres(connection) => sqlx::Connection::close_hard(connection).await,
        };
    }
}

impl Pool {
    pub(crate) async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// Somebody else keeps what was wanted for longer than one waits.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    sqlite::is_busy(error) || postgres::is_busy(error)
}

pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    sqlite::is_full(error) || postgres::is_full(error)
}

/// Nothing was wrong with the write itself: on another connection, or a moment later, it goes through.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    postgres::is_passing(error)
}
