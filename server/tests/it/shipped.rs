//! The plugins that ship with the server, in the server.

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
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
    for id in
        ["calculator_date", "notify", "query_knowledge_base", "spreadsheet", "sql_query", "web_page", "web_search"]
    {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_over_a_knowledge_base() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let fields = json!({
        "note": { "type": "text", "embed": true }, "channel": "keyword", "spend": "number", "clicks": "number", "day": "date",
        "live": "boolean", "tags": "list"
    });
    client.post("/api/v1/knowledge-bases", json!({ "name": "ads", "fields": fields })).await.ok();
    let csv = "note,channel,spend,clicks,day,live,tags\n\
               开屏,WeChat,10,4,2026-10-01,true,\"大图,视频\"\n\
               搜索词,search,2.5,5,2026-10-01,false,\n\
               品牌词,search,,5,2026-10-02,,文字\n\
               公众号,wechat,5,1,2026-10-03,true,视频\n\
               其他,,1,2,2026-10-03,false,\n";
    client.upload("/api/v1/knowledge-bases/ads/documents?wait=60", "ads.csv", csv.as_bytes()).await.ok();

    let sql = "SELECT channel AS \"渠道\", SUM(spend) AS total, COUNT(*) AS n, ROUND(SUM(spend) / SUM(clicks), 2) AS cpc FROM ads \
               WHERE day BETWEEN :since AND '2026-10-03' AND channel IN (:channels) GROUP BY channel ORDER BY total DESC";
    let input = json!({ "sql": sql, "parameters": { "since": "2026-10-01", "channels": ["WeChat", "search"] } });
    let grouped = call(&client, "sql_query", "query", input.clone()).await;
    assert_eq!(grouped["output"]["columns"], json!(["渠道", "total", "n", "cpc"]), "{grouped}");
    let rows = json!([
        { "渠道": "WeChat", "total": 15.0, "n": 2, "cpc": 3 },
        { "渠道": "search", "total": 2.5, "n": 2, "cpc": 0.25 }
    ]);
    assert_eq!(as_numbers(&grouped["output"]["rows"]), as_numbers(&rows), "{grouped}");

    // What the server's filter makes of SQL's conditions: the notes that pass, in the order of the file.
    for (condition, expected) in [
        ("spend <> 10", vec!["搜索词", "公众号", "其他"]),
        ("NOT spend > 2.5", vec!["搜索词", "其他"]),
        ("spend NOT IN (1, 5)", vec!["开屏", "搜索词"]),
        ("spend NOT IN (1, NULL)", vec![]),
        ("spend IS NULL", vec!["品牌词"]),
        ("channel NOT LIKE '%chat%'", vec!["搜索词", "品牌词"]),
        ("NOT (channel = 'wechat' OR spend < 2)", vec!["搜索词"]),
        ("NOT (channel = 'wechat' AND spend > 5)", vec!["搜索词", "品牌词", "公众号", "其他"]),
        ("live IS NOT TRUE AND day > DATE '2026-10-01'", vec!["品牌词", "其他"]),
        ("tags = '视频'", vec!["开屏", "公众号"]),
        ("1 = 1 AND NOT live", vec!["搜索词", "其他"]),
    ] {
        let sql = format!("SELECT note FROM ads WHERE {condition}");
        let answer = call(&client, "sql_query", "query", json!({ "sql": sql })).await;
        let notes: Vec<&str> =
            answer["output"]["rows"].as_array().unwrap().iter().map(|it| it["note"].as_str().unwrap()).collect();
        assert_eq!(notes, expected, "{condition}: {answer}");
    }
    let having =
        "SELECT day, COUNT(*) AS n FROM ads GROUP BY day HAVING n > 1 AND SUM(spend) < 10 ORDER BY n DESC, day";
    let having = call(&client, "sql_query", "query", json!({ "sql": having, "limit": 1 })).await;
    assert_eq!(having["output"]["rows"], json!([{ "day": "2026-10-03", "n": 2 }]), "{having}");
    assert_eq!((&having["output"]["total"], &having["output"]["truncated"]), (&json!(1), &json!(false)));

    // As deep and as long as it is read at all: the sandbox has stack for it.
    let chain = vec!["spend = 1"; 120].join(" OR ");
    let deep = format!("SELECT note FROM ads WHERE {}{chain}{}", "(".repeat(8), ")".repeat(8));
    let deep = call(&client, "sql_query", "query", json!({ "sql": deep })).await;
    assert_eq!(deep["output"]["rows"], json!([{ "note": "其他" }]), "{deep}");
    let sum = format!("SELECT {} AS x FROM ads LIMIT 1", vec!["1"; 400].join(" + "));
    let sum = call(&client, "sql_query", "query", json!({ "sql": sum })).await;
    assert_eq!(sum["output"]["rows"], json!([{ "x": 400 }]), "{sum}");
    let nested = format!("SELECT note FROM ads WHERE spend = {}1{}", "(".repeat(2000), ")".repeat(2000));
    let nested = call(&client, "sql_query", "query", json!({ "sql": nested })).await;
    assert_eq!(nested["error"]["kind"], "invalid_input", "{nested}");

    for (sql, words) in [
        ("SELECT channel FROM ads WHERE spend = '1'", "without quotes"),
        ("SELECT SUM(channel) FROM ads", "no `sum`"),
        ("SELECT chanel FROM ads", "`chanel`"),
        ("DELETE FROM ads", "only SELECT"),
    ] {
        let refused = call(&client, "sql_query", "query", json!({ "sql": sql })).await;
        assert_eq!(refused["error"]["kind"], "invalid_input", "{refused}");
        assert!(refused["error"].to_string().contains(words), "{sql}: {refused}");
    }
    client.put("/api/v1/plugins/sql_query/grants", json!({ "knowledge": [] })).await.ok();
    let refused = call(&client, "sql_query", "query", input).await;
    assert_eq!(refused["error"]["kind"], "denied", "{refused}");
}

/// An rqlite as far as it is asked: it tells back the statement and who asks.
async fn database() -> String {
    let query = |headers: HeaderMap, axum::Json(body): axum::Json<Value>| async move {
        let who = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        let known = json!([{ "columns": ["sql", "values", "who"], "values": [[body[0][0], body[0][1], who.len()]] }]);
        axum::Json(json!({ "results": known, "time": 0.001 }))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/db/query", post(query))).await });
    address.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_goes_to_the_database_in_the_settings() {
    let host = database().await;
    let app = TestApp::with(|config| config.allowed_hosts = vec![host.clone()]).await;
    let client = app.key("main", &Scope::ALL).await;
    let values = json!({ "provider": "rqlite", "base_url": format!("http://{host}"), "token": "cmVhZGVyOnNlY3JldA==" });
    client.put("/api/v1/plugins/sql_query/config", json!({ "values": values })).await.ok();
    let ask = async |sql: &str, parameters: Value| {
        let input = json!({ "sql": sql, "parameters": parameters, "source": "service", "limit": 5 });
        call(&client, "sql_query", "query", input).await
    };
    let answer = ask("SELECT a FROM t WHERE b = :b AND c IN (:c) -- all", json!({ "b": "汤", "c": [1, 2] })).await;
    let row = json!({
        "sql": "SELECT a FROM t WHERE b = :b AND c IN (:c_1, :c_2) LIMIT 6",
        "values": { "b": "汤", "c_1": 1, "c_2": 2 },
        "who": "Basic cmVhZGVyOnNlY3JldA==".len()
    });
    assert_eq!(answer["output"]["rows"], json!([row]), "{answer}");
    // As deep as it is read at all: the sandbox has the stack to look through all of it.
    let sum = vec!["1"; 490].join("+");
    let answer = ask(&format!("SELECT {sum}"), json!({})).await;
    assert_eq!(answer["output"]["rows"][0]["sql"], format!("SELECT {sum} LIMIT 6"), "{answer}");
    let refused = ask("WITH x AS (SELECT 1) DELETE FROM t", json!({})).await;
    assert_eq!(refused["error"]["kind"], "invalid_input", "{refused}");
}

/// 15 and 15.0 are one number.
fn as_numbers(rows: &Value) -> Value {
    match rows {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(as_numbers).collect(),
        Value::Object(members) => members.iter().map(|(name, it)| (name.clone(), as_numbers(it))).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::String(_)) => other.clone(),
    }
}
