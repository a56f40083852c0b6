//! Plugins through the server: grants, misbehaving guests as node errors in words, and the next call works.

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, repository};

async fn install(client: &Client<'_>, name: &str) -> Value {
    let path = repository().join("plugins/dist/testing").join(format!("{name}.wasm"));
    let bytes =
        std::fs::read(&path).unwrap_or_else(|_| panic!("{} is missing: run `cargo xtask plugins`", path.display()));
    client.upload("/api/v1/plugins", &format!("{name}.wasm"), &bytes).await.ok()
}

/// Runs a workflow of one node that calls the tool; answers the run.
async fn run_tool(client: &Client<'_>, tool: &str, input: Value) -> Value {
    let yaml = format!("workflow: probe\nnodes:\n  call:\n    use: {tool}\n    with: {input}\n");
    client.put("/api/v1/workflows/probe", json!({ "yaml": yaml })).await.ok();
    client.post("/api/v1/workflows/probe/runs", json!({ "inputs": {} })).await.ok()
}

#[tokio::test]
async fn a_guest_that_misbehaves_is_a_node_error_in_words_and_the_next_call_works() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client, "misbehaves").await;
    install(&client, "asks_without_grant").await;
    let cases = [
        ("misbehaves", "loops_forever", json!({}), "plugin_limit", "ms"),
        ("misbehaves", "allocates_without_end", json!({}), "plugin_limit", "memory"),
        ("misbehaves", "panics", json!({ "message": "secret of the guest" }), "plugin_trap", "misbehaves"),
        ("misbehaves", "reaches_the_unreachable", json!({}), "plugin_trap", "misbehaves"),
        ("misbehaves", "overflows_the_stack", json!({}), "plugin_trap", "misbehaves"),
        ("misbehaves", "floods_output", json!({}), "plugin_limit", "output"),
        ("misbehaves", "floods_host_calls", json!({}), "plugin_limit", "calls"),
        ("asks_without_grant", "reads_what_it_did_not_ask_for", json!({}), "denied", "menu"),
        ("asks_without_grant", "passes_the_refusal_on", json!({}), "denied", "staff"),
    ];
    for (plugin, tool, input, code, word) in cases {
        let run = run_tool(&client, &format!("{plugin}/{tool}"), input).await;
        assert_eq!(run["status"], "failed", "{plugin}/{tool}: {run}");
        let error = &run["error"];
        assert_eq!(error["code"], code, "{plugin}/{tool}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.to_lowercase().contains(word), "{plugin}/{tool}: {message}");
        assert!(!message.contains("secret of the guest"), "the guest's own panic is for its developer: {message}");
        assert_eq!(error["node"], "call");
        let dishes = json!({ "dishes": [{ "name": "麻婆豆腐", "spice_level": 3 }], "min_level": 2 });
        let next = run_tool(&client, "filter_spicy_dishes", dishes).await;
        assert_eq!(next["status"], "finished", "after {plugin}/{tool}: {next}");
    }
}

#[tokio::test]
async fn what_was_not_granted_is_refused_with_the_grant_that_would_allow_it() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let base = json!({ "name": "menu", "fields": { "name": { "type": "text", "embed": true } } });
    client.post("/api/v1/knowledge-bases", base).await.ok();
    let records = json!({ "name": "dishes", "records": [{ "name": "麻婆豆腐" }] });
    client.post("/api/v1/knowledge-bases/menu/documents?wait=60", records).await.ok();
    let call = json!({ "input": { "knowledge_base": "menu", "query": "豆腐" } });
    let path = "/api/v1/plugins/query_knowledge_base/tools/query_knowledge_base/call";
    assert_eq!(client.post(path, call.clone()).await.ok()["ok"], true, "shipped plugins have their grants");
    client.put("/api/v1/plugins/query_knowledge_base/grants", json!({ "knowledge": [] })).await.ok();
    let refused = client.post(path, call.clone()).await.ok();
    assert_eq!(refused["error"]["kind"], "denied", "{refused}");
    assert!(refused["error"].to_string().contains("menu"), "{refused}");
    client.put("/api/v1/plugins/query_knowledge_base/grants", json!({ "knowledge": ["menu"] })).await.ok();
    assert_eq!(client.post(path, call).await.ok()["ok"], true);
    let more = client.put("/api/v1/plugins/filter_spicy_dishes/grants", json!({ "knowledge": ["menu"] })).await;
    more.problem(422, "invalid_input");
}

#[tokio::test]
async fn a_plugin_in_use_cannot_be_removed() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client, "echo").await;
    let run = run_tool(&client, "echo/echo", json!({ "value": "你好" })).await;
    assert_eq!(run["status"], "finished", "{run}");
    let refused = client.delete("/api/v1/plugins/echo").await.problem(409, "in_use");
    assert!(refused["detail"].as_str().unwrap().contains("probe"), "{refused}");
    assert_eq!(client.delete("/api/v1/workflows/probe").await.status, 204);
    assert_eq!(client.delete("/api/v1/plugins/echo").await.status, 204);
    client.get("/api/v1/plugins/echo").await.problem(404, "not_found");
    client.delete("/api/v1/plugins/ad_report").await.problem(409, "conflict");
}
