//! The OpenAPI document is a contract: committed, and every operation in it is guarded as it says.

use parlour::app::accounts::Scope;
use parlour::http::{Access, operations};

use crate::support::{TestApp, repository};

/// Compares a generated file with what is generated now; `UPDATE_EXPECT=1` rewrites it.
fn must_be_committed(file: &str, generated: &str) {
    let text = format!("{}\n", generated.trim_end());
    let path = repository().join(file);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{file} is out of date: run `cargo xtask codegen`");
}

#[tokio::test]
async fn the_committed_document_is_the_served_one() {
    let app = TestApp::new().await;
    let served = app.anonymous().get("/api/v1/openapi.json").await.ok();
    must_be_committed("server/openapi.json", &serde_json::to_string_pretty(&served).unwrap());
}

#[test]
fn the_committed_schema_and_reference_of_the_language_are_the_engines() {
    let schema = serde_json::to_string_pretty(&workflow_engine::workflow_json_schema()).unwrap();
    must_be_committed("workflows/workflow.schema.json", &schema);
    must_be_committed("workflows/README.md", &workflow_engine::workflow_reference());
}

/// An address with something in each parameter that cannot exist.
fn example(path: &str) -> String {
    let parts = path.split('/').map(|it| if it.starts_with('{') { "00000000-0000-4000-8000-000000000000" } else { it });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_operation_refuses_whoever_may_not_call_it() {
    let app = TestApp::new().await;
    let mut checked = 0;
    for operation in operations() {
        let path = example(operation.path);
        let method = operation.method.clone();
        let anonymous = app.anonymous().send(method.clone(), &path, Some("application/json"), b"{}".to_vec()).await;
        if matches!(operation.access, Access::Open | Access::Address) {
            assert_ne!(anonymous.status, 403, "{method} {path}");
            continue;
        }
        assert_eq!(anonymous.status, 401, "{method} {path} must ask who calls: {}", anonymous.text());
        if let Access::Needs(scope) = operation.access {
            let others: Vec<Scope> = Scope::ALL.into_iter().filter(|it| *it != scope).collect();
            let lacking = app.key("main", &others).await;
            let refused = lacking.send(method.clone(), &path, Some("application/json"), b"{}".to_vec()).await;
            assert_eq!(refused.status, 403, "{method} {path} needs `{}`: {}", scope.as_str(), refused.text());
        }
        checked += 1;
    }
    assert!(checked > 30, "the table has shrunk to {checked}");
}

#[tokio::test]
async fn an_unknown_address_or_method_is_told_with_a_hint() {
    let app = TestApp::new().await;
    let nobody = app.anonymous();
    let lost = nobody.get("/api/v1/nonsense").await.problem(404, "not_found");
    assert!(lost["hint"].as_str().unwrap().contains("openapi.json"));
    nobody.put("/api/v1/session", serde_json::json!({})).await.problem(405, "method_not_allowed");
}
