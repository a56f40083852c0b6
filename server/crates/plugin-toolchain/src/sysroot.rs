//! The standard library for WebAssembly, compiled from a compiler's own sources: once per user and compiler, 30 CPU-seconds
//! and 70 MB. It lies in the user's cache under a name made of everything it depends on, and appears there whole or not at
//! all.

use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::programs::run;
use crate::{Compiler, Say, TARGET};

/// Part of the name: a change of how the library is compiled below gives it another number.
const RECIPE: u64 = 2;

/// What the folders of unfinished runs end in, before a process's number.
const BUILDING: &str = "building-";
/// Half a minute is usual; a small and busy machine may take many times that.
const LONGEST_RUN: Duration = Duration::from_secs(6 * 60 * 60);

/// The library of a compiler, if it was compiled before.
pub(crate) fn cached(compiler: &Compiler) -> Option<PathBuf> {
    let folder = folder(compiler).ok()?;
    libraries(&folder).is_dir().then_some(folder)
}

/// Compiles the library, or waits for another process that does.
///
/// # Errors
/// It does not compile, or the cache cannot be written.
pub(crate) fn build(compiler: &Compiler, say: Say<'_>) -> anyhow::Result<PathBuf> {
    let folder = folder(compiler)?;
    let cache = folder.parent().context("the cache is a folder")?;
    std::fs::create_dir_all(cache)
        .with_context(|| format!("cannot make `{}`\nhint: XDG_CACHE_HOME names another place", cache.display()))?;
    let lock_file = folder.with_extension("lock");
    let lock = std::fs::File::create(&lock_file).with_context(|| format!("cannot write `{}`", lock_file.display()))?;
    // The system gives the lock free when its owner ends, however that ends.
    lock.lock().with_context(|| format!("cannot lock `{}`", lock_file.display()))?;
    if libraries(&folder).is_dir() {
        return Ok(folder);
    }
    say("compiling the standard library for WebAssembly, once for this compiler (half a minute of one core)");
    remove_leftovers(cache)?;
    // A name of our own: the compiler of a run that was killed may still be writing into that run's folder.
    let work = folder.with_extension(format!("{BUILDING}{}", std::process::id()));
    compile(compiler, &work, say)?;
    let finished = work.join("finished");
    let into = libraries(&finished);
    std::fs::create_dir_all(&into).with_context(|| format!("cannot make `{}`", into.display()))?;
    copy_libraries(&work.join("target").join(TARGET).join("release/deps"), &into)?;
    std::fs::rename(&finished, &folder).with_context(|| format!("cannot write `{}`", folder.display()))?;
    remove(&work)?;
    Ok(folder)
}

/// A library crate with nothing in it: what is wanted is what it is compiled against.
fn compile(compiler: &Compiler, work: &Path, say: Say<'_>) -> anyhow::Result<()> {
    const MANIFEST: &str = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
        [profile.release]\nopt-level = \"s\"\ncodegen-units = 1\npanic = \"abort\"\n";
    let crate_folder = work.join("crate");
    std::fs::create_dir_all(crate_folder.join("src"))
        .with_context(|| format!("cannot make `{}`", crate_folder.display()))?;
    std::fs::write(crate_folder.join("Cargo.toml"), MANIFEST).context("cannot write the empty crate")?;
    std::fs::write(crate_folder.join("src/lib.rs"), "#![no_std]\n").context("cannot write the empty crate")?;
    let mut command = compiler.cargo(&crate_folder);
    // Only a nightly compiler takes -Z flags; this is how a stable one compiles its own library.
    command.env("RUSTC_BOOTSTRAP", "1");
    // The plugins are optimised as a whole, the library with them, so it has to keep its intermediate code.
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Cembed-bitcode=yes");
    command.env("CARGO_TARGET_DIR", work.join("target"));
    command.args(["build", "--quiet", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET]);
    run(&mut command, say).context("cannot compile the standard library for WebAssembly")
}

fn copy_libraries(from: &Path, into: &Path) -> anyhow::Result<()> {
    let mut copied = 0;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read `{}`", from.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            std::fs::copy(entry.path(), into.join(&name)).with_context(|| format!("cannot copy `{name}`"))?;
            copied += 1;
        }
    }
    if copied == 0 {
        bail!("compiling the standard library left nothing in `{}`", from.display());
    }
    Ok(())
}

fn libraries(folder: &Path) -> PathBuf {
    folder.join("lib/rustlib").join(TARGET).join("lib")
}

/// Folders of runs that did not come to their end. A run for another compiler may be working at this moment; its folder is
/// younger than any run lasts.
fn remove_leftovers(cache: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(cache).with_context(|| format!("cannot read `{}`", cache.display()))? {
        let entry = entry?;
        let is_unfinished = entry.path().extension().is_some_and(|end| end.to_string_lossy().starts_with(BUILDING));
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        if is_unfinished && age.is_some_and(|age| age > LONGEST_RUN) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", folder.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn folder(compiler: &Compiler) -> anyhow::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    hasher.write(compiler.version.as_bytes());
    hasher.write(compiler.sysroot.to_string_lossy().as_bytes());
    hasher.write_u64(RECIPE);
    Ok(cache()?.join("wasm-std").join(format!("{:016x}", hasher.finish())))
}

/// The user's cache folder for Parlour.
fn cache() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(cache) = absolute("XDG_CACHE_HOME") {
        return Ok(cache.join("parlour"));
    }
    let home = absolute("HOME")
        .or_else(|| absolute("USERPROFILE"))
        .context("there is no home folder for the cache\nhint: set XDG_CACHE_HOME")?;
    Ok(home.join(".cache/parlour"))
}
