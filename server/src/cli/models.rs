//! `parlour models fetch`: gets the embedding model before it is needed.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use knowledge::DownloadProgress;

use crate::app::App;
use crate::config::{Config, ModelsCommand};

pub(super) async fn execute(config: Config, command: ModelsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ModelsCommand::Fetch => fetch(config).await,
    }
}

async fn fetch(config: Config) -> anyhow::Result<ExitCode> {
    let folder = config.embedding.as_ref().map(|it| it.model_dir.clone());
    let Some(local) = App::local_embedder(&config)? else {
        anyhow::bail!("the embedding model is switched off (`--embedding off`)");
    };
    local.ensure(&show_progress()).await?;
    if let Some(folder) = folder {
        println!("the embedding model is in {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// One line that is written over on a terminal, and one line per tenth elsewhere.
pub(super) fn show_progress() -> impl Fn(DownloadProgress) + Send + Sync {
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
            eprint!("\rfetching the embedding model: {percent} % ({megabytes} MB)");
        } else {
            eprintln!("fetching the embedding model: {percent} % ({megabytes} MB)");
        }
        if terminal && percent == 100 {
            eprintln!();
        }
    }
}
