//! The client against the repository's scripted model, which is so shown to speak the wire that the client reads; and
//! what a cassette cannot show: an unreachable address, a dropped future, a list of models, an Ollama nearby.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is test code; what fails here fails the test")]

#[path = "../../../tests/it/support/mock_model.rs"]
mod mock_model;

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use mock_model::{MockModel, Reply};
use model_client::{Completion, CompletionRequest, Message, ModelClient, ModelConfig, ModelDelta, ModelError, Role};
use serde_json::{Value, json};

fn http() -> reqwest::Client {
    model_client::install_tls_provider();
    reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(2)).build().unwrap()
}

fn client_of(base_url: &str, model: &str) -> ModelClient {
    let mut config = ModelConfig::new(base_url, model);
    config.first_backoff = Duration::from_millis(10);
    ModelClient::new(config, http()).unwrap()
}

fn question(text: &str) -> CompletionRequest {
    CompletionRequest { messages: vec![Message::new(Role::User, text)], ..CompletionRequest::default() }
}

async fn ask(client: &ModelClient, request: CompletionRequest) -> (Result<Completion, ModelError>, Vec<ModelDelta>) {
    let mut deltas = Vec::new();
    let result = client.complete(request, &mut |delta| deltas.push(delta)).await;
    (result, deltas)
}

fn intent_schema() -> Value {
    json!({
        "type": "object",
        "properties": { "intent": { "type": "string", "enum": ["recommend", "other"] } },
        "required": ["intent"],
        "additionalProperties": false,
    })
}

#[tokio::test]
async fn the_newest_rule_whose_words_stand_in_the_question_answers() {
    let mock = MockModel::start().await;
    mock.default_reply("没听懂。").reply_to("关门", "九点。").reply_to("几点关门", "我们晚上十点关门。");
    let client = client_of(mock.base_url(), mock_model::MOCK_MODEL);
    let (answer, deltas) = ask(&client, question("你们几点关门？")).await;
    let answer = answer.unwrap();
    assert_eq!((answer.text.as_str(), deltas.len()), ("我们晚上十点关门。", 9));
    assert!(answer.usage.reported && answer.usage.output_tokens == 9, "{:?}", answer.usage);
    assert_eq!(ask(&client, question("你好")).await.0.unwrap().text, "没听懂。");
    let asked = mock.requests();
    assert_eq!((asked.len(), asked[0].last_user_message(), &asked[0].authorization), (2, "你们几点关门？", &None));
}

#[tokio::test]
async fn a_question_for_json_gets_json_that_fits_the_schema() {
    let mock = MockModel::start().await;
    mock.reply_to("spicy", "words");
    let client = client_of(mock.base_url(), "any");
    let request = || CompletionRequest { schema: Some(intent_schema()), ..question("something spicy") };
    assert_eq!(ask(&client, request()).await.0.unwrap().text, r#"{"intent":"recommend"}"#);
    mock.reply_json_to("spicy", &json!({ "intent": "other" }));
    assert_eq!(ask(&client, request()).await.0.unwrap().text, r#"{"intent":"other"}"#);
}

#[tokio::test]
async fn scripted_trouble_arrives_as_errors_in_words() {
    let mock = MockModel::start().await;
    mock.on("busy", Reply::error(503, "try later").times(2)).reply_to("dead", "never");
    mock.on("cut", Reply::text("one two three").dropped_after(2)).on("dead", Reply::text("one two").silent_after(1));
    let mut config = ModelConfig::new(mock.base_url(), "any");
    config.first_backoff = Duration::from_millis(5);
    config.between_tokens_timeout = Duration::from_millis(200);
    let client = ModelClient::new(config, http()).unwrap();
    assert_eq!(ask(&client, question("busy")).await.0.unwrap().text, "You said: busy");
    assert_eq!(mock.requests().len(), 3);
    let (cut, deltas) = ask(&client, question("cut")).await;
    assert_eq!((cut.unwrap_err().code(), deltas.len()), ("unavailable", 2));
    let (dead, deltas) = ask(&client, question("dead")).await;
    assert_eq!((dead.unwrap_err().code(), deltas.len()), ("timeout", 1));
}

#[tokio::test]
async fn dropping_the_future_cancels_at_once() {
    let mock = MockModel::start().await;
    mock.on("", Reply::text("one two three four five six").delay(Duration::from_millis(50)));
    let client = client_of(mock.base_url(), "any");
    let mut deltas = Vec::new();
    let mut keep = |delta| deltas.push(delta);
    let asked = client.complete(question("count"), &mut keep);
    assert!(tokio::time::timeout(Duration::from_millis(180), asked).await.is_err());
    let seen = deltas.len();
    assert!((1..6).contains(&seen), "{seen}");
}

#[tokio::test]
async fn keys_models_and_their_absence_are_told() {
    let mock = MockModel::start().await;
    mock.require_key("sk-right").only_models(&["b", "a"]);
    let stranger = client_of(mock.base_url(), "a");
    let error = ask(&stranger, question("hello")).await.0.unwrap_err();
    assert_eq!(error.code(), "unauthorized");
    assert!(error.hint().unwrap().starts_with("set PARLOUR_MODEL_API_KEY"), "{:?}", error.hint());
    assert_eq!(stranger.list_models().await.unwrap_err().code(), "unauthorized");

    let mut config = ModelConfig::new(mock.base_url(), "c");
    config.api_key = Some(" sk-right\n".to_owned());
    let client = ModelClient::new(config, http()).unwrap();
    assert_eq!(client.list_models().await.unwrap(), ["a", "b"]);
    let error = ask(&client, question("hello")).await.0.unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("check PARLOUR_MODEL_NAME; the provider has a, b"));
    assert!(!format!("{client:?}").contains("sk-right"));
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_told_at_once() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let started = Instant::now();
    let client = client_of(&format!("http://{free}/v1/chat/completions"), "any");
    assert_eq!(client.base_url(), format!("http://{free}/v1"));
    let error = ask(&client, question("hello")).await.0.unwrap_err();
    assert_eq!(error.code(), "unavailable");
    assert!(error.author_message().to_lowercase().contains("refused"), "{}", error.author_message());
    assert!(error.hint().unwrap().starts_with("is the model server running"), "{:?}", error.hint());
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_key_that_no_header_can_carry_is_refused() {
    for key in ["sk-密钥", "sk-a\nb"] {
        let mut config = ModelConfig::new("http://127.0.0.1:1", "any");
        config.api_key = Some(key.to_owned());
        assert!(!format!("{config:?}").contains(key));
        let error = ModelClient::new(config, http()).unwrap_err();
        assert_eq!(error.code(), "unauthorized");
    }
}

#[tokio::test]
async fn a_local_ollama_is_found_and_nothing_else_is_taken_for_one() {
    let tags = json!({ "models": [{ "name": "qwen2.5:7b", "size": 1 }, { "name": "gemma3:4b" }] });
    let ollama = Router::new()
        .route("/api/tags", get(move || async move { axum::Json(tags) }))
        .route("/other/api/tags", get(|| async { "hello" }))
        .route("/slow/api/tags", get(std::future::pending::<&str>));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, ollama).await.unwrap() });
    for given in [base.clone(), format!("{base}/"), format!("{base}/v1/")] {
        let found = model_client::find_ollama(&http(), &given).await;
        assert_eq!(found, Some(vec!["qwen2.5:7b".to_owned(), "gemma3:4b".to_owned()]), "{given}");
    }
    assert_eq!(model_client::find_ollama(&http(), &format!("{base}/other")).await, None);
    let started = Instant::now();
    assert_eq!(model_client::find_ollama(&http(), &format!("{base}/slow")).await, None);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    server.abort();
}

/// With a real model behind the wire: `PARLOUR_TEST_REAL_MODEL_URL`, which `server/tests/clients/smollm` can serve.
#[tokio::test]
async fn a_real_model_streams_and_obeys_a_schema() {
    let Ok(url) = std::env::var("PARLOUR_TEST_REAL_MODEL_URL") else {
        println!("skipped: PARLOUR_TEST_REAL_MODEL_URL is not set");
        return;
    };
    let listed = client_of(&url, "unknown").list_models().await.unwrap();
    let client = client_of(&url, &listed[0]);
    let started = Instant::now();
    let request = CompletionRequest { max_tokens: Some(64), ..question("What is the capital of France?") };
    let (answer, deltas) = ask(&client, request).await;
    let answer = answer.unwrap();
    println!("{:?} after {:?}: {:?} in {} deltas", answer.text, started.elapsed(), answer.usage, deltas.len());
    assert!(deltas.len() > 1 && answer.usage.reported, "{answer:?}");
    let request = CompletionRequest { schema: Some(intent_schema()), max_tokens: Some(40), ..question("I like chili") };
    let text = ask(&client, request).await.0.unwrap().text;
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(matches!(value["intent"].as_str(), Some("recommend" | "other")), "{text}");
    let error = ask(&client_of(&url, "unknown"), question("hello")).await.0.unwrap_err();
    assert!(error.hint().unwrap().contains(&listed[0]), "{:?}", error.hint());
}
