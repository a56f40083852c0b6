//! Plugins in Python: a folder with a `pyproject.toml` whose `build/build.py` writes the plugin and what it says of itself into
//! the folder that it is told.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::run;
use crate::{python, stamp};

/// What lies in such a folder and does not change the plugin.
const WITHOUT_EFFECT: &[&str] = &[".venv", "__pycache__", "tests", "README.md"];

/// The folder with the plugin's files; built only when its sources, its packages, the kit or the contract have changed.
///
/// # Errors
/// Python is missing, the packages cannot be fetched, or the build fails.
pub(super) fn build(root: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let interpreter = python::environment(folder)?;
    let built = python::stamps(folder).join("built");
    let stamp_file = python::stamps(folder).join("build");
    let kit = [root.join("plugin-sdk/python/src"), root.join("plugin-sdk/wit")];
    let wanted = stamp::of(&[&[folder.to_path_buf()], &kit[..]].concat(), WITHOUT_EFFECT)?;
    if !(built.is_dir() && stamp::is_current(&stamp_file, &wanted)) {
        let mut command = Command::new(interpreter);
        command.current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
        run(command.arg("build/build.py").arg(&built))?;
        stamp::write(&stamp_file, &wanted)?;
    }
    Ok(built)
}

/// The plugin's own tests, and those of the kit that it is written with.
///
/// # Errors
/// A test fails.
pub(super) fn test(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let interpreter = python::environment(folder)?;
    for tested in [root.join("plugin-sdk/python"), folder.to_path_buf()] {
        python::unit_tests(root, &interpreter, &tested)?;
    }
    Ok(())
}
