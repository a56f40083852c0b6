//! Schedules: on time, once, across restarts and servers.

use std::collections::BTreeSet;

use domain::{RunId, Tick};
use parlour::app::accounts::Scope;
use parlour::app::triggers::TakeOver;
use serde_json::{Value, json};
use storage::TickClaim;

use super::{HOUR, MINUTE, NINE, ended_runs, publish, triggers};
use crate::support::TestApp;

async fn look(app: &TestApp, at: i64) {
    app.app.clock().hold_at(at);
    app.app.run_due_schedules(TakeOver::Old).await.unwrap();
}

#[tokio::test]
async fn a_schedule_runs_when_its_time_has_come_and_not_again() {
    let app = TestApp::new().await;
    app.app.clock().hold_at(NINE - 30_000);
    let client = app.key("main", &Scope::ALL).await;
    let on = "{ schedule: [{ cron: '0 9 * * 1-5', inputs: { report: daily } }, \
              { cron: '30 2 * * *', time_zone: Europe/Berlin, inputs: { report: berlin, count: 2 } }] }";
    publish(&client, "report", on).await;
    look(&app, NINE - 1).await;
    assert_eq!(ended_runs(&client).await.len(), 0);
    look(&app, NINE + 300).await;
    look(&app, NINE + 300).await;
    look(&app, NINE + MINUTE).await;
    let runs = ended_runs(&client).await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    let run = client.get(&format!("/api/v1/runs/{}", runs[0]["id"].as_str().unwrap())).await.ok();
    assert_eq!((&run["kind"], &run["answer"]), (&json!("workflow"), &json!("schedule daily ")));
    let shown = &triggers(&client).await[0];
    // 27 November 2026 is a Friday.
    assert_eq!(shown["next_at"], NINE + 3 * 24 * HOUR);
    assert_eq!((&shown["last_at"], &shown["last_run"]), (&json!(NINE), &runs[0]["id"]));
    look(&app, NINE + 30 * MINUTE).await;
    let runs = ended_runs(&client).await;
    assert_eq!(runs.len(), 2, "half past two in Berlin is half past nine in Shanghai");
    let run = client.get(&format!("/api/v1/runs/{}", runs[0]["id"].as_str().unwrap())).await.ok();
    assert_eq!(run["answer"], "schedule berlin 2");
}

#[tokio::test]
async fn the_server_looks_by_itself() {
    let app = TestApp::new().await;
    app.app.clock().hold_at(NINE - MINUTE);
    let client = app.key("main", &Scope::ALL).await;
    app.app.keep_schedules();
    publish(&client, "report", "{ schedule: { cron: '0 9 * * *' } }").await;
    app.app.clock().hold_at(NINE);
    for _ in 0..100 {
        if ended_runs(&client).await.len() == 1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the tick was not started within 5 s");
}

#[tokio::test]
async fn many_ticks_with_two_servers_run_once_each() {
    const TICKS: i64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (TestApp::at(folder.path(), |_| {}).await, TestApp::at(folder.path(), |_| {}).await);
    one.app.clock().hold_at(NINE - 1);
    let client = one.key("main", &Scope::ALL).await;
    publish(&client, "minutely", "{ schedule: { cron: '* * * * *' } }").await;
    for tick in 0..TICKS {
        for app in [&one.app, &two.app] {
            app.clock().hold_at(NINE + tick * MINUTE);
        }
        // Even one that takes over everything at once, as after a start, must not start what the other is starting.
        let (a, b) = tokio::join!(one.app.run_due_schedules(TakeOver::Old), two.app.run_due_schedules(TakeOver::All));
        a.unwrap();
        b.unwrap();
    }
    let runs = ended_runs(&client).await;
    let at: BTreeSet<i64> = runs.iter().map(|it| it["started_at"].as_i64().unwrap()).collect();
    assert_eq!(runs.len(), usize::try_from(TICKS).unwrap(), "a tick was started twice or not at all");
    assert_eq!(at, (0..TICKS).map(|it| NINE + it * MINUTE).collect());
    one.app.stop().await;
    two.app.stop().await;
}

#[tokio::test]
async fn a_tick_that_was_claimed_before_a_crash_is_started_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let before = TestApp::at(folder.path(), |_| {}).await;
    before.app.clock().hold_at(NINE - 1);
    let client = before.key("main", &Scope::ALL).await;
    publish(&client, "report", "{ schedule: { cron: '0 * * * *', inputs: { report: kept } } }").await;
    let storage = before.app.storage();
    let (tenant, seen) = storage.all_tenants_due_triggers(NINE).await.unwrap().remove(0);
    let run: RunId = "01920000-0000-7000-8000-000000000001".parse().unwrap();
    let tick = Tick { due_at: NINE, run, claimed_at: NINE };
    let claim = TickClaim { tick: Some(tick), next_at: Some(NINE + HOUR) };
    assert!(storage.claim_tick(tenant, &seen, claim).await.unwrap());
    look(&before, NINE + 1_000).await;
    assert_eq!(ended_runs(&client).await.len(), 0, "whoever has claimed it is given its time");
    before.app.stop().await;

    let after = TestApp::at(folder.path(), |_| {}).await;
    after.app.clock().hold_at(NINE + 5_000);
    let client = after.key("main", &Scope::ALL).await;
    after.app.run_due_schedules(TakeOver::All).await.unwrap();
    let runs = ended_runs(&client).await;
    assert_eq!((runs.len(), &runs[0]["id"]), (1, &json!(run)));
    after.app.run_due_schedules(TakeOver::All).await.unwrap();

    // Killed right after the run was started: the run is there, and is not started once more.
    let seen = after.app.storage().trigger(tenant, seen.id).await.unwrap().unwrap();
    let tick = Tick { due_at: NINE + HOUR, run, claimed_at: NINE + HOUR };
    let claim = TickClaim { tick: Some(tick), next_at: Some(NINE + 2 * HOUR) };
    assert!(after.app.storage().claim_tick(tenant, &seen, claim).await.unwrap());
    look(&after, NINE + HOUR + 31_000).await;
    assert_eq!(ended_runs(&client).await.len(), 1);
    assert_eq!(after.app.storage().all_tenants_open_ticks(i64::MAX).await.unwrap(), []);
    after.app.stop().await;
}

#[tokio::test]
async fn after_a_time_without_a_server_one_missed_tick_is_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let before = TestApp::at(folder.path(), |_| {}).await;
    before.app.clock().hold_at(NINE - 1);
    let client = before.key("main", &Scope::ALL).await;
    publish(&client, "daily", "{ schedule: { cron: '0 9 * * *' } }").await;
    publish(&client, "often", "{ schedule: { cron: '*/5 * * * *' } }").await;
    before.app.stop().await;

    let after = TestApp::at(folder.path(), |_| {}).await;
    let client = after.key("main", &Scope::ALL).await;
    look(&after, NINE + 3 * HOUR + 2 * MINUTE).await;
    let runs = ended_runs(&client).await;
    let names: Vec<&Value> = runs.iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["often"], "one of 36, and none for this morning");
    let shown = triggers(&client).await;
    assert_eq!((&shown[0]["last_at"], &shown[0]["next_at"]), (&Value::Null, &json!(NINE + 24 * HOUR)));
    assert_eq!(shown[1]["last_at"], NINE + 3 * HOUR);
    look(&after, NINE + 24 * HOUR + 40 * MINUTE).await;
    let runs = ended_runs(&client).await;
    let names: BTreeSet<&str> = runs[..2].iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!((runs.len(), names), (3, BTreeSet::from(["daily", "often"])), "forty minutes late is not too late");
    after.app.stop().await;
}

#[tokio::test]
async fn a_tick_without_room_waits_and_one_that_cannot_run_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let full = TestApp::at(folder.path(), |config| config.limits.concurrent_runs = 0).await;
    full.app.clock().hold_at(NINE - 1);
    let client = full.key("main", &Scope::ALL).await;
    let base = json!({ "name": "menu", "fields": { "name": { "type": "text", "embed": true } } });
    client.post("/api/v1/knowledge-bases", base).await.ok();
    publish(&client, "report", "{ schedule: { cron: '0 9 * * *' } }").await;
    let yaml = "workflow: search\non: { schedule: { cron: '0 10 * * *' } }\nnodes:\n  \
                menu: { use: retrieve, with: { knowledge_bases: [menu], query: 辣 } }\noutputs: { hits: \"{{ menu.hits }}\" }\n";
    client.put("/api/v1/workflows/search", json!({ "yaml": yaml })).await.ok();
    look(&full, NINE).await;
    assert_eq!(ended_runs(&client).await.len(), 0);
    assert_eq!(full.app.storage().all_tenants_open_ticks(NINE).await.unwrap().len(), 1, "not lost");
    full.app.stop().await;

    let app = TestApp::at(folder.path(), |_| {}).await;
    let client = app.key("main", &Scope::ALL).await;
    look(&app, NINE + MINUTE).await;
    assert_eq!(ended_runs(&client).await.len(), 1, "there is room now");
    assert_eq!(client.delete("/api/v1/knowledge-bases/menu").await.status, 409, "a workflow uses it");
    // As another server would, which has not heard of the workflow yet; this one looks once a second.
    let tenant = app.app.first_tenant().await.unwrap().id;
    assert!(app.app.storage().delete_knowledge_base(tenant, "menu").await.unwrap());
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    look(&app, NINE + HOUR).await;
    assert_eq!(ended_runs(&client).await.len(), 1);
    let shown = triggers(&client).await.remove(1);
    assert_eq!(shown["workflow"], "search");
    assert_eq!((&shown["last_error"]["code"], &shown["last_run"]), (&json!("invalid_definition"), &Value::Null));
    assert_eq!(shown["next_at"], NINE + 25 * HOUR, "the next day it is tried again");
    app.app.stop().await;
}
