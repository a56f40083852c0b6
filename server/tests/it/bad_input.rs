//! What the API says to wrong input: a 4xx problem with a code and a hint, and nothing half-stored.

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test]
async fn malformed_yaml_is_refused_with_its_place_and_not_stored() {
    let app = TestApp::new().await;
    let author = app.key("main", &Scope::ALL).await;
    let broken = json!({ "yaml": "workflow: x\nnodes:\n  a: { use: template, with: { text: {{ inputs.q }} } }\n" });
    let problem = author.put("/api/v1/workflows/x", broken).await.problem(422, "invalid_definition");
    let first = &problem["errors"][0];
    assert_eq!(first["line"], 3, "{problem}");
    assert!(first["column"].as_u64().unwrap() > 1 && first["hint"].is_string(), "{problem}");
    author.get("/api/v1/workflows/x").await.problem(404, "not_found");
    let other_name = json!({ "yaml": "workflow: y\nnodes:\n  a: { use: template, with: { text: hi } }\n" });
    author.put("/api/v1/workflows/x", other_name).await.problem(422, "invalid_definition");
}

#[tokio::test]
async fn json_of_the_wrong_kind_is_told_with_its_place() {
    let app = TestApp::new().await;
    let author = app.key("main", &Scope::ALL).await;
    let send = |body: &'static str| {
        let author = author.clone();
        async move {
            author
                .send(
                    axum::http::Method::POST,
                    "/api/v1/conversations",
                    Some("application/json"),
                    body.as_bytes().to_vec(),
                )
                .await
        }
    };
    let syntax = send("{ \"assistant\": ").await.problem(400, "invalid_json");
    assert_eq!(syntax["errors"][0]["line"], 1);
    send("{ \"assistant\": 5 }").await.problem(422, "invalid_input");
    send("[]").await.problem(422, "invalid_input");
    let unknown = send("{ \"assistant\": \"x\", \"asistant\": \"y\" }").await.problem(422, "invalid_input");
    assert!(unknown["detail"].as_str().unwrap().contains("asistant"), "{unknown}");
    let plain =
        author.send(axum::http::Method::POST, "/api/v1/conversations", Some("text/plain"), b"{}".to_vec()).await;
    plain.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_message_of_20_megabytes_is_refused_and_leaves_nothing() {
    let app = TestApp::new().await;
    let author = app.key("main", &Scope::ALL).await;
    let assistant = json!({ "yaml": "assistant: desk\nfallback: { say: hello }\n" });
    author.put("/api/v1/assistants/desk", assistant).await.ok();
    let conversation = author.post("/api/v1/conversations", json!({ "assistant": "desk" })).await.ok();
    let path = format!("/api/v1/conversations/{}/messages", conversation["id"].as_str().unwrap());
    let huge = json!({ "content": "辣".repeat(20 << 20 >> 1) });
    let refused = author.post(&path, huge).await.problem(413, "too_large");
    assert!(refused["hint"].is_string());
    let long = json!({ "content": "辣".repeat(20_000) });
    author.post(&path, long).await.problem(422, "message_too_long");
    author.post(&path, json!({ "content": "  \n " })).await.problem(422, "invalid_input");
    assert_eq!(author.get(&path).await.ok()["items"], json!([]));
    assert_eq!(author.get("/api/v1/runs").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn unknown_ids_are_not_found_whatever_they_look_like() {
    let app = TestApp::new().await;
    let author = app.key("main", &Scope::ALL).await;
    for id in ["00000000-0000-4000-8000-000000000000", "1", "%00", "..%2f..%2fetc", "黄焖鸡"] {
        for noun in ["runs", "conversations", "assistants", "workflows", "knowledge-bases", "plugins"] {
            author.get(&format!("/api/v1/{noun}/{}", urlencode(id))).await.problem(404, "not_found");
        }
    }
}

/// Percent-encodes what an address cannot hold; what is encoded already stays.
fn urlencode(text: &str) -> String {
    text.bytes().map(|it| if it.is_ascii() { (it as char).to_string() } else { format!("%{it:02X}") }).collect()
}

async fn menu(app: &TestApp) -> crate::support::Client<'_> {
    let author = app.key("main", &Scope::ALL).await;
    let base = json!({ "name": "menu", "fields": {
        "name": { "type": "text", "embed": true, "title": "菜名" },
        "price": { "type": "number", "title": "价格" },
    }});
    author.post("/api/v1/knowledge-bases", base).await.ok();
    author
}

const DOCUMENTS: &str = "/api/v1/knowledge-bases/menu/documents?wait=60";

#[tokio::test]
async fn gbk_is_recognised_and_a_csv_with_missing_columns_is_refused_whole() {
    let app = TestApp::new().await;
    let author = menu(&app).await;
    // 菜名,价格 / 黄焖鸡米饭,22 / 麻婆豆腐,18.5 in GBK
    let gbk: Vec<u8> = [
        &[0xb2u8, 0xcb, 0xc3, 0xfb, b',', 0xbc, 0xdb, 0xb8, 0xf1, b'\n'][..],
        &[0xbb, 0xc6, 0xec, 0xcb, 0xbc, 0xa6, 0xc3, 0xd7, 0xb7, 0xb9, b',', b'2', b'2', b'\n'],
        &[0xc2, 0xe9, 0xc6, 0xc5, 0xb6, 0xb9, 0xb8, 0xaf, b',', b'1', b'8', b'.', b'5', b'\n'],
    ]
    .concat();
    assert!(std::str::from_utf8(&gbk).is_err());
    let stored = author.upload(DOCUMENTS, "menu.csv", &gbk).await.ok();
    assert_eq!(stored["records"], 2);
    let hits = author.post("/api/v1/knowledge-bases/menu/search", json!({ "query": "麻婆豆腐" })).await.ok();
    assert_eq!(hits["hits"][0]["fields"]["name"], "麻婆豆腐", "{hits}");
    assert_eq!(hits["hits"][0]["fields"]["price"], 18.5);
    assert_eq!(hits["status"], "degraded", "without an embedding model it must say so: {hits}");

    let missing = author.upload(DOCUMENTS, "other.csv", "菜名,图片\n鱼香肉丝,a.png\n".as_bytes()).await;
    let problem = missing.problem(422, "invalid_document");
    assert!(problem.to_string().contains("price") || problem.to_string().contains("价格"), "{problem}");
    let bad = author.upload(DOCUMENTS, "bad.csv", "菜名,价格\n甲,便宜\n乙,3\n丙,很贵\n".as_bytes()).await;
    let problem = bad.problem(422, "invalid_document");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "every bad cell is told: {problem}");
    let documents = author.get("/api/v1/knowledge-bases/menu/documents").await.ok();
    let states: Vec<_> =
        documents["items"].as_array().unwrap().iter().map(|it| (&it["state"], &it["answering"])).collect();
    let (failed, ready) = ((&json!("failed"), &json!(false)), (&json!("ready"), &json!(true)));
    assert_eq!(states, [failed, failed, ready], "nothing half-stored: {documents}");
    assert_eq!(documents["items"][0]["errors"].as_array().unwrap().len(), 2, "{documents}");
}

#[tokio::test]
async fn a_document_of_the_same_name_is_replaced_and_one_that_cannot_be_read_keeps_the_old() {
    let app = TestApp::new().await;
    let author = menu(&app).await;
    author.upload(DOCUMENTS, "menu.csv", "name,price\n甲,1\n乙,2\n".as_bytes()).await.ok();
    let replaced = author.upload(DOCUMENTS, "menu.csv", "name,price\n丙,3\n".as_bytes()).await.ok();
    assert_eq!((replaced["version"].clone(), replaced["records"].clone()), (json!(2), json!(1)));
    author.upload(DOCUMENTS, "menu.csv", b"name,price\n\"open quote,3\n\xff\xfe\x00").await;
    let search = |query: &'static str| {
        let author = author.clone();
        async move { author.post("/api/v1/knowledge-bases/menu/search", json!({ "query": query })).await.ok() }
    };
    assert_eq!(search("丙").await["hits"][0]["fields"]["name"], "丙");
    assert_eq!(search("甲").await["hits"], json!([]), "the old version answers no more");
}

#[tokio::test]
async fn search_refuses_what_makes_no_sense_and_names_what_would() {
    let app = TestApp::new().await;
    let author = menu(&app).await;
    author.upload(DOCUMENTS, "menu.csv", "name,price\n甲,1\n".as_bytes()).await.ok();
    let search = "/api/v1/knowledge-bases/menu/search";
    let unknown = author.post(search, json!({ "query": "甲", "filter": { "spice": { "gte": 1 } } })).await;
    assert!(unknown.text().contains("price"), "the known fields are named: {}", unknown.text());
    assert_eq!(unknown.status, 422, "{}", unknown.text());
    author.post(search, json!({ "query": "甲", "top_k": 1_000_000 })).await.problem(422, "invalid_input");
    author.post(search, json!({ "query": "甲", "mode": "magic" })).await.problem(422, "invalid_input");
    author.post(search, json!({ "query": "辣".repeat(400_000) })).await.problem(413, "too_large");
    author.post(search, json!({ "query": "甲", "mode": "dense" })).await.problem(503, "embedding_unavailable");
}

#[tokio::test]
async fn what_is_no_plugin_is_refused_in_words() {
    let app = TestApp::new().await;
    let author = app.key("main", &Scope::ALL).await;
    let refuse = |bytes: &'static [u8]| {
        let author = author.clone();
        async move { author.upload("/api/v1/plugins", "plugin.wasm", bytes).await.problem(422, "invalid_plugin") }
    };
    let text = refuse(b"#!/bin/sh\necho hello\n").await;
    assert!(text["hint"].is_string(), "{text}");
    let module: &[u8] = b"\0asm\x01\0\0\0";
    let problem = refuse(module).await;
    assert_eq!(problem["errors"][0]["code"], "plugin_not_a_component", "{problem}");
    refuse(b"\0asm\x0d\0\x01\0\xff\xff").await;
    let installed = author.get("/api/v1/plugins").await.ok();
    let uploaded = installed["items"].as_array().unwrap().iter().filter(|it| it["system"] == false).count();
    assert_eq!(uploaded, 0, "nothing half-stored");
    author.upload("/api/v1/plugins", "empty.wasm", b"").await.problem(422, "invalid_input");
    let form = author.post("/api/v1/plugins", json!({})).await;
    form.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn workflow_inputs_are_checked_before_anything_runs() {
    let app = TestApp::new().await;
    let author = app.key("main", &Scope::ALL).await;
    let yaml = "workflow: x\ninputs:\n  n: { type: integer, minimum: 1, maximum: 5 }\nnodes:\n  a: { use: template, with: { text: \"{{ inputs.n }}\" } }\n";
    author.put("/api/v1/workflows/x", json!({ "yaml": yaml })).await.ok();
    let run = |inputs: Value| {
        let author = author.clone();
        async move { author.post("/api/v1/workflows/x/runs", json!({ "inputs": inputs })).await }
    };
    run(json!({})).await.problem(422, "invalid_input");
    run(json!({ "n": "three" })).await.problem(422, "invalid_input");
    run(json!({ "n": 9 })).await.problem(422, "invalid_input");
    run(json!({ "n": 3, "m": 1 })).await.problem(422, "invalid_input");
    assert_eq!(author.get("/api/v1/runs").await.ok()["items"], json!([]));
    assert_eq!(run(json!({ "n": 3 })).await.ok()["status"], "finished");
}
