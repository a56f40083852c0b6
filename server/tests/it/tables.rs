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
