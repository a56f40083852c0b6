//! A plugin SDK inside this binary. A project gets a copy of it in `.parlour/sdk`, because no registry has it, and gets
//! another one when the binary is another: the SDK and the host that accepts its plugins stay in step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

/// Where a project has it, as its root file writes it.
pub(super) const FOLDER: &str = ".parlour/sdk";
const STAMP: &str = "stamp.txt";

/// The files of one language's SDK, by their names with `/`.
pub(super) struct Sdk {
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

impl Sdk {
    /// Writes the SDK into a project that has none, or another binary's.
    pub(super) fn renew(&self, project: &Path) -> anyhow::Result<()> {
        let stamp = self.stamp();
        let folder = project.join(FOLDER);
        match std::fs::read_to_string(folder.join(STAMP)) {
            Ok(present) if present == stamp => return Ok(()),
            Ok(_) => eprintln!("replacing the SDK in {FOLDER} by the one of Parlour {}", env!("CARGO_PKG_VERSION")),
            Err(_) => {}
        }
        self.write(&folder, &stamp)
    }

    /// Beside first, then renamed: whoever builds meanwhile finds all of one SDK or all of the other.
    fn write(&self, folder: &Path, stamp: &str) -> anyhow::Result<()> {
        let beside = folder.with_extension(format!("part-{}", std::process::id()));
        for (name, content) in &self.files {
            let file = beside.join(name);
            put(&file, content)?;
            if content.starts_with(b"#!") {
                make_executable(&file)?;
            }
        }
        put(&beside.join(STAMP), stamp.as_bytes())?;
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
        }
        std::fs::rename(&beside, folder).with_context(|| format!("cannot write `{}`", folder.display()))
    }

    fn stamp(&self) -> String {
        let mut hash = Sha256::new();
        for (name, content) in &self.files {
            hash.update(name);
            hash.update(content.len().to_le_bytes());
            hash.update(content);
        }
        let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "The plugin SDK of Parlour {version}. `parlour plugin build` writes this folder; changes in it get lost.\n{hash}\n"
        )
    }
}

/// Writes a file and the folders that it needs.
pub(super) fn put(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder: PathBuf = file.parent().map(Path::to_path_buf).unwrap_or_default();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    std::fs::write(file, content).with_context(|| format!("cannot write `{}`", file.display()))
}

/// npm does it when it links a package's program, and does not link it again when the SDK behind it is another.
#[cfg(unix)]
fn make_executable(file: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let permissions = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(file, permissions).with_context(|| format!("cannot make `{}` a program", file.display()))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_sdk_is_replaced_and_an_equal_one_left_alone() {
        let project = tempfile::tempdir().unwrap();
        let path = |name: &str| project.path().join(name);
        let files = [("README.md", "Read me."), ("src/lib.rs", "pub mod all;")];
        let files = files.into_iter().map(|(name, content)| (name.to_owned(), content.as_bytes().to_vec()));
        let sdk = Sdk { files: files.collect() };
        sdk.renew(project.path()).unwrap();
        let lib = path(".parlour/sdk/src/lib.rs");
        std::fs::write(&lib, "").unwrap();
        sdk.renew(project.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&lib).unwrap(), "", "the stamp is the same");
        std::fs::write(path(".parlour/sdk/stamp.txt"), "an older one").unwrap();
        std::fs::write(path(".parlour/sdk/src/gone.rs"), "").unwrap();
        sdk.renew(project.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&lib).unwrap(), "pub mod all;");
        assert!(!path(".parlour/sdk/src/gone.rs").exists());
        assert_eq!(std::fs::read_dir(path(".parlour")).unwrap().count(), 1, "nothing is left beside it");
    }
}
