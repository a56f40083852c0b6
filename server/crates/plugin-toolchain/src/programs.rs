//! Other programs: where they are, what a command is in words, and how one runs to its end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::Say;

/// The first of these programs that is on the `PATH`.
#[must_use]
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// A command as a person would type it: the program without its folder, then its arguments.
#[must_use]
pub fn command_line(command: &Command) -> String {
    let program = command.get_program();
    let short = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
    let words = command.get_args().map(|it| it.to_string_lossy().into_owned());
    std::iter::once(short).chain(words).collect::<Vec<_>>().join(" ")
}

/// Runs a command to its end. All that it prints goes to our standard error: standard output belongs to whoever calls.
pub(crate) fn run(command: &mut Command, say: Say<'_>) -> anyhow::Result<()> {
    let line = command_line(command);
    say(&format!("$ {line}"));
    // Nothing here asks questions, and a CI machine has nobody to answer them.
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    Ok(())
}

/// Runs a command to its end, or ends it. The error is its last words.
pub(crate) fn finish_within(mut command: Command, patience: Duration) -> Result<(), String> {
    let start = Instant::now();
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut pipe = child.stderr.take();
    let words = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(pipe) = &mut pipe {
            std::io::Read::read_to_string(pipe, &mut text).ok();
        }
        text
    });
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let text = words.join().unwrap_or_default();
                let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
                return Err(last.map_or_else(|| status.to_string(), str::to_owned));
            }
            Ok(None) if start.elapsed() < patience => std::thread::sleep(Duration::from_millis(50)),
            Ok(None) => {
                child.kill().ok();
                child.wait().ok();
                return Err(format!("not done after {} s", patience.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// A command without what cargo and rustup tell the program they run: with it a nested cargo of another toolchain would
/// call the wrong compiler, or build with flags meant for another project.
#[must_use]
pub(crate) fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let leaks = matches!(
            text,
            "CARGO"
                | "RUSTC"
                | "RUSTDOC"
                | "RUSTC_WORKSPACE_WRAPPER"
                | "RUSTC_BOOTSTRAP"
                | "RUSTFLAGS"
                | "CARGO_ENCODED_RUSTFLAGS"
                | "RUSTUP_TOOLCHAIN"
                | "RUST_RECURSION_COUNT"
                | "CARGO_PRIMARY_PACKAGE"
                | "CARGO_INCREMENTAL"
                | "CARGO_TARGET_DIR"
                | "LD_LIBRARY_PATH"
                | "DYLD_LIBRARY_PATH"
                | "DYLD_FALLBACK_LIBRARY_PATH"
        ) || [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BUILD_",
            "CARGO_PROFILE_",
            "CARGO_TARGET_WASM32_",
            "CARGO_CFG_",
        ]
        .iter()
        .any(|start| text.starts_with(start));
        if leaks {
            command.env_remove(&name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_it_would_be_typed() {
        let mut command = Command::new(Path::new("some").join("where").join("cargo"));
        assert_eq!(command_line(command.args(["build", "--release"])), "cargo build --release");
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_does_not_end_is_ended() {
        let start = Instant::now();
        let mut command = Command::new("sleep");
        command.arg("60").stderr(Stdio::piped());
        let problem = finish_within(command, Duration::from_millis(200)).unwrap_err();
        assert!(problem.contains("not done"), "{problem}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
