//! What is particular to Postgres.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgPoolOptions};
use sqlx::{ConnectOptions as _, Row as _};
use sqlx::{PgConnection, PgPool};

use super::Alone;
use crate::{Durability, Result, StorageError};

/// One transaction alone: as with a file, what it reads stays true until it commits, whichever server it is of. The lock
/// is a number that only we use in our database ("parl" in ASCII); it goes with the transaction. Whoever writes only to
/// what is its own takes the lock together with others of that kind.
pub(crate) const BEGIN_ALONE: &str = "begin; select pg_advisory_xact_lock(1885434476)";
const BEGIN_BESIDE_OTHERS: &str = "begin; select pg_advisory_xact_lock_shared(1885434476)";

/// Each is a process of the database server; its own limit is 100 connections unless somebody raised it.
const READERS: u32 = 16;
/// Distinct statements that stay prepared, with room for multi-row inserts of each length.
const STATEMENTS: usize = 256;
/// How long a reader waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(10);

pub(super) fn begin(alone: Alone) -> &'static str {
    match alone {
        Alone::Yes => BEGIN_ALONE,
        Alone::No => BEGIN_BESIDE_OTHERS,
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Some hundred bytes.
    options: Box<PgConnectOptions>,
}

impl Server {
    pub(super) fn new(url: &str) -> Result<Server> {
        let known = ["postgres://", "postgresql://"].iter().any(|it| url.starts_with(it));
        let options = PgConnectOptions::from_str(url).ok().filter(|_| known);
        let options = options.ok_or(StorageError::InvalidAddress)?;
        let options =
            options.application_name("parlour").statement_cache_capacity(STATEMENTS).disable_statement_logging();
        Ok(Server { options: Box::new(options) })
    }

    pub(super) fn name(&self) -> String {
        let options = &self.options;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        format!("postgres://{}:{}/{database}", options.get_host(), options.get_port())
    }

    /// `synchronous_commit` is on unless the process alone is feared for: the database server lives on then.
    pub(super) async fn connect(&self, durability: Durability) -> Result<PgConnection, sqlx::Error> {
        match durability {
            Durability::PowerLoss => self.options.connect().await,
            Durability::ProcessCrash => {
                self.options.as_ref().clone().options([("synchronous_commit", "off")]).connect().await
            }
        }
    }

    pub(super) fn readers(&self) -> PgPool {
        let options = self.options.as_ref().clone().options([("default_transaction_read_only", "on")]);
        PgPoolOptions::new().max_connections(READERS).acquire_timeout(ACQUIRE).connect_lazy_with(options)
    }
}

/// How the database keeps texts, as Postgres names it.
pub(super) async fn encoding(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let asked = sqlx::query("select current_setting('server_encoding') as encoding");
    asked.fetch_one(connection).await?.try_get("encoding")
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn state(error: &sqlx::Error) -> Option<&str> {
    Some(error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?.code())
}

pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    // serialization_failure, deadlock_detected, lock_not_available, too_many_connections; and no connection in time.
    matches!(error, sqlx::Error::PoolTimedOut) || matches!(state(error), Some("40001" | "40P01" | "55P03" | "53300"))
}

pub(super) fn is_full(error: &sqlx::Error) -> bool {
    // disk_full
    state(error) == Some("53100")
}

pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    let lost = matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_));
    // Of class 57: the server is shutting down, has crashed, or is still starting. Class 08: connection exceptions.
    let of_server = state(error).is_some_and(|it| it.starts_with("57P") || it.starts_with("08"));
    lost || of_server || is_busy(error)
}
