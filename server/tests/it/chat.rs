//! Conversations: streaming, what reconnecting sees, stopping, and what happens when the model is not there or fails.

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::mock_model::{MockModel, Reply};
use crate::support::{Client, TestApp};

const DESK: &str = "assistant: desk\nsystem_prompt: 我们晚上十点关门。\nopening: 您好\nsuggestions: [你们几点关门]\n";

async fn desk(app: &TestApp) -> Client<'_> {
    let client = app.key("main", &Scope::ALL).await;
    client.put("/api/v1/assistants/desk", json!({ "yaml": DESK })).await.ok();
    client
}

async fn conversation(client: &Client<'_>) -> String {
    let made = client.post("/api/v1/conversations", json!({ "assistant": "desk" })).await.ok();
    made["id"].as_str().unwrap().to_owned()
}

fn streamed_text(events: &[(Option<i64>, String, Value)]) -> String {
    let mut text = String::new();
    for (_, name, data) in events {
        match name.as_str() {
            "message.snapshot" => text = data["text"].as_str().unwrap().to_owned(),
            "message.delta" => text.push_str(data["text"].as_str().unwrap()),
            _ => {}
        }
    }
    text
}

#[tokio::test]
async fn an_answer_streams_and_is_stored_and_remembered() {
    let model = MockModel::start().await;
    model.reply_to("几点关门", "我们晚上十点关门。");
    model.reply_to("那早上呢", "早上十点开门。");
    let app = TestApp::with_model(&model).await;
    let client = desk(&app).await;
    let id = conversation(&client).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let streaming = client.clone().header("accept", "text/event-stream");
    let answer = streaming.post(&path, json!({ "content": "你们几点关门" })).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let events = answer.events();
    assert_eq!(events.first().unwrap().1, "run.started");
    assert_eq!(events.last().unwrap().1, "run.finished", "{}", answer.text());
    assert_eq!(streamed_text(&events), "我们晚上十点关门。");
    let ids: Vec<i64> = events.iter().filter_map(|it| it.0).collect();
    assert!(ids.is_sorted() && ids.first() == Some(&1), "{ids:?}");
    let messages = client.get(&path).await.ok();
    assert_eq!(messages["items"][1]["content"], "我们晚上十点关门。");
    assert_eq!(messages["items"][1]["status"], "complete");

    client.post(&path, json!({ "content": "那早上呢" })).await.ok();
    let last = model.requests().pop().unwrap().body.to_string();
    assert!(last.contains("你们几点关门") && last.contains("我们晚上十点关门。"), "the history goes along: {last}");
    let title = &client.get(&format!("/api/v1/conversations/{id}")).await.ok()["title"];
    assert_eq!(title, "你们几点关门");
}

#[tokio::test]
async fn without_a_model_the_answer_says_so_and_how_to_add_one() {
    let app = TestApp::new().await;
    let client = desk(&app).await;
    let answer = client.ask("desk", "你们几点关门").await;
    assert_eq!(answer["message"]["status"], "failed");
    let error = &answer["message"]["error"];
    assert_eq!(error["code"], "model_not_configured");
    assert!(error["hint"].as_str().unwrap().contains("PARLOUR_MODEL_BASE_URL"), "{error}");
    let models = client.get("/api/v1/models").await.ok();
    assert_eq!(models["configured"], false);
    assert!(models["hint"].as_str().unwrap().contains("ollama pull"));
}

#[tokio::test]
async fn whoever_connects_again_gets_the_rest_and_only_the_rest() {
    let model = MockModel::start().await;
    model.reply_to("hello", "one two three");
    let app = TestApp::with_model(&model).await;
    let client = desk(&app).await;
    let answer = client.ask("desk", "hello").await;
    let run = answer["run"]["id"].as_str().unwrap();
    let path = format!("/api/v1/runs/{run}/events");
    let all = client.get(&path).await.events();
    let half = all[all.len() / 2].0.unwrap();
    let rest = client.clone().header("last-event-id", Box::leak(half.to_string().into_boxed_str())).get(&path).await;
    let rest: Vec<_> = rest.events().into_iter().filter_map(|it| it.0).collect();
    let expected: Vec<i64> = all.iter().filter_map(|it| it.0).filter(|it| *it > half).collect();
    assert_eq!(rest, expected);
    assert!(!rest.is_empty());
}

#[tokio::test]
async fn a_provider_that_fails_becomes_an_error_in_words_and_the_next_message_works() {
    let model = MockModel::start().await;
    model.on("boom", Reply::error(500, "the provider's own words"));
    model.reply_to("again", "fine");
    let app = TestApp::with_model(&model).await;
    let client = desk(&app).await;
    let id = conversation(&client).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let failed = client.post(&path, json!({ "content": "boom" })).await.ok();
    assert_eq!(failed["message"]["status"], "failed");
    assert!(failed["message"]["error"]["message"].as_str().unwrap().len() > 5, "{failed}");
    let fine = client.post(&path, json!({ "content": "again" })).await.ok();
    assert_eq!(fine["message"]["content"], "fine");
}

#[tokio::test]
async fn stopping_keeps_what_was_said() {
    let model = MockModel::start().await;
    model.on("long", Reply::text("word ".repeat(400)).delay(std::time::Duration::from_millis(20)));
    let app = TestApp::with_model(&model).await;
    let client = desk(&app).await;
    let id = conversation(&client).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let asking = async { client.post(&path, json!({ "content": "long" })).await.ok() };
    let stopping = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let messages = client.get(&path).await.ok();
            let Some(run) = messages["items"][1]["run"].as_str() else { continue };
            let said = app.app.live().get(run.parse().unwrap()).is_some_and(|it| it.subscribe().text.len() > 20);
            if said {
                let busy = client.post(&path, json!({ "content": "and?" })).await;
                busy.problem(409, "turn_in_progress");
                return client.post(&format!("/api/v1/runs/{run}/cancel"), json!({})).await.ok();
            }
        }
    };
    let (answer, cancelled) = tokio::join!(asking, stopping);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(answer["message"]["status"], "cancelled");
    assert!(answer["message"]["content"].as_str().unwrap().starts_with("word word"), "{answer}");
}

#[tokio::test]
async fn a_deleted_conversation_is_gone() {
    let app = TestApp::new().await;
    let client = desk(&app).await;
    let id = conversation(&client).await;
    let path = format!("/api/v1/conversations/{id}");
    assert_eq!(client.delete(&path).await.status, 204);
    client.get(&path).await.problem(404, "not_found");
    client.post(&format!("{path}/messages"), json!({ "content": "hi" })).await.problem(404, "not_found");
    client.delete(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_person_sees_only_their_own_conversations() {
    let app = TestApp::new().await;
    desk(&app).await;
    let owner = app.owner().await;
    let id = conversation(&owner).await;
    owner.get(&format!("/api/v1/conversations/{id}")).await.ok();
    let tenant = app.app.first_tenant().await.unwrap();
    let other = domain_user(&app, tenant.id).await;
    other.get(&format!("/api/v1/conversations/{id}")).await.problem(404, "not_found");
    assert_eq!(other.get("/api/v1/conversations").await.ok()["items"], json!([]));
    let program = app.key("main", &[Scope::Chat]).await;
    program.get(&format!("/api/v1/conversations/{id}")).await.problem(404, "not_found");
    assert_eq!(program.get("/api/v1/conversations").await.ok()["items"], json!([]));
    let own = conversation(&program).await;
    assert_eq!(program.get("/api/v1/conversations").await.ok()["items"][0]["id"], own.as_str());
}

#[tokio::test]
async fn two_messages_at_the_same_moment_begin_one_turn() {
    let model = MockModel::start().await;
    model.on("both", Reply::text("one answer").delay(std::time::Duration::from_millis(50)));
    let app = TestApp::with_model(&model).await;
    let client = desk(&app).await;
    let path = format!("/api/v1/conversations/{}/messages", conversation(&client).await);
    let ask = || client.post(&path, json!({ "content": "both" }));
    let (first, second) = tokio::join!(ask(), ask());
    let mut codes = [first.status.as_u16(), second.status.as_u16()];
    codes.sort_unstable();
    assert_eq!(codes, [200, 409], "{} {}", first.text(), second.text());
    assert_eq!(client.get(&path).await.ok()["items"].as_array().unwrap().len(), 2);
}

/// A second person of the tenant, signed in with a password.
async fn domain_user<'a>(app: &'a TestApp, tenant: domain::TenantId) -> Client<'a> {
    let owner = app.app.storage().all_tenants_owner().await.unwrap().unwrap();
    let user = domain::User {
        id: domain::UserId::from_uuid(uuid::Uuid::from_u128(42)),
        tenant,
        name: "韩梅梅".into(),
        email: Some("mei@example.com".into()),
        password_hash: None,
        role: domain::Role::Member,
        created_at: owner.created_at,
    };
    app.app.storage().create_user(tenant, user.clone()).await.unwrap();
    let caller = parlour::app::accounts::Caller {
        tenant: app.app.first_tenant().await.unwrap(),
        user: Some(user),
        key: None,
        scopes: vec![],
        groups: None,
    };
    let change = parlour::app::accounts::AccountChange {
        name: None,
        email: None,
        password: Some("a long enough password".into()),
        current_password: None,
    };
    app.app.change_account(&caller, change).await.unwrap();
    let body = json!({ "email": "mei@example.com", "password": "a long enough password" });
    let signed_in = app.anonymous().post("/api/v1/session", body).await;
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut client = app.anonymous();
    client.headers.insert("cookie", cookie.parse().unwrap());
    client
}
