//! The browser tests: the built server with the shipped projects and no language model, and a real Chromium in front of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::process::{run, target_directory};
use crate::server::Running;

/// # Errors
/// The server does not start, or a test fails; the text then carries the end of the server's log.
pub(crate) fn test(root: &Path, chromium: &Path) -> anyhow::Result<()> {
    let tests = files(&root.join("web/e2e"))?;
    let server = Running::start(root, &target_directory(root).join("browser-tests"))?;
    let origin = server.set_up.split("/setup").next().unwrap_or_default();
    let mut command = Command::new("node");
    command.current_dir(root.join("web")).arg("--test").args(tests);
    command.env("PARLOUR_URL", origin).env("PARLOUR_SETUP_URL", &server.set_up).env("CHROMIUM", chromium);
    run(&mut command).with_context(|| server.log_end())
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
