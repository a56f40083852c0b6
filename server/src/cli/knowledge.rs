//! `parlour knowledge reindex`: builds search indexes anew, while no server runs.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use knowledge::Progress;

use crate::app::App;
use crate::app::reindexing::{ReindexStep, Reindexed};
use crate::config::{Config, KnowledgeCommand};

pub(super) async fn execute(config: Config, command: KnowledgeCommand) -> anyhow::Result<ExitCode> {
    match command {
        KnowledgeCommand::Reindex { tenant, base } => reindex(config, tenant.as_deref(), base.as_deref()).await,
    }
}

async fn reindex(config: Config, tenant: Option<&str>, base: Option<&str>) -> anyhow::Result<ExitCode> {
    let app = App::open(config).await?;
    for tenant in app.tenants_to_reindex(tenant, base).await? {
        let done = app.reindex(&tenant, base, &show_progress(&tenant.slug)).await?;
        report(&tenant.slug, &done);
    }
    Ok(ExitCode::SUCCESS)
}

fn report(tenant: &str, done: &Reindexed) {
    let Reindexed { bases, documents, records, kept_vectors, new_vectors, without_vectors, damaged } = done;
    println!(
        "{tenant}: indexed anew: knowledge bases {bases}, documents {documents}, records {records}, vectors kept {kept_vectors}, \
         made {new_vectors}"
    );
    if let Some((path, problem)) = damaged {
        eprintln!("{tenant}: the old index was damaged and is kept as {}: {problem}", path.display());
    }
    for (base, reason) in without_vectors {
        eprintln!("{tenant}: `{base}` is searched by words only until the server has made its vectors: {reason}");
    }
}

/// One line that is written over on a terminal, and one line per tenth elsewhere.
fn show_progress(tenant: &str) -> impl Fn(ReindexStep<'_>, Progress) + Send + Sync {
    let tenant = tenant.to_owned();
    let last = Mutex::new(String::new());
    let terminal = std::io::stderr().is_terminal();
    move |step, Progress { done, total }| {
        if total == 0 {
            return;
        }
        let (base, what) = match step {
            ReindexStep::Documents { base } => (base, "documents"),
            ReindexStep::Vectors { base } => (base, "vectors"),
        };
        let percent = done * 100 / total;
        let mark = format!("{base} {what} {}", if terminal { percent } else { percent / 10 });
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == mark {
            return;
        }
        *last = mark;
        if terminal {
            // The spaces cover what a longer line has left.
            eprint!("\r{tenant}: {base}: {what} {done} of {total} ({percent} %)        ");
            if done == total {
                eprintln!();
            }
        } else {
            eprintln!("{tenant}: {base}: {what} {done} of {total} ({percent} %)");
        }
    }
}
