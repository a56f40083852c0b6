//! Compiled plugins on disk: used when they are sound, never trusted when they are not.

use std::path::Path;

use plugin_host::{CallContext, Grants, HostConfig, NoServer, Plugin, PluginHost};
use serde_json::{Map, json};

use crate::support::{guest, manifest};

fn host(folder: &Path) -> PluginHost {
    PluginHost::new(HostConfig { pool_slots: 1, ..HostConfig::new(folder.join("compiled")) }).expect("the host starts")
}

async fn works(host: &PluginHost, plugin: &Plugin) {
    let context = CallContext {
        tenant: "tenant".to_owned(),
        grants: Grants::default(),
        config: Map::new(),
        limits: None,
        access: std::sync::Arc::new(NoServer),
        idempotency_key: None,
    };
    let report = host.call(plugin, "echo", json!({"a": 1}), context).await;
    assert_eq!(report.result, Ok(json!({"a": 1})));
}

#[tokio::test]
async fn damaged_and_foreign_files_are_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = guest(&manifest("fixture").to_string(), "menu");
    let other = guest(&manifest("other").to_string(), "menu");
    let (file, foreign) = {
        let host = host(folder.path());
        let plugin = host.load(bytes.clone()).await.expect("the guest loads");
        let foreign = host.load(other).await.expect("the other guest loads");
        (host.cache_file(plugin.sha256()), host.cache_file(foreign.sha256()))
    };
    let sound = std::fs::read(&file).expect("the compiled file is there");
    let middle = sound.len() / 2;
    let mut flipped = sound.clone();
    flipped[middle] ^= 1;
    let damaged = [
        ("cut short", sound[..middle].to_vec()),
        ("one bit flipped", flipped),
        ("empty", Vec::new()),
        ("another plugin's file under this name", std::fs::read(&foreign).expect("it is there")),
        ("the upload itself", bytes.clone()),
    ];
    for (what, content) in damaged {
        std::fs::write(&file, &content).expect("the file can be written");
        let host = host(folder.path());
        let plugin = host.load(bytes.clone()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(plugin.manifest().id, "fixture", "{what}");
        works(&host, &plugin).await;
        let replaced = std::fs::read(&file).expect("it was compiled again");
        assert_ne!(replaced, content, "{what}");
        assert_eq!(replaced.len(), sound.len(), "{what}");
    }
}

#[tokio::test]
async fn a_sound_file_is_used_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = guest(&manifest("fixture").to_string(), "menu");
    let modified = |host: &PluginHost, plugin: &Plugin| {
        std::fs::metadata(host.cache_file(plugin.sha256())).and_then(|file| file.modified()).expect("the file is there")
    };
    let first = host(folder.path());
    let plugin = first.load(bytes.clone()).await.expect("the guest loads");
    let written = modified(&first, &plugin);
    drop((first, plugin));
    let second = host(folder.path());
    let plugin = second.load(bytes).await.expect("the guest loads");
    works(&second, &plugin).await;
    assert_eq!(modified(&second, &plugin), written);
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let compiled = folder.path().join("compiled");
    std::fs::create_dir(&compiled).expect("the folder can be made");
    std::fs::set_permissions(&compiled, std::fs::Permissions::from_mode(0o777)).expect("it can be opened up");
    let _host = host(folder.path());
    let mode = std::fs::metadata(&compiled).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").expect("the file can be written");
    let error = PluginHost::new(HostConfig::new(file)).expect_err("a file is no folder");
    assert_eq!(error.code(), "plugin_cache_unusable");
}
