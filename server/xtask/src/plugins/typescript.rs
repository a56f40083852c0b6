//! Plugins in JavaScript: a folder with a `package.json` whose script `build` writes the plugin to the file that it is told.

use std::path::Path;

use crate::process::run;
use crate::{npm, stamp};

/// What lies in such a folder and does not change the plugin.
const WITHOUT_EFFECT: &[&str] = &["node_modules", "README.md"];

/// The plugin's bytes; built only when its sources, its packages or the contract have changed.
///
/// # Errors
/// Node is missing, the packages cannot be fetched, or the build fails.
pub(super) fn build(root: &Path, folder: &Path) -> anyhow::Result<Vec<u8>> {
    npm::install(folder)?;
    let built = npm::stamps(folder).join("plugin.wasm");
    let stamp_file = npm::stamps(folder).join("build");
    let wanted = stamp::of(&[folder.to_path_buf(), root.join("plugin-sdk/wit")], WITHOUT_EFFECT)?;
    if !(built.is_file() && stamp::is_current(&stamp_file, &wanted)) {
        run(npm::npm(folder).args(["run", "--silent", "build", "--"]).arg(&built))?;
        stamp::write(&stamp_file, &wanted)?;
    }
    Ok(std::fs::read(&built)?)
}
