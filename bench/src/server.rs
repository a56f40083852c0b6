//! The built server with a data folder, a configuration and a project of the benchmark's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::Options;
use crate::http::Target;
use crate::mock_model::MockModel;
use crate::process::Usage;

const LISTENING: &str = "listening on http://";
/// The first start compiles the plugins.
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(30);

/// Runs of the benchmark are larger and more at a time than a server lets a stranger have.
const LIMITS: &str = "
[limits]
max_steps = 100000
max_parallel = 100
max_tokens = 100000000
";

/// Ten templates, each writing on what the one before wrote, and the same with one.
const WORKFLOWS: [(&str, &str); 4] = [
    (
        "one",
        "workflow: one\ninputs: { word: string }\nnodes:\n  n0: { use: template, with: { text: \"{{ inputs.word }}\" } }\n\
         outputs: { last: \"{{ n0.text }}\" }\n",
    ),
    (
        "stream",
        "workflow: stream\ninputs: { pace: string }\nnodes:\n  say: { use: llm, with: { prompt: \"{{ inputs.pace }}\" } }\n  \
         reply: { use: answer, with: { text: \"{{ say.text }}\" } }\n",
    ),
    (
        "fan_out",
        "workflow: fan_out\ninputs: { pace: string, items: { type: array } }\nnodes:\n  all:\n    use: each\n    \
         with: { items: \"{{ inputs.items }}\", concurrency: 50 }\n    do:\n      \
         say: { use: llm, with: { prompt: \"{{ item }} {{ inputs.pace }}\" } }\n    collect: \"{{ say.text }}\"\n\
         outputs: { count: \"{{ all.count }}\" }\n",
    ),
    (
        "wait",
        "workflow: wait\nnodes:\n  sure: { use: ask, with: { question: Shall it go on?, options: { go: Go on, stop: Stop } } }\n  \
         gone: { use: template, after: [sure.go], with: { text: gone } }\n  \
         stopped: { use: template, after: [sure.stop, sure.done, sure.timeout], with: { text: stopped } }\n",
    ),
];

const ASSISTANT: &str = "assistant: desk\nsystem_prompt: You are the front desk of a small hotel. Be brief and kind.\n";

fn ten_nodes() -> String {
    let mut text = String::from("workflow: ten\ninputs: { word: string }\nnodes:\n");
    text.push_str("  n0: { use: template, with: { text: \"{{ inputs.word }}\" } }\n");
    for number in 1..10 {
        let before = number - 1;
        text.push_str(&format!(
            "  n{number}: {{ use: template, with: {{ text: \"{number} {{{{ n{before}.text[:8] }}}}\" }} }}\n"
        ));
    }
    text.push_str("outputs: { last: \"{{ n9.text }}\" }\n");
    text
}

/// A data folder with a key in it, ready to be served; gone when this is dropped.
pub(crate) struct Site {
    binary: PathBuf,
    folder: PathBuf,
    model: Option<String>,
    key: String,
}

impl Site {
    /// `runs_at_once` is the server's limit of runs in progress.
    ///
    /// # Errors
    /// The folder cannot be written or the server's program does not make a key.
    pub(crate) async fn make(
        options: &Options,
        model: Option<&MockModel>,
        runs_at_once: usize,
    ) -> anyhow::Result<Site> {
        let folder = options.work.join("site");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty `{}`", folder.display()))?;
        }
        let project = folder.join("project");
        for name in ["workflows", "assistants"] {
            std::fs::create_dir_all(project.join(name))?;
        }
        std::fs::write(project.join("workflows/ten.yaml"), ten_nodes())?;
        for (name, text) in WORKFLOWS {
            std::fs::write(project.join(format!("workflows/{name}.yaml")), text)?;
        }
        std::fs::write(project.join("assistants/desk.yaml"), ASSISTANT)?;
        std::fs::write(folder.join("parlour.toml"), format!("{LIMITS}concurrent_runs = {runs_at_once}\n"))?;
        let model = model.map(MockModel::base_url);
        let mut site = Site { binary: options.server.clone(), folder, model, key: String::new() };
        site.key = site.make_key().await?;
        Ok(site)
    }

    async fn make_key(&self) -> anyhow::Result<String> {
        let made =
            self.command().args(["key", "create", "--name", "bench", "--scope", "chat,run,manage"]).output().await;
        let made = made.with_context(|| format!("cannot start `{}`", self.binary.display()))?;
        if !made.status.success() {
            bail!("the server made no key: {}", String::from_utf8_lossy(&made.stderr));
        }
        Ok(String::from_utf8(made.stdout)?.trim().to_owned())
    }

    /// Nothing of the machine's own settings gets in.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear().env("HOME", &self.folder).env("PARLOUR_DATA", self.folder.join("data"));
        command.env("PARLOUR_CONFIG", self.folder.join("parlour.toml")).env("PARLOUR_EMBEDDING", "off");
        // Port 9 is `discard`: nothing answers there.
        command.env("PARLOUR_OLLAMA_URL", "http://127.0.0.1:9").env("PARLOUR_LOG", "warn");
        if let Some(model) = &self.model {
            command.env("PARLOUR_MODEL_BASE_URL", model).env("PARLOUR_MODEL_NAME", "mock");
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Errors
    /// It ends before, or takes two minutes; the text has the end of its log.
    pub(crate) async fn start(&self) -> anyhow::Result<Server> {
        let log = self.folder.join("server.log");
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--project"]).arg(self.folder.join("project"));
        command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log)?);
        let began = Instant::now();
        let mut child = command.spawn().context("cannot start the server")?;
        let mut lines = BufReader::new(child.stdout.take().context("the server has no standard output")?).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.strip_prefix(LISTENING) {
                    return Ok(Some(address.parse::<SocketAddr>()?));
                }
            }
            anyhow::Ok(None)
        };
        let address = tokio::time::timeout(START, listening).await.context("the server does not come to listen")??;
        let Some(address) = address else { bail!("the server ended at once\n{}", log_end(&log)) };
        // A full pipe would block the server.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let process = child.id().context("the server has ended")?;
        let target = Target { address, key: self.key.as_str().into() };
        Ok(Server { child, process, target, log, began })
    }

    /// Bytes that the data folder takes on the disk.
    pub(crate) fn stored_bytes(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for entry in std::fs::read_dir(self.folder.join("data"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("parlour.sqlite") {
                sum += entry.metadata()?.len();
            }
        }
        Ok(sum)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What cannot be removed now is removed before the next use.
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// A running server; killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    process: u32,
    pub(crate) target: Target,
    log: PathBuf,
    /// When its process was started.
    pub(crate) began: Instant,
}

impl Server {
    /// # Errors
    /// It has ended; the text has the end of its log.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.process).with_context(|| log_end(&self.log))
    }

    /// Asks it to end and waits, so that its database is closed properly.
    ///
    /// # Errors
    /// It does not end.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.process.to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.context("cannot send a signal")?;
        tokio::time::timeout(STOP, self.child.wait()).await.context("the server does not stop")??;
        Ok(())
    }
}

fn log_end(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
    format!("the end of the server's log:\n{}", end.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_nodes_are_ten() {
        let text = ten_nodes();
        assert_eq!(text.matches("use: template").count(), 10, "{text}");
        assert!(text.contains("n9: { use: template, with: { text: \"9 {{ n8.text[:8] }}\" } }"), "{text}");
    }
}
