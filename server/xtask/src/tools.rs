//! The programs that a build or a test needs and cargo does not bring: are they there, and if not, how to get them. As root
//! on Debian and Ubuntu (a CI machine) they are installed; on a person's machine the command is named and nothing is touched.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use crate::process::{find_program, output, run};

/// Vite's own floor: 20.19, or 22.12 and newer.
const NODE: (u32, u32) = (20, 19);

/// # Errors
/// Node or npm is missing or too old; the text says how to get them.
pub(crate) fn require_node() -> anyhow::Result<()> {
    const HOW: &str = "the web page and the plugins in TypeScript are built with Node 20.19 or newer (Debian 12's own package is too old)\n\
        hint: get it from https://nodejs.org/en/download, or run `nvm install 22`";
    if find_program(&["node"]).is_none() || find_program(&["npm"]).is_none() {
        bail!("`node` or `npm` was not found: {HOW}");
    }
    let version = output(Command::new("node").arg("--version"))?;
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(|it| it.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < NODE {
        bail!("`node` is {}: {HOW}", version.trim());
    }
    Ok(())
}

/// SQLite and the cryptography are C; cargo's own message for a missing compiler says nothing a newcomer could use.
///
/// # Errors
/// There is no C compiler and none could be installed.
pub(crate) fn require_c_compiler() -> anyhow::Result<()> {
    if find_program(&["cc", "clang", "gcc"]).is_some() || cfg!(windows) {
        return Ok(());
    }
    install("a C compiler (for SQLite)", &["gcc", "libc6-dev", "make"])
}

/// The browser that the browser tests drive: `CHROMIUM`, or one that is installed.
///
/// # Errors
/// There is none and none could be installed.
pub(crate) fn chromium() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|it| !it.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    if let Some(found) = installed_chromium() {
        return Ok(found);
    }
    install("a Chromium browser", &["chromium"])?;
    installed_chromium()
        .context("`chromium` was installed but is not on the PATH\nhint: set CHROMIUM to the browser's program file")
}

fn installed_chromium() -> Option<PathBuf> {
    let mac = [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ];
    find_program(&["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])
        .or_else(|| mac.iter().map(PathBuf::from).find(|it| it.is_file()))
}

/// Without a Chinese font the browser draws boxes, and screenshots of them pass every test.
///
/// # Errors
/// There is none and none could be installed.
pub(crate) fn require_chinese_font() -> anyhow::Result<()> {
    if cfg!(target_os = "macos") || has_chinese_font() {
        return Ok(());
    }
    install("a Chinese font", &["fontconfig", "fonts-noto-cjk"])
}

fn has_chinese_font() -> bool {
    find_program(&["fc-list"]).is_some()
        && output(Command::new("fc-list").arg(":lang=zh")).is_ok_and(|it| !it.trim().is_empty())
}

/// Plugins in Python are built in an environment of their own, and the tests of the official client packages make another, so
/// that nothing is installed into the system's; Debian splits what that takes into another package.
///
/// # Errors
/// There is no Python 3.11 with `venv` and none could be installed.
pub(crate) fn require_python() -> anyhow::Result<()> {
    const CHECK: &str = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))";
    let there = || find_program(&["python3"]).is_some() && output(Command::new("python3").args(["-c", CHECK])).is_ok();
    if there() {
        return Ok(());
    }
    install(
        "Python 3.11 or newer with venv (for plugins in Python and the official client packages)",
        &["python3", "python3-venv"],
    )
}

/// The tests start a Postgres server of their own; Debian keeps its programs out of the PATH.
///
/// # Errors
/// There is none, no server is named in `PARLOUR_TEST_POSTGRES`, and none could be installed.
pub(crate) fn require_postgres() -> anyhow::Result<()> {
    let named = std::env::var_os("PARLOUR_TEST_POSTGRES").is_some_and(|it| !it.is_empty());
    let debian = || std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let brewed = ["/opt/homebrew/opt/postgresql/bin/initdb", "/usr/local/opt/postgresql/bin/initdb"];
    let there = named
        || find_program(&["initdb"]).is_some()
        || debian().any(|it| it.path().join("bin/initdb").is_file())
        || brewed.iter().any(|it| std::path::Path::new(it).is_file());
    if there { Ok(()) } else { install("Postgres (its tests start one of their own)", &["postgresql"]) }
}

/// Installs Debian packages where that is ours to do, and otherwise says what to run.
fn install(what: &str, packages: &[&str]) -> anyhow::Result<()> {
    let list = packages.join(" ");
    if find_program(&["apt-get"]).is_none() {
        let hint = if cfg!(target_os = "macos") {
            "xcode-select --install; brew install --cask chromium; brew install python postgresql"
        } else {
            "your system's package manager"
        };
        bail!("{what} is missing\nhint: install it with {hint} (on Debian: {list})");
    }
    let root = output(Command::new("id").arg("-u")).is_ok_and(|it| it.trim() == "0");
    if !root {
        bail!("{what} is missing\nhint: sudo apt-get install {list}");
    }
    eprintln!("{what} is missing; installing {list}");
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt().args(["update", "-qq"]))?;
    run(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
        .with_context(|| format!("could not install {what}"))
}
