//! What plugins may do outside their sandbox: requests, secrets, models, storage. Each only as far as it is asked for and
//! granted, and another tenant's never.

use std::time::Duration;

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::mock_model::{MockModel, Reply};
use crate::support::{Client, TestApp, model_settings, repository};

const SECRET: &str = "s3cret/with&signs";

/// A service on the loopback that repeats what it is sent, and one that redirects.
async fn service() -> String {
    async fn repeat(headers: HeaderMap, Query(query): Query<Value>, body: String) -> Response {
        let key = headers.get("x-key").and_then(|it| it.to_str().ok()).unwrap_or("none").to_owned();
        let plain = headers.get("x-plain").and_then(|it| it.to_str().ok()).unwrap_or("none").to_owned();
        let told = json!({ "key": key, "plain": plain, "query": query, "body": body }).to_string();
        ([("x-seen", key)], told).into_response()
    }
    async fn redirect(Query(query): Query<Value>) -> Response {
        (StatusCode::FOUND, [(header::LOCATION, query["to"].as_str().unwrap().to_owned())]).into_response()
    }
    let router = Router::new().route("/repeat", any(repeat)).route("/redirect", get(redirect));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("127.0.0.1:{}", address.port())
}

async fn install(client: &Client<'_>) {
    let path = repository().join("plugins/dist/testing/asks_for_more.wasm");
    let bytes = std::fs::read(&path).expect("run `cargo xtask plugins`");
    let view = client.upload("/api/v1/plugins", "asks_for_more.wasm", &bytes).await.ok();
    assert_eq!(
        view["missing"],
        json!(["knowledge: menu", "http: *", "model: default", "model: embedding", "storage"]),
        "nothing is granted: {view}"
    );
}

async fn grant(client: &Client<'_>, grants: Value) -> Value {
    client.put("/api/v1/plugins/asks_for_more/grants", grants).await.ok()
}

async fn call(client: &Client<'_>, tool: &str, input: Value) -> Value {
    let path = format!("/api/v1/plugins/asks_for_more/tools/{tool}/call");
    client.post(&path, json!({ "input": input })).await.ok()
}

/// The kind and the words of a refusal.
async fn refused(client: &Client<'_>, tool: &str, input: Value) -> (String, String) {
    let answer = call(client, tool, input).await;
    assert_eq!(answer["ok"], false, "{tool}: {answer}");
    let text = |key: &str| answer["error"][key].as_str().unwrap_or_default().to_owned();
    (text("kind"), format!("{} {}", text("message"), text("hint")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_where_they_were_granted_and_nowhere_else() {
    let host = service().await;
    let closed = service().await;
    let app = TestApp::with(|config| config.allowed_hosts = vec![host.clone()]).await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client).await;
    let (kind, words) = refused(&client, "asks_ungranted_host", json!({})).await;
    assert_eq!(kind, "denied");
    assert!(words.contains("`http: not-granted.example.com`"), "{words}");

    grant(&client, json!({ "http": [host] })).await;
    let fine = call(&client, "asks_private_address", json!({ "url": format!("http://{host}/repeat") })).await;
    assert_eq!(fine["output"]["status"], 200, "{fine}");
    for url in ["https://not-granted.example.com/".to_owned(), format!("http://{closed}/repeat")] {
        let (kind, words) = refused(&client, "asks_private_address", json!({ "url": url })).await;
        assert!(kind == "denied" && words.contains("not granted"), "{url}: {kind} {words}");
    }
    let to = |to: &str| json!({ "url": format!("http://{host}/redirect?to={}", urlencoded(to)) });
    let followed = call(&client, "follows_redirect", to(&format!("http://{host}/repeat"))).await;
    assert!(followed["output"]["text"].as_str().unwrap().contains("plain"), "{followed}");
    let (kind, words) = refused(&client, "follows_redirect", to(&format!("http://{closed}/repeat"))).await;
    assert!(kind == "denied" && words.contains(&closed), "a redirect is held to the grants as well: {kind} {words}");

    // Granted, and private all the same: only the operator can allow that.
    grant(&client, json!({ "http": ["*"] })).await;
    for url in [format!("http://{closed}/repeat"), "http://169.254.169.254/".into(), "http://[::1]:80/".into()] {
        let (kind, words) = refused(&client, "asks_private_address", json!({ "url": url })).await;
        assert!(kind == "denied" && words.contains("public internet"), "{url}: {kind} {words}");
    }
    let (kind, words) = refused(&client, "sends_many_headers", json!({ "url": format!("http://{host}/repeat") })).await;
    assert!(kind == "invalid_input" && words.contains("100 headers"), "{kind} {words}");
    let flood = call(&client, "floods_requests", json!({ "url": format!("http://{host}/repeat") })).await;
    assert_eq!(flood["output"]["answered"], 50, "{flood}");
    assert!(flood["output"]["error"]["message"].as_str().unwrap().contains("http_requests"), "{flood}");

    let beyond = client.put("/api/v1/plugins/filter_spicy_dishes/grants", json!({ "http": ["example.com"] })).await;
    beyond.problem(422, "invalid_input");
}

fn urlencoded(text: &str) -> String {
    text.bytes().map(|it| format!("%{it:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_sent_and_never_seen() {
    let (host, other) = (service().await, service().await);
    let app = TestApp::with(|config| config.allowed_hosts = vec![host.clone(), other.clone()]).await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client).await;
    grant(&client, json!({ "http": ["*"] })).await;
    let config = "/api/v1/plugins/asks_for_more/config";
    let wrong = client.put(config, json!({ "values": { "api_key": 7, "strange": 1 } })).await;
    let wrong = wrong.problem(422, "invalid_input");
    assert!(wrong["errors"].as_array().unwrap().len() >= 2, "every problem at once: {wrong}");
    let (_, words) = refused(&client, "sends_secret", json!({ "url": format!("http://{host}/repeat") })).await;
    assert!(words.contains("api_key"), "{words}");

    let set = client.put(config, json!({ "values": { "api_key": SECRET, "plain": "open" } })).await.ok();
    assert_eq!(set["config"], json!({ "api_key": { "set": true }, "plain": "open" }));
    assert!(!set.to_string().contains(SECRET));
    let seen = call(&client, "reads_secret", json!({})).await;
    assert_eq!(seen["output"], json!({ "api_key": "{{secret:api_key}}", "plain": "open", "undeclared": null }));
    // A secret that is not sent along stays; a plain setting that is not is gone.
    client.put(config, json!({ "values": {} })).await.ok();

    let sent = call(&client, "sends_secret", json!({ "url": format!("http://{host}/repeat") })).await;
    let text = sent["output"].to_string();
    assert!(!text.contains(SECRET) && text.contains("[secret]"), "what comes back is masked: {text}");
    assert!(text.contains("{{secret:api_key}}"), "in the body it stays a placeholder: {text}");
    let (kind, words) = refused(&client, "sends_secret_in_path", json!({ "url": format!("http://{host}/") })).await;
    assert!(kind == "invalid_input" && words.contains("query"), "{kind} {words}");
    let elsewhere = format!("http://{host}/redirect?to={}", urlencoded(&format!("http://{other}/repeat")));
    let followed = call(&client, "follows_redirect", json!({ "url": elsewhere })).await;
    let told: Value = serde_json::from_str(followed["output"]["text"].as_str().unwrap()).unwrap();
    assert_eq!(told["key"], "none", "it does not go to another host: {followed}");

    let calls = client.get("/api/v1/plugins/asks_for_more/calls").await;
    assert!(!calls.text().contains(SECRET), "nor is it in the record");
    let taken = client.put(config, json!({ "values": { "api_key": null } })).await.ok();
    assert_eq!(taken["config"], json!({}));
    let stranger = app.key("other", &Scope::ALL).await;
    stranger.put(config, json!({ "values": {} })).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_answer_within_the_tokens_that_were_granted() {
    let model = MockModel::start().await;
    model.on("", Reply::text("word ".repeat(20)));
    let settings = model_settings(&model);
    let app = TestApp::with(move |config| config.model = Some(settings)).await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client).await;
    let unasked = call(&client, "asks_model_too_much", json!({})).await;
    assert_eq!(unasked["output"]["error"]["kind"], "denied", "{unasked}");
    grant(&client, json!({ "model": ["default"] })).await;
    let asked = call(&client, "asks_model_too_much", json!({})).await;
    let (answered, tokens) =
        (asked["output"]["answered"].as_u64().unwrap(), asked["output"]["tokens"].as_u64().unwrap());
    assert!(answered >= 1 && asked["output"]["error"]["message"].as_str().unwrap().contains("200 tokens"), "{asked}");
    let counted = &asked["report"]["tokens"];
    assert_eq!(counted["input"].as_u64().unwrap() + counted["output"].as_u64().unwrap(), tokens, "{asked}");
    grant(&client, json!({ "model": ["default"], "model_tokens": 10 })).await;
    let fewer = call(&client, "asks_model_too_much", json!({})).await;
    assert!(fewer["output"]["answered"].as_u64().unwrap() < answered.max(2), "{fewer}");
    let (kind, words) = refused(&client, "asks_other_model", json!({})).await;
    assert!(kind == "denied" && words.contains("does not ask for the model `fast`"), "{kind} {words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_keeps_is_the_tenants_own_and_bounded() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client).await;
    let (kind, words) = refused(&client, "keeps", json!({})).await;
    assert!(kind == "denied" && words.contains("grant `storage`"), "{kind} {words}");
    grant(&client, json!({ "storage": true })).await;
    let kept = call(&client, "keeps", json!({ "ttl_s": 1 })).await;
    let output = &kept["output"];
    assert_eq!((&output["version"], &output["pages"]), (&json!(1), &json!([["kept/a"], ["kept/b"]])), "{kept}");
    assert_eq!(output["deleted"], json!([true, false]), "{kept}");
    assert!(output["b"]["expires_at"].as_i64().unwrap() > 0, "{kept}");
    assert_eq!(call(&client, "finds", json!({ "key": "kept/b" })).await["output"]["value"], "two");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(call(&client, "finds", json!({ "key": "kept/b" })).await["output"], Value::Null, "its time is over");

    let race = call(&client, "loses_a_race", json!({})).await;
    let output = &race["output"];
    assert_eq!(
        (&output["stale"]["kind"], &output["absent"]["kind"]),
        (&json!("invalid_input"), &json!("invalid_input"))
    );
    assert_eq!((&output["kept"], &output["right"]), (&json!({ "value": "one", "version": 1 }), &json!(2)), "{race}");

    let stranger = app.key("other", &Scope::ALL).await;
    install(&stranger).await;
    grant(&stranger, json!({ "storage": true })).await;
    assert_eq!(
        call(&stranger, "finds", json!({ "key": "race" })).await["output"],
        Value::Null,
        "a store for each tenant"
    );
    let full = call(&stranger, "stores_too_much", json!({})).await;
    assert_eq!(full["output"]["stored"], 9, "of 108 bytes each, in 1000: {full}");
    assert!(full["output"]["error"]["message"].as_str().unwrap().contains("1000 may be kept"), "{full}");
    // What is removed takes what it kept along.
    assert_eq!(stranger.delete("/api/v1/plugins/asks_for_more").await.status, 204);
    install(&stranger).await;
    grant(&stranger, json!({ "storage": true })).await;
    assert_eq!(call(&stranger, "finds", json!({ "key": "key-0000" })).await["output"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_switched_off_and_its_calls_are_told() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let call = json!({ "input": { "dishes": [{ "name": "麻婆豆腐", "spice_level": 3 }], "min_level": 2 } });
    let path = "/api/v1/plugins/filter_spicy_dishes/tools/filter_spicy_dishes/call";
    client.post(path, call.clone()).await.ok();
    let yaml = "workflow: probe\nnodes:\n  pick: { use: filter_spicy_dishes, with: { dishes: [], min_level: 2 } }\n";
    client.put("/api/v1/workflows/probe", json!({ "yaml": yaml })).await.ok();
    let run = client.post("/api/v1/workflows/probe/runs", json!({ "inputs": {} })).await.ok();
    assert_eq!(run["status"], "finished", "{run}");
    let calls = loop {
        let calls = client.get("/api/v1/plugins/filter_spicy_dishes/calls").await.ok();
        if calls["items"].as_array().unwrap().len() == 2 {
            break calls;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let (newest, first) = (&calls["items"][0], &calls["items"][1]);
    assert_eq!((&newest["run"], &newest["node"]), (&run["id"], &json!("pick")), "{calls}");
    assert_eq!(
        (&first["run"], &first["error"]),
        (&Value::Null, &Value::Null),
        "tried by hand, and it went well: {calls}"
    );
    assert!(first["memory_bytes"].as_i64().unwrap() > 0, "{calls}");

    let enabled = "/api/v1/plugins/filter_spicy_dishes/enabled";
    assert_eq!(client.put(enabled, json!({ "enabled": false })).await.ok()["enabled"], false);
    let refused = client.post(path, call.clone()).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("switched off"), "{refused}");
    let run = client.post("/api/v1/workflows/probe/runs", json!({ "inputs": {} })).await.ok();
    assert_eq!((&run["status"], &run["error"]["node"]), (&json!("failed"), &json!("pick")), "{run}");
    client.put(enabled, json!({ "enabled": true })).await.ok();
    client.post(path, call).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_has_a_key_of_its_own_for_services_that_must_not_do_a_thing_twice() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client).await;
    let by_hand = call(&client, "reads_idempotency_key", json!({})).await;
    assert_eq!((&by_hand["ok"], &by_hand["output"]), (&json!(true), &Value::Null), "{by_hand}");
    let yaml = "workflow: probe\nnodes:\n  call: { use: asks_for_more/reads_idempotency_key, with: {} }\n  \
                items:\n    use: each\n    with: { items: [1, 2] }\n    do:\n      \
                again: { use: asks_for_more/reads_idempotency_key, with: {} }\n    collect: \"{{ again }}\"\n\
                outputs: { one: \"{{ call }}\", many: \"{{ items.items }}\" }\n";
    client.put("/api/v1/workflows/probe", json!({ "yaml": yaml })).await.ok();
    let run = client.post("/api/v1/workflows/probe/runs", json!({ "inputs": {} })).await.ok();
    let id = run["id"].as_str().unwrap();
    assert_eq!(run["outputs"]["one"], format!("{id}-call"), "{run}");
    assert_eq!(
        run["outputs"]["many"],
        json!([format!("{id}-items[0].again"), format!("{id}-items[1].again")]),
        "{run}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_version_can_be_gone_back_to() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let file = |name: &str| std::fs::read(repository().join("plugins/dist/testing").join(name)).unwrap();
    let first = file("echo.wasm");
    let installed = client.upload("/api/v1/plugins", "echo.wasm", &first).await.ok();
    // The same plugin with one more custom section: another file.
    let second = [first.clone(), vec![0, 5, 4, b'n', b'o', b't', b'e']].concat();
    let updated = client.upload("/api/v1/plugins", "echo.wasm", &second).await.ok();
    assert_ne!(installed["sha256"], updated["sha256"]);
    let versions = client.get("/api/v1/plugins/echo/versions").await.ok();
    let items = versions["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{versions}");
    assert_eq!((&items[0]["sha256"], &items[0]["current"]), (&updated["sha256"], &json!(true)), "{versions}");
    let back = format!("/api/v1/plugins/echo/versions/{}/restore", installed["sha256"].as_str().unwrap());
    assert_eq!(client.post(&back, json!({})).await.ok()["sha256"], installed["sha256"]);
    let echo = client.post("/api/v1/plugins/echo/tools/echo/call", json!({ "input": { "value": "你好" } })).await.ok();
    assert_eq!(echo["ok"], true, "{echo}");
    let unknown = format!("/api/v1/plugins/echo/versions/{}/restore", "0".repeat(64));
    client.post(&unknown, json!({})).await.problem(404, "not_found");
    let stranger = app.key("other", &Scope::ALL).await;
    stranger.post(&back, json!({})).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_waits_for_an_administrator() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let first = std::fs::read(repository().join("plugins/dist/testing/echo.wasm")).unwrap();
    let publish = |bytes: Vec<u8>| {
        let client = client.clone();
        async move { client.upload("/api/v1/plugins/publish", "echo.wasm", &bytes).await }
    };
    // Nobody has it yet: it is there, and does nothing.
    let new = publish(first.clone()).await.ok();
    assert_eq!((&new["plugin"]["enabled"], &new["published"]["current"]), (&json!(false), &json!(true)), "{new}");
    let echo = "/api/v1/plugins/echo/tools/echo/call";
    client.post(echo, json!({ "input": { "value": 1 } })).await.problem(409, "conflict");
    client.put("/api/v1/plugins/echo/enabled", json!({ "enabled": true })).await.ok();
    client.put("/api/v1/plugins/echo/grants", json!({ "knowledge": ["menu"] })).await.ok();

    // The same number with another content is none of its versions.
    let other_content = [first.clone(), vec![0, 5, 4, b'n', b'o', b't', b'e']].concat();
    let refused = publish(other_content).await.problem(409, "conflict");
    assert!(refused["hint"].as_str().unwrap().contains("new version"), "{refused}");
    let later = with_version(&first, b"1.0.9");
    let told = publish(later.clone()).await.ok();
    assert_eq!((&told["published"]["version"], &told["published"]["installed"]), (&json!("1.0.9"), &json!(false)));
    assert_eq!(told["plugin"]["version"], "1.0.0", "what is in use stays: {told}");
    assert_eq!(publish(later).await.ok()["published"]["sha256"], told["published"]["sha256"], "once more is no harm");
    let versions = client.get("/api/v1/plugins/echo/versions").await.ok();
    assert_eq!(versions["items"].as_array().map(Vec::len), Some(2), "{versions}");

    let install = format!("/api/v1/plugins/echo/versions/{}/restore", told["published"]["sha256"].as_str().unwrap());
    let installed = client.post(&install, json!({})).await.ok();
    assert_eq!((&installed["version"], &installed["grants"]["knowledge"]), (&json!("1.0.9"), &json!(["menu"])));
    let versions = client.get("/api/v1/plugins/echo/versions").await.ok();
    assert!(versions["items"].as_array().unwrap().iter().all(|it| it["installed"] == true), "{versions}");

    let shipped = std::fs::read(repository().join("plugins/dist/filter_spicy_dishes.wasm")).unwrap();
    publish(shipped).await.problem(409, "conflict");
    publish(b"no plugin".to_vec()).await.problem(422, "invalid_plugin");
    let document = json!({ "openapi": "3.1.0", "info": { "title": "x", "version": "1" }, "paths": {} });
    let refused = publish(document.to_string().into_bytes()).await.problem(422, "invalid_input");
    assert!(refused["hint"].as_str().unwrap().contains("import it"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_can_be_given_less_than_the_server_allows() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let file = std::fs::read(repository().join("plugins/dist/testing/misbehaves.wasm")).unwrap();
    let view = client.upload("/api/v1/plugins", "misbehaves.wasm", &file).await.ok();
    assert!(view["most"]["cpu_ms"].as_u64().unwrap() >= 1_000, "{view}");
    let grants = "/api/v1/plugins/misbehaves/grants";
    let view = client.put(grants, json!({ "limits": { "cpu_ms": 30, "log_lines": 2 } })).await.ok();
    assert_eq!(view["grants"]["limits"], json!({ "cpu_ms": 30, "log_lines": 2 }));
    let call = async |tool: &str| {
        client.post(&format!("/api/v1/plugins/misbehaves/tools/{tool}/call"), json!({ "input": {} })).await.ok()
    };
    let looped = call("loops_forever").await;
    assert!(looped["error"]["message"].as_str().unwrap().contains("30 ms of processor time"), "{looped}");
    assert_eq!(call("floods_log").await["report"]["logs"].as_array().map(Vec::len), Some(2));
    // Another version has them still.
    let again = client.upload("/api/v1/plugins", "misbehaves.wasm", &file).await.ok();
    assert_eq!(again["grants"]["limits"]["cpu_ms"], 30, "{again}");
    for (limits, words) in [
        (json!({ "cpu_ms": 9_999_999 }), "`cpu_ms` is 9999999; here it goes from 1 to"),
        (json!({ "wall_ms": 0 }), "`wall_ms` is 0"),
    ] {
        let refused = client.put(grants, json!({ "limits": limits })).await.problem(422, "invalid_input");
        assert!(refused["detail"].as_str().unwrap().contains(words), "{refused}");
    }
    client.put(grants, json!({ "limits": { "cpu": 1 } })).await.problem(422, "invalid_input");
}

/// The same plugin under another version of the same length: its own stands alone, the contract's after an `@`.
fn with_version(bytes: &[u8], version: &[u8; 5]) -> Vec<u8> {
    const NOW: &[u8] = b"1.0.0";
    let its_own = |at: &usize| bytes[*at..].starts_with(NOW) && bytes[at - 1] != b'@';
    let at = (1..bytes.len()).find(its_own).expect("the version is in the file");
    let mut changed = bytes.to_vec();
    changed[at..at + version.len()].copy_from_slice(version);
    changed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_vectors_need_their_grants() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let base = json!({ "name": "menu", "fields": { "name": "keyword", "price": "number" } });
    client.post("/api/v1/knowledge-bases", base).await.ok();
    let table = "name,price\n麻婆豆腐,28\n水煮鱼,68\n米饭,2.5\n米饭,0.1\n";
    client.upload("/api/v1/knowledge-bases/menu/documents?wait=60", "menu.csv", table.as_bytes()).await.ok();
    install(&client).await;
    let query =
        json!({ "group_by": ["name"], "aggregate": { "sum": { "sum": "price" } }, "order_by": [{ "by": "sum" }] });
    let asked = json!({ "base": "menu", "query": query });
    let (kind, words) = refused(&client, "queries", asked.clone()).await;
    assert!(kind == "denied" && words.contains("`knowledge: menu`"), "{kind} {words}");
    let (kind, words) = refused(&client, "embeds", json!({ "texts": ["a", "b"] })).await;
    assert!(kind == "denied" && words.contains("`model: embedding`"), "{kind} {words}");

    grant(&client, json!({ "knowledge": ["menu"], "model": ["embedding"] })).await;
    let rows =
        json!([{ "name": "米饭", "sum": 2.6 }, { "name": "麻婆豆腐", "sum": 28 }, { "name": "水煮鱼", "sum": 68 }]);
    let told = call(&client, "queries", asked).await;
    assert_eq!(told["output"], json!({ "rows": rows, "total": 3 }), "{told}");
    let (kind, words) = refused(&client, "queries", json!({ "base": "menu", "query": { "group_by": ["nam"] } })).await;
    assert!(kind == "invalid_input" && words.contains("`name`, `price`"), "{kind} {words}");
    // These servers run without an embedding model.
    let (kind, _) = refused(&client, "embeds", json!({ "texts": ["a", "b"] })).await;
    assert_eq!(kind, "unavailable");

    // The same by HTTP, for whoever needs no plugin.
    let by_http = client.post("/api/v1/knowledge-bases/menu/query", query).await.ok();
    assert_eq!(by_http, json!({ "rows": rows, "total": 3 }));
    let address = "/api/v1/knowledge-bases/menu/query";
    client.post(address, json!({ "aggregate": { "x": { "median": "price" } } })).await.problem(422, "invalid_input");
    client.post(address, json!({ "limit": 1_000_000 })).await.problem(422, "invalid_input");
    client.post(address, json!({ "selct": ["name"] })).await.problem(422, "invalid_input");
    let stranger = app.key("other", &Scope::ALL).await;
    stranger.post(address, json!({})).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_openapi_document_becomes_tools_with_the_same_grants() {
    async fn pet(
        axum::extract::Path(id): axum::extract::Path<String>,
        Query(query): Query<Value>,
        headers: HeaderMap,
    ) -> Response {
        let key = headers.get("x-api-key").and_then(|it| it.to_str().ok()).unwrap_or("none").to_owned();
        match id.as_str() {
            "0" => (StatusCode::NOT_FOUND, "no such pet").into_response(),
            _ => axum::Json(json!({ "id": id, "query": query, "key": key })).into_response(),
        }
    }
    async fn add(headers: HeaderMap, axum::Json(body): axum::Json<Value>) -> Response {
        let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("none").to_owned();
        axum::Json(json!({ "added": body, "idempotency": text("idempotency-key") })).into_response()
    }
    let router = Router::new().route("/v1/pets/{id}", get(pet)).route("/v1/pets", axum::routing::post(add));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let app = TestApp::with(|config| config.allowed_hosts = vec![host.clone()]).await;
    let client = app.key("main", &Scope::ALL).await;
    let document = format!(
        "openapi: 3.0.3\ninfo: {{ title: Pet Shop, version: '2.1' }}\nservers: [{{ url: 'http://{host}/v1' }}]\n\
         security: [{{ key: [] }}]\npaths:\n  /pets/{{id}}:\n    get:\n      operationId: getPet\n      summary: One pet\n      \
         parameters:\n        - {{ name: id, in: path, required: true, schema: {{ type: string }} }}\n        \
         - {{ name: tag, in: query, schema: {{ type: array, items: {{ type: string }} }} }}\n      responses: {{}}\n  \
         /pets:\n    post:\n      operationId: addPet\n      security: []\n      requestBody:\n        required: true\n        \
         content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/Pet' }} }} }}\n      responses: {{}}\n\
         components:\n  securitySchemes: {{ key: {{ type: apiKey, in: header, name: X-Api-Key }} }}\n  schemas:\n    \
         Pet: {{ type: object, required: [name], properties: {{ name: {{ type: string }} }} }}\n"
    );
    let view = client.post("/api/v1/plugins/openapi", json!({ "document": document })).await.ok();
    assert_eq!((&view["id"], &view["version"]), (&json!("pet_shop"), &json!("2.1.0")), "{view}");
    assert_eq!(view["missing"], json!([format!("http: {host}")]), "nothing is granted: {view}");
    let pets = async |client: &Client<'_>, tool: &str, input: Value| {
        client.post(&format!("/api/v1/plugins/pet_shop/tools/{tool}/call"), json!({ "input": input })).await.ok()
    };
    let add_one = json!({ "body": { "name": "Rex" } });
    assert_eq!(pets(&client, "add_pet", add_one.clone()).await["error"]["kind"], "denied");
    client.put("/api/v1/plugins/pet_shop/grants", json!({ "http": [host] })).await.ok();
    assert_eq!(pets(&client, "add_pet", add_one).await["output"]["body"]["added"], json!({ "name": "Rex" }));
    let wrong = pets(&client, "add_pet", json!({ "body": {}, "other": 1 })).await;
    assert_eq!(wrong["error"]["kind"], "invalid_input", "{wrong}");
    let unset = pets(&client, "get_pet", json!({ "id": "7" })).await;
    assert!(unset["error"]["message"].as_str().unwrap().contains("`key` is not filled in"), "{unset}");
    client.put("/api/v1/plugins/pet_shop/config", json!({ "values": { "key": SECRET } })).await.ok();
    let got = pets(&client, "get_pet", json!({ "id": "../7", "tag": ["a"] })).await;
    assert_eq!(got["output"]["body"], json!({ "id": "../7", "query": { "tag": "a" }, "key": "[secret]" }), "{got}");
    let none = pets(&client, "get_pet", json!({ "id": "0" })).await;
    assert_eq!(
        (&none["error"]["kind"], none["error"]["message"].as_str().unwrap().contains("no such pet")),
        (&json!("not_found"), true)
    );

    // In a workflow, after a restart, from what is stored.
    let yaml = "workflow: shop\nnodes:\n  add: { use: pet_shop/add_pet, with: { body: { name: Rex } } }\n\
                outputs: { key: \"{{ add.body.idempotency }}\" }\n";
    client.put("/api/v1/workflows/shop", json!({ "yaml": yaml })).await.ok();
    let headers = client.headers.clone();
    let app = app.restart().await;
    let mut client = app.anonymous();
    client.headers = headers;
    let run = client.post("/api/v1/workflows/shop/runs", json!({ "inputs": {} })).await.ok();
    assert_eq!(run["outputs"]["key"], format!("{}-add", run["id"].as_str().unwrap()), "{run}");

    // The same as a file, with fewer operations, and what is no such document.
    let again = client.upload("/api/v1/plugins", "pets.yaml", document.as_bytes()).await.ok();
    assert_eq!((&again["id"], &again["missing"]), (&json!("pet_shop"), &json!([])), "its grants stay: {again}");
    let fewer = json!({ "id": "pets", "document": document, "operations": ["getPet"] });
    let fewer = client.post("/api/v1/plugins/openapi", fewer).await.ok();
    assert_eq!(fewer["manifest"]["tools"].as_array().unwrap().len(), 1, "{fewer}");
    assert!(fewer["manifest"].get("openapi").is_none(), "{fewer}");
    client.post("/api/v1/plugins/openapi", json!({ "document": "hello" })).await.problem(422, "invalid_plugin");
    let shipped = json!({ "id": "notify", "document": document });
    client.post("/api/v1/plugins/openapi", shipped).await.problem(409, "conflict");
}
