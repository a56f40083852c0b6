//! Models behind HTTP: what is sent, what is waited for, and that every answer which cannot be used is told in words that
//! hold no key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::server::{Answer, Asked, Server, json as answer, status};
use crate::support::{Hashing, ask, client, menu, menu_of, search};
use knowledge::{
    EmbedError, Embedder, HttpReranker, HttpRerankerConfig, Knowledge, OpenAiConfig, OpenAiEmbedder, Prefixes, Purpose,
    RerankError, Reranker, SearchMode, SearchRequest, SearchStatus,
};
use serde_json::{Value, json};

const KEY: &str = "sk-very-secret-1234";

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|it| (*it).to_owned()).collect()
}

/// A vector of two for each text, out of order as some providers do.
fn vectors(asked: &Asked) -> Value {
    let input = asked.body["input"].as_array().unwrap();
    let mut data: Vec<Value> = input
        .iter()
        .enumerate()
        .map(|(at, text)| json!({"index": at, "embedding": [text.as_str().unwrap().chars().count(), 1]}))
        .collect();
    data.reverse();
    json!({"object": "list", "data": data, "model": "m", "usage": {"total_tokens": 1}})
}

fn config(server: &Server) -> OpenAiConfig {
    OpenAiConfig {
        key: Some(KEY.to_owned()),
        name: "PROVIDER/m".to_owned(),
        ..OpenAiConfig::new(format!("{}/v1/", server.url), "m")
    }
}

async fn failing(config: OpenAiConfig) -> String {
    let embedder = OpenAiEmbedder::new(config, client());
    let error = embedder.embed(&texts(&["a", "b"]), Purpose::Passage).await.unwrap_err();
    assert!(matches!(error, EmbedError::Provider { .. }) && error.hint().is_some());
    let told = format!("{error} {error:?} {:?}", error.hint());
    assert!(!told.contains(KEY), "{told}");
    error.to_string()
}

#[tokio::test]
async fn vectors_come_in_the_order_of_the_texts_and_normalised() {
    let server = Server::start(|_, asked| answer(&vectors(asked))).await;
    let config = OpenAiConfig {
        prefixes: Prefixes { query: "query: ".to_owned(), passage: "p:".to_owned() },
        batch_texts: 2,
        ..config(&server)
    };
    let embedder = OpenAiEmbedder::new(config, client());
    assert_eq!((embedder.model(), embedder.dimensions(), embedder.batch()), ("PROVIDER/m", 0, 8));
    let made = embedder.embed(&texts(&["一", "二二", "三三三"]), Purpose::Passage).await.unwrap();
    assert_eq!(embedder.dimensions(), 2);
    for (vector, letters) in made.iter().zip([3f32, 4.0, 5.0]) {
        let length = (letters * letters + 1.0).sqrt();
        assert!((vector[0] - letters / length).abs() < 1e-6, "{vector:?}");
    }
    embedder.embed(&texts(&["x"]), Purpose::Query).await.unwrap();
    assert!(embedder.embed(&[], Purpose::Query).await.unwrap().is_empty());
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[2].body, json!({"model": "m", "input": ["query: x"], "encoding_format": "float"}));
    assert!(asked.iter().all(|it| it.path == "/v1/embeddings" && it.headers.contains(&format!("bearer {KEY}"))));
    let mut sizes: Vec<usize> = asked.iter().map(|it| it.body["input"].as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 2]);
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_told() {
    let two = |a: Value, b: Value| json!({"data": [{"index": 0, "embedding": a}, {"index": 1, "embedding": b}]});
    for (given, told) in [
        (json!({"data": [{"index": 0, "embedding": [1]}]}), "1 vectors for 2 texts"),
        (two(json!([1, 2]), json!([1])), "1 dimensions instead of 2"),
        (two(json!([1, null]), json!([1, 1])), "no numbers"),
        (two(json!([0, 0]), json!([1, 1])), "zeros"),
        (two(json!([]), json!([])), "0 dimensions"),
        (json!({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}), "two vectors for text 0"),
        (json!({"data": [{"index": 0, "embedding": [1]}, {"index": 7, "embedding": [1]}]}), "text 7 of 2"),
        (json!({"object": "hello"}), "not of the form"),
        (json!({"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAA"}]}), "not of the form"),
    ] {
        let body = given.clone();
        let server = Server::start(move |_, _| answer(&body)).await;
        let error = failing(config(&server)).await;
        assert!(error.contains(told), "{given}: {error}");
        assert_eq!(server.asked().len(), 1, "asking again changes nothing");
    }
    // What JSON cannot say some servers write all the same.
    let server = Server::start(|_, _| {
        status(200, "", r#"{"data": [{"index": 0, "embedding": [NaN]}, {"index": 1, "embedding": [1]}]}"#)
    })
    .await;
    assert!(failing(config(&server)).await.contains("not of the form"));
    // Another length than the one of the vectors that are stored.
    let server = Server::start(|_, asked| answer(&vectors(asked))).await;
    let error = failing(OpenAiConfig { dimensions: Some(384), ..config(&server) }).await;
    assert!(error.contains("2 dimensions instead of 384"), "{error}");
}

#[tokio::test]
async fn refusals_are_told_and_busy_providers_waited_for() {
    let refusal = format!(r#"{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}"#);
    let server = Server::start(move |_, _| status(401, "", &refusal)).await;
    let error = failing(config(&server)).await;
    assert!(error.contains("refused: status 401: Incorrect API key provided: …"), "{error}");
    assert_eq!(server.asked().len(), 1);

    let server = Server::start(|number, asked| match number {
        0 => status(429, "retry-after: 1\r\n", r#"{"error": {"message": "slow down"}}"#),
        1 => status(503, "", "<html>"),
        _ => answer(&vectors(asked)),
    })
    .await;
    let began = Instant::now();
    let embedder = OpenAiEmbedder::new(config(&server), client());
    embedder.embed(&texts(&["a"]), Purpose::Passage).await.unwrap();
    assert_eq!(server.asked().len(), 3);
    assert!(began.elapsed() >= Duration::from_millis(1250), "one second as asked, and a quarter of our own");

    let server = Server::start(|_, _| status(500, "", r#"{"detail": "out of memory"}"#)).await;
    let error = failing(OpenAiConfig { retries: 1, ..config(&server) }).await;
    assert!(error.contains("cannot be reached: status 500: out of memory"), "{error}");
    assert_eq!(server.asked().len(), 2);

    // Whoever says to come in an hour is not waited for.
    let server = Server::start(|_, _| status(429, "retry-after: 3600\r\n", "{}")).await;
    assert!(failing(config(&server)).await.contains("status 429"));
    assert_eq!(server.asked().len(), 1);

    let server = Server::start(|_, asked| Answer { delay: Duration::from_secs(30), ..answer(&vectors(asked)) }).await;
    let began = Instant::now();
    let error = failing(OpenAiConfig { timeout: Duration::from_millis(300), ..config(&server) }).await;
    assert!(error.contains("no answer within") && began.elapsed() < Duration::from_secs(5), "{error}");

    let nobody = OpenAiConfig { retries: 0, ..OpenAiConfig::new("http://127.0.0.1:9/v1", "m") };
    assert!(failing(nobody).await.contains("cannot be reached"));
}

#[tokio::test]
async fn requests_keep_to_the_number_of_lanes() {
    let server =
        Server::start(|_, asked| Answer { delay: Duration::from_millis(100), ..answer(&vectors(asked)) }).await;
    let config = OpenAiConfig { batch_texts: 1, concurrency: 2, ..config(&server) };
    let embedder = OpenAiEmbedder::new(config, client());
    let began = Instant::now();
    embedder.embed(&texts(&["a", "b", "c", "d", "e", "f"]), Purpose::Passage).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300), "six questions on two lanes are three rounds");
}

/// Answers with the texts' lengths as scores, the shortest as the best, in the order of the scores.
fn shortest_first(asked: &Asked) -> Value {
    let documents = asked.body["documents"].as_array().unwrap();
    let mut results: Vec<(usize, f64)> = documents
        .iter()
        .enumerate()
        .map(|(at, it)| (at, 1.0 / (1.0 + it.as_str().unwrap().chars().count() as f64)))
        .collect();
    results.sort_by(|a, b| b.1.total_cmp(&a.1));
    let results: Vec<Value> = results.iter().map(|(at, it)| json!({"index": at, "relevance_score": it})).collect();
    json!({"results": results, "meta": {}})
}

fn reranker(server: &Server) -> HttpRerankerConfig {
    HttpRerankerConfig { key: Some(KEY.to_owned()), ..HttpRerankerConfig::new(format!("{}/v1", server.url), "r") }
}

async fn searched(config: HttpRerankerConfig, min_score: Option<f64>) -> knowledge::SearchResponse {
    let dir = tempfile::tempdir().unwrap();
    let base = menu_of(Some(Hashing::new("m") as Arc<dyn Embedder>));
    let knowledge = Knowledge::open(dir.path().to_owned()).unwrap();
    knowledge.put_document("tenant-a", &base, menu(), &|_| {}).await.unwrap();
    let reranker: Arc<dyn Reranker> = Arc::new(HttpReranker::new(config, client()));
    let request = SearchRequest { reranker: Some(reranker), min_score, ..ask(&base, "豆腐", SearchMode::Hybrid) };
    search(&knowledge, request).await
}

#[tokio::test]
async fn a_reranker_decides_the_order_and_its_scores_are_the_hits() {
    let server = Server::start(|number, asked| match number {
        0 => status(429, "retry-after: 0\r\n", "{}"),
        _ => answer(&shortest_first(asked)),
    })
    .await;
    let response = searched(reranker(&server), None).await;
    assert_eq!((response.status, response.reason()), (SearchStatus::Ok, None));
    assert_eq!(response.hits.len(), 5);
    assert!(response.timings.rerank_ms.is_some());
    for (hit, rank) in response.hits.iter().zip(1u32..) {
        let stage = hit.stages.rerank.unwrap();
        assert_eq!((stage.rank, stage.score), (rank, hit.score));
        assert!(hit.stages.fused.is_some());
    }
    assert!(response.hits.is_sorted_by_key(|it| it.text.chars().count()));
    {
        let asked = server.asked();
        assert_eq!((asked.len(), asked[1].path.as_str()), (2, "/v1/rerank"));
        assert_eq!(asked[1].body["query"], "豆腐");
        assert_eq!(asked[1].body["top_n"], asked[1].body["documents"].as_array().unwrap().len());
        assert!(asked[1].headers.contains(&format!("bearer {KEY}")));
    }
    let best = response.hits[0].score;
    let response = searched(reranker(&server), Some(best + 0.1)).await;
    assert_eq!((response.status, response.hits.len()), (SearchStatus::BelowThreshold, 0));
    assert!(response.reason().unwrap().contains(&format!("{best:.3}")));
}

#[tokio::test]
async fn without_its_reranker_a_search_keeps_the_fused_order_and_says_so() {
    let server = Server::start(|_, asked| answer(&shortest_first(asked))).await;
    let good = searched(reranker(&server), None).await;
    assert!(good.hits[0].stages.rerank.is_some());
    let echo = format!(r#"{{"message": "{KEY} is unknown"}}"#);
    let cases: Vec<(Server, &str)> = vec![
        (Server::start(move |_, _| status(403, "", &echo)).await, "refused: status 403: … is unknown"),
        (Server::start(|_, _| status(500, "", "{}")).await, "cannot be reached: status 500"),
        (Server::start(|_, _| answer(&json!({"results": []}))).await, "scored 0 of"),
        (Server::start(|_, _| answer(&json!([1, 2]))).await, "not of the form"),
        (
            Server::start(|_, _| answer(&json!({"results": [{"index": 99, "relevance_score": 1}]}))).await,
            "scored text 99",
        ),
    ];
    for (server, told) in &cases {
        let response = searched(reranker(server), Some(0.0)).await;
        assert_eq!(response.status, SearchStatus::Degraded);
        let reason = response.reason().unwrap();
        assert!(reason.contains(told) && reason.contains("order without it"), "{told}: {reason}");
        assert!(reason.contains("threshold") && !reason.contains(KEY), "{reason}");
        assert_eq!(response.hits.len(), 5);
        assert!(response.hits.iter().all(|it| it.stages.rerank.is_none()));
        assert!(response.hits.is_sorted_by(|a, b| a.score >= b.score));
    }
    let nowhere = HttpRerankerConfig::new("http://127.0.0.1:9/rerank", "r");
    let response = searched(nowhere, None).await;
    assert!(response.reason().unwrap().contains("the reranker cannot be reached"));
}

#[tokio::test]
async fn a_slow_reranker_is_not_waited_for_longer_than_said() {
    let server =
        Server::start(|_, asked| Answer { delay: Duration::from_secs(30), ..answer(&shortest_first(asked)) }).await;
    let config = HttpRerankerConfig { timeout: Duration::from_millis(200), ..reranker(&server) };
    let error = HttpReranker::new(config, client()).rerank("q", &texts(&["a"])).await.unwrap_err();
    assert!(matches!(error, RerankError::Unreachable { .. }), "{error}");
}
