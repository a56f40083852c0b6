use domain::{Plugin, PluginCall, PluginCallId, PluginId, PluginVersion};
use serde_json::json;
use storage::{NewPluginValue, Storage, StorageError};

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

pub(crate) fn published(version: &str, sha256: &str) -> PluginVersion {
    PluginVersion { sha256: sha256.into(), version: version.into(), installed: false, at: 5 }
}

pub(crate) fn value(key: &str, value: &str) -> NewPluginValue {
    let (key, value) = (key.to_owned(), value.to_owned());
    NewPluginValue { key, value, expires_at: None, expected: None, max_bytes: 1_000, at: 10 }
}

pub(crate) fn plugin_call(name: &str) -> PluginCall {
    PluginCall {
        id: PluginCallId::from_uuid(uuid()),
        plugin_id: name.into(),
        version: "1.0.0".into(),
        tool: "pick".into(),
        run: None,
        node: None,
        at: 20,
        duration_us: 30,
        cpu_us: 10,
        memory_bytes: 1 << 20,
        tokens: 0,
        error: Some(json!({ "code": "denied", "message": "不" })),
        logs: json!([{ "level": "info", "message": "辣" }]),
    }
}

pub(crate) async fn values_have_versions_a_time_and_a_quota(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let error = storage.set_plugin_value(a, "menu", value("k", "v")).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "plugin" }), "{error}");
    storage.install_plugin(a, plugin("menu", "1.0.0", "aa"), vec![1]).await.unwrap();
    assert_eq!(storage.set_plugin_value(a, "menu", value("k", "one")).await.unwrap(), 1);
    assert_eq!(storage.set_plugin_value(a, "menu", value("k", "two")).await.unwrap(), 2);
    let stale = NewPluginValue { expected: Some(1), ..value("k", "three") };
    let error = storage.set_plugin_value(a, "menu", stale).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "{error}");
    let absent = NewPluginValue { expected: Some(0), ..value("new", "v") };
    assert_eq!(storage.set_plugin_value(a, "menu", absent.clone()).await.unwrap(), 1);
    assert!(storage.set_plugin_value(a, "menu", absent).await.is_err(), "it is there now");
    let kept = storage.plugin_value(a, "menu", ("k", 10)).await.unwrap().unwrap();
    assert_eq!((kept.value.as_str(), kept.version, kept.expires_at), ("two", 2, None));

    // Bytes and not characters, other keys counted along, the value that is replaced not.
    let full = NewPluginValue { max_bytes: 20, ..value("k", "辣辣辣辣") };
    assert_eq!(storage.set_plugin_value(a, "menu", full).await.unwrap(), 3);
    let over = NewPluginValue { max_bytes: 20, ..value("k", "辣辣辣辣辣辣") };
    let error = storage.set_plugin_value(a, "menu", over).await.unwrap_err();
    assert!(matches!(error, StorageError::QuotaExceeded { bytes: 23, max_bytes: 20 }), "{error:?}");

    let short = NewPluginValue { expires_at: Some(50), ..value("short", "v") };
    storage.set_plugin_value(a, "menu", short).await.unwrap();
    assert!(storage.plugin_value(a, "menu", ("short", 49)).await.unwrap().is_some());
    assert_eq!(storage.plugin_value(a, "menu", ("short", 50)).await.unwrap(), None);
    let again = NewPluginValue { expected: Some(0), at: 60, ..value("short", "w") };
    assert_eq!(
        storage.set_plugin_value(a, "menu", again).await.unwrap(),
        2,
        "what is over is not there, and its count goes on"
    );
    for key in ["p/一", "p/%", "p/_", "q"] {
        storage.set_plugin_value(a, "menu", value(key, "v")).await.unwrap();
    }
    assert_eq!(storage.plugin_keys(a, "menu", ("p/", None), (2, 60)).await.unwrap(), ["p/%", "p/_"]);
    assert_eq!(storage.plugin_keys(a, "menu", ("p/", Some("p/_")), (2, 60)).await.unwrap(), ["p/一"]);
    assert_eq!(storage.plugin_keys(a, "menu", ("%", None), (9, 60)).await.unwrap(), [] as [&str; 0]);
    assert!(storage.delete_plugin_value(a, "menu", ("q", 60)).await.unwrap());
    assert!(!storage.delete_plugin_value(a, "menu", ("q", 60)).await.unwrap());
    storage.set_plugin_value(a, "menu", NewPluginValue { expires_at: Some(70), ..value("gone", "v") }).await.unwrap();
    assert_eq!(storage.all_tenants_prune_plugin_values(70).await.unwrap(), 1);
}

pub(crate) async fn versions_and_calls_are_kept_for_a_while(storage: &Storage) {
    let a = tenant(storage, "a").await;
    for number in 0..12_u8 {
        let it = Plugin {
            installed_at: i64::from(number),
            ..plugin("menu", &format!("1.{number}.0"), &format!("hash{number}"))
        };
        storage.install_plugin(a, it, vec![number]).await.unwrap();
    }
    let versions = storage.plugin_versions(a, "menu").await.unwrap();
    assert_eq!(versions.len(), 10, "the newest");
    assert_eq!((versions[0].version.as_str(), versions[9].version.as_str()), ("1.11.0", "1.2.0"));
    assert_eq!(storage.plugin_version_bytes(a, "menu", "hash2").await.unwrap(), Some(vec![2]));
    assert_eq!(storage.plugin_version_bytes(a, "menu", "hash1").await.unwrap(), None);

    // A published version waits beside the one in use, which stays whatever is published.
    for number in 0..11_u8 {
        let version = PluginVersion {
            at: 100 + i64::from(number),
            ..published(&format!("2.{number}.0"), &format!("next{number}"))
        };
        storage.publish_plugin_version(a, "menu", version, vec![number]).await.unwrap();
    }
    let versions = storage.plugin_versions(a, "menu").await.unwrap();
    let told: Vec<(&str, bool)> = versions.iter().map(|it| (it.version.as_str(), it.installed)).collect();
    assert_eq!((told.len(), told[0], told[10]), (11, ("2.10.0", false), ("1.11.0", true)), "{told:?}");
    assert_eq!(storage.plugin(a, "menu").await.unwrap().unwrap().version, "1.11.0");
    // Published once more it is what it was; installed it is no longer one that waits.
    let again = published("2.10.0", "next10");
    storage.publish_plugin_version(a, "menu", again, vec![10]).await.unwrap();
    assert_eq!(storage.plugin_versions(a, "menu").await.unwrap(), versions);
    let it = Plugin { installed_at: 200, ..plugin("menu", "2.10.0", "next10") };
    storage.install_plugin(a, it, vec![10]).await.unwrap();
    let newest = storage.plugin_versions(a, "menu").await.unwrap().remove(0);
    assert_eq!(newest, PluginVersion { installed: true, at: 200, ..published("2.10.0", "next10") });
    let error = storage.publish_plugin_version(a, "other", published("1.0.0", "hash"), vec![1]).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "plugin" }), "{error}");

    let first = plugin_call("menu");
    let second = PluginCall { at: 30, error: None, ..plugin_call("menu") };
    storage.note_plugin_call(a, first.clone()).await.unwrap();
    storage.note_plugin_call(a, second.clone()).await.unwrap();
    let page = storage.list_plugin_calls(a, "menu", None, 1).await.unwrap();
    assert_eq!(page.items, std::slice::from_ref(&second));
    let rest = storage.list_plugin_calls(a, "menu", page.next_cursor.as_deref(), 5).await.unwrap();
    assert_eq!((rest.items, rest.next_cursor), (vec![first], None));
    assert_eq!(storage.all_tenants_prune_plugin_calls(25).await.unwrap(), 1);
    assert_eq!(storage.list_plugin_calls(a, "menu", None, 5).await.unwrap().items, [second]);
    let error = storage.note_plugin_call(a, plugin_call("other")).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "plugin" }), "{error}");
    assert!(storage.delete_plugin(a, "menu").await.unwrap());
    assert_eq!(storage.plugin_versions(a, "menu").await.unwrap(), []);
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
