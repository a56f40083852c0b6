//! Files that must not be opened, and what is said about them.

use std::error::Error as _;

use sqlx::{Connection as _, SqliteConnection};
use storage::{Durability, Storage, StorageError};

use crate::support::{Fixture, tenant};

async fn tampered(sql: &'static str) -> StorageError {
    let fixture = Fixture::sqlite().await;
    tenant(&fixture.storage, "a").await;
    fixture.storage.close().await;
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", fixture.path().display())).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    Storage::open(&fixture.path()).await.unwrap_err()
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let error = tampered(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9999, 'from the future', true, x'00', 1)",
    )
    .await;
    assert!(matches!(error, StorageError::NewerDatabase { found: 9999, known: 1, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("was written by a newer version") && text.contains("parlour.sqlite"), "{text}");
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let error = tampered("update _sqlx_migrations set checksum = x'00'").await;
    assert!(matches!(error, StorageError::Migrate { .. }), "{error:?}");
    assert!(error.source().unwrap().to_string().contains("has been modified"), "{error:?}");
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "this is not a database, and it must still be here afterwards\n".repeat(50);
    std::fs::write(&path, &text).unwrap();
    let error = Storage::open(&path).await.unwrap_err();
    assert!(matches!(error, StorageError::Open { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let error = Storage::open(&folder.path().join("missing/parlour.sqlite")).await.unwrap_err();
    assert!(matches!(error, StorageError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("missing"), "{error}");
}

#[tokio::test]
async fn a_file_opens_again_with_either_durability() {
    let fixture = Fixture::sqlite().await;
    let a = tenant(&fixture.storage, "a").await;
    fixture.storage.close().await;
    for durability in [Durability::ProcessCrash, Durability::PowerLoss] {
        let storage = Storage::open_with(&fixture.path(), durability).await.unwrap();
        assert_eq!(storage.all_tenants_list_tenants().await.unwrap()[0].id, a);
        storage.close().await;
    }
}
