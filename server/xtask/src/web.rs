//! The web page: its packages, its build, its tests. `npm ci` and the build run only when what they read has changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::run;
use crate::{stamp, tools};

/// What lies in `web/` but is made, not written.
const MADE: &[&str] = &["node_modules", "dist", ".vite"];

/// `web/dist`, up to date.
///
/// # Errors
/// Node is missing or too old, the packages cannot be fetched, or the sources do not compile.
pub(crate) fn build(root: &Path) -> anyhow::Result<()> {
    let wanted = stamp::of(&[root.join("web")], MADE)?;
    let stamp_file = stamps(root).join("build");
    if root.join("web/dist/index.html").is_file() && stamp::is_current(&stamp_file, &wanted) {
        eprintln!("web/dist is up to date");
        return Ok(());
    }
    install(root)?;
    run(npm(root).args(["run", "build"]))?;
    stamp::write(&stamp_file, &wanted)
}

/// `web/node_modules` as the lock file says.
///
/// # Errors
/// Node is missing or too old, or the packages cannot be fetched.
pub(crate) fn install(root: &Path) -> anyhow::Result<()> {
    tools::require_node()?;
    let wanted = stamp::of(&[root.join("web/package.json"), root.join("web/package-lock.json")], &[])?;
    let stamp_file = stamps(root).join("install");
    if stamp::is_current(&stamp_file, &wanted) {
        return Ok(());
    }
    // No package of ours needs an install script, and a package that brings one has no business running it here.
    run(npm(root).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    stamp::write(&stamp_file, &wanted)
}

/// A script of `web/package.json`.
///
/// # Errors
/// The script fails.
pub(crate) fn script(root: &Path, name: &str) -> anyhow::Result<()> {
    install(root)?;
    run(npm(root).args(["run", name]))
}

/// `npm ci` empties the folder, and the stamps with it: a build is never called current over packages that are gone.
fn stamps(root: &Path) -> PathBuf {
    root.join("web/node_modules/.parlour")
}

fn npm(root: &Path) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(root.join("web"));
    command
}
