//! Files that must not be opened, and what is said about them.

use std::error::Error as _;

use domain::{RunId, TenantId};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqlSafeStr as _, SqliteConnection};
use storage::{Durability, Storage, StorageError};

use crate::support::{Fixture, step, tenant, uuid};

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
    assert!(matches!(error, StorageError::NewerDatabase { found: 9999, .. }), "{error:?}");
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

#[tokio::test]
async fn events_of_the_time_before_the_journal_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlour.sqlite");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let first = include_str!("../../../../../migrations/sqlite/0001_first_light.sql");
    let first = Migration::new(1, "first_light".into(), MigrationType::Simple, first.into_sql_str(), false);
    Migrator::with_migrations(vec![first]).run(&mut connection).await.unwrap();
    let (a, run) = (TenantId::from_uuid(uuid()), RunId::from_uuid(uuid()));
    let old = format!(
        "insert into tenants (id, slug, name, created_at) values ('{a}', 'a', 'A', 1);
         insert into runs (tenant, id, kind, name, status, inputs, started_at) values ('{a}', '{run}', 'workflow', 'w', 'running', '{{}}', 1);
         insert into run_events (tenant, run, seq, name, data, at) values
           ('{a}', '{run}', 1, 'run.started', '{{\"n\":1}}', 7), ('{a}', '{run}', 2, 'node.started', '{{\"菜\":[1,null]}}', 8);
         insert into run_snapshots (tenant, run, snapshot) values ('{a}', '{run}', '{{\"status\":\"running\"}}')"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(old)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let storage = Storage::open(&path).await.unwrap();
    let events = storage.run_events(a, run, 0, 10).await.unwrap();
    let read: Vec<_> = events.iter().map(|it| (it.seq, it.name.as_str(), it.data.as_str(), it.at)).collect();
    assert_eq!(read, [(1, "run.started", "{\"n\":1}", 7), (2, "node.started", "{\"菜\":[1,null]}", 8)]);
    let kept = storage.run_snapshot(a, run).await.unwrap().unwrap();
    assert_eq!((kept.step, kept.snapshot.as_str()), (2, "{\"run\":{\"status\":\"running\"}}"));
    storage.record_step(a, run, step(3)).await.unwrap();
}
