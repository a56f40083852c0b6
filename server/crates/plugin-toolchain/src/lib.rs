//! The way to WebAssembly that this machine offers, for `parlour plugin build` and for `cargo xtask plugins`. It knows
//! nothing of the server. In this order:
//!
//! 1. a compiler whose `wasm32-unknown-unknown` is installed (rustup's target, or a distribution's package);
//! 2. a standard library that we compiled earlier for a compiler with sources, from the user's cache;
//! 3. `rustup target add`, where rustup is and the network answers;
//! 4. a compiler with the standard library's sources: it is compiled once (`sysroot.rs`);
//! 5. on Debian and Ubuntu as root, the distribution's packages, then 4 again; else their names.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, bail};

use programs::{clean_command, finish_within, run};
pub use programs::{command_line, find_program};

mod programs;
mod sysroot;

/// What plugins are compiled for: nothing but what the host hands them.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// What the plugins' `rust-version` says.
const OLDEST: (u32, u32) = (1, 95);
/// A closed network may neither answer nor refuse; this is how long it is asked.
const NETWORK_PATIENCE: Duration = Duration::from_secs(3);
/// A target is 20 MB.
const TARGET_ADD_PATIENCE: Duration = Duration::from_secs(60);

/// Where progress is told: one line each, for a person who wonders why it takes so long.
pub type Say<'a> = &'a dyn Fn(&str);

/// A compiler of this machine.
#[derive(Clone, Debug, PartialEq)]
struct Compiler {
    rustc: PathBuf,
    cargo: PathBuf,
    sysroot: PathBuf,
    /// `rustc -vV`
    version: String,
}

/// A compiler together with a standard library for WebAssembly.
pub struct Toolchain {
    compiler: Compiler,
    linker: Option<PathBuf>,
    /// Where the standard library is, when it is not in the compiler's own folder.
    sysroot: Option<PathBuf>,
    /// For people.
    pub description: String,
}

impl Toolchain {
    /// Cargo of this toolchain, in a folder, without anything that the environment says about another build.
    #[must_use]
    pub fn cargo(&self, folder: &Path) -> Command {
        let mut command = self.compiler.cargo(folder);
        if let Some(linker) = &self.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        if let Some(sysroot) = &self.sysroot {
            // Flags of one target do not reach macros and build scripts, which need the compiler's own library.
            let mut flag = std::ffi::OsString::from("--sysroot=");
            flag.push(sysroot);
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flag);
        }
        command
    }
}

impl Compiler {
    /// The compiler behind a `rustc`, which may be rustup's stand-in for it.
    fn at(rustc: &Path, folder: &Path) -> Option<Self> {
        let ask = |arguments: &[&str]| {
            let output = Command::new(rustc)
                .args(arguments)
                .current_dir(folder)
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .output()
                .ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
        let version = ask(&["-vV"])?;
        let program = |name: &str| sysroot.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let (rustc, cargo) = (program("rustc"), program("cargo"));
        (rustc.is_file() && cargo.is_file()).then_some(Self { rustc, cargo, sysroot, version })
    }

    fn cargo(&self, folder: &Path) -> Command {
        let mut command = clean_command(&self.cargo);
        command.current_dir(folder).env("RUSTC", &self.rustc);
        command
    }

    fn release(&self) -> Option<&str> {
        self.version.lines().find_map(|line| line.strip_prefix("release: "))
    }

    fn llvm(&self) -> Option<u32> {
        let version = self.version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
        version.split('.').next()?.parse().ok()
    }

    fn is_new_enough(&self) -> bool {
        self.release().and_then(major_minor).is_some_and(|version| version >= OLDEST)
    }

    fn has_target(&self) -> bool {
        let libraries = self.sysroot.join("lib/rustlib").join(TARGET).join("lib");
        let Ok(files) = std::fs::read_dir(libraries) else { return false };
        files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    }

    fn has_sources(&self) -> bool {
        self.sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file()
    }

    /// rustup's compilers bring their own; a distribution's is a package of its own.
    fn linker(&self) -> Option<Linker> {
        let host = self.version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let own = self
            .sysroot
            .join("lib/rustlib")
            .join(host)
            .join("bin")
            .join(format!("rust-lld{}", std::env::consts::EXE_SUFFIX));
        if own.is_file() {
            return Some(Linker::Own);
        }
        best_linker(wasm_linkers(), self.llvm())
            .map(Linker::File)
            .or_else(|| find_program(&["rust-lld"]).map(|_| Linker::Own))
    }

    fn describe(&self) -> String {
        format!("{} ({})", self.version.lines().next().unwrap_or("rustc"), self.rustc.display())
    }
}

/// What puts the compiled parts together.
#[derive(Debug, PartialEq)]
enum Linker {
    /// The compiler finds it by itself.
    Own,
    File(PathBuf),
}

/// Cargo for this machine itself, in a folder: what runs a plugin's own tests.
///
/// # Errors
/// There is no compiler here that is new enough.
pub fn native_cargo(folder: &Path) -> anyhow::Result<Command> {
    match usable_compilers(folder).first() {
        Some(compiler) => Ok(compiler.cargo(folder)),
        None => bail!("there is no Rust {} here\nhint: install it with rustup (https://rustup.rs)", oldest()),
    }
}

/// Finds a toolchain for building in this folder, or makes one.
///
/// # Errors
/// There is none and none could be made; the text says what to install.
pub fn find(folder: &Path, say: Say<'_>) -> anyhow::Result<Toolchain> {
    let compilers = usable_compilers(folder);
    for compiler in &compilers {
        if compiler.has_target()
            && let Some(linker) = compiler.linker()
        {
            return Ok(installed(compiler, linker));
        }
    }
    let compilable = with_sources(&compilers);
    if let Some((compiler, linker)) = &compilable
        && let Some(library) = sysroot::cached(compiler)
    {
        return Ok(compiled(compiler, linker, library));
    }
    if add_target(say) {
        // rustup gave its own default a target; that is the first compiler.
        for compiler in usable_compilers(folder) {
            if compiler.has_target()
                && let Some(linker) = compiler.linker()
            {
                return Ok(installed(&compiler, linker));
            }
        }
    }
    if let Some((compiler, linker)) = compilable {
        let library = sysroot::build(&compiler, say)?;
        return Ok(compiled(&compiler, &linker, library));
    }
    install(&compilers, say)?;
    let compilers = usable_compilers(folder);
    let Some((compiler, linker)) = with_sources(&compilers) else {
        bail!(
            "the packages are installed, but there is still no compiler with sources and linker\nhint: {}",
            advice(&compilers)
        );
    };
    let library = sysroot::build(&compiler, say)?;
    Ok(compiled(&compiler, &linker, library))
}

fn installed(compiler: &Compiler, linker: Linker) -> Toolchain {
    let description = format!("{}, target {TARGET} installed", compiler.describe());
    Toolchain { compiler: compiler.clone(), linker: file(&linker), sysroot: None, description }
}

fn compiled(compiler: &Compiler, linker: &Linker, library: PathBuf) -> Toolchain {
    let description = format!("{}, its standard library compiled once into {}", compiler.describe(), library.display());
    Toolchain { compiler: compiler.clone(), linker: file(linker), sysroot: Some(library), description }
}

fn file(linker: &Linker) -> Option<PathBuf> {
    match linker {
        Linker::Own => None,
        Linker::File(file) => Some(file.clone()),
    }
}

/// The compilers here that are new enough: the one that cargo would take, then the distribution's.
fn usable_compilers(folder: &Path) -> Vec<Compiler> {
    let named = std::env::var_os("RUSTC").map(PathBuf::from);
    let places = named.into_iter().chain(find_program(&["rustc"])).chain([PathBuf::from("/usr/bin/rustc")]);
    let mut found: Vec<Compiler> = Vec::new();
    for compiler in places.filter_map(|place| Compiler::at(&place, folder)) {
        if compiler.is_new_enough() && !found.contains(&compiler) {
            found.push(compiler);
        }
    }
    found
}

fn with_sources(compilers: &[Compiler]) -> Option<(Compiler, Linker)> {
    compilers
        .iter()
        .filter(|compiler| compiler.has_sources())
        .find_map(|compiler| Some((compiler.clone(), compiler.linker()?)))
}

/// Every `wasm-ld` on the `PATH` and in LLVM's own folders, with the version in its name.
fn wasm_linkers() -> Vec<(PathBuf, Option<u32>)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/local/opt/lld/bin", "/opt/homebrew/opt/lld/bin"].map(PathBuf::from));
    let mut linkers = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix("wasm-ld")) else { continue };
            let version = rest.strip_prefix('-').and_then(|version| version.parse().ok());
            if rest.is_empty() || version.is_some() {
                linkers.push((entry.path(), version));
            }
        }
    }
    linkers
}

/// The one of the compiler's own LLVM, else the newest, else the one without a version.
fn best_linker(mut linkers: Vec<(PathBuf, Option<u32>)>, llvm: Option<u32>) -> Option<PathBuf> {
    linkers.sort_by_key(|(_, version)| std::cmp::Reverse((version.is_some() && *version == llvm, *version)));
    linkers.into_iter().next().map(|(path, _)| path)
}

/// Asks rustup for the target. False when there is no rustup, no network, or rustup cannot.
fn add_target(say: Say<'_>) -> bool {
    let Some(rustup) = find_program(&["rustup"]) else { return false };
    if !network_answers() {
        say(&format!("rustup could add {TARGET}, but its server does not answer; looking further"));
        return false;
    }
    say(&format!("$ rustup target add {TARGET}"));
    let mut command = Command::new(rustup);
    command.args(["target", "add", TARGET]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    match finish_within(command, TARGET_ADD_PATIENCE) {
        Ok(()) => true,
        Err(problem) => {
            say(&format!("rustup cannot add it ({problem}); looking further"));
            false
        }
    }
}

/// Whether rustup's server can be reached, directly; with a proxy only rustup itself can tell.
fn network_answers() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if std::env::var_os("CARGO_NET_OFFLINE").is_some_and(|value| value == "true" || value == "1") {
        return false;
    }
    if ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].into_iter().any(set) {
        return true;
    }
    let server = std::env::var("RUSTUP_DIST_SERVER").unwrap_or_else(|_| "https://static.rust-lang.org".to_owned());
    let authority = server.split("://").nth(1).unwrap_or(&server).split('/').next().unwrap_or_default().to_owned();
    let port = if server.starts_with("http://") { 80 } else { 443 };
    let address = if authority.contains(':') { authority } else { format!("{authority}:{port}") };
    // Looking up a name has no time limit of its own, so a thread does it and is left behind if need be.
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let reachable = address.to_socket_addrs().is_ok_and(|mut addresses| {
            addresses.any(|address| std::net::TcpStream::connect_timeout(&address, NETWORK_PATIENCE).is_ok())
        });
        sender.send(reachable).ok();
    });
    answer.recv_timeout(NETWORK_PATIENCE).unwrap_or(false)
}

/// Installs a distribution's compiler with sources, where that is ours to do; otherwise says what to run.
fn install(compilers: &[Compiler], say: Say<'_>) -> anyhow::Result<()> {
    let hint = advice(compilers);
    if find_program(&["apt-get"]).is_none() {
        bail!("nothing here compiles to WebAssembly\nhint: {hint}");
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout.trim_ascii() == b"0");
    if !is_root {
        bail!(
            "nothing here compiles to WebAssembly\nhint: {hint}\nhint: or sudo apt-get update && sudo apt-get install -y {}",
            packages().join(" ")
        );
    }
    say("nothing here compiles to WebAssembly yet; installing the distribution's compiler");
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt().args(["update", "-qq"]), say)?;
    // Which packages there are is known only now.
    let packages = packages();
    run(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(&packages), say)
        .with_context(|| format!("cannot install {}\nhint: {hint}", packages.join(" ")))
}

/// The distribution's compiler, its cargo, its sources and a linker, by the names that are new enough here.
fn packages() -> Vec<String> {
    // Debian's stable releases have a newer compiler for browsers beside the old one.
    let families = [["rustc-web", "cargo-web", "rust-web-src"], ["rustc", "cargo", "rust-src"]];
    let family = families
        .into_iter()
        .find(|[compiler, _, _]| {
            candidate(compiler).as_deref().and_then(major_minor).is_some_and(|version| version >= OLDEST)
        })
        .unwrap_or(["rustc-web", "cargo-web", "rust-web-src"]);
    let names =
        Command::new("apt-cache").args(["search", "--names-only", "^lld-[0-9]+$"]).stderr(Stdio::null()).output();
    let names = names.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let newest = names
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.strip_prefix("lld-")?.parse::<u32>().ok())
        .max();
    let linker = newest.map_or_else(|| "lld".to_owned(), |version| format!("lld-{version}"));
    family.into_iter().map(str::to_owned).chain([linker]).collect()
}

/// The version of a package that apt would install.
fn candidate(package: &str) -> Option<String> {
    let output = Command::new("apt-cache").args(["policy", package]).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.trim().strip_prefix("Candidate: ").map(str::to_owned))
}

fn advice(compilers: &[Compiler]) -> String {
    if find_program(&["rustup"]).is_some() {
        return format!("rustup target add {TARGET}");
    }
    let linker = compilers.iter().any(|compiler| compiler.has_sources());
    let missing = if linker { "the linker of LLVM (`wasm-ld`, package lld)" } else { "rustup (https://rustup.rs)" };
    format!(
        "install {missing}, then rustup target add {TARGET}, or your system's package with the standard library's sources"
    )
}

fn oldest() -> String {
    let (major, minor) = OLDEST;
    format!("{major}.{minor}")
}

/// `1.96.0+dfsg1` → 1 and 96.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_compilers_and_packages() {
        assert_eq!(major_minor("1.96.0+dfsg1-1~deb12u2"), Some((1, 96)));
        assert_eq!(major_minor("1.95.0-nightly"), Some((1, 95)));
        assert_eq!(major_minor("(none)"), None);
    }

    #[test]
    fn the_linker_of_the_compilers_own_llvm_is_preferred() {
        let linkers = || {
            vec![
                (PathBuf::from("wasm-ld"), None),
                (PathBuf::from("wasm-ld-19"), Some(19)),
                (PathBuf::from("wasm-ld-22"), Some(22)),
            ]
        };
        assert_eq!(best_linker(linkers(), Some(19)), Some(PathBuf::from("wasm-ld-19")));
        assert_eq!(best_linker(linkers(), Some(21)), Some(PathBuf::from("wasm-ld-22")));
        assert_eq!(best_linker(vec![(PathBuf::from("wasm-ld"), None)], None), Some(PathBuf::from("wasm-ld")));
        assert_eq!(best_linker(Vec::new(), None), None);
    }
}
