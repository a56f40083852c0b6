//! The plugins that `cargo xtask plugins` builds, made with the SDK: the shipped ones load, and the testing guests show what
//! a real compiler's output does when it misbehaves.

use std::collections::BTreeSet;

use plugin_host::{CallContext, CallErrorKind, Grants, LogLevel};
use serde_json::{Value, json};

use crate::support::{call, context, failure, host, load_built, without_grants};

#[tokio::test]
async fn every_shipped_plugin_loads_and_asks_in_two_languages() {
    let mut ids = BTreeSet::new();
    for file in ["ad_report.wasm", "filter_spicy_dishes.wasm", "query_knowledge_base.wasm"] {
        let plugin = load_built(file).await;
        let manifest = plugin.manifest();
        for permission in &manifest.permissions.knowledge {
            assert_ne!(permission.reason.en, permission.reason.zh, "{file}");
        }
        for tool in &manifest.tools {
            assert_ne!(tool.description.en, tool.description.zh, "{file}, {}", tool.name);
        }
        ids.insert(manifest.id.clone());
    }
    assert_eq!(Vec::from_iter(ids), ["ad_report", "filter_spicy_dishes", "query_knowledge_base"]);
}

#[tokio::test]
async fn echo_gives_back_what_it_gets() {
    let echo = load_built("testing/echo.wasm").await;
    let input = json!({"value": ["麻婆豆腐", 1.5, null, {"a": "\u{1f336}"}]});
    assert_eq!(call(&echo, "echo", input.clone()).await.result, Ok(input));
    let error = failure(&echo, call(&echo, "logs", json!({"message": 1})).await, CallErrorKind::InvalidInput);
    assert!(error.message.contains("/message"), "{error:?}");
}

#[tokio::test]
async fn echo_logs_at_every_level() {
    let echo = load_built("testing/echo.wasm").await;
    let report = call(&echo, "logs", json!({"message": "辣"})).await;
    let levels: Vec<LogLevel> = report.logs.iter().map(|line| line.level).collect();
    assert_eq!(levels, [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error]);
    assert!(report.logs.iter().all(|line| line.message == "辣"));
}

#[tokio::test]
async fn settings_reach_the_plugin_that_declares_them() {
    let echo = load_built("testing/echo.wasm").await;
    let Value::Object(config) = json!({"greeting": "欢迎", "number": 7, "not_in_the_manifest": true}) else {
        panic!("it is an object")
    };
    let context = CallContext { config, ..context() };
    let report = host().call(&echo, "configured", json!({}), context).await;
    assert_eq!(report.result, Ok(json!({"greeting": "欢迎", "number": 7, "undeclared": null})));
    let Value::Object(wrong) = json!({"number": "seven"}) else { panic!("it is an object") };
    assert_eq!(echo.config_problems(&wrong), ["at `/number`: \"seven\" is not of type \"integer\""]);
}

#[tokio::test]
async fn a_knowledge_base_is_reached_when_asked_for_and_granted() {
    let echo = load_built("testing/echo.wasm").await;
    let input = json!({"knowledge_base": "menu", "query": "辣", "filter": {"spice_level": {"gte": 2}}});
    let result = call(&echo, "everything_known", input.clone()).await.result.expect("it is allowed");
    assert_eq!(result["hits"][0]["id"], json!("1"));
    assert_eq!(result["first"]["fields"]["name"], json!("麻婆豆腐"));
    assert_eq!(result["listed"], json!(["1"]));

    let refused = host().call(&echo, "everything_known", input, without_grants()).await;
    let error = failure(&echo, refused, CallErrorKind::Denied);
    assert!(error.message.contains("`knowledge: menu` would allow it"), "{error:?}");
    assert!(error.hint.is_some_and(|hint| hint.contains("knowledge: menu")));

    let not_asked = json!({"knowledge_base": "payroll", "query": "salary", "filter": null});
    let error = failure(&echo, call(&echo, "everything_known", not_asked).await, CallErrorKind::Denied);
    assert!(error.message.contains("does not ask"), "{error:?}");
}

#[tokio::test]
async fn each_kind_of_failure_arrives_as_what_it_is() {
    let echo = load_built("testing/echo.wasm").await;
    for (kind, expected) in [
        ("invalid_input", CallErrorKind::InvalidInput),
        ("not_found", CallErrorKind::NotFound),
        ("denied", CallErrorKind::Denied),
        ("rate_limited", CallErrorKind::RateLimited),
        ("unavailable", CallErrorKind::Unavailable),
        ("failed", CallErrorKind::Failed),
    ] {
        let report = call(&echo, "fails", json!({"kind": kind, "message": "12"})).await;
        let error = failure(&echo, report, expected);
        assert_eq!(error.retry_after_ms, (kind == "rate_limited").then_some(12_000), "{error:?}");
    }
}

#[tokio::test]
async fn a_workflow_queries_a_knowledge_base() {
    let query = load_built("query_knowledge_base.wasm").await;
    let input = json!({"knowledge_base": "menu", "query": "喜欢辣味的菜品", "top_k": 5});
    let grants = Grants { knowledge: BTreeSet::from(["menu".to_owned()]) };
    let granted = CallContext { grants, ..context() };
    let report = host().call(&query, "query_knowledge_base", input.clone(), granted).await;
    let result = report.result.expect("it is granted");
    assert_eq!(result["status"], json!("ok"));
    assert_eq!(result["hits"][0]["name"], json!("麻婆豆腐"));
    failure(&query, host().call(&query, "query_knowledge_base", input, without_grants()).await, CallErrorKind::Denied);

    let missing = json!({"knowledge_base": "missing", "query": "x"});
    failure(&query, call(&query, "query_knowledge_base", missing).await, CallErrorKind::NotFound);
    let error =
        failure(&query, call(&query, "query_knowledge_base", json!({"top_k": 500})).await, CallErrorKind::InvalidInput);
    assert!(error.message.contains("/top_k") && error.message.contains("knowledge_base"), "{error:?}");
}
