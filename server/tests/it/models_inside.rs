//! Models that the operator names run inside the server: a folder embeds, another reranks, and the API tells how they are.

use knowledge::{LocalModelConfig, ModelSource};
use parlour::app::accounts::Scope;
use parlour::config::TextModel;
use serde_json::json;

use crate::support::TestApp;

/// Tiny ones with random weights, in the form of Hugging Face.
fn model(name: &str) -> LocalModelConfig {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/knowledge/tests/fixtures/xlm_roberta");
    LocalModelConfig {
        source: ModelSource::Folder(std::path::Path::new(fixtures).join(name)),
        ..LocalModelConfig::new("nowhere".into())
    }
}

#[tokio::test]
async fn a_search_is_embedded_and_reranked_by_models_of_folders() {
    let app = TestApp::with(|config| {
        config.embedding = Some(model("embedder"));
        config.reranker = Some(TextModel::Inside(model("reranker")));
    })
    .await;
    let client = app.key("main", &Scope::ALL).await;
    let models = client.get("/api/v1/models").await.ok();
    assert_eq!(
        models["embedding"],
        json!({"state": "ready", "model": "embedder", "done": null, "total": null, "reason": null})
    );
    assert_eq!(models["reranking"]["state"], "ready");
    let list = client.get("/api/v1/embedding-models").await.ok();
    assert_eq!((&list["reranker"], &list["items"][0]["model"]), (&json!("reranker"), &json!("embedder")));

    client.post("/api/v1/knowledge-bases", json!({"name": "menu"})).await.ok();
    let dishes = "name\n清蒸鱼不辣\n麻婆豆腐很辣\n米饭\n".as_bytes();
    client.upload("/api/v1/knowledge-bases/menu/documents?wait=60", "menu.csv", dishes).await.ok();
    app.app.embed_everything().await.unwrap();
    let search = json!({"query": "有没有不辣的菜？", "rerank": true, "top_k": 3});
    let found = client.post("/api/v1/knowledge-bases/menu/search", search).await.ok();
    assert_eq!(found["status"], "ok", "{found}");
    let scores: Vec<f64> =
        found["hits"].as_array().unwrap().iter().map(|it| it["stages"]["rerank"]["score"].as_f64().unwrap()).collect();
    assert_eq!(scores.len(), 3);
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|it| (0.0..=1.0).contains(it)), "{scores:?}");
    assert!(found["hits"][0]["stages"]["dense"]["score"].is_number(), "{found}");
    assert!(client.get("/api/v1/embedding-models").await.ok()["items"][0]["dimensions"] == 32);
}

#[tokio::test]
async fn a_reranker_that_is_not_there_leaves_the_order_and_says_so() {
    let app = TestApp::with(|config| {
        let nowhere = LocalModelConfig { source: ModelSource::Folder("nowhere".into()), ..model("reranker") };
        config.reranker = Some(TextModel::Inside(nowhere));
    })
    .await;
    let client = app.key("main", &Scope::ALL).await;
    client.post("/api/v1/knowledge-bases", json!({"name": "menu"})).await.ok();
    client.upload("/api/v1/knowledge-bases/menu/documents?wait=60", "menu.csv", "name\n米饭\n".as_bytes()).await.ok();
    let search = json!({"query": "米饭", "rerank": true, "mode": "lexical"});
    let found = client.post("/api/v1/knowledge-bases/menu/search", search).await.ok();
    assert_eq!(found["status"], "degraded", "{found}");
    assert_eq!(found["hits"].as_array().unwrap().len(), 1);
    let reason = &found["reasons"][0];
    assert_eq!(reason["code"], "not_reranked", "{found}");
    assert!(
        matches!(reason["values"]["reason"]["code"].as_str(), Some("reranker_missing" | "reranker_failed")),
        "{found}"
    );
    assert_ne!(client.get("/api/v1/models").await.ok()["reranking"]["state"], "ready");
}
