//! The browser tests: the built server with the shipped projects, and a real Chromium in front of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::process::{run, target_directory};
use crate::server::Running;

/// `model_port`: where the tests are to start their slow language model; none for the journey without one.
///
/// # Errors
/// The server does not start, or a test fails; the text then carries the end of the server's log.
pub(crate) fn test(root: &Path, chromium: &Path, model_port: Option<u16>) -> anyhow::Result<()> {
    let tests = files(&root.join("web/e2e"))?;
    let folder =
        target_directory(root).join("browser-tests").join(if model_port.is_some() { "slow-model" } else { "no-model" });
    let reranker = root.join("server/crates/knowledge/tests/fixtures/xlm_roberta/reranker");
    let mut settings = vec![("PARLOUR_RERANK_MODEL", reranker.display().to_string())];
    if let Some(port) = model_port {
        settings.push(("PARLOUR_MODEL_BASE_URL", format!("http://127.0.0.1:{port}/v1")));
        settings.push(("PARLOUR_MODEL_NAME", "slow".to_owned()));
    }
    for test in tests {
        // The set-up link works once and each journey begins with it, so each has a server of its own.
        let folder = folder.join(test.file_stem().unwrap_or_default());
        let server = Running::start(root, &folder, &settings)?;
        let mut command = Command::new("node");
        command.current_dir(root.join("web")).arg("--test").arg(test);
        command.env("PARLOUR_URL", &server.set_up).env("CHROMIUM", chromium).env("SHOTS", folder.join("screenshots"));
        match model_port {
            Some(port) => command.env("PARLOUR_E2E_MODEL_PORT", port.to_string()),
            None => command.env_remove("PARLOUR_E2E_MODEL_PORT"),
        };
        run(&mut command).with_context(|| server.log_end())?;
    }
    Ok(())
}

/// A port that nobody listens on at this moment.
///
/// # Errors
/// The machine has none left.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on any port")?;
    Ok(listener.local_addr()?.port())
}

/// Named one by one: what `node --test FOLDER` means differs between Node 20 and 22.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if [".test.mjs", ".test.js", ".test.ts"].iter().any(|it| name.ends_with(it)) {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("`{}` has no test", folder.display());
    }
    found.sort();
    Ok(found)
}
