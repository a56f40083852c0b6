//! Compiled plugins on disk. A file here becomes machine code, so it is believed only when three things hold: it lies in a
//! folder that nobody else can write, its name says which upload, engine and settings it was made for, and its checksum
//! (over that name and the content) is right. Anything else is deleted and made again; so is what nobody has used for a
//! month, such as the code of versions that were replaced.
//!
//! The checksum stands behind the code, so that the engine can map the file: of a large plugin, only what runs is in memory.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::PluginError;

/// Ends every file; another layout gets another number.
const MAGIC: &[u8; 16] = b"parlour-cwasm-02";
const CHECKSUM_BYTES: usize = 32;
/// A file that was not used for so long is deleted at the next start.
const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Using a file marks it, but no more often than this.
const MARKED_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// The version that wrote a file is part of its name; the compatibility hash covers settings and processor features.
const WASMTIME_VERSION: &str = "48.0.8";

#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// Of the engine: version, settings, processor.
    compatibility: u64,
    /// Makes temporary names unique within the process.
    next_temporary: AtomicU64,
}

impl Cache {
    pub(crate) fn open(folder: PathBuf, engine: &Engine) -> Result<Self, PluginError> {
        make_private(&folder)?;
        let mut hasher = StableHasher::default();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let cache = Self { folder, compatibility: hasher.finish(), next_temporary: AtomicU64::new(0) };
        cache.delete_unused(SystemTime::now());
        Ok(cache)
    }

    /// What cannot be deleted costs some space and nothing else.
    fn delete_unused(&self, now: SystemTime) {
        let unused = |file: &fs::DirEntry| {
            let modified = file.metadata().and_then(|it| it.modified()).ok();
            modified.and_then(|it| now.duration_since(it).ok()).is_some_and(|it| it > KEPT_UNUSED)
        };
        for file in fs::read_dir(&self.folder).into_iter().flatten().flatten().filter(unused) {
            if file.path().extension().is_some_and(|it| it == "cwasm" || it == "new") {
                tracing::debug!(file = %file.path().display(), "nobody has used this compiled plugin for a month");
                let _kept = fs::remove_file(file.path());
            }
        }
    }

    /// The compiled component of an upload, if a trustworthy file is there. A file that is not is deleted.
    pub(crate) fn read(&self, engine: &Engine, sha256: &str) -> Option<Component> {
        let name = self.name(sha256);
        let path = self.folder.join(&name);
        // Not following links: a link would point at a file that this folder's permissions say nothing about.
        if !fs::symlink_metadata(&path).ok()?.is_file() {
            self.discard(&path, "it is not a regular file");
            return None;
        }
        if checked_code(&name, &fs::read(&path).ok()?).is_none() {
            self.discard(&path, "its checksum is wrong");
            return None;
        }
        match deserialize(engine, &path) {
            Ok(component) => {
                mark_used(&path);
                Some(component)
            }
            Err(error) => {
                self.discard(&path, &format!("the engine refused it: {error}"));
                None
            }
        }
    }

    /// Stores a compiled component. Failing to do so costs the next start a compilation and nothing else, so it is logged.
    pub(crate) fn write(&self, sha256: &str, component: &Component) {
        let code = match component.serialize() {
            Ok(code) => code,
            Err(error) => {
                tracing::warn!(plugin.sha256 = sha256, %error, "a compiled plugin could not be serialized for the cache");
                return;
            }
        };
        let name = self.name(sha256);
        if let Err(error) = self.write_atomically(&name, &code) {
            tracing::warn!(
                folder = %self.folder.display(), %error,
                "a compiled plugin could not be cached; it will be compiled again at the next start"
            );
        }
    }

    pub(crate) fn file_of(&self, sha256: &str) -> PathBuf {
        self.folder.join(self.name(sha256))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn name(&self, sha256: &str) -> String {
        format!("{sha256}-{:016x}-{WASMTIME_VERSION}.cwasm", self.compatibility)
    }

    fn write_atomically(&self, name: &str, code: &[u8]) -> std::io::Result<()> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!("{name}.{}-{number}.new", std::process::id()));
        let written = (|| {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?;
            file.write_all(code)?;
            file.write_all(&checksum(name, code))?;
            file.write_all(MAGIC)?;
            file.sync_all()?;
            fs::rename(&temporary, self.folder.join(name))
        })();
        if written.is_err() {
            let _gone_already = fs::remove_file(&temporary);
        }
        written
    }

    fn discard(&self, path: &Path, reason: &str) {
        tracing::warn!(file = %path.display(), reason, "a compiled plugin in the cache is not usable and is compiled again");
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(file = %path.display(), %error, "the unusable file could not be deleted");
        }
    }
}

fn checksum(name: &str, code: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([0]);
    hasher.update(code);
    hasher.finalize().into()
}

fn checked_code<'bytes>(name: &str, bytes: &'bytes [u8]) -> Option<&'bytes [u8]> {
    let summed = bytes.strip_suffix(MAGIC)?;
    let (code, stored) = summed.split_at_checked(summed.len().checked_sub(CHECKSUM_BYTES)?)?;
    (stored == checksum(name, code).as_slice()).then_some(code)
}

#[expect(
    unsafe_code,
    reason = "loading compiled code is unsafe by nature; the caller has checked where the bytes are from"
)]
fn deserialize(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file begins with what `Component::serialize` gave: it lies in a folder only this user can write, the
    // checksum over name and content held, and files here are replaced by renaming and never written in place. wasmtime
    // checks version, settings and processor itself, and reads no further than the image that the file begins with.
    unsafe { Component::deserialize_file(engine, file) }
}

/// Only helps to know what is unused, so a folder that cannot be written to is none of a caller's business.
fn mark_used(file: &Path) {
    let marked = fs::metadata(file).and_then(|it| it.modified()).ok();
    if marked.and_then(|it| it.elapsed().ok()).is_some_and(|it| it > MARKED_EVERY) {
        let opened = fs::OpenOptions::new().append(true).open(file);
        let _unmarked = opened.and_then(|it| it.set_modified(SystemTime::now()));
    }
}

#[cfg(unix)]
fn make_private(folder: &Path) -> Result<(), PluginError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let refuse = |error: std::io::Error| PluginError::Cache { path: folder.to_owned(), reason: error.to_string() };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refuse)?;
    let metadata = fs::symlink_metadata(folder).map_err(refuse)?;
    if !metadata.is_dir() {
        return Err(PluginError::Cache { path: folder.to_owned(), reason: "it is not a folder".to_owned() });
    }
    // Only the owner may change permissions, so this also proves that the folder is ours.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(refuse)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> Result<(), PluginError> {
    fs::create_dir_all(folder)
        .map_err(|error| PluginError::Cache { path: folder.to_owned(), reason: error.to_string() })
}

/// FNV-1a: the standard library's hasher is not promised to give the same number in the next release.
struct StableHasher(u64);

impl Default for StableHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for StableHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_in_the_name_is_the_one_that_is_built_in() {
        let workspace = include_str!("../../../../Cargo.toml");
        let line = workspace.lines().find(|line| line.starts_with("wasmtime = ")).expect("the dependency is there");
        assert!(line.contains(&format!("\"={WASMTIME_VERSION}\"")), "{line}");
    }

    #[test]
    fn a_checksum_binds_name_and_content() {
        let mut file = b"code".to_vec();
        file.extend(checksum("a.cwasm", b"code"));
        file.extend(MAGIC);
        assert_eq!(checked_code("a.cwasm", &file), Some(b"code".as_slice()));
        assert_eq!(checked_code("b.cwasm", &file), None, "a file under another plugin's name");
        file[0] = b'k';
        assert_eq!(checked_code("a.cwasm", &file), None, "a changed file");
        assert_eq!(checked_code("a.cwasm", b"short"), None);
        assert_eq!(checked_code("a.cwasm", MAGIC), None);
    }

    #[test]
    fn what_nobody_has_used_for_a_month_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let days = |number: u64| Duration::from_secs(number * 24 * 3_600);
        let write = |name: &str, age: u64| {
            let path = folder.path().join(name);
            let file = fs::File::create(&path).unwrap();
            file.set_modified(now - days(age)).unwrap();
            path
        };
        let (old, cut_short, recent, foreign) =
            (write("a.cwasm", 40), write("b.cwasm.7-0.new", 40), write("c.cwasm", 20), write("notes.txt", 40));
        let cache = Cache { folder: folder.path().to_owned(), compatibility: 0, next_temporary: AtomicU64::new(0) };
        mark_used(&recent);
        cache.delete_unused(now + days(20));
        assert_eq!([old, cut_short, recent, foreign].map(|it| it.exists()), [false, false, true, true]);
    }
}
