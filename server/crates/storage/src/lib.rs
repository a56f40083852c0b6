//! The database: everything that must be there again after a restart.
//!
//! Reads go through a pool of connections. Writes go through one task that commits whatever has queued up in one
//! transaction ([`writer`]). A write that has been answered survives `kill -9` and, with [`Durability::PowerLoss`], the
//! loss of power. Several processes may have the same file open, and several servers the same Postgres database.
//!
//! Every method takes a [`TenantId`](domain::TenantId) first, or its name starts with `all_tenants_`. An id of another
//! tenant is as unknown as a random one. Ids and times come from the caller; nothing is made up here.

mod accounts;
mod columns;
mod conversations;
mod database;
mod definitions;
mod error;
mod files;
mod ingestion;
mod journal;
mod kept_outputs;
mod knowledge;
mod leases;
mod migrations;
mod pages;
mod plugin_calls;
mod plugin_values;
mod plugins;
mod records;
mod retrieval_tests;
mod runs;
mod secrets;
mod settings;
mod tables;
mod triggers;
mod waits;
mod writer;

use std::path::Path;

pub use conversations::{BeginTurn, MessageUpdate};
pub use error::{Cause, StorageError};
pub use files::FILE_PIECE_BYTES;
pub use ingestion::{Advance, ClaimedIngestion, Finished, Held, NewIngestion, ReadFile};
pub use journal::{JournalStep, NewEvent, RunSnapshot, RunStep};
pub use knowledge::{DocumentChange, KnowledgeBaseSize};
pub use leases::{ClaimedRun, Lease};
pub use pages::{Cursor, Page};
pub use plugin_values::{NewPluginValue, PluginValue};
pub use records::{ChunkChange, NewRecord};
pub use runs::{BeginRun, RunFilter};
pub use triggers::{TickClaim, TickEnd};
pub use waits::{NewAnswer, WaitFilter, WhoseConversations};

use database::{Place, Pool, Query};
use writer::Writer;

pub type Result<T, E = StorageError> = std::result::Result<T, E>;

/// What an answered write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The machine losing power: each group of writes waits for the disk once.
    #[default]
    PowerLoss,
    /// The process being killed. Losing power may take the last seconds, never more, and never damages the rest.
    ProcessCrash,
}

/// Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Storage {
    readers: Pool,
    writer: Writer,
}

impl Storage {
    /// Opens the database file, making it if there is none, and brings its tables up to date. Answered writes survive
    /// the loss of power.
    ///
    /// # Errors
    /// The file cannot be written, is no database, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Storage> {
        Storage::open_with(path, Durability::default()).await
    }

    /// # Errors
    /// As [`Storage::open`].
    pub async fn open_with(path: &Path, durability: Durability) -> Result<Storage> {
        Storage::open_grouping(path, durability, writer::GROUP).await
    }

    /// With another bound on how many writes share a transaction, to measure what sharing is worth.
    ///
    /// # Errors
    /// As [`Storage::open`].
    pub async fn open_grouping(path: &Path, durability: Durability, group: usize) -> Result<Storage> {
        Storage::begin(Place::file(path), durability, group).await
    }

    /// Connects to a Postgres database, `postgres://user:password@host:5432/database`, and brings its tables up to date.
    /// Several servers may use it at once.
    ///
    /// # Errors
    /// The address cannot be read, the database cannot be reached or changed, or was written by a newer version.
    pub async fn connect(url: &str) -> Result<Storage> {
        Storage::begin(Place::server(url)?, Durability::default(), writer::GROUP).await
    }

    async fn begin(place: Place, durability: Durability, group: usize) -> Result<Storage> {
        let mut connection = place.connect(durability).await.map_err(|error| place.not_opened(error))?;
        place.check(&mut connection).await?;
        migrations::apply(&mut connection, &place.name()).await?;
        let readers = place.readers();
        Ok(Storage { readers, writer: Writer::start(connection, place, (durability, group)) })
    }

    /// Whether the database answers; for `/readyz`.
    ///
    /// # Errors
    /// It does not, or the writer is gone.
    pub async fn ping(&self) -> Result<()> {
        const OPERATION: &str = "ask the database whether it is there";
        if self.writer.is_closed() {
            return Err(StorageError::Closed { operation: OPERATION });
        }
        let asked = database::query("select 1").execute(&self.readers).await;
        asked.map(|_| ()).map_err(error::reading(OPERATION))
    }

    /// Waits for queued writes, then closes every connection. Later calls on any clone fail.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    async fn first<T: columns::Stored>(&self, operation: &'static str, query: Query) -> Result<Option<T>> {
        let row = query.fetch_optional(&self.readers).await.map_err(error::reading(operation))?;
        row.map(|it| T::read(&it)).transpose().map_err(error::reading(operation))
    }

    async fn all<T: columns::Stored>(&self, operation: &'static str, query: Query) -> Result<Vec<T>> {
        let rows = query.fetch_all(&self.readers).await.map_err(error::reading(operation))?;
        rows.iter().map(T::read).collect::<std::result::Result<_, _>>().map_err(error::reading(operation))
    }
}
