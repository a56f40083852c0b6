//! Plugins in TypeScript: a folder with a `package.json` whose scripts `build` and `test` are those of the SDK in
//! `plugin-sdk/typescript`, on which it depends by its path.

use std::path::{Path, PathBuf};

use crate::process::run;
use crate::{npm, stamp};

/// What lies in such a folder and does not change the plugin.
const WITHOUT_EFFECT: &[&str] = &["node_modules", "tests", "README.md", "README.zh-CN.md", ".gitignore"];

fn sdk(root: &Path) -> PathBuf {
    root.join("plugin-sdk/typescript")
}

/// The plugin's bytes; built only when its sources, its packages, the SDK or the contract have changed.
///
/// # Errors
/// Node is missing, the packages cannot be fetched, or the build fails.
pub(super) fn build(root: &Path, folder: &Path) -> anyhow::Result<Vec<u8>> {
    install(root, folder)?;
    let built = npm::stamps(folder).join("plugin.wasm");
    let stamp_file = npm::stamps(folder).join("build");
    let wanted = stamp::of(&[folder.to_path_buf(), sdk(root), root.join("plugin-sdk/wit")], WITHOUT_EFFECT)?;
    if !(built.is_file() && stamp::is_current(&stamp_file, &wanted)) {
        run(npm::npm(folder).args(["run", "--silent", "build", "--"]).arg(&built))?;
        stamp::write(&stamp_file, &wanted)?;
    }
    Ok(std::fs::read(&built)?)
}

/// The SDK's own tests, and those of the plugins in these folders.
///
/// # Errors
/// Node is missing, the packages cannot be fetched, or a test fails.
pub(super) fn test<'a>(root: &Path, folders: impl Iterator<Item = &'a Path>) -> anyhow::Result<()> {
    let sdk = sdk(root);
    npm::install(&sdk)?;
    run(npm::npm(&sdk).args(["run", "--silent", "test"]))?;
    for folder in folders {
        install(root, folder)?;
        run(npm::npm(folder).args(["run", "--silent", "--if-present", "test"]))?;
    }
    Ok(())
}

/// npm links a package that is depended on by its path, and leaves that one's own packages to whoever looks after it.
fn install(root: &Path, folder: &Path) -> anyhow::Result<()> {
    npm::install(&sdk(root))?;
    npm::install(folder)
}
