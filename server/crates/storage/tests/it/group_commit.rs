//! Writes that queue up share a transaction and yet do not share their fate.

use domain::{MessageId, MessageStatus, Tenant, TenantId};
use futures::FutureExt as _;
use futures::future::join_all;
use serde_json::json;
use storage::{MessageUpdate, Storage, StorageError};

use crate::support::{Fixture, begin, run, step, tenant, uuid};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failing_write_takes_nothing_of_its_neighbours() {
    let Fixture { storage, .. } = &Fixture::sqlite().await;
    let taken = tenant(storage, "taken").await;
    let made = |n: usize| Tenant {
        id: TenantId::from_uuid(uuid()),
        slug: if n == 37 { "taken".into() } else { format!("t{n}") },
        name: String::new(),
        created_at: 1,
    };
    let answers = join_all((0..100).map(|n| storage.all_tenants_create_tenant(made(n)))).await;
    for (n, answer) in answers.iter().enumerate() {
        if n == 37 {
            assert!(matches!(answer, Err(StorageError::Conflict { .. })), "{answer:?}");
        } else {
            assert!(answer.is_ok(), "{n}: {answer:?}");
        }
    }
    assert_eq!(storage.all_tenants_list_tenants().await.unwrap().len(), 100);
    assert_eq!(storage.all_tenants_tenant_by_slug("taken").await.unwrap().unwrap().id, taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_write_of_several_statements_leaves_nothing_of_itself() {
    let Fixture { storage, .. } = &Fixture::sqlite().await;
    let a = tenant(storage, "a").await;
    let runs: Vec<_> = (0..50).map(|n| run("w", n)).collect();
    for it in &runs {
        storage.begin_run(a, begin(it.clone())).await.unwrap();
    }
    // Every second step names a message that is not there: its row and snapshot are fine, its last statement is refused.
    let steps = runs.iter().enumerate().map(|(n, it)| {
        let mut step = step(1);
        if n % 2 == 1 {
            step.messages.push(MessageUpdate {
                id: MessageId::from_uuid(uuid()),
                content: String::new(),
                status: MessageStatus::Complete,
                error: None,
            });
        }
        storage.record_step(a, it.id, step)
    });
    for (n, answer) in join_all(steps).await.into_iter().enumerate() {
        assert_eq!(answer.is_ok(), n % 2 == 0, "{n}: {answer:?}");
    }
    for (n, it) in runs.iter().enumerate() {
        let events = storage.run_events(a, it.id, 0, 10).await.unwrap().len();
        let snapshot = storage.run_snapshot(a, it.id).await.unwrap().map(|it| it.snapshot);
        let expected = if n % 2 == 0 { (1, Some("1".to_owned())) } else { (0, None) };
        assert_eq!((events, snapshot), expected, "{n}");
    }
}

#[tokio::test]
async fn a_write_goes_on_when_its_caller_leaves() {
    let Fixture { storage, .. } = &Fixture::sqlite().await;
    let a = tenant(storage, "a").await;
    let write = storage.set_setting(a, "left", json!(1), 1);
    assert!(write.now_or_never().is_none(), "polled once, so that it is queued, then dropped");
    storage.set_setting(a, "next", json!(1), 1).await.unwrap();
    assert_eq!(storage.setting(a, "left").await.unwrap(), Some(json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_writes_what_is_queued_and_refuses_the_rest() {
    let fixture = Fixture::sqlite().await;
    let storage: &Storage = &fixture.storage;
    let a = tenant(storage, "a").await;
    let keys: Vec<_> = (0..50).map(|n| format!("k{n}")).collect();
    let queued = join_all(keys.iter().map(|it| storage.set_setting(a, it, json!(1), 1)));
    let (answers, ()) = tokio::join!(queued, storage.close());
    let stored = answers.iter().filter(|it| it.is_ok()).count();
    assert!(stored > 0, "what was queued before is stored");
    let late = storage.set_setting(a, "late", json!(1), 1).await.unwrap_err();
    assert!(matches!(late, StorageError::Closed { operation: "store a setting" }), "{late}");
    assert!(matches!(storage.setting(a, "late").await.unwrap_err(), StorageError::Closed { .. }));
    assert!(matches!(storage.ping().await.unwrap_err(), StorageError::Closed { .. }));
    assert!(!fixture.path().with_extension("sqlite-wal").exists(), "a clean end leaves one file");

    let again = Storage::open(&fixture.path()).await.unwrap();
    for (key, answer) in keys.iter().zip(&answers) {
        assert_eq!(
            again.setting(a, key).await.unwrap().is_some(),
            answer.is_ok(),
            "{key}: answered and stored are one"
        );
    }
}
