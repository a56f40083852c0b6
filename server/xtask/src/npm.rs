//! Packages from npm, for the web page and for plugins written in TypeScript.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::anyhow;

use crate::process::run;
use crate::{stamp, tools};

/// The folder's `node_modules`, as its lock file says; nothing happens while that is the same.
///
/// # Errors
/// Node is missing or too old, or the packages cannot be fetched.
pub(crate) fn install(folder: &Path) -> anyhow::Result<()> {
    tools::require_node()?;
    let wanted = stamp::of(&[folder.join("package.json"), folder.join("package-lock.json")], &[])?;
    let stamp_file = stamps(folder).join("install");
    if stamp::is_current(&stamp_file, &wanted) {
        return Ok(());
    }
    // No package of ours needs an install script, and a package that brings one has no business running it here.
    run(npm(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])).map_err(|error| {
        let folder = folder.display();
        anyhow!(
            "{error}, so the packages of `{folder}` are not there\nhint: npm says why above. Without a way to its registry, name a \
             mirror (`npm config set registry …`) or a proxy (`npm config set proxy …`)"
        )
    })?;
    stamp::write(&stamp_file, &wanted)
}

/// `npm ci` empties `node_modules`, and the stamps with it: a build is never called current over packages that are gone.
pub(crate) fn stamps(folder: &Path) -> PathBuf {
    folder.join("node_modules/.parlour")
}

pub(crate) fn npm(folder: &Path) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(folder);
    command
}
