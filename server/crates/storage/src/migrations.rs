//! Brings a database's tables up to date with the files in `/migrations`, which the binary carries inside.

use std::borrow::Cow;
use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::database::{Connection, postgres, sqlite};
use crate::{Result, StorageError};

/// Number, what it brings, text. Only ever added to.
type Texts = &'static [(i64, &'static str, &'static str)];

/// The same numbers for every kind of database, with the texts from its own folder.
macro_rules! texts {
    ($folder:literal) => {
        &[
            (1, "first_light", text!($folder, "0001_first_light")),
            (2, "journal", text!($folder, "0002_journal")),
            (3, "triggers", text!($folder, "0003_triggers")),
            (4, "secrets", text!($folder, "0004_secrets")),
            (5, "kept_outputs", text!($folder, "0005_kept_outputs")),
            (6, "run_origin", text!($folder, "0006_run_origin")),
            (7, "tables", text!($folder, "0007_tables")),
            (8, "plugin_platform", text!($folder, "0008_plugin_platform")),
            (9, "published_plugins", text!($folder, "0009_published_plugins")),
            (10, "ingestion", text!($folder, "0010_ingestion")),
        ]
    };
}
macro_rules! text {
    ($folder:literal, $name:literal) => {
        include_str!(concat!("../../../../migrations/", $folder, "/", $name, ".sql"))
    };
}

const SQLITE: Texts = texts!("sqlite");
const POSTGRES: Texts = texts!("postgres");

/// Applies what is missing in one transaction: two processes that open a new database at once take turns, and a migration
/// that fails leaves the database as it was.
pub(crate) async fn apply(connection: &mut Connection, database: &str) -> Result<()> {
    let opening = |error| StorageError::Open { database: database.to_owned(), source: Arc::new(error) };
    macro_rules! apply {
        ($connection:expr, $begin:expr, $texts:expr) => {{
            let mut transaction = $connection.begin_with($begin).await.map_err(opening)?;
            if let Err(error) = migrator($texts).run(&mut *transaction).await {
                // A rollback that fails leaves nothing behind either: the connection is dropped with the error.
                let _ = transaction.rollback().await;
                return Err(refused(database, error));
            }
            transaction.commit().await.map_err(opening)
        }};
    }
    match connection {
        Connection::Sqlite(connection) => apply!(connection, sqlite::BEGIN, SQLITE),
        Connection::Postgres(connection) => apply!(connection, postgres::BEGIN_ALONE, POSTGRES),
    }
}

fn migrator(texts: Texts) -> Migrator {
    let migrations = texts.iter().map(|&(number, brings, text)| {
        Migration::new(number, Cow::Borrowed(brings), MigrationType::Simple, text.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // The transaction around it has a lock of ours already.
    migrator.set_locking(false);
    migrator
}

fn refused(database: &str, error: MigrateError) -> StorageError {
    let database = database.to_owned();
    let known = SQLITE.last().map_or(0, |&(number, _, _)| number);
    if let MigrateError::VersionMissing(found) = error
        && found > known
    {
        return StorageError::NewerDatabase { database, found, known };
    }
    StorageError::Migrate { database, source: error }
}

#[cfg(test)]
mod tests {
    use super::{POSTGRES, SQLITE};

    #[test]
    fn every_file_is_embedded_under_its_number() {
        for (dialect, texts) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
            let folder = format!("{}/../../../migrations/{dialect}", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|it| it.unwrap().file_name().into_string().unwrap())
                .filter(|it| it.ends_with(".sql"))
                .collect();
            files.sort();
            let listed: Vec<_> = texts.iter().map(|(number, name, _)| format!("{number:04}_{name}.sql")).collect();
            assert_eq!(files, listed, "{dialect}");
            for (index, (number, ..)) in texts.iter().enumerate() {
                assert_eq!(usize::try_from(*number).unwrap(), index + 1, "numbers have no gaps");
            }
        }
    }
}
