//! The server binary: building it, and starting it for the tests that need a running one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::process::{cargo, run, target_directory};
use crate::{plugins, tools, web};

/// What the server prints while there is no owner yet; the rest of the line is the one-time link.
pub(crate) const SET_UP: &str = "set up at ";
/// What it always prints.
pub(crate) const LISTENING: &str = "listening on ";

/// How long a debug build may take to answer on a busy machine, the first compilation of the plugins included.
const START: Duration = Duration::from_secs(120);
/// How long it may take to finish what it is doing when asked to end.
const STOP: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Plugins, web page and server, in the order in which they need each other. Gives the server's program file.
///
/// # Errors
/// A tool is missing or something does not compile.
pub(crate) fn build_all(root: &Path, profile: Profile) -> anyhow::Result<PathBuf> {
    tools::require_c_compiler()?;
    plugins::build(root, plugins::Part::All)?;
    web::build(root)?;
    build(root, profile)
}

/// The server alone.
///
/// # Errors
/// It does not compile.
pub(crate) fn build(root: &Path, profile: Profile) -> anyhow::Result<PathBuf> {
    let mut command = cargo(root);
    // `--workspace` although one program is wanted: features are then the same as in `cargo test --workspace`, so the two
    // commands share every dependency instead of building 400 crates twice.
    command.args(["build", "--workspace", "--bin", "parlour"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    run(&mut command)?;
    Ok(binary(root, profile))
}

pub(crate) fn binary(root: &Path, profile: Profile) -> PathBuf {
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    };
    target_directory(root).join(folder).join(format!("parlour{}", std::env::consts::EXE_SUFFIX))
}

/// A server with a data folder of its own that ends when this is dropped.
pub(crate) struct Running {
    child: Child,
    /// The one-time link, token included.
    pub(crate) set_up: String,
    /// Where its log went.
    pub(crate) log: PathBuf,
}

impl Running {
    /// Starts the built server on a free port with the shipped projects, an empty data folder and these settings.
    ///
    /// # Errors
    /// It ends at once or does not print its link in time; the text carries the end of its log.
    pub(crate) fn start(root: &Path, folder: &Path, settings: &[(&str, String)]) -> anyhow::Result<Running> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty `{}`", folder.display()))?;
        }
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let log = folder.join("server.log");
        let mut command = Command::new(binary(root, Profile::Debug));
        command.current_dir(root).args(["serve", "--listen", "127.0.0.1:0"]);
        command
            .args(["--project", "workflows/restaurant", "--project", "workflows/marketing", "--data"])
            .arg(folder.join("data"));
        // What a test sees must not depend on who runs it: no model, proxy or configuration of the machine gets in.
        for name in [
            "PARLOUR_MODEL_BASE_URL",
            "PARLOUR_MODEL_API_KEY",
            "PARLOUR_MODEL_NAME",
            "PARLOUR_CONFIG",
            "PARLOUR_PUBLIC_URL",
        ] {
            command.env_remove(name);
        }
        // Port 9 is `discard`: nothing answers there.
        command.env("PARLOUR_OLLAMA_URL", "http://127.0.0.1:9");
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(&log)?);
        let mut child = command.spawn().context("cannot start the server")?;
        let (found, waiting) = mpsc::channel();
        let lines = child.stdout.take().context("the server has no standard output")?;
        // Reads to the end, so that the server never blocks on a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                println!("  server: {line}");
                if let Some(link) = link_after(&line, SET_UP) {
                    // The receiver is gone once the link was taken; later lines are only printed.
                    found.send(link.to_owned()).ok();
                }
            }
        });
        let mut running = Running { child, set_up: String::new(), log };
        let end = Instant::now() + START;
        loop {
            match waiting.recv_timeout(Duration::from_millis(200)) {
                Ok(link) => {
                    running.set_up = link;
                    return Ok(running);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    bail!("the server ended before it printed its set-up link\n{}", running.log_end())
                }
                Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() > end => {
                    bail!("the server printed no set-up link within {} s\n{}", START.as_secs(), running.log_end())
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// The last lines of its log, for a failure's text.
    pub(crate) fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let skipped = lines.len().saturating_sub(40);
        format!("the end of the server's log:\n{}", lines.iter().skip(skipped).copied().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The standard library can only kill; the server is asked first so that the database is closed properly.
        let asked =
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().is_ok_and(|it| it.success());
        let end = Instant::now() + STOP;
        while asked && Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The link in a line such as `set up at http://127.0.0.1:7272/setup?token=…`.
pub(crate) fn link_after<'line>(line: &'line str, words: &str) -> Option<&'line str> {
    let (_, rest) = line.split_once(words)?;
    rest.split_whitespace().next().filter(|it| it.starts_with("http"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_what_follows_the_words() {
        assert_eq!(
            link_after("  set up at http://127.0.0.1:1/setup?token=a (once)", SET_UP),
            Some("http://127.0.0.1:1/setup?token=a")
        );
        assert_eq!(link_after("listening on http://[::1]:7272", LISTENING), Some("http://[::1]:7272"));
        assert_eq!(link_after("set up at once", SET_UP), None);
        assert_eq!(link_after("nothing here", SET_UP), None);
    }
}
