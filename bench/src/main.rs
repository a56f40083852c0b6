//! `cargo xtask bench`: what the server and the crates cost, measured from outside, written to `bench/RESULTS.md`.
//!
//! The load generator and the mock model run in this process, beside the server on the same cores, so they are kept cheap:
//! plain sockets, prepared requests, no JSON read where a search for a few bytes will do. What the server costs is read
//! from `/proc` and counts its process alone.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program: what it prints is its interface"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

mod chat;
mod clock;
mod events;
mod http;
mod load;
mod mock_model;
mod process;
mod report;
mod server;
mod subjects;

use report::{Report, Section};

/// Where things are and how long to measure; `cargo xtask bench` fills it in.
pub(crate) struct Options {
    pub(crate) root: PathBuf,
    pub(crate) server: PathBuf,
    /// The folder of the crates' built examples.
    pub(crate) examples: PathBuf,
    /// Data folders are made here, so this decides which disk is measured.
    pub(crate) work: PathBuf,
    pub(crate) length: Length,
    parts: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Whole,
    /// A tenth of the time: to see that everything works. Its figures are noisy and do not become the repository's.
    Quick,
}

impl Options {
    /// The first when measuring in earnest, the second for a quick look.
    pub(crate) fn either<T>(&self, whole: T, quick: T) -> T {
        match self.length {
            Length::Whole => whole,
            Length::Quick => quick,
        }
    }
}

fn parse(arguments: &[String]) -> anyhow::Result<Options> {
    let mut places = [None, None, None, None];
    let [root, server, examples, work] = &mut places;
    let (mut length, mut parts) = (Length::Whole, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let place = match argument.as_str() {
            "--root" => &mut *root,
            "--server" => &mut *server,
            "--examples" => &mut *examples,
            "--work" => &mut *work,
            "--quick" => {
                length = Length::Quick;
                continue;
            }
            part if subjects::ALL.iter().any(|it| it.name == part) => {
                parts.push(part.to_owned());
                continue;
            }
            other => bail!("there is no part `{other}`\nhint: the parts are {}", subjects::names().join(", ")),
        };
        *place = Some(PathBuf::from(rest.next().with_context(|| format!("`{argument}` needs a path"))?));
    }
    let missing = "this program is started by `cargo xtask bench`, which says where everything is";
    let [Some(root), Some(server), Some(examples), Some(work)] = places else { bail!(missing) };
    Ok(Options { root, server, examples, work, length, parts })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("what a process costs is read from `/proc`, which only Linux has");
    }
    let file = match options.length {
        Length::Whole => options.root.join("bench").join("RESULTS.md"),
        Length::Quick => options.work.join("RESULTS.md"),
    };
    let mut report = Report::open(&file, &options.root)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut failed = Vec::new();
    for subject in &subjects::ALL {
        if !options.parts.is_empty() && !options.parts.iter().any(|it| it == subject.name) {
            continue;
        }
        eprintln!("\n── {} ──", subject.name);
        let mut section = Section::begin(subject, options.length)?;
        match runtime.block_on((subject.measure)(options, &mut section)) {
            Ok(()) => {
                println!("{}", section.text());
                // After every part, so that a later failure loses nothing.
                report.put(section)?;
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                failed.push(format!("{}: {error:#}", subject.name));
            }
        }
    }
    println!("{}", file.display());
    if failed.is_empty() { Ok(()) } else { bail!("not measured:\n  {}", failed.join("\n  ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn parts_and_places_are_told_apart() {
        let options = parse(&words("--root r --server s --examples e --work w --quick runs start")).unwrap();
        assert_eq!((options.server, options.parts), (PathBuf::from("s"), words("runs start")));
        assert!(options.length == Length::Quick);
    }

    #[test]
    fn an_unknown_part_names_the_known_ones() {
        let error = parse(&words("--quick run")).err().unwrap().to_string();
        assert!(error.contains("`run`") && error.contains("waiting"), "{error}");
        assert!(parse(&words("runs")).is_err(), "without places there is nothing to measure");
    }
}
