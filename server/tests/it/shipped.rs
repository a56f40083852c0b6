//! The plugins that ship with the server, in the server.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

async fn call(client: &Client<'_>, plugin: &str, tool: &str, input: Value) -> Value {
    let path = format!("/api/v1/plugins/{plugin}/tools/{tool}/call");
    client.post(&path, json!({ "input": input })).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_that_states_its_output_is_true() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let plugins = client.get("/api/v1/plugins").await.ok();
    let (mut checked, mut known) = (0, Vec::new());
    for plugin in plugins["items"].as_array().unwrap() {
        let id = plugin["id"].as_str().unwrap();
        known.push(id.to_owned());
        assert_eq!(plugin["missing"], json!([]), "`{id}` ships with its grants");
        for tool in plugin["manifest"]["tools"].as_array().unwrap() {
            let name = tool["name"].as_str().unwrap();
            for example in tool["examples"].as_array().unwrap() {
                let Some(expected) = example.get("output") else { continue };
                let answer = call(&client, id, name, example["input"].clone()).await;
                assert_eq!(&answer["output"], expected, "{id}/{name}, {}: {answer}", example["title"]["en"]);
                checked += 1;
            }
        }
    }
    for id in ["calculator_date", "notify", "query_knowledge_base", "spreadsheet", "web_page", "web_search"] {
        assert!(known.iter().any(|it| it == id), "`{id}` does not ship: run `cargo xtask plugins`; there is {known:?}");
    }
    assert!(checked > 5, "only {checked} examples state their output");
}

/// A page in GBK, and a SearXNG as far as it is asked.
async fn web() -> String {
    let page = || async {
        let html = "<html><head><title>川菜馆</title></head><body><nav>首页</nav><article><h1>川菜馆</h1>\
                    <p>我们的麻婆豆腐每天现做，中午和晚上都有，欢迎预订。</p></article></body></html>";
        let (bytes, ..) = encoding_rs::GBK.encode(html);
        ([(header::CONTENT_TYPE, "text/html; charset=gbk")], bytes.into_owned()).into_response()
    };
    let search = || async {
        axum::Json(json!({ "query": "豆腐", "results": [
            { "title": "麻婆豆腐", "url": "https://example.com/mapo", "content": "一道川菜", "publishedDate": null }
        ] }))
    };
    let router = Router::new().route("/menu.html", get(page)).route("/search", get(search));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_web_is_searched_and_read() {
    let host = web().await;
    let app = TestApp::with(|config| config.allowed_hosts = vec![host.clone()]).await;
    let client = app.key("main", &Scope::ALL).await;
    let tools = |plugin: Value| plugin["manifest"]["tools"].as_array().unwrap()[0]["name"].as_str().unwrap().to_owned();
    let reader = tools(client.get("/api/v1/plugins/web_page").await.ok());
    let page = call(&client, "web_page", &reader, json!({ "url": format!("http://{host}/menu.html") })).await;
    assert!(page["output"].to_string().contains("麻婆豆腐每天现做"), "{page}");
    let private = call(&client, "web_page", &reader, json!({ "url": "http://127.0.0.1:1/" })).await;
    assert_eq!(private["error"]["kind"], "denied", "{private}");

    let settings = json!({ "values": { "provider": "searxng", "base_url": format!("http://{host}") } });
    client.put("/api/v1/plugins/web_search/config", settings).await.ok();
    let searcher = tools(client.get("/api/v1/plugins/web_search").await.ok());
    let found = call(&client, "web_search", &searcher, json!({ "query": "豆腐" })).await;
    assert!(found["output"].to_string().contains("https://example.com/mapo"), "{found}");
}
