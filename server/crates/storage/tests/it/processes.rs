//! Several processes with one file open: a server, and the command line beside it.

use domain::{Tenant, TenantId};
use serde_json::json;
use storage::{Storage, StorageError};

use crate::support::{Fixture, again, child, tenant};

const WRITES: usize = 100;
const PROCESSES: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_open_a_new_file_at_once_and_write_to_it() {
    if let Some((role, path)) = child() {
        return write_settings(&path, &role).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlour.sqlite");
    let mut processes: Vec<_> = (0..PROCESSES)
        .map(|n| {
            again("processes::all_open_a_new_file_at_once_and_write_to_it", &format!("p{n}"), &path).spawn().unwrap()
        })
        .collect();
    write_settings(&path, "parent").await;
    for process in &mut processes {
        let ended = tokio::task::block_in_place(|| process.wait()).unwrap();
        assert!(ended.success());
    }
    let storage = Storage::open(&path).await.unwrap();
    let tenants = storage.all_tenants_list_tenants().await.unwrap();
    assert_eq!(tenants.len(), 1, "one of them made the tenant, the others found it");
    for writer in (0..PROCESSES).map(|n| format!("p{n}")).chain(["parent".into()]) {
        for n in 0..WRITES {
            let stored = storage.setting(tenants[0].id, &format!("{writer}-{n}")).await.unwrap();
            assert_eq!(stored, Some(json!(n)), "{writer}-{n}");
        }
    }
}

async fn write_settings(path: &std::path::Path, writer: &str) {
    let storage = Storage::open(path).await.unwrap();
    let id = TenantId::from_uuid(uuid::Uuid::new_v4());
    let mine = Tenant { id, slug: "main".into(), name: String::new(), created_at: 1 };
    match storage.all_tenants_create_tenant(mine).await {
        Ok(()) | Err(StorageError::Conflict { .. }) => {}
        Err(error) => panic!("{writer}: {error}"),
    }
    let tenant = storage.all_tenants_tenant_by_slug("main").await.unwrap().unwrap().id;
    for n in 0..WRITES {
        storage.set_setting(tenant, &format!("{writer}-{n}"), json!(n), 1).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sees_what_the_other_has_written() {
    let fixture = Fixture::sqlite().await;
    let other = Storage::open(&fixture.path()).await.unwrap();
    let a = tenant(&fixture.storage, "a").await;
    other.set_setting(a, "k", json!("from the other"), 1).await.unwrap();
    assert_eq!(fixture.storage.setting(a, "k").await.unwrap(), Some(json!("from the other")));
    fixture.storage.set_setting(a, "k", json!("and back"), 1).await.unwrap();
    assert_eq!(other.setting(a, "k").await.unwrap(), Some(json!("and back")));
}
