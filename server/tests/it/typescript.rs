//! A plugin in TypeScript in the real sandbox: what goes wrong in it arrives in words, what it can reach answers, and nothing
//! leaves its call.

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, repository};

const GUEST: &str = "typescript_guest";

async fn install(client: &Client<'_>) {
    let path = repository().join("plugins/dist/testing/typescript.wasm");
    let bytes =
        std::fs::read(&path).unwrap_or_else(|_| panic!("{} is missing: run `cargo xtask plugins`", path.display()));
    client.upload("/api/v1/plugins", "typescript.wasm", &bytes).await.ok();
}

async fn call(client: &Client<'_>, tool: &str, input: Value) -> Value {
    let path = format!("/api/v1/plugins/{GUEST}/tools/{tool}/call");
    client.post(&path, json!({ "input": input })).await.ok()
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_words_and_the_next_call_works() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client).await;
    let throws = |what: &str| json!({ "what": what });
    for (tool, input, kind, words) in [
        // The line of the author's file, not of the one that was built.
        (
            "throws",
            throws("error"),
            "failed",
            "TypeError: cannot read property 'province' of undefined (src/bad.ts:19)",
        ),
        ("throws", throws("text"), "failed", "plain words"),
        ("throws", throws("nothing"), "failed", "the tool threw undefined"),
        ("throws", throws("object"), "failed", r#"the tool threw {"code":5}"#),
        ("throws", throws("hostile"), "failed", "the tool threw something that cannot be shown"),
        ("throws", throws("tool error"), "rate_limited", "7"),
        ("rejects", json!({}), "failed", "RangeError: too late (src/bad.ts:"),
        ("waits", json!({}), "failed", "waits for something that never comes"),
        ("holds", json!({}), "failed", "`list[1].big` is a BigInt"),
        ("misfits", json!({}), "bad_output", "each"),
        ("throws", json!({}), "invalid_input", "what"),
        ("loops", json!({}), "cpu_limit", "ms of processor time"),
        ("loops_in_jobs", json!({}), "cpu_limit", "ms of processor time"),
        ("fills_memory", json!({}), "memory_limit", "bytes of memory"),
        ("overflows", json!({}), "trap", "stack"),
        ("floods", json!({}), "output_limit", "more data than the limit"),
        ("nowhere", json!({}), "not_found", "nowhere"),
    ] {
        let answer = call(&client, tool, input).await;
        let error = &answer["error"];
        assert_eq!(error["kind"], kind, "{tool}: {answer}");
        assert!(error.to_string().contains(&words.replace('"', "\\\"")), "`{words}` is missing: {tool}: {answer}");
        let next = call(&client, "marks", json!({ "mark": tool })).await;
        assert_eq!(next["output"], json!(["none"]), "after {tool}: {next}");
    }
}

#[tokio::test]
async fn what_is_there_beside_the_language_works_and_is_the_hosts() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client).await;
    let answer = call(&client, "surroundings", json!({})).await;
    assert_eq!(
        answer["output"],
        json!({
            "clock": [true, true, 0],
            "chance": [true, true],
            "uuid": true,
            "url": "https://xn--r8jz45g.jp/b?x=1#y",
            "query": "q=%E9%B1%BC+%26",
            "text": "héllo 鱼🐟",
            "latin": "€",
            "base64": ["aGk=", "hi"],
            "clone": [1],
            "absent": [],
        }),
        "{answer}"
    );
    let logs = answer["report"]["logs"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let lines: Vec<(&str, &str)> =
        logs.iter().map(|it| (it["level"].as_str().unwrap(), it["message"].as_str().unwrap())).collect();
    assert_eq!(lines, [("info", r#"from {"log":1}"#), ("warn", r#"from ["the","console"]"#)]);
}

/// Repeats the query that it is asked with.
async fn service() -> String {
    let echo = |RawQuery(query): RawQuery| async move { axum::Json(json!({ "query": query })) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/echo", get(echo))).await });
    address.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hosts_powers_answer_or_refuse() {
    let host = service().await;
    let app = TestApp::with(|config| config.allowed_hosts = vec![host.clone()]).await;
    let client = app.key("main", &Scope::ALL).await;
    install(&client).await;
    let fields = json!({ "name": { "type": "text", "embed": true }, "price": { "type": "number" } });
    client.post("/api/v1/knowledge-bases", json!({ "name": "menu", "fields": fields })).await.ok();
    let records =
        json!([{ "name": "水煮鱼", "price": 68 }, { "name": "米饭", "price": 2 }, { "name": "烤鱼", "price": 88 }]);
    let documents = json!({ "name": "dishes", "records": records });
    client.post("/api/v1/knowledge-bases/menu/documents?wait=60", documents).await.ok();

    let input = json!({ "url": format!("http://{host}/echo") });
    let refused = call(&client, "powers", input.clone()).await;
    for power in ["search", "send", "complete", "embed", "stored"] {
        assert_eq!(refused["output"][power]["kind"], "denied", "{power} is not granted: {refused}");
    }

    let grants = json!({ "knowledge": ["menu"], "http": ["*"], "model": ["fast", "embedding"], "model_tokens": 1000, "storage": true });
    client.put(&format!("/api/v1/plugins/{GUEST}/grants"), grants).await.ok();
    let answer = call(&client, "powers", input).await;
    let gave = |power: &str| &answer["output"][power]["gave"];
    let kind = |power: &str| answer["output"][power]["kind"].as_str().unwrap_or("none").to_owned();
    assert_eq!(gave("search")["hits"][0]["entry"]["fields"]["name"], "烤鱼", "{answer}");
    assert_eq!(gave("list")["entries"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(gave("list_all"), &json!(["水煮鱼", "米饭", "烤鱼"]), "{answer}");
    assert_eq!(gave("query")["rows"], json!([{ "total": 158, "dishes": 3 }]), "{answer}");
    assert_eq!(gave("send"), &json!({ "query": "q=%E9%B1%BC%20%26%20chips" }), "{answer}");
    assert_eq!((gave("stored"), gave("updated")), (&json!(1), &json!(1)), "{answer}");
    assert_eq!((&gave("read")["value"], &gave("read")["version"]), (&json!("你好"), &json!(1)), "{answer}");
    assert!(gave("read")["expiresAt"].as_u64().is_some_and(|it| it > 1_700_000_000_000), "{answer}");
    assert_eq!(gave("keys")["keys"], json!(["count", "greeting"]), "{answer}");
    assert_eq!(gave("deleted"), &json!([true, false]), "{answer}");
    assert_eq!((gave("settings"), gave("now"), gave("random")), (&json!("hello"), &json!(true), &json!(8)), "{answer}");
    // These servers run without an embedding model.
    let others = [
        ("get", "not_found"),
        ("elsewhere", "denied"),
        ("refused", "denied"),
        ("secret", "failed"),
        ("embed", "unavailable"),
    ];
    for (power, expected) in others {
        assert_eq!(kind(power), expected, "{power}: {answer}");
    }
}
