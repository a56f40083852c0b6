//! Webhooks: who is let in, what a request means, what the sender is told.

use std::time::Duration;

use axum::http::Method;
use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use super::{ended_runs, publish, triggers};
use crate::support::mock_model::{MockModel, Reply};
use crate::support::{Answer, Client, TestApp, model_settings};

/// The address of the tenant's only webhook.
async fn address(client: &Client<'_>) -> String {
    triggers(client).await[0]["url"].as_str().unwrap().to_owned()
}

async fn run_of(client: &Client<'_>, answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{}", answer.text());
    ended_runs(client).await;
    client.get(&format!("/api/v1/runs/{}", answer.json()["run"].as_str().unwrap())).await.ok()
}

async fn post(client: &Client<'_>, path: &str, kind: &str, body: &str) -> Answer {
    client.send(Method::POST, path, Some(kind), body.as_bytes().to_vec()).await
}

fn signature(secret: &str, body: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let hex: String = ring::hmac::sign(&key, body.as_bytes()).as_ref().iter().map(|it| format!("{it:02x}")).collect();
    format!("sha256={hex}")
}

#[tokio::test]
async fn whoever_knows_the_address_starts_the_workflow() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "orders", "{ webhook: true }").await;
    let path = address(&client).await;
    // What a sender puts into `Authorization` is none of our keys, and no matter.
    let sender = app.anonymous().header("authorization", "Basic c2hvcDpzaG9w").header("origin", "https://shop.example");
    let run = run_of(&client, &sender.post(&path, json!({ "report": "new", "count": 3, "total": 9.5 })).await).await;
    assert_eq!(
        (&run["kind"], &run["name"], &run["answer"]),
        (&json!("workflow"), &json!("orders"), &json!("webhook new 3"))
    );
    let shown = triggers(&client).await.remove(0);
    assert_eq!((&shown["last_run"], &shown["last_error"]), (&run["id"], &Value::Null));
    let empty = sender.send(Method::POST, &path, None, Vec::new()).await;
    assert_eq!(run_of(&client, &empty).await["answer"], "webhook none ");

    let problem = sender.post(&path, json!({ "count": "three" })).await.problem(422, "invalid_input");
    assert!(problem["detail"].as_str().unwrap().contains("`count` must be a whole number"), "{problem}");
    post(&sender, &path, "application/json", "{").await.problem(400, "invalid_json");
    post(&sender, &path, "image/png", "x").await.problem(415, "unsupported_media_type");
    post(&sender, &path, "text/plain", &"x".repeat(3 << 20)).await.problem(413, "too_large");
    sender.get(&path).await.problem(405, "method_not_allowed");
    assert_eq!(ended_runs(&client).await.len(), 2, "what was refused started nothing");
}

#[tokio::test]
async fn an_address_that_is_old_off_or_made_up_is_unknown() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "orders", "{ webhook: true }").await;
    let (old, sender) = (address(&client).await, app.anonymous());
    let id = triggers(&client).await[0]["id"].as_str().unwrap().to_owned();
    let refusal = |answer: &Answer| {
        let mut body = answer.problem(404, "not_found");
        body["request_id"] = Value::Null;
        body
    };
    let made_up = refusal(&sender.post(&format!("/hooks/{}", "0".repeat(64)), json!({})).await);
    let rotated = client.post(&format!("/api/v1/triggers/{id}/rotate"), json!({})).await.ok();
    let new = rotated["url"].as_str().unwrap();
    assert_eq!(refusal(&sender.post(&old, json!({})).await), made_up);
    run_of(&client, &sender.post(new, json!({})).await).await;
    client.put(&format!("/api/v1/triggers/{id}"), json!({ "enabled": false })).await.ok();
    assert_eq!(refusal(&sender.post(new, json!({})).await), made_up);
    client.put(&format!("/api/v1/triggers/{id}"), json!({ "enabled": true })).await.ok();
    run_of(&client, &sender.post(new, json!({})).await).await;
    assert_eq!(client.delete("/api/v1/workflows/orders").await.status, 204);
    assert_eq!(refusal(&sender.post(new, json!({})).await), made_up);
}

#[tokio::test]
async fn a_request_is_mapped_onto_the_inputs() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let on = "{ webhook: { inputs: { report: \"{{ request.method }} {{ request.body.order.name or request.body }} \
              {{ request.query.shop }} {{ request.headers['x-shop'] }} {{ request.headers.authorization }}\", \
              count: \"{{ request.body.order.lines | length if request.body.order else none }}\" } } }";
    publish(&client, "orders", on).await;
    let path = format!("{}?shop=%E5%BA%97&shop=2", address(&client).await);
    let sender = app.anonymous().header("x-shop", "cafe").header("authorization", "Bearer hidden");
    let json = sender.post(&path, json!({ "order": { "name": "黄焖鸡", "lines": [1, 2] } })).await;
    assert_eq!(run_of(&client, &json).await["answer"], "webhook POST 黄焖鸡 [\"店\",\"2\"] cafe  2");
    let form =
        post(&sender, &path, "application/x-www-form-urlencoded; charset=utf-8", "order=a+b&tag=1&tag=%E8%BE%A3").await;
    let answer = run_of(&client, &form).await["answer"].as_str().unwrap().to_owned();
    assert!(answer.starts_with("webhook POST {\"order\":\"a b\",\"tag\":[\"1\",\"辣\"]} "), "{answer}");
    let text = post(&sender, &path, "text/plain", "只是文字").await;
    assert!(run_of(&client, &text).await["answer"].as_str().unwrap().starts_with("webhook POST 只是文字 "));

    publish(&client, "orders", "{ webhook: { inputs: { count: \"{{ request.body.total / 0 }}\" } } }").await;
    let problem = sender.post(&path, json!({ "total": 1 })).await.problem(422, "invalid_input");
    assert!(problem["detail"].as_str().unwrap().contains("does not fit"), "{problem}");
}

#[tokio::test]
async fn a_signed_webhook_takes_what_was_signed_with_its_secret_and_nothing_else() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "orders", "{ webhook: { hmac: { secret: SHOP_WEBHOOK, header: X-Shop-Signature } } }").await;
    let path = address(&client).await;
    let body = r#"{ "report" : "signed" }"#;
    let send = async |given: Option<&str>, body: &str| {
        let sender = app.anonymous();
        let sender = match given {
            Some(given) => sender.header("x-shop-signature", given),
            None => sender,
        };
        post(&sender, &path, "application/json", body).await
    };
    let right = signature("key-of-the-shop", body);
    send(Some(&right), body).await.problem(401, "bad_signature");
    client.put("/api/v1/secrets/SHOP_WEBHOOK", json!({ "value": "key-of-the-shop" })).await.ok();
    send(None, body).await.problem(401, "bad_signature");
    send(Some(&signature("another", body)), body).await.problem(401, "bad_signature");
    send(Some(&right), r#"{ "report" : "forged" }"#).await.problem(401, "bad_signature");
    let problem = send(Some("sha256=00"), "{").await.problem(401, "bad_signature");
    assert!(!problem.to_string().contains("key-of-the-shop") && !problem.to_string().contains(&right[7..]));
    assert_eq!(ended_runs(&client).await.len(), 0);
    assert_eq!(run_of(&client, &send(Some(&right), body).await).await["answer"], "webhook signed ");
}

#[tokio::test]
async fn a_delivery_that_comes_again_finds_its_run() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "orders", "{ webhook: true }").await;
    let path = address(&client).await;
    let named = |header: &'static str, name: &str| app.anonymous().header(header, name);
    let first = named("x-github-delivery", "72d3162e");
    let tries = futures::future::join_all((0..5).map(|_| first.post(&path, json!({ "report": "once" })))).await;
    let runs: Vec<Value> = tries.iter().map(|it| (it.status == 202).then(|| it.json()).unwrap()).collect();
    assert!(runs.iter().all(|it| *it == runs[0]), "{runs:?}");
    assert_eq!(ended_runs(&client).await.len(), 1);
    let others = [
        named("x-github-delivery", "another"),
        named("x-shopify-webhook-id", "72d3162e"),
        named("idempotency-key", "72d3162e"),
        app.anonymous(),
        app.anonymous(),
    ];
    for sender in others {
        assert_eq!(sender.post(&path, json!({})).await.status, 202);
    }
    assert_eq!(ended_runs(&client).await.len(), 6, "another name, another run; without a name, one each");
    let refused = named("idempotency-key", "fixed later");
    refused.post(&path, json!({ "count": "three" })).await.problem(422, "invalid_input");
    let fixed = refused.post(&path, json!({ "count": 3 })).await;
    assert_eq!(run_of(&client, &fixed).await["answer"], "webhook none 3", "a refusal is not remembered");
}

#[tokio::test]
async fn outputs_are_answered_when_the_run_has_ended() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "orders", "{ webhook: { response: outputs } }").await;
    let path = address(&client).await;
    let sender = app.anonymous().header("idempotency-key", "1");
    assert_eq!(sender.post(&path, json!({ "report": "x" })).await.ok(), json!({ "text": "webhook x " }));
    assert_eq!(
        sender.post(&path, json!({ "report": "y" })).await.ok(),
        json!({ "text": "webhook x " }),
        "the same one"
    );
    let yaml = "workflow: orders\non: { webhook: { response: outputs } }\ninputs: { text: string }\nnodes:\n  \
                bad: { use: template, with: { text: \"{{ inputs.text | int }} private\" } }\noutputs: { text: \"{{ bad.text }}\" }\n";
    client.put("/api/v1/workflows/orders", json!({ "yaml": yaml })).await.ok();
    let failed = app.anonymous().post(&path, json!({ "text": "no number" })).await.problem(500, "run_failed");
    assert!(failed["detail"].as_str().unwrap().starts_with("the run `"), "{failed}");
    assert!(!failed.to_string().contains("no number"), "why is for the author: {failed}");
}

#[tokio::test]
async fn a_sender_is_not_kept_for_ever_and_the_run_goes_on() {
    let model = MockModel::start().await;
    model.on("long", Reply::text("word ".repeat(20)).delay(Duration::from_millis(20)));
    let app = TestApp::with(|config| {
        config.model = Some(model_settings(&model));
        config.limits.webhook_answer = Duration::from_millis(50);
    })
    .await;
    let client = app.key("main", &Scope::ALL).await;
    let yaml = "workflow: slow\non: { webhook: { response: outputs } }\nnodes:\n  \
                say: { use: llm, with: { prompt: long } }\noutputs: { text: \"{{ say.text }}\" }\n";
    client.put("/api/v1/workflows/slow", json!({ "yaml": yaml })).await.ok();
    let late = app.anonymous().post(&address(&client).await, json!({})).await.problem(504, "still_running");
    let run = ended_runs(&client).await.remove(0);
    assert!(late["detail"].as_str().unwrap().contains(run["id"].as_str().unwrap()), "{late}");
    assert_eq!(run["status"], "finished");
}

#[tokio::test]
async fn too_many_runs_are_refused_and_the_delivery_may_come_again() {
    let app = TestApp::with(|config| config.limits.concurrent_runs = 0).await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "orders", "{ webhook: true }").await;
    let path = address(&client).await;
    let sender = app.anonymous().header("idempotency-key", "1");
    for _ in 0..2 {
        let refused = sender.post(&path, json!({})).await;
        refused.problem(429, "too_many_requests");
        assert!(refused.headers.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn another_tenants_triggers_are_not_there() {
    let app = TestApp::new().await;
    let first = app.key("main", &Scope::ALL).await;
    publish(&first, "orders", "{ webhook: true, schedule: { cron: '@daily' } }").await;
    let before = triggers(&first).await;
    let second = app.key("second", &Scope::ALL).await;
    assert_eq!(triggers(&second).await, Vec::<Value>::new());
    for it in &before {
        let path = format!("/api/v1/triggers/{}", it["id"].as_str().unwrap());
        second.put(&path, json!({ "enabled": false })).await.problem(404, "not_found");
        second.post(&format!("{path}/rotate"), json!({})).await.problem(404, "not_found");
        second.post(&format!("{path}/fire"), json!({})).await.problem(404, "not_found");
    }
    // The second one's workflow of the same name is started by its own address only.
    publish(&second, "orders", "{ webhook: true }").await;
    let theirs = address(&second).await;
    assert_eq!(app.anonymous().post(&theirs, json!({})).await.status, 202);
    assert_eq!((ended_runs(&second).await.len(), ended_runs(&first).await.len()), (1, 0));
    assert_eq!(triggers(&first).await, before);
}
