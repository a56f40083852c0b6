use domain::{AuditEntry, AuditEntryId};
use serde_json::json;
use storage::{Storage, StorageError};

use crate::support::{tenant, uuid};

pub(crate) fn entry(at: i64) -> AuditEntry {
    AuditEntry {
        id: AuditEntryId::from_uuid(uuid()),
        at,
        actor: "system".into(),
        action: "plugin.install".into(),
        subject: "ad_report".into(),
        detail: json!({ "version": "1.0.0" }),
    }
}

pub(crate) async fn settings_and_audit(storage: &Storage) {
    let a = tenant(storage, "a").await;
    assert_eq!(storage.setting(a, "local_model").await.unwrap(), None);
    storage.set_setting(a, "local_model", json!({ "model": "q" }), 1).await.unwrap();
    storage.set_setting(a, "local_model", json!({ "model": "通义" }), 2).await.unwrap();
    assert_eq!(storage.setting(a, "local_model").await.unwrap(), Some(json!({ "model": "通义" })));
    assert!(storage.delete_setting(a, "local_model").await.unwrap());
    assert!(!storage.delete_setting(a, "local_model").await.unwrap());
    assert_eq!(storage.setting(a, "local_model").await.unwrap(), None);

    let mut all: Vec<_> = (0..7).map(|n| entry(n / 2)).collect();
    for it in &all {
        storage.audit(a, it.clone()).await.unwrap();
    }
    let error = storage.audit(a, all[0].clone()).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "entries are only added: {error}");
    all.sort_by_key(|it| std::cmp::Reverse((it.at, it.id)));
    let first = storage.list_audit(a, None, 5).await.unwrap();
    let rest = storage.list_audit(a, first.next_cursor.as_deref(), 5).await.unwrap();
    assert_eq!([first.items, rest.items].concat(), all);
    storage.ping().await.unwrap();
}
