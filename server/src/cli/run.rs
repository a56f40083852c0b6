//! `parlour run FILE`: one workflow, here and now, with a trace of every node.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use domain::{DefinitionKind, RunStatus, WaitKind};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::validate::project_of;
use crate::app::App;
use crate::app::runs::Started;
use crate::config::{Config, Format, RunArgs};
use crate::run::live::{Frame, LiveRun, Subscription};

/// A preview of a value in the trace, in characters; `--format json` has it whole.
const PREVIEW: usize = 120;

/// How often a run that waits for a moment is looked at.
const LOOKS_AGAIN: Duration = Duration::from_millis(200);

pub(super) async fn execute(mut config: Config, args: RunArgs) -> anyhow::Result<ExitCode> {
    let inputs = parse_inputs(&args.inputs)?;
    // A run from a file leaves nothing behind in the data folder of a server.
    let scratch = Scratch::new()?;
    config.data.clone_from(&scratch.0);
    config.use_shared_plugin_cache();
    let app = App::open(config).await?;
    let tenant = app.first_tenant().await?.id;
    if let Some(local) = app.local_model()
        && let Err(error) = local.ensure(&super::models::show_progress("embedding")).await
    {
        eprintln!("note: {error}; search goes by words only");
    }
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read `{}`", args.file.display()))?;
    if let Some(project) = project_of(&args.file) {
        let loaded = app.load_project(tenant, &project).await?;
        if app.embedder().is_some()
            && let Err(error) = app.embed_everything().await
        {
            eprintln!("note: {}; search goes by words only", error.detail);
        }
        for problem in loaded.problems.iter().filter(|it| !it.contains(&args.file.display().to_string())) {
            eprintln!("{problem}");
        }
    }
    let Some(name) = publish(&app, tenant, &args.file, &text).await? else { return Ok(ExitCode::FAILURE) };
    let started =
        app.start_workflow(tenant, &name, inputs, json!({ "id": "cli", "name": "CLI", "attributes": {} })).await?;
    let mut trace = Trace { format: args.format, in_text: false, told: 0 };
    let after = trace.begun(&started);
    if let Some(live) = &started.live {
        let interrupted = live.cancel.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupted.cancel();
            }
        });
        trace.follow(&app, live, (tenant, started.run.id), after).await?;
    }
    let run = trace.wait(&app, (tenant, started.run.id)).await?;
    trace.end_text();
    let ended = json!({
        "status": run.status.as_str(),
        "outputs": run.outputs,
        "answer": run.answer,
        "error": run.error,
    });
    match args.format {
        Format::Json => println!("{ended}"),
        Format::Text => print_end(&ended),
    }
    app.stop().await;
    Ok(if run.status == RunStatus::Finished { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn publish(app: &App, tenant: domain::TenantId, file: &Path, text: &str) -> anyhow::Result<Option<String>> {
    let (checked, diagnostics) = crate::app::definitions::check(text, &app.catalog(tenant).await?);
    for it in &diagnostics {
        eprintln!("{}", it.render(&file.display().to_string(), text));
    }
    let Some(checked) = checked else { return Ok(None) };
    if checked.kind != DefinitionKind::Workflow {
        anyhow::bail!("`{}` is an assistant; `parlour serve` lets you talk to it", file.display());
    }
    app.publish(tenant, Some((DefinitionKind::Workflow, &checked.name)), text, None).await?;
    Ok(Some(checked.name))
}

fn parse_inputs(given: &[String]) -> anyhow::Result<Value> {
    let mut inputs = Map::new();
    for it in given {
        let (name, value) = it.split_once('=').with_context(|| format!("`{it}` is not NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        inputs.insert(name.to_owned(), value);
    }
    Ok(Value::Object(inputs))
}

struct Trace {
    format: Format,
    in_text: bool,
    /// Bytes of the answer that were told.
    told: usize,
}

impl Trace {
    /// Tells what happened in the first step; answers the number of its last event.
    fn begun(&mut self, started: &Started) -> i64 {
        let mut after = 0;
        for frame in &started.frames {
            match frame {
                Frame::Stored { seq, name, data } => {
                    after = *seq;
                    self.event(name, data);
                }
                Frame::Delta { text } => self.text(text),
                Frame::Note { .. } => {}
            }
        }
        after
    }

    /// Waits as long as the run waits for a moment. One that waits for a person is left: nobody could answer it here.
    async fn wait(
        &mut self,
        app: &App,
        (tenant, id): (domain::TenantId, domain::RunId),
    ) -> anyhow::Result<domain::Run> {
        app.keep_time();
        loop {
            let run = app.run(tenant, id).await?;
            if run.status.is_terminal() {
                return Ok(run);
            }
            if let Some(live) = app.live().get(id) {
                let after = app.storage().last_event(tenant, id).await?;
                self.follow(app, &live, (tenant, id), after).await?;
                continue;
            }
            let waits = app.storage().open_waits(tenant, id).await?;
            if let Some(question) = waits.iter().find(|it| it.kind != WaitKind::Timer) {
                self.end_text();
                eprintln!("  ? {} waits for a person: {}", question.node, question.title);
                eprintln!("hint: `parlour serve` runs it where people can answer");
                return Ok(run);
            }
            tokio::time::sleep(LOOKS_AGAIN).await;
        }
    }

    async fn follow(
        &mut self,
        app: &App,
        live: &LiveRun,
        run: (domain::TenantId, domain::RunId),
        mut after: i64,
    ) -> anyhow::Result<()> {
        let Subscription { stored_through, text, mut frames } = live.subscribe();
        after = self.catch_up(app, run, after, stored_through).await?;
        if let Some(text) = text.get(self.told..).filter(|it| !it.is_empty()) {
            self.text(text);
        }
        loop {
            let frame = tokio::select! {
                // What is still in the channel comes before the end.
                biased;
                frame = frames.recv() => frame,
                () = live.done.cancelled() => break,
            };
            match frame {
                Ok(Frame::Stored { seq, name, data }) if seq > after => {
                    after = seq;
                    self.event(name, &data);
                }
                Ok(Frame::Delta { text }) => self.text(&text),
                Ok(Frame::Stored { .. } | Frame::Note { .. }) => {}
                Err(RecvError::Lagged(_)) => after = self.catch_up(app, run, after, i64::MAX).await?,
                Err(RecvError::Closed) => break,
            }
        }
        self.catch_up(app, run, after, i64::MAX).await?;
        Ok(())
    }

    /// Tells what was stored after one event, up to another; answers where it got to.
    async fn catch_up(
        &mut self,
        app: &App,
        (tenant, run): (domain::TenantId, domain::RunId),
        mut after: i64,
        through: i64,
    ) -> anyhow::Result<i64> {
        loop {
            let page = app.storage().run_events(tenant, run, after, 500).await?;
            let Some(last) = page.iter().filter(|it| it.seq <= through).map(|it| it.seq).max() else {
                return Ok(after);
            };
            for event in page.iter().filter(|it| it.seq <= through) {
                self.event(&event.name, &event.data);
            }
            after = last;
        }
    }

    fn text(&mut self, text: &str) {
        self.told += text.len();
        if self.format == Format::Json {
            println!("{}", json!({ "event": "message.delta", "data": { "text": text } }));
            return;
        }
        if !self.in_text {
            eprintln!("  ┄ answer");
            self.in_text = true;
        }
        print!("{text}");
        let _ = std::io::stdout().flush();
    }

    fn end_text(&mut self) {
        if self.in_text {
            println!();
            self.in_text = false;
        }
    }

    fn event(&mut self, name: &str, data: &str) {
        if self.format == Format::Json {
            println!("{{\"event\":\"{name}\",\"data\":{data}}}");
            return;
        }
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
        let took = data.get("duration_ms").and_then(Value::as_i64).unwrap_or(0);
        let line = match name {
            "node.started" => format!("  ▸ {} ({})", text("node"), text("kind")),
            "node.finished" => {
                let port = if text("port") == "done" { String::new() } else { format!(" → {}", text("port")) };
                format!("  ✓ {}{port}  {took} ms  {}", text("node"), preview(data.get("output")))
            }
            "node.failed" => format!("  ✗ {}  {took} ms  {}", text("node"), preview(data.get("error"))),
            "node.skipped" => format!("  · {} skipped", text("node")),
            "node.retrying" => format!("  ↻ {} tries again", text("node")),
            _ => return,
        };
        self.end_text();
        eprintln!("{line}");
    }
}

fn preview(value: Option<&Value>) -> String {
    let text = value.map(Value::to_string).unwrap_or_default();
    if text.chars().count() <= PREVIEW {
        return text;
    }
    text.chars().take(PREVIEW).chain(['…']).collect()
}

fn print_end(ended: &Value) {
    let text = |key: &str| ended.get(key).and_then(Value::as_str).unwrap_or_default();
    if let Some(outputs) = ended.get("outputs").filter(|it| !it.is_null()) {
        println!("outputs: {}", serde_json::to_string_pretty(outputs).unwrap_or_default());
    }
    if let Some(error) = ended.get("error").filter(|it| !it.is_null()) {
        let field = |key: &str| error.get(key).and_then(Value::as_str);
        let place = field("node").map(|it| format!(" (node `{it}`)")).unwrap_or_default();
        eprintln!("error[{}]: {}{place}", field("code").unwrap_or("error"), field("message").unwrap_or_default());
        if let Some(hint) = field("hint") {
            eprintln!("hint: {hint}");
        }
    }
    eprintln!("{}", text("status"));
}

/// A data folder that is gone when the command is.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("parlour-run-{}", crate::app::clock::new_uuid()));
        std::fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
