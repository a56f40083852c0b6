//! A document's way: in, through its states, found, mended, replaced, out again.

use std::time::Duration;

use axum::http::Method;
use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const BASE: &str = "/api/v1/knowledge-bases/handbook";
const DOCUMENTS: &str = "/api/v1/knowledge-bases/handbook/documents";
const WAIT: &str = "/api/v1/knowledge-bases/handbook/documents?wait=60";

const HANDBOOK: &str = "# 员工手册\n\n## 上班时间\n\n周一到周五，九点上班。\n\n## 年假\n\n工作满一年有五天年假。\n";

async fn handbook(app: &TestApp) -> Client<'_> {
    let client = app.key("main", &Scope::ALL).await;
    client.post("/api/v1/knowledge-bases", json!({ "name": "handbook", "title": "员工手册" })).await.ok();
    client
}

async fn found(client: &Client<'_>, body: Value) -> Vec<Value> {
    let answer = client.post(&format!("{BASE}/search"), body).await.ok();
    answer["hits"].as_array().unwrap().clone()
}

fn id(document: &Value) -> String {
    document["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_is_taken_in_at_once_and_read_in_the_background() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    let taken = client.upload(DOCUMENTS, "handbook.md", HANDBOOK.as_bytes()).await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    assert_eq!((taken.json()["state"].as_str(), taken.json()["answering"].as_bool()), (Some("queued"), Some(false)));
    let address = format!("{DOCUMENTS}/{}", id(&taken.json()));
    let mut document = taken.json();
    for _ in 0..200 {
        if document["state"] == "ready" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        document = client.get(&address).await.ok();
    }
    assert_eq!((document["state"].as_str(), document["version"].as_i64()), (Some("ready"), Some(1)), "{document}");
    let hits = found(&client, json!({ "query": "年假" })).await;
    assert_eq!(hits[0]["document"], "handbook.md");
    assert_eq!(hits[0]["position"]["headings"], json!(["员工手册", "年假"]), "{hits:?}");
    assert!(!hits[0]["highlights"].as_array().unwrap().is_empty(), "{hits:?}");

    let file = client.get(&format!("{address}/file")).await;
    assert_eq!(
        (file.body.as_slice(), file.headers["content-type"].to_str().unwrap()),
        (HANDBOOK.as_bytes(), "application/octet-stream")
    );
    let again = client.upload(DOCUMENTS, "handbook.md", HANDBOOK.as_bytes()).await.ok();
    assert_eq!(
        (again["version"].as_i64(), again["state"].as_str()),
        (Some(1), Some("ready")),
        "the same file changes nothing"
    );
    client.delete(&address).await;
    assert!(found(&client, json!({ "query": "年假" })).await.is_empty());
    client.get(&address).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_cannot_be_read_says_why_and_the_old_version_answers() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    client.upload(WAIT, "manual.md", HANDBOOK.as_bytes()).await.ok();
    let refused = client.upload(WAIT, "manual.md", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").await;
    let problem = refused.problem(422, "invalid_document");
    assert!(problem["detail"].as_str().unwrap().contains("manual.md"), "{problem}");
    let list = client.get(DOCUMENTS).await.ok();
    let document = &list["items"][0];
    assert_eq!((document["state"].as_str(), document["answering"].as_bool()), (Some("failed"), Some(true)));
    assert!(document["reason"].as_str().is_some_and(|it| !it.is_empty()), "{document}");
    assert_eq!(document["errors"][0]["code"], "unsupported_document", "{document}");
    assert_eq!(found(&client, json!({ "query": "年假" })).await.len(), 1);
    let address = format!("{DOCUMENTS}/{}", id(document));
    let retried = client.post(&format!("{address}/retry"), json!({})).await.ok();
    assert_eq!(retried["state"], "queued");
    for _ in 0..100 {
        if client.get(&address).await.ok()["state"] == "failed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client.post(&format!("{address}/cancel"), json!({})).await.problem(409, "conflict");
    client.upload(DOCUMENTS, "empty.md", b"").await.problem(422, "invalid_document");
    client.post(DOCUMENTS, json!({ "url": "https://example.com", "sitemap": "x" })).await.problem(422, "invalid_input");
    client.post(DOCUMENTS, json!({ "url": "file:///etc/passwd" })).await.problem(422, "invalid_input");
}

#[tokio::test]
async fn records_are_mended_switched_off_added_and_deleted() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    let document = client.upload(WAIT, "handbook.md", HANDBOOK.as_bytes()).await.ok();
    let chunks = format!("{DOCUMENTS}/{}/chunks", id(&document));
    let list = client.get(&chunks).await.ok();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    assert!(items[1]["tokens"].as_i64().unwrap() > 3 && items[1]["enabled"] == true && items[1]["edited"] == false);
    let page = client.get(&format!("{chunks}?limit=1")).await.ok();
    let rest = client.get(&format!("{chunks}?limit=1&after={}", page["next_cursor"].as_str().unwrap())).await.ok();
    assert_eq!((&rest["items"][0]["ordinal"], &rest["next_cursor"]), (&json!(1), &Value::Null));

    let patch = async |ordinal: u32, body: Value| {
        let address = format!("{chunks}/{ordinal}");
        client.send(Method::PATCH, &address, Some("application/json"), body.to_string().into_bytes()).await
    };
    let mended = patch(1, json!({ "text": "工作满一年有十天年假。" })).await.ok();
    assert_eq!((mended["edited"].as_bool(), mended["text"].as_str()), (Some(true), Some("工作满一年有十天年假。")));
    let hits = found(&client, json!({ "query": "年假" })).await;
    assert!(hits[0]["text"].as_str().unwrap().contains("十天"), "{hits:?}");
    patch(1, json!({ "enabled": false })).await.ok();
    assert!(found(&client, json!({ "query": "年假" })).await.is_empty(), "what is switched off is not found");
    patch(1, json!({ "enabled": true })).await.ok();
    assert_eq!(found(&client, json!({ "query": "年假" })).await.len(), 1);

    let added = client.post(&chunks, json!({ "text": "病假怎么请？", "answer": "提前告诉主管。" })).await.ok();
    assert_eq!((added["ordinal"].as_i64(), added["answer"].as_str()), (Some(2), Some("提前告诉主管。")));
    let hits = found(&client, json!({ "query": "病假" })).await;
    assert_eq!(hits[0]["answer"], "提前告诉主管。", "{hits:?}");
    assert!(client.delete(&format!("{chunks}/2")).await.status.is_success());
    let left = found(&client, json!({ "query": "病假" })).await;
    assert!(left.iter().all(|it| it["answer"].is_null()), "{left:?}");
    patch(7, json!({ "text": "x" })).await.problem(404, "not_found");
    patch(0, json!({ "text": " " })).await.problem(422, "invalid_input");
    client.post(&chunks, json!({ "text": "长".repeat(30_000) })).await.problem(413, "too_large");

    // The index is what the database says also after it was lost.
    let folder = app.app.config().data.join("knowledge");
    let app2 = {
        app.app.stop().await;
        std::fs::remove_dir_all(&folder).unwrap();
        app.beside().await
    };
    let client = app2.key("main", &Scope::ALL).await;
    let hits = found(&client, json!({ "query": "年假" })).await;
    assert!(hits[0]["text"].as_str().unwrap().contains("十天"), "{hits:?}");
}

#[tokio::test]
async fn a_visitor_sees_what_is_for_everybody_and_for_their_groups() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    let document = client
        .post(WAIT, json!({ "name": "pay", "records": [{ "content": "工资每月十号发" }], "groups": ["hr"] }))
        .await
        .ok();
    assert_eq!(document["groups"], json!(["hr"]));
    client.upload(WAIT, "handbook.md", HANDBOOK.as_bytes()).await.ok();
    let seen = async |groups: Value| {
        let hits = found(&client, json!({ "query": "工资 年假", "groups": groups })).await;
        let mut names: Vec<_> = hits.iter().map(|it| it["document"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(seen(Value::Null).await, ["handbook.md", "pay.json"]);
    assert_eq!(seen(json!([])).await, ["handbook.md"]);
    assert_eq!(seen(json!(["sales"])).await, ["handbook.md"]);
    assert_eq!(seen(json!(["sales", "hr"])).await, ["handbook.md", "pay.json"]);
    let yaml = "workflow: look\ninputs: { q: string }\nnodes:\n  find: { use: retrieve, with: { query: \"{{ inputs.q }}\", knowledge_bases: [handbook] } }\n\
                outputs: { text: \"{{ find.text }}\" }\n";
    client.put("/api/v1/workflows/look", json!({ "yaml": yaml })).await.ok();
    let told = async |client: &Client<'_>| {
        let run = client.post("/api/v1/workflows/look/runs", json!({ "inputs": { "q": "工资" } })).await.ok();
        run["outputs"]["text"].as_str().unwrap().contains("十号")
    };
    assert!(told(&client).await);
    assert!(!told(&client.clone().header("parlour-visitor-groups", "sales, %E9%94%80%E5%94%AE")).await);
    assert!(told(&client.clone().header("parlour-visitor-groups", "hr")).await);
    let unreadable = client.clone().header("parlour-visitor-groups", "%zz");
    unreadable.get(BASE).await.problem(422, "invalid_input");
    let address = format!("{DOCUMENTS}/{}", id(&document));
    let body = json!({ "groups": [], "metadata": { "author": "人事" } }).to_string().into_bytes();
    let changed = client.send(Method::PATCH, &address, Some("application/json"), body).await.ok();
    assert_eq!((&changed["groups"], &changed["metadata"]["author"]), (&json!([]), &json!("人事")));
    assert_eq!(seen(json!([])).await, ["handbook.md", "pay.json"]);
}

#[tokio::test]
async fn tests_of_retrieval_tell_what_a_change_is_worth() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    client.upload(WAIT, "handbook.md", HANDBOOK.as_bytes()).await.ok();
    let tests = format!("{BASE}/tests");
    client.post(&format!("{tests}/run"), json!({})).await.problem(422, "invalid_input");
    let expected = json!([{ "document": "handbook.md", "ordinal": 1 }]);
    client.post(&tests, json!({ "query": "年假几天", "expected": expected })).await.ok();
    let other = json!([{ "document": "handbook.md", "contains": "九点" }, { "document": "nowhere.md", "ordinal": 0 }]);
    let second = client.post(&tests, json!({ "query": "几点上班", "expected": other })).await.ok();
    client.post(&tests, json!({ "query": "x", "expected": [] })).await.problem(422, "invalid_input");
    client.post(&tests, json!({ "query": "x", "expected": [{ "document": "a" }] })).await.problem(422, "invalid_input");
    let report = client.post(&format!("{tests}/run"), json!({ "mode": "lexical" })).await.ok();
    assert_eq!((report["recall"].as_f64(), report["mrr"].as_f64()), (Some(0.75), Some(1.0)), "{report}");
    assert_eq!(report["cases"][1]["found"], json!([1, null]));
    assert_eq!(report["before"], Value::Null);
    assert!(client.delete(&format!("{tests}/{}", id(&second))).await.status.is_success());
    let report = client.post(&format!("{tests}/run"), json!({ "mode": "lexical", "top_k": 3 })).await.ok();
    assert_eq!((report["recall"].as_f64(), report["before"]["recall"].as_f64()), (Some(1.0), Some(0.75)));
    assert_eq!(report["settings"]["top_k"], 3);
    let list = client.get(&tests).await.ok();
    assert_eq!((list["items"].as_array().unwrap().len(), list["last"]["recall"].as_f64()), (1, Some(1.0)));
}

#[tokio::test]
async fn changed_fields_are_read_from_the_same_files_and_everything_is_exported() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let menu = "/api/v1/knowledge-bases/menu";
    client.post("/api/v1/knowledge-bases", json!({ "name": "menu", "fields": { "name": "text" } })).await.ok();
    let upload = format!("{menu}/documents?wait=60");
    let document = client.upload(&upload, "menu.csv", "name,price\n麻婆豆腐,22\n扬州炒饭,18\n".as_bytes()).await.ok();
    let cheap = json!({ "query": "豆腐 炒饭", "filter": { "price": { "lt": 20 } } });
    let refused = client.post(&format!("{menu}/search"), cheap.clone()).await.problem(422, "invalid_input");
    assert!(refused["detail"].as_str().unwrap().contains("price"), "{refused}");
    let fields = json!({ "fields": { "name": "text", "price": "number" } }).to_string().into_bytes();
    let changed = client.send(Method::PATCH, menu, Some("application/json"), fields).await.ok();
    assert_eq!(changed["fields"]["price"]["type"], "number", "{changed}");
    let address = format!("{menu}/documents/{}", id(&document));
    for _ in 0..200 {
        if client.get(&address).await.ok()["version"] == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let hits = client.post(&format!("{menu}/search"), cheap).await.ok();
    assert_eq!(hits["hits"][0]["fields"]["price"], 18, "{hits}");

    let export = client.get(&format!("{menu}/export")).await;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(export.body)).unwrap();
    let mut read = |name: &str| std::io::read_to_string(zip.by_name(name).unwrap()).unwrap();
    assert!(read("knowledge.yaml").contains("price"));
    assert_eq!(read("chunks.jsonl").lines().count(), 2);
    let line: Value = serde_json::from_str(read("documents.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!((&line["name"], &line["records"]), (&json!("menu.csv"), &json!(2)));
    let names: Vec<_> =
        zip.file_names().map(|it| it.unwrap().into_owned()).filter(|it| it.starts_with("files/")).collect();
    assert!(names.len() == 1 && names[0].ends_with("menu.csv"), "{names:?}");
}

#[tokio::test]
async fn a_table_that_is_stopped_and_begun_again_at_once_comes_out_whole() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    let table: String = (0..4_000).map(|at| format!("第 {at} 个问题？,第 {at} 个回答。\n")).collect();
    let table = format!("问题,答案\n{table}");
    let taken = client.upload(DOCUMENTS, "faq.csv", table.as_bytes()).await.json();
    let address = format!("{DOCUMENTS}/{}", id(&taken));
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        // It may have come to its end meanwhile; then there is nothing to stop, and it is read again.
        client.post(&format!("{address}/cancel"), json!({})).await;
        client.post(&format!("{address}/retry"), json!({})).await.ok();
    }
    let mut document = Value::Null;
    for _ in 0..400 {
        document = client.get(&address).await.ok();
        if document["state"] == "ready" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((document["state"].as_str(), document["records"].as_i64()), (Some("ready"), Some(4_000)), "{document}");
    let listed = client.get(&format!("{address}/chunks?limit=200&after=3990")).await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 9, "{listed}");
    for question in ["第 7 个问题", "第 3999 个问题"] {
        let hits = found(&client, json!({ "query": question, "mode": "lexical", "top_k": 1 })).await;
        assert!(hits[0]["text"].as_str().unwrap().starts_with(question), "{hits:?}");
    }
}

#[tokio::test]
async fn lists_are_narrowed_by_a_text() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    let document = client.upload(WAIT, "员工手册.md", HANDBOOK.as_bytes()).await.ok();
    client.upload(WAIT, "100%.md", "# Prices\n\nTea 8, coffee 12.\n".as_bytes()).await.ok();
    let names = async |q: &str| {
        let listed = client.get(&format!("{DOCUMENTS}?q={q}")).await.ok();
        listed["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("%E6%89%8B%E5%86%8C").await, ["员工手册.md"], "手册");
    assert_eq!(names(".MD").await.len(), 2);
    assert_eq!(names("0%25").await, ["100%.md"]);
    assert_eq!(names("%20").await.len(), 2, "nothing is looked for");
    assert!(names("_").await.is_empty());
    let page = client.get(&format!("{DOCUMENTS}?q=.md&limit=1")).await.ok();
    let next = page["next_cursor"].as_str().unwrap();
    let rest = client.get(&format!("{DOCUMENTS}?q=.md&limit=1&after={next}")).await.ok();
    assert_eq!(rest["items"][0]["id"], document["id"], "{rest}");
    assert!(rest["next_cursor"].is_null(), "{rest}");

    let chunks = format!("{DOCUMENTS}/{}/chunks", id(&document));
    let listed = client.get(&format!("{chunks}?q=%E4%BA%94%E5%A4%A9")).await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "五天: {listed}");
    assert!(listed["items"][0]["text"].as_str().unwrap().contains("五天年假"), "{listed}");
    let long = "x".repeat(201);
    for address in [DOCUMENTS, chunks.as_str()] {
        client.get(&format!("{address}?q={long}")).await.problem(422, "invalid_input");
    }
}

#[tokio::test]
async fn names_of_a_base_are_words() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let base = json!({ "name": "menu", "words": ["小炒黄"] });
    assert_eq!(client.post("/api/v1/knowledge-bases", base).await.ok()["words"], json!(["小炒黄"]));
    let upload = "/api/v1/knowledge-bases/menu/documents?wait=60";
    client.upload(upload, "menu.md", "# 甲\n\n黄小姐炒了一小盘菜\n\n# 乙\n\n招牌小炒黄牛肉\n".as_bytes()).await.ok();
    let search = json!({ "query": "小炒黄", "mode": "lexical", "top_k": 1 });
    let hits = client.post("/api/v1/knowledge-bases/menu/search", search).await.ok();
    assert_eq!(hits["hits"][0]["text"], "招牌小炒黄牛肉", "{hits}");
    let wrong = json!({ "words": ["黄"] }).to_string().into_bytes();
    let refused = client.send(Method::PATCH, "/api/v1/knowledge-bases/menu", Some("application/json"), wrong).await;
    refused.problem(422, "invalid_input");
}

#[tokio::test]
async fn a_base_that_is_used_is_not_deleted() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    let yaml = "workflow: look\ninputs: { q: string }\nnodes:\n  find: { use: retrieve, with: { query: \"{{ inputs.q }}\", knowledge_bases: [handbook] } }\n";
    client.put("/api/v1/workflows/look", json!({ "yaml": yaml })).await.ok();
    let refused = client.delete(BASE).await.problem(409, "in_use");
    assert!(refused["detail"].as_str().unwrap().contains("look"), "{refused}");
    assert!(client.delete("/api/v1/workflows/look").await.status.is_success());
    assert!(client.delete(BASE).await.status.is_success());
}

#[tokio::test]
async fn reading_goes_on_where_a_stopped_server_left_it() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    let mut table = String::from("question,answer\n");
    for at in 0..3_000 {
        table.push_str(&format!("怎么办第 {at} 件事？,去找第 {at} 号窗口。\n"));
    }
    let taken = client.upload(DOCUMENTS, "faq.csv", table.as_bytes()).await;
    assert_eq!(taken.status, 202);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let app = app.restart().await;
    let client = app.key("main", &Scope::ALL).await;
    let address = format!("{DOCUMENTS}/{}", id(&taken.json()));
    let mut document = Value::Null;
    for _ in 0..400 {
        document = client.get(&address).await.ok();
        if document["state"] == "ready" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((document["state"].as_str(), document["records"].as_i64()), (Some("ready"), Some(3_000)), "{document}");
    let hits = found(&client, json!({ "query": "第 2999 件事", "mode": "lexical", "top_k": 3 })).await;
    assert_eq!(hits[0]["answer"], "去找第 2999 号窗口。", "{hits:?}");
}

/// A web site on the loopback with a sitemap, a page and something that is not there.
async fn site() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let map = format!(
        "<?xml version=\"1.0\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\
         <url><loc>{origin}/opening</loc></url><url><loc>{origin}/gone</loc></url></urlset>"
    );
    let page = "<html><head><title>营业时间</title><script>var x = 1;</script></head><body><nav>菜单 首页</nav>\
                <h1>营业时间</h1><p>每天十点到二十二点营业。</p></body></html>";
    let pages = axum::Router::new()
        .route("/sitemap.xml", axum::routing::get(move || async move { ([("content-type", "application/xml")], map) }))
        .route("/opening", axum::routing::get(move || async move { axum::response::Html(page) }));
    tokio::spawn(async move { axum::serve(listener, pages).await });
    origin
}

#[tokio::test]
async fn pages_come_from_addresses_and_sitemaps_but_not_from_inside_the_network() {
    let origin = site().await;
    let host = origin.trim_start_matches("http://").to_owned();
    let app = TestApp::with(move |config| config.allowed_hosts = vec![host]).await;
    let client = handbook(&app).await;
    let listed = client.post(DOCUMENTS, json!({ "sitemap": format!("{origin}/sitemap.xml") })).await;
    assert_eq!(listed.status, 202, "{}", listed.text());
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    let page = json!({ "url": format!("{origin}/opening#top") });
    let document = client.post(WAIT, page.clone()).await.ok();
    assert_eq!(document["state"], "ready", "{document}");
    assert_eq!(document["source"]["url"], format!("{origin}/opening"));
    let hits = found(&client, json!({ "query": "几点营业", "mode": "lexical" })).await;
    assert!(hits[0]["text"].as_str().unwrap().contains("二十二点"), "{hits:?}");
    assert!(!hits[0].to_string().contains("var x"), "{hits:?}");
    // Nothing has changed there: the version that answers stays.
    let again = client.post(WAIT, page).await.ok();
    assert_eq!((again["version"].as_i64(), again["state"].as_str()), (document["version"].as_i64(), Some("ready")));
    let gone = client.post(WAIT, json!({ "url": format!("{origin}/gone") })).await.problem(422, "invalid_document");
    assert!(gone["detail"].as_str().unwrap().contains("404"), "{gone}");

    let closed = TestApp::new().await;
    let client = handbook(&closed).await;
    let refused = client.post(WAIT, json!({ "url": format!("{origin}/opening") })).await;
    refused.problem(422, "invalid_document");
    client
        .post(DOCUMENTS, json!({ "sitemap": format!("{origin}/sitemap.xml") }))
        .await
        .problem(422, "invalid_document");
}

#[tokio::test]
async fn the_passages_behind_an_answer_can_be_seen() {
    let app = TestApp::new().await;
    let client = handbook(&app).await;
    client.upload(WAIT, "handbook.md", HANDBOOK.as_bytes()).await.ok();
    let yaml = "workflow: look\ninputs: { q: string }\nnodes:\n  find: { use: retrieve, with: { query: \"{{ inputs.q }}\", knowledge_bases: [handbook] } }\n  \
                say: { use: answer, with: { text: \"{{ find.text }}\" } }\n";
    client.put("/api/v1/workflows/look", json!({ "yaml": yaml })).await.ok();
    let run = client.post("/api/v1/workflows/look/runs", json!({ "inputs": { "q": "年假" } })).await.ok();
    let address = format!("/api/v1/runs/{}/citations", id(&run));
    let citations = client.get(&address).await.ok();
    let first = &citations["items"][0];
    assert_eq!(
        (&first["knowledge_base"], &first["document"]),
        (&json!("handbook"), &json!("handbook.md")),
        "{citations}"
    );
    assert_eq!((&first["ordinal"], &first["position"]["headings"][1]), (&json!(1), &json!("年假")));
    let other = app.key("second", &Scope::ALL).await;
    other.get(&address).await.problem(404, "not_found");
}
