//! Files that are not plugins: each is refused with a code, what is wrong, and what to run.

use plugin_host::{Import, PluginError, imports};
use serde_json::json;

use crate::support::{described, guest, host, load, manifest};

async fn refused(bytes: Vec<u8>, code: &str) -> PluginError {
    let error = host().load(bytes).await.expect_err("it is not a plugin");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.is_fault_of_file());
    assert!(error.hint().is_some_and(|hint| hint.len() > 40), "{error}");
    error
}

fn text(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).expect("the text is WebAssembly")
}

#[tokio::test]
async fn what_is_not_webassembly() {
    let error = refused(b"fn main() { println!(\"hello\") }".to_vec(), "plugin_not_wasm").await;
    assert!(error.to_string().contains("the text `fn main() {"), "{error}");
    refused(Vec::new(), "plugin_not_wasm").await;
    refused("菜单".repeat(20).into_bytes(), "plugin_not_wasm").await;
    let error = refused(b"PK\x03\x04....".to_vec(), "plugin_not_wasm").await;
    assert!(error.to_string().contains("zip"), "{error}");
    let error = refused(vec![0xff, 0xfe, 0x00, 0x01], "plugin_not_wasm").await;
    assert!(error.to_string().contains("ff fe 00 01"), "{error}");
}

#[tokio::test]
async fn what_is_damaged_or_cut_short() {
    let whole = guest(&manifest("fixture").to_string(), "menu");
    for length in [4, 8, 9, whole.len() / 2, whole.len() - 1] {
        let error = host().load(whole[..length].to_vec()).await.expect_err("it is cut short");
        assert!(["plugin_malformed", "plugin_not_a_component"].contains(&error.code()), "{length}: {error}");
    }
    refused(b"\0asm\xff\xff\xff\xff".to_vec(), "plugin_malformed").await;
}

#[tokio::test]
async fn what_is_too_large() {
    let error = refused(vec![0; (32 << 20) + 1], "plugin_too_large").await;
    assert!(error.to_string().contains("33554432"), "{error}");
}

#[tokio::test]
async fn a_core_module_without_the_contract() {
    let error = refused(text("(module (func (export \"main\")))"), "plugin_not_a_component").await;
    assert!(error.to_string().contains("core module"), "{error}");
}

#[tokio::test]
async fn a_core_module_that_promises_the_contract_and_does_not_keep_it() {
    refused(described("(module (memory (export \"memory\") 1))"), "plugin_not_a_component").await;
}

#[tokio::test]
async fn imports_that_the_sandbox_does_not_have() {
    let module = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))))"#;
    let error = refused(text(module), "plugin_unsupported_import").await;
    assert!(error.hint().is_some_and(|hint| hint.contains("wasm32-unknown-unknown")), "{error}");

    for beyond in ["wasi:http/outgoing-handler@0.2.0", "wasi:clocks/wall-clock@0.3.0"] {
        let component = format!(r#"(component (import "{beyond}" (instance)))"#);
        let error = refused(text(&component), "plugin_unsupported_import").await;
        assert!(error.to_string().contains(beyond), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("version 0.2")), "{error}");
    }

    let later = r#"(component (import "parlour:plugin/telepathy@1.0.0" (instance)))"#;
    let error = refused(text(later), "plugin_unsupported_import").await;
    assert!(error.hint().is_some_and(|hint| hint.contains("update the server")), "{error}");
}

#[test]
fn the_imports_of_a_refused_file_can_still_be_told() {
    let module = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func)) (import "wasi_snapshot_preview1" "fd_read" (func))
        (import "parlour:plugin/log@1.0.0" "write" (func)) (import "parlour:plugin/log@2.0.0" "write" (func)))"#;
    let import = |name: &str, offered| Import { name: name.to_owned(), offered };
    assert_eq!(
        imports(&text(module)).expect("it is WebAssembly"),
        [
            import("parlour:plugin/log@1.0.0", true),
            import("parlour:plugin/log@2.0.0", false),
            import("wasi_snapshot_preview1", false),
        ]
    );
    assert_eq!(imports(b"text").expect_err("it is not WebAssembly").code(), "plugin_not_wasm");
    assert_eq!(imports(b"\0asm\xff\xff\xff\xff").expect_err("it is damaged").code(), "plugin_malformed");
}

#[tokio::test]
async fn components_that_export_something_else() {
    let error = refused(text("(component)"), "plugin_not_a_component").await;
    assert!(error.to_string().contains("exports nothing"), "{error}");
    let other = r#"(component (instance $i) (export "wasi:http/handler@0.2.0" (instance $i)))"#;
    let error = refused(text(other), "plugin_not_a_component").await;
    assert!(error.to_string().contains("wasi:http/handler"), "{error}");
}

#[tokio::test]
async fn another_version_of_the_contract() {
    let next = r#"(component (instance $i) (export "parlour:plugin/tools@2.0.0" (instance $i)))"#;
    let error = refused(text(next), "plugin_wrong_contract").await;
    assert!(error.to_string().contains("tools@2.0.0"), "{error}");
    refused(text(r#"(component (import "parlour:plugin/log@0.3.0" (instance)))"#), "plugin_wrong_contract").await;
    // The right name over other types.
    let empty = r#"(component (instance $i) (export "parlour:plugin/tools@1.0.0" (instance $i)))"#;
    refused(text(empty), "plugin_wrong_contract").await;
    let types = r#"(component
        (import "parlour:plugin/system@1.0.0" (instance (export "now-ms" (func (result string)))))
        (instance $i) (export "parlour:plugin/tools@1.0.0" (instance $i)))"#;
    refused(text(types), "plugin_wrong_contract").await;
}

#[tokio::test]
async fn a_manifest_with_problems_lists_them_all() {
    let mut bad = manifest("fixture");
    bad["id"] = json!("Not An Id");
    bad["version"] = json!("newest");
    bad["tools"][0]["name"] = json!("echo");
    bad["permissions"]["http"] = json!([{"host": "example.org"}]);
    let error = load(&bad.to_string(), "menu").await.expect_err("the manifest is bad");
    assert_eq!(error.code(), "plugin_invalid_manifest");
    let PluginError::InvalidManifest { problems } = &error else { panic!("{error}") };
    assert!(problems.len() >= 2, "{problems:?}");
    let error = load("describe says hello", "menu").await.expect_err("the manifest is not JSON");
    assert_eq!(error.code(), "plugin_invalid_manifest");
}

#[tokio::test]
async fn describing_is_sandboxed_as_well() {
    for (body, expected) in [
        ("(loop $again (br $again)) unreachable", "100 ms of processor time"),
        ("unreachable", "gave up"),
        ("(loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable", "33554432"),
    ] {
        let module = format!(
            r#"(module (memory (export "memory") 1)
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                (func (export "parlour:plugin/tools@1.0.0#describe") (result i32) {body})
                (func (export "parlour:plugin/tools@1.0.0#invoke") (param i32 i32 i32 i32) (result i32) unreachable))"#
        );
        let error = refused(described(&module), "plugin_describe_failed").await;
        assert!(error.to_string().contains(expected), "{error}");
    }
}
