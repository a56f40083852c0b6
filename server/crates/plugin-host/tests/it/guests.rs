//! The plugins that `cargo xtask plugins` builds, made with the SDK: the shipped ones load, and the testing guests show what
//! a real compiler's output does when it misbehaves.

use std::collections::BTreeSet;

use plugin_host::{CallContext, CallErrorKind, Grants, LogLevel, PluginError};
use serde_json::{Value, json};

use crate::support::{built, call, context, failure, host, limited, load_built, without_grants};

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
    let grants = Grants { knowledge: BTreeSet::from(["menu".to_owned()]), ..Grants::default() };
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

async fn still_works() {
    let echo = load_built("testing/echo.wasm").await;
    assert_eq!(call(&echo, "echo", json!({"value": 1})).await.result, Ok(json!({"value": 1})));
    let same = load_built("testing/misbehaves.wasm").await;
    assert_eq!(call(&same, "asks_for_memory", json!({"megabytes": 1})).await.result, Ok(json!({"refused": false})));
}

#[tokio::test]
async fn each_way_to_misbehave_ends_in_words_and_the_next_call_works() {
    let plugin = load_built("testing/misbehaves.wasm").await;
    let quick = || limited(|limits| limits.cpu_ms = 200);
    for (tool, input, kind, words) in [
        ("loops_forever", json!({}), CallErrorKind::CpuLimit, "200 ms of processor time"),
        ("allocates_without_end", json!({}), CallErrorKind::MemoryLimit, "the limit is 67108864"),
        ("panics", json!({"message": "the pot boiled over"}), CallErrorKind::Trap, "panicked"),
        ("reaches_the_unreachable", json!({}), CallErrorKind::Trap, "gave up"),
        ("overflows_the_stack", json!({}), CallErrorKind::Trap, "stack"),
        ("floods_output", json!({"bytes": 6_000_000}), CallErrorKind::OutputLimit, "limit of 4194304 bytes"),
        ("floods_output", json!({"bytes": 4_194_303}), CallErrorKind::OutputLimit, "4194305 bytes of JSON"),
        ("floods_host_calls", json!({}), CallErrorKind::HostCallLimit, "100000 calls"),
        ("breaks_its_schema", json!({}), CallErrorKind::BadOutput, "at `/number`"),
    ] {
        let report = host().call(&plugin, tool, input, quick()).await;
        let error = failure(&plugin, report, kind);
        assert!(error.message.contains(words) && error.message.contains(tool), "{error:?}");
        assert!(error.hint.is_some(), "{error:?}");
        still_works().await;
    }
}

#[tokio::test]
async fn a_panics_words_and_place_reach_the_developer() {
    let plugin = load_built("testing/misbehaves.wasm").await;
    let report = call(&plugin, "panics", json!({"message": "锅糊了"})).await;
    let error = failure(&plugin, report, CallErrorKind::Trap);
    assert!(!error.message.contains("锅糊了"), "not for whoever only called it: {error:?}");
    let detail = error.detail.expect("the panic hook wrote it");
    assert!(detail.contains("锅糊了") && detail.contains("lib.rs:"), "{detail}");
}

#[tokio::test]
async fn a_polite_refusal_of_memory_is_no_error() {
    let plugin = load_built("testing/misbehaves.wasm").await;
    let report = call(&plugin, "asks_for_memory", json!({"megabytes": 1_000})).await;
    assert_eq!(report.result, Ok(json!({"refused": true})));
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_counted() {
    let plugin = load_built("testing/misbehaves.wasm").await;
    let report = call(&plugin, "floods_log", json!({"lines": 2_000, "line_bytes": 10_000})).await;
    assert_eq!(report.result, Ok(json!(2_000)));
    assert_eq!((report.logs.len(), report.dropped_log_lines), (256, 2_000 - 256));
    assert!(report.logs.iter().all(|line| line.message.len() <= 8_192 + '…'.len_utf8()));
}

#[tokio::test]
async fn memory_of_one_call_is_never_seen_by_the_next() {
    let plugin = load_built("testing/misbehaves.wasm").await;
    for mark in 1..20 {
        let report = call(&plugin, "remembers", json!({"mark": mark})).await;
        assert_eq!(report.result, Ok(json!({"found": 0})), "mark {mark}");
    }
}

#[tokio::test]
async fn neither_the_asking_nor_the_grant_alone_is_enough() {
    let plugin = load_built("testing/asks_without_grant.wasm").await;
    // `context` grants everything; the manifest asks for `staff` only.
    let report = call(&plugin, "reads_what_it_did_not_ask_for", json!({})).await;
    let error = failure(&plugin, report, CallErrorKind::Denied);
    assert!(error.message.contains("does not ask"), "{error:?}");
    // Asked for, not granted: each of the three ways is closed, and the guest may live with it.
    let report = host().call(&plugin, "reads_what_it_asked_for", json!({}), without_grants()).await;
    let result = report.result.expect("the guest handles the refusals");
    for way in ["search", "get", "list"] {
        assert_eq!(result[way]["denied"], json!(true), "{result}");
    }
    let report = host().call(&plugin, "passes_the_refusal_on", json!({}), without_grants()).await;
    let error = failure(&plugin, report, CallErrorKind::Denied);
    assert!(error.hint.is_some_and(|hint| hint.contains("`knowledge: staff`")));
    // Both: it reads.
    let result = call(&plugin, "reads_what_it_asked_for", json!({})).await.result.expect("it is granted");
    assert_eq!(result, json!({"search": {"found": 2}, "get": {"found": 1}, "list": {"found": 1}}));
}

async fn refused(file: &str) -> PluginError {
    host().load(built(file)).await.expect_err("it must not load")
}

#[tokio::test]
async fn guests_that_must_not_be_installed() {
    let error = refused("testing/wrong_contract.wasm").await;
    assert_eq!(error.code(), "plugin_wrong_contract", "{error}");
    let error = refused("testing/describes_forever.wasm").await;
    assert_eq!(error.code(), "plugin_describe_failed", "{error}");
    assert!(error.to_string().contains("100 ms of processor time"), "{error}");
    let error = refused("testing/bad_manifest.wasm").await;
    let PluginError::InvalidManifest { problems } = &error else { panic!("{error}") };
    let all = problems.join("\n");
    for expected in [
        "/id",
        "/version",
        "/homepage",
        "/tools/0/name",
        "/tools/0/title/en",
        "/tools/0/description/zh",
        "icon",
        "script",
        "twice",
        "input schema must have",
        "output schema",
        "example 1",
        "`config`",
        "menu*",
        "/permissions/knowledge/0/reason",
    ] {
        assert!(all.contains(expected), "`{expected}` is missing in:\n{all}");
    }
}
