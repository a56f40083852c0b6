//! `cargo xtask plugins`: compiles the plugins to `plugins/dist/*.wasm`, with whatever way to WebAssembly this machine
//! offers (`plugin-toolchain`), and says which it took. Nothing happens while the sources are the same. Plugins in TypeScript
//! are built with npm (`typescript`), those in Python with pip's packages (`python`).

mod python;
mod typescript;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use plugin_toolchain::{TARGET, Toolchain};

use crate::process::{cargo, run};
use crate::stamp;

/// Folders and files whose change does not change a plugin.
const WITHOUT_EFFECT: &[&str] = &[
    "target",
    "dist",
    "node_modules",
    ".venv",
    "__pycache__",
    "bindgen",
    "tests",
    "tests.rs",
    "README.md",
    "README.zh-CN.md",
    ".gitignore",
];
/// The guest of a contract that does not exist yet is this one with another version in it.
const OF_A_LATER_CONTRACT: (&str, &str) = ("echo", "wrong_contract");

const PLAIN: &str = "wasm";
const PACKED: &str = "wasm.gz";
const ABOUT: &str = "json";

/// One plugin: a folder with a package of the same name.
struct Guest {
    name: String,
    language: Language,
    folder: PathBuf,
    /// Where its files go, below `dist`: the plugin itself first.
    files: Vec<PathBuf>,
}

impl Guest {
    /// Those of its files that its own build makes; [`pack`] makes the others.
    fn built(&self) -> &[PathBuf] {
        match self.language {
            Language::Python => &self.files,
            Language::Rust | Language::TypeScript => self.files.get(..1).unwrap_or_default(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Rust,
    TypeScript,
    Python,
}

impl Language {
    const ALL: [(&str, Language); 3] =
        [("Cargo.toml", Language::Rust), ("package.json", Language::TypeScript), ("pyproject.toml", Language::Python)];

    /// What ships is compressed in the server, with a few words about it beside it; the plain file is for tools and tests.
    /// Python's build compresses by itself, and nothing needs the plain file.
    fn extensions(self, ships: bool) -> &'static [&'static str] {
        match (self, ships) {
            (Language::Rust | Language::TypeScript, true) => &[PLAIN, PACKED, ABOUT],
            (Language::Rust | Language::TypeScript, false) => &[PLAIN],
            (Language::Python, _) => &[PACKED, ABOUT],
        }
    }
}

/// What to build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// The plugins in Rust. The others have been built already, by something that has Node and Python (the container's image).
    Rust,
}

/// # Errors
/// There is no way to compile to WebAssembly here (the text says what to install), npm or its registry is missing, or a
/// plugin does not compile.
pub(crate) fn build(root: &Path, part: Part) -> anyhow::Result<()> {
    let start = Instant::now();
    let plugins = root.join("plugins");
    let dist = plugins.join("dist");
    let guests = guests(&plugins)?;
    let expected = expected_files(&guests, &dist);
    let stamp = stamp::of(&[root.join("plugin-sdk"), plugins.clone()], WITHOUT_EFFECT)?;
    let stamp_file = dist.join("sources.stamp");
    if stamp::is_current(&stamp_file, &stamp) && expected.iter().all(|file| file.is_file()) {
        println!("plugins: {} files in plugins/dist are up to date", expected.len());
        return Ok(());
    }
    let toolchain = plugin_toolchain::find(root, &|line| println!("plugins: {line}"))?;
    println!("plugins: compiling with {}", toolchain.description);
    compile(&plugins, &guests, &toolchain)?;
    let mut changed = collect(&plugins, &guests, &dist)?;
    for guest in guests.iter().filter(|it| it.language != Language::Rust) {
        match part {
            Part::All => changed += build_elsewhere(root, guest, &dist)?,
            Part::Rust => {
                if let Some(missing) = guest.built().iter().find(|it| !dist.join(it).is_file()) {
                    bail!("`plugins/dist/{}` is not there\nhint: `cargo xtask plugins` builds it", missing.display());
                }
            }
        }
    }
    for guest in &guests {
        changed += pack(guest, &dist)?;
    }
    remove_others(&dist, &expected)?;
    if part == Part::All {
        stamp::write(&stamp_file, &stamp)?;
    }
    print(&expected, &dist, changed, start)
}

/// Builds a plugin that cargo does not; gives how many of its files changed.
fn build_elsewhere(root: &Path, guest: &Guest, dist: &Path) -> anyhow::Result<usize> {
    let built = match guest.language {
        Language::Rust => Vec::new(),
        Language::TypeScript => {
            println!("plugins: building {} with npm", guest.name);
            vec![typescript::build(root, &guest.folder)?]
        }
        Language::Python => {
            println!("plugins: building {} with componentize-py", guest.name);
            let folder = python::build(root, &guest.folder)?;
            let read = |file: &PathBuf| {
                let path = folder.join(file.file_name().unwrap_or_default());
                std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))
            };
            guest.built().iter().map(read).collect::<anyhow::Result<_>>()?
        }
    };
    let mut changed = 0;
    for (file, bytes) in guest.built().iter().zip(built) {
        changed += usize::from(replace(&dist.join(file), &bytes)?);
    }
    Ok(changed)
}

/// The plugins' own tests, natively against a fake host; with `RUN_SLOW_TESTS=1` also whether the checked-in bindings are
/// what the contract generates.
///
/// # Errors
/// A test fails.
pub(crate) fn test(root: &Path) -> anyhow::Result<()> {
    run(cargo(root).args(["test", "--manifest-path", "plugins/Cargo.toml"]))?;
    let guests = guests(&root.join("plugins"))?;
    let of = |language| guests.iter().filter(move |it| it.language == language).map(|it| it.folder.as_path());
    typescript::test(root, of(Language::TypeScript))?;
    for folder in of(Language::Python) {
        python::test(root, folder)?;
    }
    if crate::test::slow() {
        // Its dependencies cost a minute of one core and serve nothing else, so they stay beside the plugins' builds.
        let mut command = cargo(root);
        command.env("CARGO_TARGET_DIR", root.join("plugins/target/bindgen"));
        command.args(["run", "--quiet", "--manifest-path", "plugin-sdk/bindgen/Cargo.toml", "--", "--check"]);
        run(&mut command)?;
    }
    Ok(())
}

/// Every folder with a `Cargo.toml`, a `package.json` or a `pyproject.toml` is a plugin; those in `testing` are for the host's tests.
fn guests(plugins: &Path) -> anyhow::Result<Vec<Guest>> {
    let mut guests = Vec::new();
    for (folder, prefix) in [(plugins.to_path_buf(), ""), (plugins.join("testing"), "testing")] {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
            let path = entry?.path();
            let language = Language::ALL.into_iter().find(|(file, _)| path.join(file).is_file());
            if let (Some((_, language)), Some(name)) = (language, path.file_name()) {
                let name = name.to_string_lossy().into_owned();
                let file = |extension: &&str| Path::new(prefix).join(format!("{name}.{extension}"));
                let files = language.extensions(prefix.is_empty()).iter().map(file).collect();
                guests.push(Guest { name, language, folder: path, files });
            }
        }
    }
    guests.sort_by(|one, other| one.files.cmp(&other.files));
    Ok(guests)
}

fn expected_files(guests: &[Guest], dist: &Path) -> BTreeSet<PathBuf> {
    let (_, later) = OF_A_LATER_CONTRACT;
    let later = dist.join("testing").join(format!("{later}.wasm"));
    guests.iter().flat_map(|guest| &guest.files).map(|file| dist.join(file)).chain([later]).collect()
}

fn compile(plugins: &Path, guests: &[Guest], toolchain: &Toolchain) -> anyhow::Result<()> {
    let mut command = toolchain.cargo(plugins);
    command.env("CARGO_TARGET_DIR", plugins.join("target"));
    command.args(["build", "--release", "--target", TARGET]);
    for guest in guests.iter().filter(|it| it.language == Language::Rust) {
        command.args(["-p", &guest.name]);
    }
    run(&mut command)
}

/// Copies what was compiled to `dist`; gives how many files changed. A file that stays the same is left alone, so that the
/// server, which embeds it, is not built again.
fn collect(plugins: &Path, guests: &[Guest], dist: &Path) -> anyhow::Result<usize> {
    let mut changed = 0;
    let (original, later) = OF_A_LATER_CONTRACT;
    for guest in guests.iter().filter(|it| it.language == Language::Rust) {
        let compiled = plugins.join("target").join(TARGET).join("release").join(format!("{}.wasm", guest.name));
        let bytes = std::fs::read(&compiled).with_context(|| format!("cannot read `{}`", compiled.display()))?;
        for file in guest.built() {
            changed += usize::from(replace(&dist.join(file), &bytes)?);
        }
        if guest.name == original {
            let file = dist.join("testing").join(format!("{later}.wasm"));
            changed += usize::from(replace(&file, &with_later_contract(&bytes)?)?);
        }
    }
    Ok(changed)
}

/// Compresses a plugin that ships, and writes down which file it was made of; gives how many files changed.
fn pack(guest: &Guest, dist: &Path) -> anyhow::Result<usize> {
    let [plain, packed, about] = guest.files.as_slice() else { return Ok(0) };
    let plain = dist.join(plain);
    let bytes = std::fs::read(&plain).with_context(|| format!("cannot read `{}`", plain.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let known = format!("{{\"sha256\":\"{sha256}\"}}\n");
    let changed = [replace(&dist.join(packed), &encoder.finish()?)?, replace(&dist.join(about), known.as_bytes())?];
    Ok(changed.into_iter().filter(|it| *it).count())
}

/// The same plugin, as if made for version 2.0.0 of the contract. Both versions have the same length, so they can be
/// exchanged where they stand: in the imports, the exports and the description of the world.
fn with_later_contract(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    const NOW: &[u8] = b"@1.0.0";
    const LATER: &[u8] = b"@2.0.0";
    let mut later = bytes.to_vec();
    let mut places = 0;
    for start in 0..bytes.len() {
        if let Some(place) = later.get_mut(start..start + NOW.len()).filter(|place| *place == NOW) {
            place.copy_from_slice(LATER);
            places += 1;
        }
    }
    if places == 0 {
        bail!("the echo guest names no version of the contract; is `plugin-sdk/wit` still at 1.0.0?");
    }
    Ok(later)
}

/// Writes beside and renames, so that nobody reads half a file. False when the content was there already.
fn replace(file: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    if std::fs::read(file).is_ok_and(|present| present == bytes) {
        return Ok(false);
    }
    let folder = file.parent().context("a file has a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let beside = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&beside, bytes).with_context(|| format!("cannot write `{}`", beside.display()))?;
    std::fs::rename(&beside, file).with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(true)
}

/// A plugin that was renamed or deleted must not stay in the server.
fn remove_others(dist: &Path, expected: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for folder in [dist.to_path_buf(), dist.join("testing")] {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
            let path = entry?.path();
            let is_plugin = path.extension().is_some_and(|it| ["wasm", "gz", "json"].iter().any(|kind| it == *kind));
            if is_plugin && !expected.contains(&path) {
                std::fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
    }
    Ok(())
}

fn print(files: &BTreeSet<PathBuf>, dist: &Path, changed: usize, start: Instant) -> anyhow::Result<()> {
    for file in files {
        let size = std::fs::metadata(file).with_context(|| format!("cannot read `{}`", file.display()))?.len();
        let name = file.strip_prefix(dist).unwrap_or(file).display().to_string();
        println!("  {:>5} KB  plugins/dist/{name}", size.div_ceil(1000));
    }
    println!("plugins: {changed} of {} files changed, {:.1} s", files.len(), start.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_contract_replaces_every_version_and_nothing_else() {
        let later = with_later_contract(b"parlour:plugin/log@1.0.0 1.0.0 x@1.0.0").unwrap();
        assert_eq!(later, b"parlour:plugin/log@2.0.0 1.0.0 x@2.0.0");
        assert!(with_later_contract(b"nothing").is_err());
    }

    #[test]
    fn every_guest_of_the_repository_has_its_own_file() {
        let root = crate::root();
        let guests = guests(&root.join("plugins")).unwrap();
        let names: Vec<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
        for shipped in [
            "ad_report",
            "code_javascript",
            "code_python",
            "compare_texts",
            "filter_spicy_dishes",
            "query_knowledge_base",
            "echo",
        ] {
            assert!(names.contains(&shipped), "{names:?}");
        }
        let files: usize = guests.iter().map(|guest| guest.files.len()).sum();
        assert_eq!(expected_files(&guests, Path::new("dist")).len(), files + 1);
    }
}
