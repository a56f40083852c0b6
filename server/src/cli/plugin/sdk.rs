//! The plugin SDK inside this binary. A project gets a copy of it in `.parlour/sdk`, because no registry has it, and gets
//! another one when the binary is another: the SDK and the host that accepts its plugins stay in step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

/// Where a project has it, as its Cargo.toml writes it.
pub(super) const FOLDER: &str = ".parlour/sdk";
const STAMP: &str = "stamp.txt";

/// What a plugin is built from. Not the SDK's own tests, and not the generator of its bindings.
#[derive(RustEmbed)]
#[folder = "../plugin-sdk"]
#[include = "Cargo.toml"]
#[include = "README.md"]
#[include = "manifest.schema.json"]
#[include = "macros/Cargo.toml"]
#[include = "macros/src/*"]
#[include = "src/*"]
#[include = "wit/*"]
struct Sources;

/// Writes the SDK into a project that has none, or another binary's. A project whose SDK comes from elsewhere is left alone.
pub(super) fn renew(project: &Path) -> anyhow::Result<()> {
    let manifest = project.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).with_context(|| format!("cannot read `{}`", manifest.display()))?;
    if !text.contains(FOLDER) {
        return Ok(());
    }
    let files = files()?;
    let stamp = stamp(&files);
    let folder = project.join(FOLDER);
    match std::fs::read_to_string(folder.join(STAMP)) {
        Ok(present) if present == stamp => return Ok(()),
        Ok(_) => eprintln!("replacing the SDK in {FOLDER} by the one of Parlour {}", env!("CARGO_PKG_VERSION")),
        Err(_) => {}
    }
    write(&folder, &files, &stamp)
}

/// Beside first, then renamed: whoever builds meanwhile finds all of one SDK or all of the other.
fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>, stamp: &str) -> anyhow::Result<()> {
    let beside = folder.with_extension(format!("part-{}", std::process::id()));
    for (name, content) in files {
        put(&beside.join(name), content)?;
    }
    put(&beside.join(STAMP), stamp.as_bytes())?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
    }
    std::fs::rename(&beside, folder).with_context(|| format!("cannot write `{}`", folder.display()))
}

/// Writes a file and the folders that it needs.
pub(super) fn put(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder: PathBuf = file.parent().map(Path::to_path_buf).unwrap_or_default();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    std::fs::write(file, content).with_context(|| format!("cannot write `{}`", file.display()))
}

fn files() -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for name in Sources::iter() {
        let Some(file) = Sources::get(&name) else { continue };
        let content = match name.ends_with("Cargo.toml") {
            true => standing_alone(&file.data).with_context(|| format!("cannot understand the SDK's `{name}`"))?,
            false => file.data.into_owned(),
        };
        files.insert(name.into_owned(), content);
    }
    Ok(files)
}

/// A package of Parlour's own workspace as one that needs nothing around it, tests and lints left behind.
fn standing_alone(manifest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut manifest: toml::Table = std::str::from_utf8(manifest)?.parse()?;
    for section in ["lints", "test", "dev-dependencies"] {
        manifest.remove(section);
    }
    if let Some(package) = manifest.get_mut("package").and_then(toml::Value::as_table_mut) {
        package.remove("workspace");
    }
    Ok(toml::to_string(&manifest)?.into_bytes())
}

fn stamp(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut hash = Sha256::new();
    for (name, content) in files {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_there_whole_and_needs_no_workspace() {
        let files = files().unwrap();
        for expected in [
            "Cargo.toml",
            "README.md",
            "manifest.schema.json",
            "macros/Cargo.toml",
            "macros/src/lib.rs",
            "src/bindings.rs",
            "src/lib.rs",
            "src/testing/filter.rs",
            "wit/plugin.wit",
        ] {
            assert!(files.contains_key(expected), "{expected} is missing in {:?}", files.keys());
        }
        assert!(!files.keys().any(|it| it.starts_with("bindgen") || it.contains("tests/")), "{:?}", files.keys());
        for manifest in ["Cargo.toml", "macros/Cargo.toml"] {
            let text = String::from_utf8(files[manifest].clone()).unwrap();
            assert!(!text.contains("workspace"), "{text}");
            assert!(text.contains("[dependencies"), "{text}");
        }
    }

    #[test]
    fn a_changed_sdk_is_replaced_and_an_equal_one_left_alone() {
        let project = tempfile::tempdir().unwrap();
        let path = |name: &str| project.path().join(name);
        std::fs::write(path("Cargo.toml"), "[dependencies]\nparlour-plugin-sdk = \"1\"\n").unwrap();
        renew(project.path()).unwrap();
        assert!(!path(".parlour").exists(), "it takes the SDK from elsewhere");
        std::fs::write(path("Cargo.toml"), "[dependencies]\nparlour-plugin-sdk = { path = \".parlour/sdk\" }\n")
            .unwrap();
        renew(project.path()).unwrap();
        let lib = path(".parlour/sdk/src/lib.rs");
        std::fs::write(&lib, "").unwrap();
        renew(project.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&lib).unwrap(), "", "the stamp is the same");
        std::fs::write(path(".parlour/sdk/stamp.txt"), "an older one").unwrap();
        std::fs::write(path(".parlour/sdk/src/gone.rs"), "").unwrap();
        renew(project.path()).unwrap();
        assert!(std::fs::read_to_string(&lib).unwrap().contains("pub mod"));
        assert!(!path(".parlour/sdk/src/gone.rs").exists());
        assert_eq!(std::fs::read_dir(path(".parlour")).unwrap().count(), 1, "nothing is left beside it");
    }
}
