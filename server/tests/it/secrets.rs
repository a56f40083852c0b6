//! Secrets: they go in, they are used, and they never come out.

use parlour::App;
use parlour::app::accounts::Scope;
use parlour::config::MasterKey;
use serde_json::{Value, json};
use workflow_engine::{HttpAuth, HttpBody, HttpRequest, ResponseFormat, SecretPart, SecretText};

use crate::support::TestApp;

const VALUE: &str = "sk-value-that-nobody-reads";

/// What a request with the secret fails with; the host does not matter, since a missing secret is told first.
async fn code_of_use(app: &App, tenant: &str, name: &str) -> String {
    let tenant = app.tenant(Some(tenant)).await.unwrap().id;
    let request = HttpRequest {
        method: "GET".into(),
        url: "http://127.0.0.1:9/".into(),
        headers: Vec::new(),
        query: Vec::new(),
        body: HttpBody::None,
        auth: HttpAuth::Bearer(SecretText(vec![SecretPart::Secret(name.into())])),
        response: ResponseFormat::Auto,
        max_bytes: 10,
    };
    app.fetch(tenant, request, "key", std::time::Duration::from_secs(5)).await.unwrap_err().code
}

#[tokio::test]
async fn a_secret_is_stored_listed_and_removed_and_its_value_is_nowhere() {
    let app = TestApp::new().await;
    let client = app.key("main", &[Scope::Manage]).await;
    app.app.clock().hold_at(1_000);
    let put = client.put("/api/v1/secrets/CRM_Token", json!({ "value": VALUE })).await;
    assert_eq!(put.ok(), json!({ "name": "CRM_Token", "created_at": 1_000, "updated_at": 1_000 }));
    app.app.clock().hold_at(2_000);
    let again = client.put("/api/v1/secrets/CRM_Token", json!({ "value": format!("{VALUE}-2") })).await;
    client.put("/api/v1/secrets/a", json!({ "value": "一" })).await.ok();
    let list = client.get("/api/v1/secrets").await;
    assert_eq!(list.ok()["items"][0], json!({ "name": "CRM_Token", "created_at": 1_000, "updated_at": 2_000 }));
    assert_eq!(list.ok()["items"].as_array().map(Vec::len), Some(2));
    for answer in [&put, &again, &list] {
        assert!(!answer.text().contains("nobody-reads"), "{}", answer.text());
    }
    assert_eq!(code_of_use(&app.app, "main", "CRM_Token").await, "denied", "it was found, and the host refused");
    assert_eq!(client.delete("/api/v1/secrets/CRM_Token").await.status, 204);
    client.delete("/api/v1/secrets/CRM_Token").await.problem(404, "not_found");
    assert_eq!(code_of_use(&app.app, "main", "CRM_Token").await, "secret_missing");

    let tenant = app.app.first_tenant().await.unwrap().id;
    let log = app.app.storage().list_audit(tenant, None, 10).await.unwrap().items;
    let actions: Vec<_> = log.iter().rev().map(|it| format!("{} {}", it.action, it.subject)).collect();
    assert_eq!(actions, ["secret.put CRM_Token", "secret.put CRM_Token", "secret.put a", "secret.delete CRM_Token"]);
    assert!(log.iter().all(|it| it.actor.starts_with("key/")), "{log:?}");
    for file in std::fs::read_dir(&app.app.config().data).unwrap() {
        let path = file.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        assert!(!bytes.windows(VALUE.len()).any(|it| it == VALUE.as_bytes()), "the value is in {}", path.display());
    }
}

#[tokio::test]
async fn tenants_keep_their_secrets_apart() {
    let app = TestApp::new().await;
    let first = app.key("main", &[Scope::Manage]).await;
    let second = app.key("second", &[Scope::Manage]).await;
    first.put("/api/v1/secrets/TOKEN", json!({ "value": VALUE })).await.ok();
    assert_eq!(second.get("/api/v1/secrets").await.ok()["items"], json!([]));
    second.delete("/api/v1/secrets/TOKEN").await.problem(404, "not_found");
    assert_eq!(code_of_use(&app.app, "second", "TOKEN").await, "secret_missing");
    second.put("/api/v1/secrets/TOKEN", json!({ "value": "theirs" })).await.ok();
    assert_eq!(second.delete("/api/v1/secrets/TOKEN").await.status, 204);
    assert_eq!(code_of_use(&app.app, "main", "TOKEN").await, "denied", "the first tenant's is still there");
    app.key("main", &[Scope::Chat, Scope::Run]).await.get("/api/v1/secrets").await.problem(403, "missing_scope");

    // Copied into another tenant's row, a sealed value does not open.
    let (main, other) = (app.app.first_tenant().await.unwrap().id, app.app.tenant(Some("second")).await.unwrap().id);
    let stolen = app.app.storage().secret(main, "TOKEN").await.unwrap().unwrap();
    app.app.storage().put_secret(other, stolen).await.unwrap();
    assert_eq!(code_of_use(&app.app, "second", "TOKEN").await, "secret_unreadable");
}

#[tokio::test]
async fn names_and_values_that_cannot_be_are_refused() {
    let app = TestApp::new().await;
    let client = app.key("main", &[Scope::Manage]).await;
    let long = "x".repeat(64);
    for name in ["1a", "_a", "a-b", "a%20b", "密钥", long.as_str()] {
        let refused = client.put(&format!("/api/v1/secrets/{name}"), json!({ "value": VALUE })).await;
        assert!(!refused.text().contains(VALUE));
        refused.problem(422, "invalid_input");
    }
    client.put(&format!("/api/v1/secrets/{}", "x".repeat(63)), json!({ "value": "v" })).await.ok();
    for body in [json!({ "value": "" }), json!({ "value": "x".repeat(20_000) }), json!({}), json!({ "value": 7 })] {
        client.put("/api/v1/secrets/A", body).await.problem(422, "invalid_input");
    }
}

#[tokio::test]
async fn the_master_key_is_made_once_and_only_it_opens_what_was_sealed() {
    let app = TestApp::new().await;
    let client = app.key("main", &[Scope::Manage]).await;
    client.put("/api/v1/secrets/TOKEN", json!({ "value": VALUE })).await.ok();
    let file = app.app.config().data.join("master.key");
    let key = std::fs::read_to_string(&file).unwrap();
    assert_eq!(key.trim().len(), 64);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mut config = app.app.config().clone();
    let again = App::open(config.clone()).await.unwrap();
    assert_eq!(code_of_use(&again, "main", "TOKEN").await, "denied");
    config.master_key = Some(MasterKey::read(&"0a".repeat(32)).unwrap());
    assert!(!format!("{config:?}").contains("0a0a"), "the key is in the configuration's own words");
    let other = App::open(config.clone()).await.unwrap();
    assert_eq!(code_of_use(&other, "main", "TOKEN").await, "secret_unreadable");
    std::fs::write(&file, "not a key").unwrap();
    config.master_key = None;
    let error = App::open(config).await.err().map(|it| format!("{it:#}")).unwrap_or_default();
    assert!(error.contains("master.key") && !error.contains("not a key"), "{error}");

    let given = TestApp::with(|config| config.master_key = Some(MasterKey::read(&"0a".repeat(32)).unwrap())).await;
    assert!(!given.app.config().data.join("master.key").exists(), "a key from outside leaves no file");
    for wrong in ["", "0a", &"0g".repeat(32), &"+a".repeat(32), &"é".repeat(32)] {
        assert!(MasterKey::read(wrong).is_err(), "{wrong}");
    }
    assert_eq!(client.get("/api/v1/secrets").await.ok()["items"][0]["name"], Value::from("TOKEN"));
}
