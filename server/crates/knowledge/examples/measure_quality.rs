//! How good what is found is, on sets of questions with judged passages, by each mode of search:
//! `cargo run --release -p knowledge --example measure_quality -- [OPTION]… [SET | FOLDER]…`
//!
//! A SET is one of the public ones (without any, those that are quick are measured); its files are downloaded once. A FOLDER
//! is in the form of BEIR: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`. What is printed is Markdown.
//!
//! - `--data DIR`: where sets are kept, with their files in `downloads/`; else `parlour/quality` in the user's cache.
//! - `--from URL`: a place that has the files by their names, instead of their own addresses.
//! - `--index DIR`: keeps the index there, so that the next run does not embed the same passages again.
//! - `--runs DIR`: writes each mode's ranking there in the form of TREC, for other tools.
//!
//! The model and the reranker are named as the server's are: `PARLOUR_EMBEDDING_BASE_URL`, `PARLOUR_EMBEDDING_MODEL`,
//! `PARLOUR_EMBEDDING_API_KEY` instead of the model in the process (which lies in `PARLOUR_MODEL_DIR`, or in the user's
//! cache); `PARLOUR_RERANK_URL`, `PARLOUR_RERANK_MODEL`, `PARLOUR_RERANK_API_KEY` for a fourth mode, hybrid and reranked.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a measuring tool talks, and its indices are its own"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use knowledge::{
    CachedEmbedder, Embedder, HttpReranker, HttpRerankerConfig, LocalEmbedder, LocalModelConfig, LocalReranker,
    ModelSource, OpenAiConfig, OpenAiEmbedder, Reranker,
};

#[path = "measure_quality/folder.rs"]
mod folder;
#[path = "measure_quality/metrics.rs"]
mod metrics;
#[path = "measure_quality/public.rs"]
mod public;
#[path = "measure_quality/run.rs"]
mod run;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Vectors of questions that are kept, so that each mode has the same and none pays for them again.
const KEPT_QUESTIONS: usize = 100_000;

/// On a processor, thirty passages may take longer than a visitor would wait.
const RERANKED_WITHIN: std::time::Duration = std::time::Duration::from_secs(120);

struct Options {
    data: PathBuf,
    from: Option<String>,
    index: Option<PathBuf>,
    runs: Option<PathBuf>,
    sets: Vec<String>,
}

fn parse(arguments: impl Iterator<Item = String>) -> Outcome<Options> {
    let data = cache().join("quality");
    let mut options = Options { data, from: None, index: None, runs: None, sets: Vec::new() };
    let mut rest = arguments;
    while let Some(argument) = rest.next() {
        if !argument.starts_with("--") {
            options.sets.push(argument);
            continue;
        }
        let value = rest.next().ok_or_else(|| format!("`{argument}` needs a value"))?;
        match argument.as_str() {
            "--data" => options.data = value.into(),
            "--from" => options.from = Some(value),
            "--index" => options.index = Some(value.into()),
            "--runs" => options.runs = Some(value.into()),
            other => {
                return Err(format!("there is no option `{other}`; there are --data, --from, --index, --runs").into());
            }
        }
    }
    if options.sets.is_empty() {
        options.sets = public::ALL.iter().filter(|it| it.usual).map(|it| it.name.to_owned()).collect();
    }
    Ok(options)
}

fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("parlour")
}

#[tokio::main]
async fn main() -> ExitCode {
    match measure().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Outcome<()> {
    let options = parse(std::env::args().skip(1))?;
    // Only the second call of a process would fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let store = public::Store { data: &options.data, from: options.from.as_deref(), client: client.clone() };
    // All sets before the first measurement: what is missing is told at once.
    let mut sets = Vec::new();
    for name in &options.sets {
        sets.push(match public::named(name) {
            Some(set) => (set.title.to_owned(), Some(set), store.folder(set).await?),
            None if Path::new(name).is_dir() => (name.clone(), None, PathBuf::from(name)),
            None => {
                let names: Vec<&str> = public::ALL.iter().map(|it| it.name).collect();
                return Err(format!("`{name}` is neither a folder nor one of {}", names.join(", ")).into());
            }
        });
    }
    let embedder = Arc::new(CachedEmbedder::new(embedder(&client).await?, KEPT_QUESTIONS));
    let searcher = run::Searcher { embedder: embedder.clone(), reranker: reranker(client).await?, options: &options };
    println!("Model: {}.", embedder.model());
    if let Some(reranker) = &searcher.reranker {
        println!("Reranker: {}.", reranker.name());
    }
    println!("\n| set | passages | questions | judgements | licence | from |\n|---|---|---|---|---|---|");
    for (title, public, folder) in &sets {
        let read = folder::Set::read(folder)?;
        let (licence, from) = public.map_or((String::new(), String::new()), |it| {
            (it.licence.to_owned(), it.addresses.iter().map(|it| format!("<{it}>")).collect::<Vec<_>>().join(" "))
        });
        let (passages, questions, judgements) = (read.passages.len(), read.questions.len(), read.judgements());
        println!("| {title} | {passages} | {questions} | {judgements} | {licence} | {from} |");
    }
    println!("\n| set | mode | nDCG@10 | recall@10 | recall@100 | MRR@10 | nDCG@10 of hybrid − this (95 %) |");
    println!("|---|---|---|---|---|---|---|");
    for (title, public, folder) in &sets {
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
        let modes = searcher.measure(&name, &folder::Set::read(folder)?).await?;
        run::print(title, &modes, public.map_or(&[], |it| it.published));
    }
    Ok(())
}

async fn embedder(client: &reqwest::Client) -> Outcome<Arc<dyn Embedder>> {
    if let Some((url, model, key)) = provider("PARLOUR_EMBEDDING", "BASE_URL")? {
        let config = OpenAiConfig { key, ..OpenAiConfig::new(url, model) };
        return Ok(Arc::new(OpenAiEmbedder::new(config, client.clone())));
    }
    let local = LocalEmbedder::new(inside("PARLOUR_EMBEDDING")?, client.clone());
    local.ensure(&|_| {}).await?;
    Ok(Arc::new(local))
}

/// The model that runs inside the process, as the server takes it from its environment.
fn inside(prefix: &str) -> Outcome<LocalModelConfig> {
    let dir = std::env::var_os("PARLOUR_MODEL_DIR").map_or_else(|| cache().join("models"), PathBuf::from);
    let config = LocalModelConfig::new(dir);
    let hub = std::env::var("HF_ENDPOINT").unwrap_or_else(|_| "https://huggingface.co".to_owned());
    match setting(prefix, "MODEL") {
        Some(model) => Ok(LocalModelConfig { source: ModelSource::named(&model, &hub)?, ..config }),
        None => Ok(config),
    }
}

async fn reranker(client: reqwest::Client) -> Outcome<Option<Arc<dyn Reranker>>> {
    if setting("PARLOUR_RERANK", "URL").is_none() && setting("PARLOUR_RERANK", "MODEL").is_some() {
        let local = LocalReranker::new(inside("PARLOUR_RERANK")?, client, RERANKED_WITHIN);
        local.ensure(&|_| {}).await?;
        return Ok(Some(Arc::new(local)));
    }
    Ok(provider("PARLOUR_RERANK", "URL")?.map(|(url, model, key)| {
        let config = HttpRerankerConfig { key, timeout: RERANKED_WITHIN, ..HttpRerankerConfig::new(url, model) };
        Arc::new(HttpReranker::new(config, client)) as Arc<dyn Reranker>
    }))
}

/// An address, a model and a key, if there is an address.
fn provider(prefix: &str, address: &str) -> Outcome<Option<(String, String, Option<String>)>> {
    let Some(url) = setting(prefix, address) else { return Ok(None) };
    let model =
        setting(prefix, "MODEL").ok_or_else(|| format!("{prefix}_{address} is set, and {prefix}_MODEL is not"))?;
    Ok(Some((url, model, setting(prefix, "API_KEY"))))
}

fn setting(prefix: &str, name: &str) -> Option<String> {
    std::env::var(format!("{prefix}_{name}")).ok().filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_sets_are_told_apart() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter();
        let options = parse(words("xquad-zh --data d --runs r folder")).unwrap();
        assert_eq!(
            (options.sets, options.data, options.runs),
            (vec!["xquad-zh".to_owned(), "folder".to_owned()], "d".into(), Some("r".into()))
        );
        let usual = parse(words("")).unwrap().sets;
        assert!(usual.iter().all(|it| public::named(it).is_some()) && usual.len() >= 4, "{usual:?}");
        assert!(parse(words("--data")).is_err() && parse(words("--nothing x")).is_err());
    }
}
