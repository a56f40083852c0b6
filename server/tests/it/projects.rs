//! The shipped projects as their visitors meet them, with the real embedding model and the real plugins.

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::mock_model::MockModel;
use crate::support::{Client, TestApp, model_settings};

/// The embedding model is fetched once per machine (about 90 MB) and shared by all tests.
async fn with_embeddings(model: Option<&MockModel>) -> TestApp {
    let app = TestApp::with(|config| {
        config.embedding = Some(knowledge::LocalModelConfig::new(crate::support::model_dir()));
        config.model = model.map(model_settings);
    })
    .await;
    let local = app.app.local_model().expect("embeddings are on").clone();
    local.ensure(&|_| {}).await.expect("the embedding model can be fetched");
    app
}

/// The answer to a first message, and the run behind it.
async fn ask(client: &Client<'_>, assistant: &str, question: &str) -> (String, Value) {
    let answer = client.ask(assistant, question).await;
    assert_eq!(answer["message"]["status"], "complete", "{question}: {answer}");
    let run = client.get(&format!("/api/v1/runs/{}", answer["run"]["id"].as_str().unwrap())).await.ok();
    (answer["message"]["content"].as_str().unwrap().to_owned(), run)
}

fn node<'a>(run: &'a Value, id: &str) -> &'a Value {
    run["nodes"].as_array().unwrap().iter().find(|it| it["id"] == id).unwrap_or_else(|| panic!("no node {id}: {run}"))
}

/// The nested run of the recommendation workflow.
async fn recommendation(client: &Client<'_>, run: &Value) -> Value {
    let child = run["nodes"].as_array().unwrap().iter().find_map(|it| it["child_run"].as_str());
    client.get(&format!("/api/v1/runs/{}", child.expect("a nested run"))).await.ok()
}

#[tokio::test]
async fn the_restaurant_recommends_spicy_and_mild_dishes_from_its_menu_without_a_model() {
    let app = with_embeddings(None).await;
    app.load("restaurant").await;
    let client = app.key("main", &Scope::ALL).await;
    for (question, port, spicy) in [
        ("喜欢辣味的菜品", "spicy", true),
        ("有没有不辣的", "mild", false),
        ("我想吃辣的", "spicy", true),
        ("老人和小孩不能吃辣，吃什么好", "mild", false),
        ("I like spicy food", "spicy", true),
        ("Do you have anything that is not spicy?", "mild", false),
    ] {
        let (text, run) = ask(&client, "huangmenji", question).await;
        let nested = recommendation(&client, &run).await;
        assert_eq!(node(&nested, "taste")["port"], port, "{question}");
        let dishes = nested["outputs"]["dishes"].as_array().unwrap();
        assert!(!dishes.is_empty(), "{question} found nothing");
        for (place, dish) in dishes.iter().enumerate() {
            let level = dish["spice_level"].as_f64().unwrap();
            assert!(if spicy { level >= 2.0 } else { level == 0.0 }, "{question}: {dish}");
            // As many as `count` says are told; the rest is there for whoever called the workflow.
            if place >= 5 {
                continue;
            }
            let name = if question.is_ascii() { &dish["name_en"] } else { &dish["name"] };
            assert!(text.contains(name.as_str().unwrap()), "{question}: {text}");
        }
        let other = if spicy { "mild" } else { "spicy" };
        assert_eq!(node(&nested, other)["state"], "skipped", "{question}");
    }
}

#[tokio::test]
async fn the_restaurant_answers_what_is_not_about_dishes_from_its_prompt() {
    let model = MockModel::start().await;
    model.reply_to("几点关门", "我们每天晚上十点关门，九点半停止点单。");
    let app = with_embeddings(Some(&model)).await;
    app.load("restaurant").await;
    let client = app.key("main", &Scope::ALL).await;
    let (text, _) = ask(&client, "huangmenji", "你们几点关门").await;
    assert_eq!(text, "我们每天晚上十点关门，九点半停止点单。");
    let sent = model.requests().pop().unwrap().body.to_string();
    assert!(sent.contains("10:00–22:00"), "the prompt has the opening hours: {sent}");
}

#[tokio::test]
async fn the_marketing_assistant_answers_from_the_figures() {
    let app = with_embeddings(None).await;
    app.load("marketing").await;
    // Noon of 2026-11-24 in Shanghai: yesterday is the newest day with figures.
    app.app.clock().hold_at(1_795_492_800_000);
    let client = app.key("main", &Scope::ALL).await;
    let (text, run) = ask(&client, "marketing", "昨天的广告花费").await;
    let nested = recommendation(&client, &run).await;
    assert_eq!(nested["outputs"]["from"], "2026-11-23", "{nested}");
    assert!(text.contains("2026-11-23") || text.contains("11-23"), "{text}");
    let expected = spend_on("2026-11-23");
    let told = nested["outputs"]["total"]["spend"].as_f64().unwrap();
    assert!((told - expected).abs() < 0.01, "{told} is not what the file adds up to: {expected}");

    let (text, run) = ask(&client, "marketing", "有没有异常").await;
    let nested = recommendation(&client, &run).await;
    assert!(!nested["outputs"]["anomalies"].as_array().unwrap().is_empty(), "{text}");
    let (text, _) = ask(&client, "marketing", "How much did we spend yesterday?").await;
    assert!(text.is_ascii() || text.contains('¥'), "asked in English, answered in English: {text}");
}

/// Adds up the shipped file by hand.
fn spend_on(date: &str) -> f64 {
    let path = crate::support::repository().join("workflows/marketing/knowledge/ads/ads.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|it| *it == name).unwrap();
    let (day, spend) = (column("date"), column("spend"));
    let rows = lines.map(|it| it.split(',').collect::<Vec<_>>()).filter(|it| it[day] == date);
    rows.map(|it| it[spend].parse::<f64>().unwrap()).sum()
}

#[tokio::test]
async fn without_the_embedding_model_the_restaurant_still_works_and_says_that_it_is_degraded() {
    let app = TestApp::new().await;
    app.load("restaurant").await;
    let client = app.key("main", &Scope::ALL).await;
    let found = client.post("/api/v1/knowledge-bases/menu/search", json!({ "query": "牛肉" })).await.ok();
    assert_eq!(found["status"], "degraded");
    assert!(found["reason"].as_str().unwrap().len() > 10);
    assert!(!found["hits"].as_array().unwrap().is_empty());
    let (_, run) = ask(&client, "huangmenji", "喜欢辣味的菜品").await;
    let nested = recommendation(&client, &run).await;
    assert_eq!(node(&nested, "menu")["output"]["status"], "degraded", "{nested}");
    assert_eq!(node(&nested, "taste")["port"], "spicy", "an example's own words need no model");
}

#[tokio::test]
async fn a_changed_file_of_a_served_project_is_loaded_again() {
    let app = TestApp::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assistants/desk.yaml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "assistant: desk\nfallback: { say: one }\n").unwrap();
    let tenant = app.app.first_tenant().await.unwrap().id;
    app.app.load_project(tenant, folder.path()).await.unwrap();
    app.app.watch_project(tenant, folder.path().to_owned(), |_, _| {});
    let client = app.key("main", &Scope::ALL).await;
    assert_eq!(ask(&client, "desk", "hi").await.0, "one");
    std::fs::write(&file, "assistant: desk\nfallback: { say: another }\n").unwrap();
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if ask(&client, "desk", "hi").await.0 == "another" {
            let view = client.get("/api/v1/assistants/desk").await.ok();
            assert_eq!(view["version"], 2);
            // A broken edit keeps the last good version.
            std::fs::write(&file, "assistant: desk\nfalback: { say: third }\n").unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
            assert_eq!(ask(&client, "desk", "hi").await.0, "another");
            return;
        }
    }
    panic!("the change was not noticed within 10 s");
}
