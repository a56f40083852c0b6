//! Brings a database's tables up to date with the files in `/migrations`, which the binary carries inside.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::database::{BEGIN_WRITE, Connection};
use crate::{Result, StorageError};

/// Number, what it brings, text. Only ever added to.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first_light", include_str!("../../../../migrations/sqlite/0001_first_light.sql")),
    (2, "journal", include_str!("../../../../migrations/sqlite/0002_journal.sql")),
    (3, "triggers", include_str!("../../../../migrations/sqlite/0003_triggers.sql")),
    (4, "secrets", include_str!("../../../../migrations/sqlite/0004_secrets.sql")),
    (5, "kept_outputs", include_str!("../../../../migrations/sqlite/0005_kept_outputs.sql")),
    (6, "run_origin", include_str!("../../../../migrations/sqlite/0006_run_origin.sql")),
    (7, "tables", include_str!("../../../../migrations/sqlite/0007_tables.sql")),
];

/// Applies what is missing in one transaction: two processes that open a new file at once take turns, and a migration
/// that fails leaves the database as it was.
pub(crate) async fn apply(connection: &mut Connection, path: &Path) -> Result<()> {
    let opening = |error| StorageError::Open { path: path.to_owned(), source: Arc::new(error) };
    let migrations = MIGRATIONS.iter().map(|&(number, brings, text)| {
        Migration::new(number, Cow::Borrowed(brings), MigrationType::Simple, text.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    let mut transaction = connection.begin_with(BEGIN_WRITE).await.map_err(opening)?;
    if let Err(error) = migrator.run(&mut *transaction).await {
        // A rollback that fails leaves nothing behind either: the connection is dropped with the error.
        let _ = transaction.rollback().await;
        return Err(refused(path, error));
    }
    transaction.commit().await.map_err(opening)
}

fn refused(path: &Path, error: MigrateError) -> StorageError {
    let path = path.to_owned();
    let known = MIGRATIONS.last().map_or(0, |&(number, _, _)| number);
    if let MigrateError::VersionMissing(found) = error
        && found > known
    {
        return StorageError::NewerDatabase { path, found, known };
    }
    StorageError::Migrate { path, source: error }
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn every_file_is_embedded_under_its_number() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../migrations/sqlite");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .filter(|it| it.ends_with(".sql"))
            .collect();
        files.sort();
        let listed: Vec<_> = MIGRATIONS.iter().map(|(number, name, _)| format!("{number:04}_{name}.sql")).collect();
        assert_eq!(files, listed);
        for (index, (number, ..)) in MIGRATIONS.iter().enumerate() {
            assert_eq!(usize::try_from(*number).unwrap(), index + 1, "numbers have no gaps");
        }
    }
}
