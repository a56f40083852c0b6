//! The web page: its packages, its build, its tests. `npm ci` and the build run only when what they read has changed.

use std::path::Path;

use crate::npm::{install, npm, stamps};
use crate::process::run;
use crate::stamp;

/// What lies in `web/` but is made, not written.
const MADE: &[&str] = &["node_modules", "dist", ".vite"];

/// `web/dist`, up to date.
///
/// # Errors
/// Node is missing or too old, the packages cannot be fetched, or the sources do not compile.
pub(crate) fn build(root: &Path) -> anyhow::Result<()> {
    let web = root.join("web");
    let wanted = stamp::of(std::slice::from_ref(&web), MADE)?;
    let stamp_file = stamps(&web).join("build");
    if root.join("web/dist/index.html").is_file() && stamp::is_current(&stamp_file, &wanted) {
        eprintln!("web/dist is up to date");
        return Ok(());
    }
    install(&web)?;
    run(npm(&web).args(["run", "build"]))?;
    stamp::write(&stamp_file, &wanted)
}

/// A script of `web/package.json`.
///
/// # Errors
/// The script fails.
pub(crate) fn script(root: &Path, name: &str) -> anyhow::Result<()> {
    let web = root.join("web");
    install(&web)?;
    run(npm(&web).args(["run", name]))
}
