//! Models in the form of Hugging Face against the library `transformers`: two tiny XLM-RoBERTa with random weights and a real
//! vocabulary, and what `fixtures/xlm_roberta/make.py` says should come out. And a hub that has them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use knowledge::{
    EmbedError, Embedder as _, LocalEmbedder, LocalModelConfig, LocalReranker, LocalTokens, ModelSource, ModelState,
    Purpose, RerankError, Reranker as _, TokenCounter as _,
};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::fetch::{page, serve};
use crate::support::client;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Expected {
    pairs: Vec<Pair>,
    embeddings: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Pair {
    query: String,
    text: String,
    logit: f64,
}

#[derive(Deserialize)]
struct Embedding {
    text: String,
    cls: Vec<f32>,
    mean: Vec<f32>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/xlm_roberta")
}

fn expected() -> Expected {
    serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap()
}

fn folder(path: &Path) -> LocalModelConfig {
    LocalModelConfig { source: ModelSource::Folder(path.to_owned()), ..LocalModelConfig::new(PathBuf::from("nowhere")) }
}

/// A copy of a fixture's files that a test may change.
fn copy(of: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(fixtures().join(of).join(file), dir.path().join(file)).unwrap();
    }
    dir
}

fn change(dir: &Path, file: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let path = dir.join(file);
    let mut value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// As a classifier has, that is no reranker.
fn give_two_labels(weights: &Path) {
    let bytes = std::fs::read(weights).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let twice: Vec<(String, Vec<u8>)> = ["classifier.out_proj.weight", "classifier.out_proj.bias"]
        .map(|name| (name.to_owned(), tensors.tensor(name).unwrap().data().repeat(2)))
        .into();
    let mut changed: Vec<(String, TensorView<'_>)> = tensors.tensors();
    changed.retain(|(name, _)| twice.iter().all(|(it, _)| it != name));
    for (name, data) in &twice {
        let before = tensors.tensor(name).unwrap();
        let mut shape = before.shape().to_vec();
        shape[0] = 2;
        changed.push((name.clone(), TensorView::new(before.dtype(), shape, data).unwrap()));
    }
    std::fs::write(weights, safetensors::serialize(changed, None).unwrap()).unwrap();
}

#[tokio::test]
async fn vectors_are_those_of_transformers_with_either_pooling() {
    let first = LocalEmbedder::new(folder(&fixtures().join("embedder")), client());
    let mean_folder = copy("embedder");
    let mean = LocalEmbedder::new(folder(mean_folder.path()), client());
    assert_eq!(first.dimensions(), 0, "which is not known before it is loaded");
    for Embedding { text, cls, mean: mean_expected } in expected().embeddings {
        let text = vec![text];
        let made = first.embed(&text, Purpose::Passage).await.unwrap();
        assert!(cosine(&made[0], &cls) > 0.995, "{}: {}", text[0], cosine(&made[0], &cls));
        let made = mean.embed(&text, Purpose::Query).await.unwrap();
        assert!(cosine(&made[0], &mean_expected) > 0.995, "{}: {}", text[0], cosine(&made[0], &mean_expected));
        assert!(cosine(&cls, &mean_expected) < 0.99, "the two poolings can be told apart");
    }
    assert_eq!(first.dimensions(), 32);
    assert_eq!(first.model(), "embedder");
}

#[tokio::test]
async fn scores_are_those_of_transformers_in_halves_of_floats() {
    let reranker = LocalReranker::new(folder(&fixtures().join("reranker")), client(), PATIENCE);
    let mut seen = 0;
    for Pair { query, text, logit } in expected().pairs {
        // There, a pair with nothing is no pair.
        if text.is_empty() {
            continue;
        }
        let score = reranker.rerank(&query, std::slice::from_ref(&text)).await.unwrap()[0];
        let exact = 1.0 / (1.0 + (-logit).exp());
        assert!((score - exact).abs() < 0.02, "{query} · {text}: {score:.4}, and {exact:.4} is expected");
        seen += 1;
    }
    assert!(seen > 5);
}

#[tokio::test]
async fn a_text_has_the_same_score_alone_and_in_company() {
    let reranker = LocalReranker::new(folder(&fixtures().join("reranker")), client(), PATIENCE);
    let texts: Vec<String> = (0..30).map(|it| format!("第{it}道菜 dish {it} {}", "很辣 ".repeat(it))).collect();
    let together = reranker.rerank("有没有不辣的菜？", &texts).await.unwrap();
    assert_eq!(together.len(), 30);
    for (text, score) in texts.iter().zip(&together).step_by(7) {
        let alone = reranker.rerank("有没有不辣的菜？", std::slice::from_ref(text)).await.unwrap()[0];
        assert!((alone - score).abs() < 1e-3, "{text}: {alone} and {score}");
    }
    let long = "very spicy ".repeat(20_000);
    assert_eq!(reranker.rerank(&long, &[long.clone(), String::new()]).await.unwrap().len(), 2);
    assert!(reranker.rerank("x", &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reranker_that_takes_too_long_is_not_waited_for() {
    let reranker = LocalReranker::new(folder(&fixtures().join("reranker")), client(), Duration::ZERO);
    let texts: Vec<String> = (0..200).map(|it| format!("dish {it} {}", "very spicy ".repeat(50))).collect();
    let error = reranker.rerank("spicy", &texts).await.unwrap_err();
    assert!(matches!(error, RerankError::Slow { .. }), "{error}");
}

#[tokio::test]
async fn what_cannot_run_is_told_in_words() {
    let embedder = LocalReranker::new(folder(&fixtures().join("embedder")), client(), PATIENCE);
    let error = embedder.rerank("a", &["b".to_owned()]).await.unwrap_err();
    assert!(matches!(&error, RerankError::Failed { reason } if reason.contains("no reranker")), "{error}");
    let labels = copy("reranker");
    give_two_labels(&labels.path().join("model.safetensors"));
    let error = LocalReranker::new(folder(labels.path()), client(), PATIENCE).rerank("a", &["b".to_owned()]).await;
    assert!(matches!(&error, Err(RerankError::Failed { reason }) if reason.contains("several labels")), "{error:?}");
    let nowhere = LocalEmbedder::new(folder(Path::new("nowhere")), client());
    let error = nowhere.ensure(&|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("`config.json`") && error.contains("`model.safetensors`"), "{error}");

    type Change = fn(&Path);
    let cases: [(&str, Change); 8] = [
        ("`deberta-v2`", |dir| change(dir, "config.json", |it| it["model_type"] = json!("deberta-v2"))),
        ("`relu`", |dir| change(dir, "config.json", |it| it["hidden_act"] = json!("relu"))),
        ("do not fit each other", |dir| change(dir, "config.json", |it| it["num_attention_heads"] = json!(5))),
        ("too few for the sizes", |dir| change(dir, "config.json", |it| it["hidden_size"] = json!(64))),
        ("WordPiece", |dir| {
            change(dir, "tokenizer.json", |it| it["model"] = json!({"type": "WordPiece", "vocab": {}}));
        }),
        ("normalisation map", |dir| {
            change(dir, "tokenizer.json", |it| it["normalizer"] = json!({"precompiled_charsmap": "////"}));
        }),
        ("ends too early", |dir| {
            let path = dir.join("model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
        }),
        ("header is too long", |dir| std::fs::write(dir.join("model.safetensors"), [0xFF; 64]).unwrap()),
    ];
    for (told, change) in cases {
        let dir = copy("embedder");
        change(dir.path());
        let model = LocalEmbedder::new(folder(dir.path()), client());
        let error = model.embed(&["a".to_owned()], Purpose::Query).await.unwrap_err();
        assert!(matches!(&error, EmbedError::Failed { reason } if reason.contains(told)), "{told}: {error}");
        assert!(matches!(model.state(), ModelState::Failed { .. }));
    }
}

/// What a hub with the fixture's reranker answers; `wrong` is a file whose checksum it gets wrong.
fn answers(head: &str, wrong: &str, breaks_off: &Mutex<bool>) -> Vec<u8> {
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let read = |name: &str| std::fs::read(fixtures().join("reranker").join(name)).unwrap_or_default();
    if path == "/api/models/owner/tiny-reranker/revision/main?blobs=true" {
        let files = ["config.json", "tokenizer.json", "model.safetensors", "README.md"].map(|name| {
            let bytes = read(name);
            let mut told = json!({"rfilename": name, "size": bytes.len(), "blobId": "0"});
            if name.ends_with(".safetensors") || name == wrong {
                let sum: String = Sha256::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect();
                told["lfs"] = json!({"sha256": if name == wrong { "00" } else { &sum }, "size": bytes.len()});
            }
            told
        });
        return page("application/json", &json!({"sha": "c0ffee", "siblings": files}).to_string());
    }
    let Some(name) = path.strip_prefix("/owner/tiny-reranker/resolve/c0ffee/") else {
        return b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
    };
    let bytes = read(name);
    let range = head.lines().find_map(|it| it.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let from: usize = range.map_or(0, |it| it.trim_end_matches('-').parse().unwrap());
    let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
    let rest = &bytes[from..];
    let mut answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rest.len()).into_bytes();
    let cut = name == "model.safetensors" && std::mem::take(&mut *breaks_off.lock().unwrap());
    answer.extend_from_slice(if cut { &rest[..50_000] } else { rest });
    answer
}

fn on_hub(dir: &Path, address: &str, id: &str) -> LocalModelConfig {
    LocalModelConfig { source: ModelSource::named(id, address).unwrap(), ..LocalModelConfig::new(dir.to_owned()) }
}

#[tokio::test]
async fn a_model_of_a_hub_is_fetched_once_and_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let breaks_off = Arc::new(Mutex::new(true));
    let (address, heads) = serve({
        let breaks_off = breaks_off.clone();
        move |head| answers(head, "", &breaks_off)
    })
    .await;
    let config = on_hub(dir.path(), &address, "owner/tiny-reranker");
    assert!(matches!(LocalTokens::open(&config), Err(EmbedError::Missing)));
    let reranker = LocalReranker::new(config.clone(), client(), PATIENCE);
    assert_eq!((reranker.name(), reranker.state()), ("owner/tiny-reranker@main", ModelState::Missing));
    let texts = ["清蒸鱼不辣".to_owned()];
    assert!(matches!(reranker.rerank("a", &texts).await, Err(RerankError::Missing)));

    // As an earlier commit's would have been left.
    let other = config.folder().join("model.safetensors.0ther.part");
    std::fs::create_dir_all(config.folder()).unwrap();
    std::fs::write(&other, "half").unwrap();
    let error = reranker.ensure(&|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("stopped"), "{error}");
    assert!(matches!(reranker.rerank("a", &texts).await, Err(RerankError::Failed { .. })));
    let told = Mutex::new(Vec::new());
    reranker.ensure(&|it| told.lock().unwrap().push((it.done, it.total))).await.unwrap();
    let told = told.into_inner().unwrap();
    let last = told.last().unwrap();
    assert_eq!(Some(last.0), last.1, "{told:?}");
    assert!(!other.exists());
    assert!(heads.lock().unwrap().iter().any(|it| it.to_ascii_lowercase().contains("range: bytes=50000-")));

    let here = LocalReranker::new(folder(&fixtures().join("reranker")), client(), PATIENCE);
    assert_eq!(reranker.rerank("a", &texts).await.unwrap(), here.rerank("a", &texts).await.unwrap());
    let asked = heads.lock().unwrap().len();
    LocalReranker::new(config.clone(), client(), PATIENCE).ensure(&|_| {}).await.unwrap();
    assert_eq!(heads.lock().unwrap().len(), asked, "what is there is not asked for");
    assert!(LocalTokens::open(&config).unwrap().count("清蒸鱼不辣") > 2);
}

#[tokio::test]
async fn a_hub_that_cannot_give_the_model_is_told_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let never = Arc::new(Mutex::new(false));
    let (address, _) = serve(move |head| answers(head, "tokenizer.json", &never)).await;
    let reason =
        async |id: &str, address: &str| on_hub(dir.path(), address, id).fetch(&client(), &|_| {}).await.unwrap_err();
    let damaged = reason("owner/tiny-reranker", &address).await;
    assert!(damaged.contains("checksum"), "{damaged}");
    let private = reason("owner/other@v2", &address).await;
    assert!(private.contains("no public model `owner/other` with a revision `v2`"), "{private}");
    let away = reason("owner/tiny-reranker", "http://127.0.0.1:9").await;
    assert!(away.contains("cannot be reached") && away.contains("HF_ENDPOINT"), "{away}");
    let (page_of_it, _) = serve(|_| page("text/html", "<html>sign in</html>")).await;
    let strange = reason("owner/tiny-reranker", &page_of_it).await;
    assert!(strange.contains("does not answer as a hub does"), "{strange}");
    let (bare, _) = serve(|_| page("application/json", "{\"sha\":\"c0ffee\",\"siblings\":[]}")).await;
    let bare = reason("owner/tiny-reranker", &bare).await;
    assert!(bare.contains("has no `config.json`"), "{bare}");
    let (escaping, _) = serve(|_| page("application/json", "{\"sha\":\"../..\",\"siblings\":[]}")).await;
    let escaping = reason("owner/tiny-reranker", &escaping).await;
    assert!(escaping.contains("commit"), "{escaping}");
    assert!(ModelSource::named("just-a-name", "https://hub.example").unwrap_err().contains("owner/name"));
    assert_eq!(ModelSource::named("./here", "").unwrap(), ModelSource::Folder("./here".into()));
}
