//! Decision tables: brought as CSV in any encoding or as a spreadsheet, used by `rules`, kept while they are used.

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const DISCOUNT: &str = r#"workflow: discount
inputs: { level: string, amount: number }
nodes:
  found:
    use: rules
    with: { rules: { hit: first, when: { level: "{{ inputs.level }}", amount: "{{ inputs.amount }}" }, then: [discount], table: TABLE } }
outputs: { discount: "{{ found.result.discount }}", row: "{{ found.matched[0] }}" }
"#;

async fn discount(client: &Client<'_>, level: &str, amount: i64) -> Value {
    let inputs = json!({ "inputs": { "level": level, "amount": amount } });
    client.post("/api/v1/workflows/discount/runs", inputs).await.ok()["outputs"].clone()
}

async fn publish(client: &Client<'_>, table: &str) -> crate::support::Answer {
    client.put("/api/v1/workflows/discount", json!({ "yaml": DISCOUNT.replace("TABLE", table) })).await
}

#[tokio::test]
async fn workflows_decide_by_tables_that_people_bring() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let missing = publish(&client, "prices.csv").await.problem(422, "invalid_definition");
    assert_eq!(missing["errors"][0]["code"], "unknown_table", "{missing}");

    let sheet = include_bytes!("files/prices.xlsx");
    let put = client.upload("/api/v1/tables", "prices.xlsx", sheet).await.ok();
    assert_eq!((&put["rows"], &put["columns"]), (&json!(3), &json!(["level", "amount", "discount"])), "{put}");
    publish(&client, "prices.xlsx").await.ok();
    assert_eq!(discount(&client, "金卡", 150).await, json!({ "discount": 0.2, "row": 1 }));
    assert_eq!(discount(&client, "金卡", 50).await, json!({ "discount": 0.1, "row": 2 }));
    assert_eq!(discount(&client, "none", 500).await, json!({ "discount": 0, "row": 3 }));

    // GBK, as spreadsheets in China write it. New rows count from the next run on.
    let (gbk, ..) = encoding_rs::GBK.encode("level;amount;discount\n银卡,金卡;-;0.5\n");
    client.upload("/api/v1/tables", "prices.csv", &gbk).await.ok();
    publish(&client, "prices.csv").await.ok();
    assert_eq!(discount(&client, "银卡", 1).await["discount"], 0.5);
    client.upload("/api/v1/tables", "prices.csv", b"level,amount,discount\n-,-,0.7\n").await.ok();
    assert_eq!(discount(&client, "x", 1).await["discount"], 0.7);

    let used = client.delete("/api/v1/tables/prices.csv").await.problem(409, "in_use");
    assert!(used["detail"].as_str().unwrap().contains("discount"), "{used}");
    client.delete("/api/v1/tables/prices.xlsx").await;
    let left = client.get("/api/v1/tables").await.ok();
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
    let stranger = app.key("other", &Scope::ALL).await;
    assert_eq!(stranger.get("/api/v1/tables").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn what_is_no_table_is_refused_in_words() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    for (name, bytes, status, code) in [
        ("Prices.csv", &b"a\n1\n"[..], 422, "invalid_input"),
        ("prices.txt", b"a\n1\n", 422, "invalid_input"),
        ("prices.csv", b"a,b\n1,2,3\n", 422, "invalid_document"),
        ("prices.csv", b"", 422, "invalid_input"),
        ("prices.xlsx", b"PK\x03\x04 nothing", 422, "invalid_document"),
        ("prices.xlsx", b"a,b\n1,2\n", 422, "invalid_document"),
    ] {
        client.upload("/api/v1/tables", name, bytes).await.problem(status, code);
    }
    client.delete("/api/v1/tables/prices.csv").await.problem(404, "not_found");
}

const ADS: &str =
    "campaign,channel,spend,clicks\n秋季,信息流,500.5,400\n秋季,搜索,320,500\n品牌,信息流,80,0\n搜索,搜索,300,100\n";

const PAUSE: &str = r#"workflow: pause
inputs: { most: number, channel: string? }
nodes:
  check:
    use: rules
    with:
      from:
        knowledge_base: ads
        filter: { channel: "{{ inputs.channel }}" }
        group_by: [campaign]
        aggregate: { spend: { sum: spend }, clicks: { sum: clicks } }
        order_by: [{ by: spend, descending: true }]
      rules:
        when: { spend: "{{ row.spend }}", cpc: "{{ row.spend / row.clicks if row.clicks }}", over: "{{ row.spend > inputs.most }}" }
        then: [action, why]
        rows:
          - { over: true, action: pause, why: "{{ row.campaign }} > {{ inputs.most }}" }
          - { cpc: "> 2", action: lower, why: 点击太贵 }
outputs: { rows: "{{ check.rows }}", total: "{{ check.total }}" }
"#;

#[tokio::test]
async fn a_decision_table_judges_rows_of_a_knowledge_base() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let yaml = PAUSE.replace("        filter: { channel: \"{{ inputs.channel }}\" }\n", "");
    let missing =
        client.put("/api/v1/workflows/pause", json!({ "yaml": yaml })).await.problem(422, "invalid_definition");
    assert_eq!(missing["errors"][0]["code"], "unknown_knowledge_base", "{missing}");
    let fields = json!({ "campaign": "keyword", "channel": "keyword", "spend": "number", "clicks": "number" });
    client.post("/api/v1/knowledge-bases", json!({ "name": "ads", "fields": fields })).await.ok();
    let documents = "/api/v1/knowledge-bases/ads/documents?wait=60";
    client.upload(documents, "ads.csv", ADS.as_bytes()).await.ok();
    client.put("/api/v1/workflows/pause", json!({ "yaml": yaml })).await.ok();

    let run = async |client: &Client<'_>, name: &str, inputs: Value| {
        let run = client.post(&format!("/api/v1/workflows/{name}/runs"), json!({ "inputs": inputs })).await.ok();
        run["outputs"].clone()
    };
    let judged = run(&client, "pause", json!({ "most": 800 })).await;
    let paused = json!({ "row": { "campaign": "秋季", "spend": 820.5, "clicks": 900 }, "matched": [1],
        "result": { "action": "pause", "why": "秋季 > 800" } });
    let lowered = json!({ "row": { "campaign": "搜索", "spend": 300, "clicks": 100 }, "matched": [2],
        "result": { "action": "lower", "why": "点击太贵" } });
    let fine = json!({ "row": { "campaign": "品牌", "spend": 80, "clicks": 0 }, "matched": [], "result": null });
    assert_eq!(judged, json!({ "rows": [paused, lowered, fine], "total": 3 }));

    // A filter's value may be an expression; a visitor's groups decide which documents count.
    let only = PAUSE.replace("workflow: pause", "workflow: channel");
    client.put("/api/v1/workflows/channel", json!({ "yaml": only })).await.ok();
    let judged = run(&client, "channel", json!({ "most": 400, "channel": "信息流" })).await;
    assert_eq!(judged["rows"][0]["row"], json!({ "campaign": "秋季", "spend": 500.5, "clicks": 400 }), "{judged}");
    let secret = json!({ "name": "secret", "records": [{ "campaign": "内部", "channel": "信息流", "spend": 9000, "clicks": 1 }], "groups": ["board"] });
    client.post(documents, secret).await.ok();
    let visitor = client.clone().header("parlour-visitor-groups", "sales");
    for (client, count) in [(&visitor, 3), (&client, 4)] {
        assert_eq!(run(client, "pause", json!({ "most": 800 })).await["total"], count);
    }

    // What the base does not have is told with what it has.
    let yaml = "workflow: wrong\nnodes:\n  check: { use: rules, on_error: continue, with: { from: { knowledge_base: ads, group_by: [kampagne] }, rules: { when: [kampagne], then: [x], rows: [{ x: 1 }] } } }\noutputs: { error: \"{{ check.error.message }}\" }\n";
    client.put("/api/v1/workflows/wrong", json!({ "yaml": yaml })).await.ok();
    let wrong = run(&client, "wrong", json!({})).await;
    assert!(wrong["error"].as_str().unwrap().contains("no field `kampagne`"), "{wrong}");
    let used = client.delete("/api/v1/knowledge-bases/ads").await.problem(409, "in_use");
    assert!(used["detail"].as_str().unwrap().contains("pause"), "{used}");
}
