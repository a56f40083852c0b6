//! A follow-up in a conversation is searched for as what it means, by a query that a model makes of the conversation.

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::mock_model::{MockModel, Reply};
use crate::support::{Client, TestApp};

const DESK: &str = "assistant: desk\nsystem_prompt: 你是前台。\nknowledge: { use: [handbook], rewrite: true }\nmemory: { window: 3 }\n";
const HANDBOOK: &str = "# 员工手册\n\n## 年假\n\n工作满一年有五天年假。\n\n## 病假\n\n病假需要医院证明。\n";
/// Stands in what the rewriting model is asked, and in nothing else.
const ASKED: &str = "最后一句话：";

async fn desk(app: &TestApp) -> Client<'_> {
    let client = app.key("main", &Scope::ALL).await;
    client.post("/api/v1/knowledge-bases", json!({ "name": "handbook" })).await.ok();
    let documents = "/api/v1/knowledge-bases/handbook/documents?wait=60";
    client.upload(documents, "handbook.md", HANDBOOK.as_bytes()).await.ok();
    client.put("/api/v1/assistants/desk", json!({ "yaml": DESK })).await.ok();
    client
}

/// Says it in a conversation, and gives what its search came to.
async fn searched(client: &Client<'_>, messages: &str, content: &str) -> Value {
    let said = client.post(messages, json!({ "content": content })).await.ok();
    assert_eq!(said["message"]["status"], "complete", "{said}");
    let run = client.get(&format!("/api/v1/runs/{}", said["run"]["id"].as_str().unwrap())).await.ok();
    let found = run["nodes"].as_array().unwrap().iter().find(|it| it["id"] == "knowledge").unwrap().clone();
    assert_eq!(found["state"], "done", "{found}");
    found["output"].clone()
}

#[tokio::test]
async fn a_follow_up_is_searched_for_as_what_it_means() {
    let model = MockModel::start().await;
    model.default_reply("好的。");
    model.reply_to(ASKED, "病假需要什么证明");
    let app = TestApp::with_model(&model).await;
    let client = desk(&app).await;
    let conversation = client.post("/api/v1/conversations", json!({ "assistant": "desk" })).await.ok();
    let messages = format!("/api/v1/conversations/{}/messages", conversation["id"].as_str().unwrap());

    let first = searched(&client, &messages, "年假有几天？").await;
    assert_eq!(first["query"], "年假有几天？");
    assert_eq!(model.requests().len(), 1, "there is nothing to rewrite a first question from");

    let second = searched(&client, &messages, "那不舒服的时候呢？").await;
    assert_eq!(second["query"], "病假需要什么证明");
    assert!(second["hits"][0]["text"].as_str().unwrap().contains("医院证明"), "{second}");
    assert!(second["usage"]["input_tokens"].as_i64().unwrap() > 0, "{second}");
    let requests = model.requests();
    let rewriting = requests[1].last_user_message();
    assert!(rewriting.contains("访客：年假有几天？\n助手：好的。"), "{rewriting}");
    assert!(rewriting.ends_with("那不舒服的时候呢？"), "{rewriting}");
    assert_eq!(requests[2].last_user_message(), "那不舒服的时候呢？", "the visitor's own words are answered");
    assert!(requests[2].system_prompt().contains("医院证明"), "{}", requests[2].system_prompt());

    // A model that fails, or that answers instead, costs nothing but the rewriting, and the search says so.
    model.on(ASKED, Reply::error(400, "no such thing"));
    let third = searched(&client, &messages, "那年假呢？").await;
    assert_eq!((third["query"].as_str(), third["status"].as_str()), (Some("那年假呢？"), Some("degraded")), "{third}");
    let reason = third["reason"].as_str().unwrap();
    assert!(reason.contains("as it was asked") && reason.contains("no such thing"), "{reason}");
    assert!(third["hits"][0]["text"].as_str().unwrap().contains("五天年假"), "{third}");
    model.reply_to(ASKED, &"这是一个很长的回答。".repeat(60));
    let fourth = searched(&client, &messages, "那年假呢？").await;
    assert_eq!(fourth["query"], "那年假呢？");
    assert!(fourth["reason"].as_str().unwrap().contains("more than a query has"), "{fourth}");
}

#[tokio::test]
async fn a_workflow_rewrites_with_the_model_that_it_names_and_its_replay_asks_nobody() {
    let model = MockModel::start().await;
    model.reply_to("The last sentence", "What proof does sick leave need? 病假");
    let app = TestApp::with_model(&model).await;
    let client = desk(&app).await;
    let yaml = "workflow: look\nnodes:\n  found: { use: retrieve, with: { knowledge_bases: [handbook], query: \"{{ chat.message }}\", rewrite: default } }\n  said: { use: answer, with: { text: \"{{ found.query }}\" } }\n";
    client.put("/api/v1/workflows/look", json!({ "yaml": yaml })).await.ok();
    client
        .put("/api/v1/assistants/english", json!({ "yaml": "assistant: english\nfallback: workflow/look\n" }))
        .await
        .ok();
    let body = json!({ "model": "english", "messages": [
        { "role": "user", "content": "How many days off?" }, { "role": "assistant", "content": "Five." },
        { "role": "user", "content": "and when I am ill?" } ] });
    let answer = client.post("/v1/chat/completions", body).await.ok();
    assert_eq!(answer["choices"][0]["message"]["content"], "What proof does sick leave need? 病假", "{answer}");

    let asked = model.requests().len();
    let runs = client.get("/api/v1/runs?workflow=look").await.ok();
    let run = runs["items"][0]["id"].as_str().unwrap();
    let replayed = client.post(&format!("/api/v1/runs/{run}/replay"), json!({})).await.ok();
    let path = format!("/api/v1/runs/{}", replayed["id"].as_str().unwrap());
    let mut again = client.get(&path).await.ok();
    for _ in 0..100 {
        if again["status"] == "finished" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        again = client.get(&path).await.ok();
    }
    assert_eq!(again["answer"], "What proof does sick leave need? 病假", "{again}");
    assert_eq!(model.requests().len(), asked);
}
