//! Python environments of our own: for plugins in Python, and for the tests of the kit that they are written with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::anyhow;

use crate::process::run;
use crate::{stamp, tools};

/// The interpreter of the folder's `.venv`, which has what its `requirements.txt` pins; nothing happens while that is the same.
///
/// # Errors
/// Python is missing, or the packages cannot be fetched.
pub(crate) fn environment(folder: &Path) -> anyhow::Result<PathBuf> {
    tools::require_python()?;
    let venv = folder.join(".venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let requirements = folder.join("requirements.txt");
    let wanted = stamp::of(std::slice::from_ref(&requirements), &[])?;
    let stamp_file = stamps(folder).join("install");
    if python.is_file() && stamp::is_current(&stamp_file, &wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement"]);
    run(pip.arg(&requirements)).map_err(|error| {
        let folder = folder.display();
        anyhow!(
            "{error}, so the packages of `{folder}` are not there\nhint: pip says why above. Without a way to its index, name a \
             mirror (`pip config set global.index-url …`) or a proxy (HTTPS_PROXY)"
        )
    })?;
    stamp::write(&stamp_file, &wanted)?;
    Ok(python)
}

/// `venv --clear` empties the folder, and the stamps with it: a build is never called current over packages that are gone.
pub(crate) fn stamps(folder: &Path) -> PathBuf {
    folder.join(".venv/parlour")
}

/// Runs the tests below `folder/tests` with the kit of `plugin-sdk/python`, whatever environment they run in.
///
/// # Errors
/// A test fails.
pub(crate) fn unit_tests(root: &Path, python: &Path, folder: &Path) -> anyhow::Result<()> {
    let sources = [root.join("plugin-sdk/python/src"), folder.join("src"), folder.join("tests")];
    let mut command = Command::new(python);
    command.current_dir(folder).env("PYTHONPATH", std::env::join_paths(sources)?);
    // Compiled modules would lie between the sources, where other programs look for what has changed.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    run(command.args(["-m", "unittest", "discover", "--start-directory", "tests"]))
}
