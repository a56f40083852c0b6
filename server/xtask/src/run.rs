//! `cargo xtask run`: from a fresh clone to a chat page, with one command.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::process::find_program;
use crate::server::{self, LISTENING, Profile, SET_UP};

/// The name of the hidden command that reads the server's lines and opens the link.
pub(crate) const OPEN_LINK: &str = "open-link";

/// How long to wait, once the server listens, for a set-up link to follow.
const LINK_FOLLOWS: Duration = Duration::from_secs(1);

struct Options {
    profile: Profile,
    open: bool,
    /// For `parlour serve`.
    passed_on: Vec<String>,
}

fn parse(arguments: &[String]) -> anyhow::Result<Options> {
    let mut options = Options { profile: Profile::Debug, open: true, passed_on: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--release" => options.profile = Profile::Release,
            "--no-open" => options.open = false,
            "--" => options.passed_on = rest.by_ref().cloned().collect(),
            other => bail!(
                "`cargo xtask run` does not know `{other}`\nhint: what belongs to `parlour serve` comes after `--`: cargo xtask run -- {other}"
            ),
        }
    }
    Ok(options)
}

/// # Errors
/// A tool is missing, something does not compile, or the server cannot be started.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let options = parse(arguments)?;
    let binary = server::build_all(root, options.profile)?;
    let mut command = Command::new(binary);
    command.current_dir(root).arg("serve");
    let given = |flag: &str| options.passed_on.iter().any(|it| it == flag || it.starts_with(&format!("{flag}=")));
    if !given("--project") && std::env::var_os("PARLOUR_PROJECT").is_none() {
        command.args(["--project", "workflows/restaurant", "--project", "workflows/marketing"]);
    }
    if !given("--data") && std::env::var_os("PARLOUR_DATA").is_none() {
        command.args(["--data", "data"]);
    }
    command.args(&options.passed_on);
    if options.open && opener().is_some() {
        command.stdout(reader()?);
    }
    replace_us(&mut command)
}

/// The server takes our place: Ctrl-C, signals and the exit code are then its own.
#[cfg(unix)]
fn replace_us(command: &mut Command) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).context("cannot start the server")
}

#[cfg(not(unix))]
fn replace_us(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().context("cannot start the server")?;
    if status.success() { Ok(()) } else { bail!("the server ended with {status}") }
}

/// A second process of this program that repeats the server's lines and opens the link among them. It stands in a process
/// group of its own, so that Ctrl-C ends the server first and nothing that it says on its way out is lost.
fn reader() -> anyhow::Result<Stdio> {
    let mut command = Command::new(std::env::current_exe().context("cannot find our own program file")?);
    command.arg(OPEN_LINK).stdin(Stdio::piped());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    let mut child = command.spawn().context("cannot start the reader of the server's lines")?;
    Ok(Stdio::from(child.stdin.take().context("the reader has no standard input")?))
}

/// Repeats standard input and opens the first set-up link in it, or else the server's address.
///
/// # Errors
/// None; the signature is that of every command.
#[expect(clippy::unnecessary_wraps, reason = "one signature for every command")]
pub(crate) fn open_link() -> anyhow::Result<()> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(std::io::stdin()).lines().map_while(Result::ok) {
            println!("{line}");
            // Nobody listens once the link is open; from then on the lines are only repeated.
            sender.send(line).ok();
        }
    });
    let mut address = None;
    loop {
        let line = match &address {
            None => lines.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(_) => lines.recv_timeout(LINK_FOLLOWS),
        };
        match line {
            Ok(line) => {
                if let Some(link) = server::link_after(&line, SET_UP) {
                    open(link);
                    break;
                }
                address = address.or_else(|| server::link_after(&line, LISTENING).map(str::to_owned));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                address.as_deref().map(open);
                break;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
    // The thread above repeats lines until the server ends.
    while lines.recv().is_ok() {}
    Ok(())
}

/// What opens a link here, if a person sits in front of a desktop.
fn opener() -> Option<&'static str> {
    if cfg!(target_os = "macos") {
        // Over ssh the window would open on a screen that nobody sees.
        return std::env::var_os("SSH_CONNECTION").is_none().then_some("open");
    }
    let desktop =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|it| std::env::var_os(it).is_some_and(|value| !value.is_empty()));
    (desktop && std::env::var_os("CI").is_none() && find_program(&["xdg-open"]).is_some()).then_some("xdg-open")
}

fn open(link: &str) {
    if let Some(program) = opener() {
        // The link is on the screen as well, so a browser that does not start is no failure.
        Command::new(program).arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_follows_two_dashes_is_the_servers() {
        let options = parse(&words("--release --no-open -- --listen 127.0.0.1:0")).unwrap();
        assert!(options.profile == Profile::Release && !options.open);
        assert_eq!(options.passed_on, words("--listen 127.0.0.1:0"));
    }

    #[test]
    fn a_flag_of_the_server_in_the_wrong_place_gets_a_hint() {
        let error = parse(&words("--listen")).err().unwrap().to_string();
        assert!(error.contains("cargo xtask run -- --listen"), "{error}");
    }
}
