//! Two tenants: neither sees, searches or runs anything of the other, by any operation of the OpenAPI document.

use axum::http::Method;
use parlour::app::accounts::Scope;
use parlour::http::{Access, Operation, operations};
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

/// A word that stands in everything of the first tenant and nowhere else.
const MARKER: &str = "marker-of-the-first-tenant";

const WORKFLOW: &str = "workflow: private_flow\ntitle: marker-of-the-first-tenant\non: { schedule: { cron: \"@daily\" } }\ninputs: { q: string? }\nnodes:\n  \
    reply: { use: answer, with: { text: marker-of-the-first-tenant } }\n";
const ASSISTANT: &str =
    "assistant: private_desk\ntitle: marker-of-the-first-tenant\nfallback: { say: marker-of-the-first-tenant }\n";

struct Things {
    ids: Vec<(&'static str, String)>,
}

/// One of everything, in the first tenant.
async fn furnish(client: &Client<'_>) -> Things {
    let mut ids = Vec::new();
    client.put("/api/v1/workflows/private_flow", json!({ "yaml": WORKFLOW })).await.ok();
    client.put("/api/v1/assistants/private_desk", json!({ "yaml": ASSISTANT })).await.ok();
    let base = json!({ "name": "private_base", "fields": { "word": { "type": "text", "embed": true } } });
    client.post("/api/v1/knowledge-bases", base).await.ok();
    let records = json!({ "name": "words", "records": [{ "word": MARKER }] });
    let document = client.post("/api/v1/knowledge-bases/private_base/documents?wait=60", records).await.ok();
    let expected = json!({ "query": MARKER, "expected": [{ "document": "words.json", "ordinal": 0 }] });
    let test = client.post("/api/v1/knowledge-bases/private_base/tests", expected).await.ok();
    client.put("/api/v1/secrets/private_desk", json!({ "value": MARKER })).await.ok();
    let run = client.post("/api/v1/workflows/private_flow/runs", json!({ "inputs": {} })).await.ok();
    let answer = client.ask("private_desk", "hello").await;
    let conversations = client.get("/api/v1/conversations").await.ok();
    let triggers = client.get("/api/v1/triggers").await.ok();
    let key = client.post("/api/v1/keys", json!({ "name": MARKER })).await.ok();
    for (name, value) in [
        ("document", &document["id"]),
        ("test", &test["id"]),
        ("run", &run["id"]),
        ("chat run", &answer["run"]["id"]),
        ("conversation", &conversations["items"][0]["id"]),
        ("key", &key["id"]),
        ("trigger", &triggers["items"][0]["id"]),
    ] {
        ids.push((name, value.as_str().unwrap_or_else(|| panic!("no id for {name}")).to_owned()));
    }
    Things { ids }
}

impl Things {
    fn id(&self, name: &str) -> &str {
        &self.ids.iter().find(|it| it.0 == name).unwrap().1
    }

    /// The operation's address, filled with what belongs to the first tenant.
    fn path(&self, path: &str) -> String {
        let id = match path {
            _ if path.contains("/runs/") => self.id("run"),
            _ if path.contains("/conversations/") => self.id("conversation"),
            _ if path.contains("/keys/") => self.id("key"),
            _ if path.contains("/triggers/") => self.id("trigger"),
            _ if path.contains("/documents/") => self.id("document"),
            _ if path.contains("/tests/") => self.id("test"),
            _ => "private_plugin",
        };
        let name = match path {
            _ if path.contains("/workflows/") => "private_flow",
            _ if path.contains("/knowledge-bases/") => "private_base",
            _ => "private_desk",
        };
        path.replace("{id}", id)
            .replace("{name}", name)
            .replace("{tool}", "private_tool")
            .replace("{effect}", "1")
            .replace("{ordinal}", "0")
    }
}

fn body(id: &str) -> Value {
    match id {
        "start_run" => json!({ "inputs": {} }),
        "rerun" => json!({ "from": "say" }),
        "answer_wait" => json!({ "text": "yes" }),
        "create_conversation" => json!({ "assistant": "private_desk" }),
        "send_message" => json!({ "content": "hello" }),
        "search" => json!({ "query": MARKER }),
        "change_knowledge_base" => json!({ "title": "theirs" }),
        "change_document" => json!({ "groups": ["theirs"] }),
        "add_chunk" | "change_chunk" => json!({ "text": "theirs" }),
        "add_retrieval_test" => json!({ "query": "x", "expected": [{ "document": "words.json", "ordinal": 0 }] }),
        "put_document" => json!({ "name": "words", "records": [{ "word": "theirs" }] }),
        "openai_chat" => json!({ "model": "private_desk", "messages": [{ "role": "user", "content": "hello" }] }),
        "put_grants" => json!({ "knowledge": ["private_base"] }),
        "put_plugin_config" => json!({ "values": {} }),
        "put_plugin_enabled" => json!({ "enabled": false }),
        "put_trigger" => json!({ "enabled": false }),
        "call_tool" => json!({ "input": {} }),
        "validate" => json!({ "yaml": "workflow: x\nnodes:\n  go: { use: workflow/private_flow }\n" }),
        _ => json!({}),
    }
}

/// Whether there is nobody to be told apart.
fn is_open(operation: &Operation) -> bool {
    matches!(operation.access, Access::Open | Access::Address)
}

/// Everything the first tenant can see of its own, as one text.
async fn inventory(client: &Client<'_>, things: &Things) -> String {
    let mut text = String::new();
    for operation in operations().iter().filter(|it| it.method == Method::GET && !is_open(it)) {
        if operation.id == "get_session" || operation.id == "get_models" {
            continue;
        }
        let answer = client.get(&things.path(operation.path)).await;
        // A refusal carries an id of its own each time.
        let shown = if answer.status.is_success() { answer.text() } else { answer.status.to_string() };
        text.push_str(&format!("{} {shown}\n", operation.id));
    }
    text
}

#[tokio::test]
async fn a_foreign_tenant_is_told_nothing_and_changes_nothing() {
    let app = TestApp::new().await;
    let first = app.key("main", &Scope::ALL).await;
    let things = furnish(&first).await;
    let before = inventory(&first, &things).await;
    assert!(before.contains(MARKER));
    let second = app.key("second", &Scope::ALL).await;
    let mut by_address = 0;
    for operation in operations().iter().filter(|it| !is_open(it)) {
        let path = things.path(operation.path);
        let kind = (operation.method != Method::GET).then_some("application/json");
        // Publishing under the same name makes the second tenant's own document, and is checked below.
        if ["put_workflow", "put_assistant", "put_secret"].contains(&operation.id) {
            continue;
        }
        let request = body(operation.id).to_string().into_bytes();
        let answer = second.send(operation.method.clone(), &path, kind, request).await;
        let text = answer.text();
        assert!(!text.contains(MARKER), "{} told the second tenant: {text}", operation.id);
        if operation.path.contains('{') {
            assert_eq!(answer.status, 404, "{} {path}: {text}", operation.id);
            by_address += 1;
        }
        let foreign_in_body = ["create_conversation", "openai_chat"];
        if foreign_in_body.contains(&operation.id) {
            assert_eq!(answer.status, 404, "{}: {text}", operation.id);
        }
        if operation.id == "validate" {
            assert_eq!(answer.json()["ok"], false, "{text}");
            assert_eq!(answer.json()["diagnostics"][0]["code"], "unknown_workflow", "{text}");
        }
    }
    assert!(by_address > 20, "only {by_address} operations were tried by address");
    second.put("/api/v1/workflows/private_flow", json!({ "yaml": WORKFLOW.replace(MARKER, "theirs") })).await.ok();
    let after = inventory(&first, &things).await;
    for (now, then) in after.lines().zip(before.lines()) {
        assert_eq!(now, then, "nothing of the first tenant has changed");
    }
    assert_eq!(after.lines().count(), before.lines().count());
}

#[tokio::test]
async fn a_foreign_id_answers_like_a_random_one() {
    let app = TestApp::new().await;
    let first = app.key("main", &Scope::ALL).await;
    let things = furnish(&first).await;
    let second = app.key("second", &Scope::ALL).await;
    let random = "01920000-0000-7000-8000-000000000000";
    for (address, name) in [("runs", "run"), ("conversations", "conversation")] {
        let foreign = second.get(&format!("/api/v1/{address}/{}", things.id(name))).await.problem(404, "not_found");
        let unknown = second.get(&format!("/api/v1/{address}/{random}")).await.problem(404, "not_found");
        let shape = |body: &Value, id: &str| {
            let mut body = body.clone();
            body["request_id"] = Value::Null;
            body.to_string().replace(id, "ID")
        };
        assert_eq!(shape(&foreign, things.id(name)), shape(&unknown, random));
    }
}
