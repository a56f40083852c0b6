//! `parlour models fetch`: gets the models that run inside the server before they are needed.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use knowledge::DownloadProgress;

use crate::config::{Config, ModelsCommand, TextModel};

pub(super) async fn execute(config: Config, command: ModelsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ModelsCommand::Fetch => fetch(config).await,
    }
}

async fn fetch(config: Config) -> anyhow::Result<ExitCode> {
    let models = [
        ("embedding", config.embedding.clone()),
        (
            "reranking",
            match config.reranker.clone() {
                Some(TextModel::Inside(model)) => Some(model),
                Some(TextModel::Provider(_)) | None => None,
            },
        ),
    ];
    if models.iter().all(|(_, it)| it.is_none()) {
        anyhow::bail!("the embedding model is switched off (`--embedding off`), and no other runs inside the server");
    }
    let client = crate::app::models::http_client()?;
    for (kind, model) in models {
        let Some(model) = model else { continue };
        let folder = model.folder();
        model.fetch(&client, &show_progress(kind)).await.map_err(|reason| anyhow::anyhow!(reason))?;
        println!("the {kind} model is in {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// One line that is written over on a terminal, and one line per tenth elsewhere.
pub(super) fn show_progress(kind: &str) -> impl Fn(DownloadProgress) + Send + Sync {
    let last = AtomicU64::new(u64::MAX);
    let terminal = std::io::stderr().is_terminal();
    move |DownloadProgress { done, total }| {
        let percent = total.filter(|it| *it > 0).map_or(0, |total| done * 100 / total);
        let step = if terminal { percent } else { percent / 10 };
        if last.swap(step, Ordering::Relaxed) == step {
            return;
        }
        let megabytes = done >> 20;
        if terminal {
            eprint!("\rfetching the {kind} model: {percent} % ({megabytes} MB)");
        } else {
            eprintln!("fetching the {kind} model: {percent} % ({megabytes} MB)");
        }
        if terminal && percent == 100 {
            eprintln!();
        }
    }
}
