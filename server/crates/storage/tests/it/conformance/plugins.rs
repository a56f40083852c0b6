use domain::{Plugin, PluginId};
use serde_json::json;
use storage::{Storage, StorageError};

use crate::support::{tenant, uuid};

pub(crate) fn plugin(name: &str, version: &str, sha256: &str) -> Plugin {
    Plugin {
        id: PluginId::from_uuid(uuid()),
        plugin_id: name.into(),
        version: version.into(),
        manifest: json!({ "id": name, "title": { "zh": "广告日报" } }),
        sha256: sha256.into(),
        system: true,
        enabled: true,
        installed_at: 4,
    }
}

pub(crate) async fn upgrading_keeps_grants(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let first = plugin("ad_report", "1.0.0", "aa");
    assert_eq!(storage.install_plugin(a, first.clone(), vec![1, 2, 0, 255]).await.unwrap(), first);
    assert_eq!(storage.plugin(a, "ad_report").await.unwrap(), Some(first.clone()));
    assert_eq!(storage.plugin_bytes(a, "ad_report").await.unwrap(), Some(vec![1, 2, 0, 255]));
    assert_eq!(storage.grants(a, "ad_report").await.unwrap(), None);
    storage.set_grants(a, "ad_report", json!({ "knowledge": [] })).await.unwrap();
    storage.set_grants(a, "ad_report", json!({ "knowledge": ["ads"] })).await.unwrap();

    let second = Plugin { system: false, ..plugin("ad_report", "1.1.0", "bb") };
    let stored = storage.install_plugin(a, second.clone(), vec![9]).await.unwrap();
    assert_eq!(stored, Plugin { id: first.id, ..second });
    assert_eq!(storage.plugin_bytes(a, "ad_report").await.unwrap(), Some(vec![9]));
    assert_eq!(storage.grants(a, "ad_report").await.unwrap(), Some(json!({ "knowledge": ["ads"] })));
    storage.set_plugin_enabled(a, "ad_report", false).await.unwrap();
    assert_eq!(storage.list_plugins(a).await.unwrap(), [Plugin { enabled: false, ..stored }]);

    assert!(storage.delete_plugin(a, "ad_report").await.unwrap());
    assert!(!storage.delete_plugin(a, "ad_report").await.unwrap());
    assert_eq!(storage.grants(a, "ad_report").await.unwrap(), None, "a plugin that comes back has to be granted anew");
    let error = storage.set_grants(a, "ad_report", json!({})).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "plugin" }), "{error}");
}

pub(crate) async fn code_is_shared_and_goes_with_its_last_user(storage: &Storage) {
    let (a, b) = (tenant(storage, "a").await, tenant(storage, "b").await);
    for it in [a, b] {
        storage.install_plugin(it, plugin("echo", "1.0.0", "same"), vec![7; 100_000]).await.unwrap();
    }
    storage.install_plugin(a, plugin("zeta", "1.0.0", "other"), vec![8]).await.unwrap();
    assert!(storage.delete_plugin(a, "echo").await.unwrap());
    assert_eq!(storage.plugin_bytes(a, "echo").await.unwrap(), None);
    assert_eq!(storage.plugin_bytes(b, "echo").await.unwrap(), Some(vec![7; 100_000]), "the other tenant's stays");
    assert!(storage.delete_plugin(b, "echo").await.unwrap());
    // If the code were still there, these other bytes under its hash would be passed over.
    storage.install_plugin(b, plugin("echo", "1.0.0", "same"), vec![1]).await.unwrap();
    assert_eq!(storage.plugin_bytes(b, "echo").await.unwrap(), Some(vec![1]));
    assert_eq!(storage.plugin_bytes(a, "zeta").await.unwrap(), Some(vec![8]));

    // A tenant without the code does not hide the code that another one brings under the same hash.
    storage.install_plugin(a, plugin("shipped", "1.0.0", "shipped"), Vec::new()).await.unwrap();
    assert_eq!(storage.plugin_bytes(a, "shipped").await.unwrap(), None);
    storage.install_plugin(b, plugin("shipped", "1.0.0", "shipped"), vec![3]).await.unwrap();
    assert_eq!(storage.plugin_bytes(b, "shipped").await.unwrap(), Some(vec![3]));
}
