//! Set-up link, sign-in, keys and who may do what.

use parlour::app::accounts::Scope;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn the_setup_link_signs_in_once_and_only_once() {
    let app = TestApp::new().await;
    let token = app.app.setup_token().await.unwrap().unwrap();
    let nobody = app.anonymous();
    assert_eq!(nobody.get("/api/v1/setup").await.ok()["needed"], true);
    nobody.get("/api/v1/session").await.problem(401, "not_authenticated");
    let first = nobody.post("/api/v1/setup", json!({ "token": token })).await;
    assert_eq!(first.ok()["user"]["role"], "owner");
    let cookie = first.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let again = nobody.post("/api/v1/setup", json!({ "token": token })).await.problem(401, "link_used");
    assert!(again["hint"].as_str().unwrap().contains("start the server again"));
    nobody.post("/api/v1/setup", json!({ "token": "guess" })).await.problem(401, "link_used");
}

#[tokio::test]
async fn an_owner_without_password_gets_back_in_by_a_new_link_and_with_one_by_signing_in() {
    let app = TestApp::new().await;
    let owner = app.owner().await;
    let id = owner.get("/api/v1/session").await.ok()["user"]["id"].clone();
    let second = app.app.setup_token().await.unwrap().expect("still no password");
    let again = app.anonymous().post("/api/v1/setup", json!({ "token": second })).await.ok();
    assert_eq!(again["user"]["id"], id, "the same owner, not a second one");

    let weak = json!({ "email": "boss@example.com", "password": "short" });
    owner.put("/api/v1/account", weak).await.problem(422, "invalid_input");
    let fine = json!({ "email": "Boss@Example.com", "password": "correct horse battery" });
    assert_eq!(owner.put("/api/v1/account", fine).await.ok()["has_password"], true);
    assert!(app.app.setup_token().await.unwrap().is_none(), "no link once there is a password");

    let wrong = json!({ "email": "boss@example.com", "password": "wrong horse battery" });
    app.anonymous().post("/api/v1/session", wrong).await.problem(401, "wrong_credentials");
    let right = json!({ "email": "boss@example.com", "password": "correct horse battery" });
    app.anonymous().post("/api/v1/session", right).await.ok();
    let change = json!({ "password": "another long password" });
    owner.put("/api/v1/account", change).await.problem(401, "wrong_credentials");
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let app = TestApp::new().await;
    let guess = json!({ "email": "boss@example.com", "password": "guess guess guess" });
    for _ in 0..5 {
        app.anonymous().post("/api/v1/session", guess.clone()).await.problem(401, "wrong_credentials");
    }
    let refused = app.anonymous().post("/api/v1/session", guess).await;
    refused.problem(429, "too_many_requests");
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let app = TestApp::new().await;
    let owner = app.owner().await;
    assert_eq!(owner.delete("/api/v1/session").await.status, 204);
    owner.get("/api/v1/session").await.problem(401, "not_authenticated");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_the_session() {
    let app = TestApp::new().await;
    let owner = app.owner().await.header("host", "parlour.example");
    let body = json!({ "name": "x" });
    let evil = owner.clone().header("origin", "https://evil.example");
    evil.post("/api/v1/keys", body.clone()).await.problem(403, "foreign_origin");
    let own = owner.clone().header("origin", "https://parlour.example");
    own.post("/api/v1/keys", body).await.ok();
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_is_shown_once() {
    let app = TestApp::new().await;
    let owner = app.owner().await;
    let made = owner.post("/api/v1/keys", json!({ "name": "程序", "scopes": ["chat"] })).await.ok();
    let secret = made["key"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("pk_"));
    let listed = owner.get("/api/v1/keys").await.ok();
    assert!(!listed.to_string().contains(&secret[9..]), "the list must not show the key");
    let program = app.anonymous().header("authorization", Box::leak(format!("Bearer {secret}").into_boxed_str()));
    program.get("/api/v1/assistants").await.ok();
    program.get("/api/v1/workflows").await.problem(403, "missing_scope");
    program.get("/api/v1/keys").await.problem(403, "missing_scope");
    let id = made["id"].as_str().unwrap();
    assert_eq!(owner.delete(&format!("/api/v1/keys/{id}")).await.status, 204);
    program.get("/api/v1/assistants").await.problem(401, "not_authenticated");
    owner.post("/api/v1/keys", json!({ "name": "x", "scopes": ["root"] })).await.problem(403, "missing_scope");
}

#[tokio::test]
async fn titles_are_in_the_callers_language() {
    let app = TestApp::new().await;
    let chinese = app.anonymous().header("accept-language", "zh-CN,zh;q=0.9,en;q=0.8");
    assert_eq!(chinese.get("/api/v1/session").await.problem(401, "not_authenticated")["title"], "请先登录");
    let english = app.anonymous().header("accept-language", "en");
    assert_eq!(english.get("/api/v1/session").await.problem(401, "not_authenticated")["title"], "Sign in first");
}

#[tokio::test]
async fn every_scope_is_a_scope_a_key_can_have() {
    let app = TestApp::new().await;
    for scope in Scope::ALL {
        app.key("main", &[scope]).await.get("/api/v1/session").await.ok();
    }
}
