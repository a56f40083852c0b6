//! What cannot be brought about from outside: a full disk, a panic, a lost transaction, in the middle of a group.

use std::time::Duration;

use domain::{Tenant, TenantId};
use futures::future::join_all;
use serde_json::json;

use crate::database::query;
use crate::error::Operation;
use crate::{Durability, Storage, StorageError};

const TEST: Operation = Operation::new("try something");

async fn storage(durability: Durability) -> (Storage, TenantId, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open_with(&folder.path().join("parlour.sqlite"), durability).await.unwrap();
    let id = TenantId::from_uuid(uuid::Uuid::from_u128(1));
    let tenant = Tenant { id, slug: "a".into(), name: "A".into(), created_at: 1 };
    storage.all_tenants_create_tenant(tenant).await.unwrap();
    (storage, id, folder)
}

async fn pragma(storage: &Storage, name: &'static str) -> i64 {
    let mut asked = query("pragma ");
    asked.push(name);
    storage
        .write(TEST, move |connection| Box::pin(async move { Ok(asked.fetch_one(connection).await?.try_get(name)?) }))
        .await
        .unwrap()
}

/// Keeps the writer busy while the writes queue up, so that they become one group.
async fn as_one_group<T>(storage: &Storage, writes: impl Future<Output = T>) -> T {
    let held = storage.write(TEST, |_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(())
        })
    });
    let queued = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        writes.await
    };
    let (held, answers) = tokio::join!(held, queued);
    held.unwrap();
    answers
}

#[tokio::test]
async fn the_writer_waits_for_the_disk_as_it_was_told() {
    let (storage, _, _folder) = storage(Durability::PowerLoss).await;
    assert_eq!(pragma(&storage, "synchronous").await, 2, "full");
    assert_eq!(pragma(&storage, "foreign_keys").await, 1);
    let (storage, _, _folder) = self::storage(Durability::ProcessCrash).await;
    assert_eq!(pragma(&storage, "synchronous").await, 1, "normal");
}

#[tokio::test]
async fn readers_cannot_write() {
    let (storage, _, _folder) = storage(Durability::ProcessCrash).await;
    let error = query("delete from tenants").execute(&storage.readers).await.unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_named_and_everybody_in_the_group_hears_the_truth() {
    let (storage, tenant, _folder) = storage(Durability::ProcessCrash).await;
    let pages = pragma(&storage, "page_count").await;
    // SQLite's own limit answers exactly as a full disk does, and it ends the whole transaction.
    let mut limit = query("pragma max_page_count = ");
    limit.push(&(pages + 40).to_string());
    storage
        .write(TEST, move |connection| {
            Box::pin(async move {
                limit.fetch_one(connection).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let keys: Vec<_> = (0..20).map(|n| format!("k{n}")).collect();
    let writes = keys.iter().enumerate().map(|(n, key)| {
        let size = if n == 10 { 1_000_000 } else { 10 };
        storage.set_setting(tenant, key, json!("x".repeat(size)), 1)
    });
    let answers = as_one_group(&storage, join_all(writes)).await;
    let full = answers.iter().filter(|it| matches!(it, Err(StorageError::StorageFull { .. }))).count();
    let fine = answers.iter().filter(|it| it.is_ok()).count();
    assert!(full >= 1 && full + fine == 20, "{answers:?}");
    for (key, answer) in keys.iter().zip(&answers) {
        let stored = storage.setting(tenant, key).await.unwrap().is_some();
        assert_eq!(stored, answer.is_ok(), "`{key}`: answered {answer:?}");
    }
    // The connection was made anew, without the limit: the next write finds room.
    storage.set_setting(tenant, "after", json!("x".repeat(1_000_000)), 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_lost_in_the_middle_is_lost_for_all() {
    let (storage, tenant, _folder) = storage(Durability::ProcessCrash).await;
    let lose = storage.write::<(), _>(TEST, |connection| {
        Box::pin(async move {
            connection.rollback().await?;
            Err(StorageError::NotFound { what: "reason" }.into())
        })
    });
    let before = storage.set_setting(tenant, "before", json!(1), 1);
    let after = storage.set_setting(tenant, "after", json!(1), 1);
    let (before, lose, after) = as_one_group(&storage, async { tokio::join!(before, lose, after) }).await;
    assert!(matches!(lose, Err(StorageError::NotFound { what: "reason" })), "{lose:?}");
    assert!(matches!(before, Err(StorageError::Write { .. })), "{before:?}");
    assert!(matches!(after, Err(StorageError::Write { .. })), "{after:?}");
    assert_eq!(storage.setting(tenant, "before").await.unwrap(), None);
    storage.set_setting(tenant, "before", json!(2), 1).await.unwrap();
    assert_eq!(storage.setting(tenant, "before").await.unwrap(), Some(json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_panics_takes_nothing_with_it() {
    let (storage, tenant, _folder) = storage(Durability::ProcessCrash).await;
    let panics = || {
        storage.write::<(), _>(TEST, |connection| {
            Box::pin(async move {
                query("delete from tenants").execute(connection).await?;
                panic!("on purpose");
            })
        })
    };
    assert!(matches!(panics().await, Err(StorageError::Closed { .. })), "alone");
    let rest = async {
        tokio::join!(
            storage.set_setting(tenant, "before", json!(1), 1),
            panics(),
            storage.set_setting(tenant, "after", json!(1), 1)
        )
    };
    let (before, panicked, after) = as_one_group(&storage, rest).await;
    assert!(matches!(panicked, Err(StorageError::Closed { .. })), "in a group");
    before.unwrap();
    after.unwrap();
    assert_eq!(storage.setting(tenant, "before").await.unwrap(), Some(json!(1)));
    assert_eq!(storage.all_tenants_list_tenants().await.unwrap().len(), 1, "what it deleted is back");
    storage.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_queues_up_is_committed_at_once() {
    let (storage, tenant, _folder) = storage(Durability::ProcessCrash).await;
    let keys: Vec<_> = (0..100).map(|n| format!("k{n}")).collect();
    let (first, second) = keys.split_at(50);
    let slow = storage.write(TEST, |_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(())
        })
    });
    let halves = async {
        tokio::join!(
            join_all(first.iter().map(|it| storage.set_setting(tenant, it, json!(1), 1))),
            slow,
            join_all(second.iter().map(|it| storage.set_setting(tenant, it, json!(1), 1)))
        )
    };
    let group = as_one_group(&storage, halves);
    let watch = async {
        let mut seen = Vec::new();
        while seen.last() != Some(&100) {
            let row = query("select count(*) as count from settings").fetch_one(&storage.readers).await.unwrap();
            seen.push(row.try_get::<i64>("count").unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        seen
    };
    let (_, seen) = tokio::join!(group, watch);
    // Committed one by one, the first half would be seen while the slow write sleeps.
    assert!(seen.len() > 20 && seen.iter().all(|it| [0, 100].contains(it)), "{seen:?}");
}
