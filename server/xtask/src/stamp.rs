//! Tells whether something has to be built again, by the content of its sources: times lie after a checkout, contents do not.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// One number for the names and contents of these files and folders. Folders named in `skip` are left out at any depth.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn of(paths: &[PathBuf], skip: &[&str]) -> anyhow::Result<String> {
    let mut files = BTreeSet::new();
    for path in paths {
        collect(path, skip, &mut files)?;
    }
    let mut hasher = DefaultHasher::new();
    for file in &files {
        let content = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        hasher.write(file.to_string_lossy().as_bytes());
        hasher.write_usize(content.len());
        hasher.write(&content);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Every file below `path`, in order.
fn collect(path: &Path, skip: &[&str], files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    if path.is_file() {
        files.insert(path.to_path_buf());
    } else if path.is_dir() {
        for entry in std::fs::read_dir(path).with_context(|| format!("cannot read `{}`", path.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            if !skip.iter().any(|it| name == *it) {
                collect(&entry.path(), skip, files)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn is_current(file: &Path, stamp: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|it| it == stamp)
}

/// # Errors
/// The file cannot be written.
pub(crate) fn write(file: &Path, stamp: &str) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    std::fs::write(file, stamp).with_context(|| format!("cannot write `{}`", file.display()))
}
