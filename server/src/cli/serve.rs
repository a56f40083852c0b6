//! `parlour serve`: opens the data folder, loads the projects, listens, and stops without losing anything.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::app::App;
use crate::app::plugins::shipped;
use crate::app::projects::Loaded;
use crate::config::Config;

pub(super) async fn execute(config: Config) -> anyhow::Result<ExitCode> {
    let listener = tokio::net::TcpListener::bind(config.listen).await.with_context(|| {
        format!("cannot listen on {}; another program may be there: try `--listen 127.0.0.1:0`", config.listen)
    })?;
    let address = listener.local_addr()?;
    allow_many_files();
    let app = App::open(config).await?;
    if shipped::count() == 0 {
        eprintln!("note: this build has no plugins; `cargo xtask plugins` builds the shipped ones");
    }
    app.keep_tidy();
    let tenant = app.first_tenant().await?.id;
    for project in app.config().projects.clone() {
        let loaded = app.load_project(tenant, &project).await?;
        report(&project, &loaded);
        app.watch_project(tenant, project, report);
    }
    app.keep_reading_documents();
    let resumed = app.resume_unfinished().await?;
    app.keep_time();
    if resumed > 0 {
        println!("picked up {resumed} unfinished runs");
    }
    app.keep_schedules();
    let url = app.config().public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    println!("listening on {url}");
    if let Some(token) = app.setup_token().await? {
        println!("set up at {url}/setup?token={token}");
    }
    tell_of_models(&app, tenant).await;
    let stop = app.clone();
    // Without it a token of an answer waits for the acknowledgement of the one before, up to 40 ms.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(error = %error, "a connection keeps its delay");
        }
    });
    // Made once: for a router as it is axum copies every route for each connection, which takes 100 KB.
    axum::serve(listener, crate::router(app.clone()).into_make_service())
        .with_graceful_shutdown(async move {
            wait_for_signal().await;
            println!("stopping; a second signal stops at once");
            tokio::spawn(async {
                wait_for_signal().await;
                std::process::exit(130);
            });
            stop.stop().await;
        })
        .await?;
    println!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// A login gives a process 1,024 files at first, and every visitor's connection is one, and so are three of every tenant whose
/// index is in use. A process may ask for more.
fn allow_many_files() {
    /// macOS takes no more than it could ever give, which it does not tell; the last is what it always gives.
    const WANTED: [u64; 3] = [1_048_576, 65_536, 10_240];
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let allowed = |it: u64| maximum.map_or(it, |most| it.min(most));
    let more = |it: &u64| current.is_some_and(|current| current < *it);
    let raised = WANTED
        .map(allowed)
        .into_iter()
        .filter(more)
        .any(|it| setrlimit(Resource::Nofile, Rlimit { current: Some(it), maximum }).is_ok());
    tracing::debug!(before = current, raised, "open files");
}

fn report(project: &Path, loaded: &Loaded) {
    for problem in &loaded.problems {
        eprintln!("{problem}");
    }
    let Loaded { assistants, workflows, documents, problems: _ } = loaded;
    println!(
        "loaded {}: assistants {}; workflows {}; knowledge files {documents}",
        project.display(),
        names(assistants),
        names(workflows),
    );
}

fn names(all: &[String]) -> String {
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

async fn tell_of_models(app: &App, tenant: domain::TenantId) {
    let Ok(status) = app.model_status(tenant).await else { return };
    match (status.settings, status.offer) {
        (Some((settings, _)), _) => println!("language model: {} at {}", settings.name, settings.base_url),
        (None, Some((url, models))) => {
            println!("no language model is set up, but an Ollama answers at {url} with: {}", names(&models));
            println!(
                "use it with one click on the start page, or set PARLOUR_MODEL_BASE_URL={url} and PARLOUR_MODEL_NAME"
            );
        }
        (None, None) => {
            println!("no language model is set up; {}", crate::app::models::HOW_TO_ADD_A_MODEL);
        }
    }
}

async fn wait_for_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            let _ = tokio::signal::ctrl_c().await;
            return;
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
    }
}
