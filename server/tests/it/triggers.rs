//! What starts workflows by itself: `schedules` by the clock, `hooks` by a request, and here how they belong to workflows.

mod hooks;
mod schedules;

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

/// 2026-11-27, 09:00 in Shanghai, which is the test servers' own zone.
pub const NINE: i64 = 1_795_741_200_000;
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;

/// A workflow that says who started it with what.
pub fn workflow(name: &str, on: &str) -> String {
    format!(
        "workflow: {name}\non: {on}\ninputs: {{ report: {{ type: string, default: none }}, count: integer? }}\nnodes:\n  \
         reply: {{ use: answer, with: {{ text: \"{{{{ user.id }}}} {{{{ inputs.report }}}} {{{{ inputs.count }}}}\" }} }}\n\
         outputs: {{ text: \"{{{{ reply.text }}}}\" }}\n"
    )
}

pub async fn publish(client: &Client<'_>, name: &str, on: &str) {
    let yaml = workflow(name, on);
    client.put(&format!("/api/v1/workflows/{name}"), json!({ "yaml": yaml })).await.ok();
}

pub async fn triggers(client: &Client<'_>) -> Vec<Value> {
    client.get("/api/v1/triggers").await.ok()["items"].as_array().unwrap().clone()
}

/// The tenant's runs when all of them have ended, the newest first.
pub async fn ended_runs(client: &Client<'_>) -> Vec<Value> {
    for _ in 0..500 {
        let runs = client.get("/api/v1/runs?limit=100").await.ok()["items"].as_array().unwrap().clone();
        if runs.iter().all(|it| it["status"] == "finished") {
            return runs;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the runs have not ended within 10 s");
}

#[tokio::test]
async fn triggers_belong_to_the_published_workflow() {
    let app = TestApp::with(|config| config.public_url = Some("https://parlour.example".to_owned())).await;
    app.app.clock().hold_at(NINE);
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "orders", "{ webhook: { hmac: { secret: SHOP } }, schedule: { cron: '0 9 * * *' } }").await;
    let first = triggers(&client).await;
    let [schedule, hook] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((&schedule["kind"], &schedule["cron"]), (&json!("schedule"), &json!("0 9 * * *")));
    assert_eq!(schedule["next_at"], NINE + 24 * HOUR, "this minute's tick has begun before it was published");
    assert_eq!(
        (&hook["kind"], &hook["secret"], &hook["response"]),
        (&json!("webhook"), &json!("SHOP"), &json!("accepted"))
    );
    let token = hook["url"].as_str().unwrap().strip_prefix("https://parlour.example/hooks/").unwrap();
    assert_eq!(token.len(), 64, "256 bits");

    app.app.clock().hold_at(NINE + MINUTE);
    publish(&client, "orders", "{ webhook: true, schedule: [{ cron: '0 9 * * *' }, { cron: '@daily' }] }").await;
    let again = triggers(&client).await;
    assert_eq!(again.len(), 3);
    assert_eq!(again[0], *schedule, "what says the same is the same");
    assert_eq!((&again[2]["id"], &again[2]["url"]), (&hook["id"], &hook["url"]), "a webhook keeps its address");
    assert_eq!(again[2]["secret"], Value::Null);
    publish(&client, "orders", "{ schedule: { cron: '30 8 * * *', time_zone: Europe/Berlin } }").await;
    let moved = triggers(&client).await;
    assert_eq!(moved.len(), 1);
    assert_eq!((&moved[0]["id"], &moved[0]["next_at"]), (&schedule["id"], &json!(NINE + 6 * HOUR + 30 * MINUTE)));
    let broken = workflow("orders", "{ schedule: { cron: '99 * * * *' } }");
    let refused = client.put("/api/v1/workflows/orders", json!({ "yaml": broken })).await;
    assert_eq!(refused.problem(422, "invalid_definition")["errors"][0]["code"], "invalid_cron");
    assert_eq!(triggers(&client).await, moved, "a document with errors changes nothing");
    assert_eq!(client.delete("/api/v1/workflows/orders").await.status, 204);
    assert_eq!(triggers(&client).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_project_brings_its_triggers_and_loading_it_again_changes_nothing() {
    let app = TestApp::new().await;
    app.app.clock().hold_at(NINE);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("workflows")).unwrap();
    let text = workflow("nightly", "{ schedule: { cron: '0 * * * *' }, webhook: true }");
    std::fs::write(folder.path().join("workflows/nightly.yaml"), text).unwrap();
    let tenant = app.app.first_tenant().await.unwrap().id;
    let loaded = app.app.load_project(tenant, folder.path()).await.unwrap();
    assert_eq!(loaded.problems, Vec::<String>::new());
    let client = app.key("main", &Scope::ALL).await;
    let before = triggers(&client).await;
    assert_eq!(before.len(), 2);
    // After the tick: it is still due, and not put off by the restart's loading.
    app.app.clock().hold_at(NINE + HOUR + MINUTE);
    app.app.load_project(tenant, folder.path()).await.unwrap();
    assert_eq!(triggers(&client).await, before);
}

#[tokio::test]
async fn switching_firing_and_rotating_are_told_and_remembered() {
    let app = TestApp::new().await;
    app.app.clock().hold_at(NINE);
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "orders", "{ webhook: true, schedule: { cron: '*/10 * * * *', inputs: { report: daily } } }")
        .await;
    let all = triggers(&client).await;
    let address =
        |index: usize, action: &str| format!("/api/v1/triggers/{}{action}", all[index]["id"].as_str().unwrap());

    let off = client.put(&address(0, ""), json!({ "enabled": false })).await.ok();
    assert_eq!((&off["enabled"], &off["next_at"]), (&json!(false), &Value::Null));
    app.app.clock().hold_at(NINE + 25 * MINUTE);
    app.app.run_due_schedules(parlour::app::triggers::TakeOver::All).await.unwrap();
    assert_eq!(ended_runs(&client).await.len(), 0);
    let on = client.put(&address(0, ""), json!({ "enabled": true })).await.ok();
    assert_eq!(on["next_at"], NINE + 30 * MINUTE, "what it missed is gone");

    let fired = client.post(&address(0, "/fire"), json!({})).await;
    assert_eq!(fired.status, 202, "{}", fired.text());
    let runs = ended_runs(&client).await;
    assert_eq!((runs.len(), &runs[0]["id"]), (1, &fired.json()["run"]));
    let run = client.get(&format!("/api/v1/runs/{}", runs[0]["id"].as_str().unwrap())).await.ok();
    assert_eq!(run["answer"], "schedule daily ");
    let shown = &triggers(&client).await[0];
    assert_eq!((&shown["last_run"], &shown["next_at"]), (&runs[0]["id"], &json!(NINE + 30 * MINUTE)));
    client.post(&address(1, "/fire"), json!({})).await.problem(422, "invalid_input");
    client.post(&address(0, "/rotate"), json!({})).await.problem(422, "invalid_input");
    let rotated = client.post(&address(1, "/rotate"), json!({})).await.ok();
    assert_ne!(rotated["url"], all[1]["url"]);

    let tenant = app.app.first_tenant().await.unwrap().id;
    let log = app.app.storage().list_audit(tenant, None, 10).await.unwrap().items;
    let mut actions: Vec<String> = log.iter().map(|it| it.action.clone()).collect();
    actions.sort();
    assert_eq!(actions, ["trigger.disable", "trigger.enable", "trigger.fire", "trigger.rotate"]);
}
