//! `bench/RESULTS.md`: one section per subject. A run that measures some subjects replaces their sections and leaves the
//! others; each says when, where, of which commit and by which command it was measured.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::Length;
use crate::subjects::{ALL, Subject};

const HEADER: &str = "\
# What was measured

Written by `cargo xtask bench`; do not edit. `cargo xtask bench PART…` measures parts again, `--quick` looks whether everything
works. The targets are those of the design, for 2 cores.

- Everything that is called *the server* is the release binary in a process of its own, over HTTP on the loopback, with
  a data folder on disk and every run stored with the server's default durability.
- *CPU* is user and system time of the server's process from `/proc/PID/stat`. The load generator and the mock model run in another
  process **on the same cores**; what they used is told as *load*. Rates and delays would be better with a machine for each.
- *Memory* is `VmRSS` from `/proc/PID/status`. Percentiles are measured values, not interpolated.
- The mock model writes the time of sending into every token, by the clock of the process that also reads the answers.
";

/// A section on its way.
pub(crate) struct Section {
    title: &'static str,
    head: String,
    body: String,
}

impl Section {
    /// # Errors
    /// The machine cannot be described.
    pub(crate) fn begin(subject: &Subject, length: Length) -> anyhow::Result<Section> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
        let quick = match length {
            Length::Whole => "",
            Length::Quick => " --quick",
        };
        let head = format!("`cargo xtask bench {}{quick}`, {now}, {}", subject.name, machine()?);
        Ok(Section { title: subject.title, head, body: String::new() })
    }

    /// A paragraph, or anything else that Markdown has.
    pub(crate) fn say(&mut self, text: &str) {
        self.body.push_str(text.trim_end());
        self.body.push_str("\n\n");
    }

    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
        for row in rows {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        self.say(&text);
    }

    /// What was wanted and what came, as the row of a table of goals.
    pub(crate) fn goals(&mut self, rows: &[Goal]) {
        let rows: Vec<Vec<String>> = rows.iter().map(Goal::row).collect();
        self.table(&["what", "target", "measured", ""], &rows);
    }

    pub(crate) fn text(&self) -> String {
        format!("## {}\n\n{}\n", self.title, self.body.trim_end())
    }
}

/// A target of the design next to what was measured.
pub(crate) struct Goal {
    what: String,
    target: Target,
    measured: f64,
    unit: &'static str,
}

#[derive(Clone, Copy)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub(crate) fn at_most(what: impl Into<String>, wanted: f64, measured: f64, unit: &'static str) -> Goal {
        Goal { what: what.into(), target: Target::AtMost(wanted), measured, unit }
    }

    pub(crate) fn at_least(what: impl Into<String>, wanted: f64, measured: f64, unit: &'static str) -> Goal {
        Goal { what: what.into(), target: Target::AtLeast(wanted), measured, unit }
    }

    fn row(&self) -> Vec<String> {
        let Goal { what, target, measured, unit } = self;
        let (sign, wanted, met) = match target {
            Target::AtMost(wanted) => ("≤", wanted, measured <= wanted),
            Target::AtLeast(wanted) => ("≥", wanted, measured >= wanted),
        };
        let times = measured / wanted;
        let verdict = if met { "met".to_owned() } else { format!("**missed**: {times:.2} × the target") };
        vec![what.clone(), format!("{sign} {wanted} {unit}"), format!("{} {unit}", short(*measured)), verdict]
    }
}

fn short(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

pub(crate) struct Report {
    file: PathBuf,
    commit: String,
    /// Title and text of each, as it stands in the file.
    sections: Vec<(String, String)>,
}

impl Report {
    /// # Errors
    /// The repository has no commit.
    pub(crate) fn open(file: &Path, root: &Path) -> anyhow::Result<Report> {
        let before = std::fs::read_to_string(file).unwrap_or_default();
        Ok(Report { file: file.to_owned(), commit: commit(root)?, sections: sections(&before) })
    }

    /// Replaces a subject's section, or adds it in its place.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn put(&mut self, section: Section) -> anyhow::Result<()> {
        let Section { title, head, body } = section;
        self.sections.retain(|(it, _)| it != title);
        self.sections.push((title.to_owned(), format!("{head}, commit {}.\n\n{}", self.commit, body.trim_end())));
        let place = |title: &str| ALL.iter().position(|it| it.title == title).unwrap_or(ALL.len());
        self.sections.sort_by_key(|(title, _)| place(title));
        let mut text = HEADER.to_owned();
        for (title, body) in &self.sections {
            let _ = write!(text, "\n## {title}\n\n{body}\n");
        }
        std::fs::write(&self.file, text).with_context(|| format!("cannot write `{}`", self.file.display()))
    }
}

/// What stands under each heading of the second level.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut parts = text.split("\n## ");
    // Before the first heading is what we write anew.
    parts.next();
    parts
        .filter_map(|part| part.split_once('\n'))
        .map(|(title, body)| (title.trim().to_owned(), body.trim().to_owned()))
        .collect()
}

fn commit(root: &Path) -> anyhow::Result<String> {
    let git = |arguments: &[&str]| {
        let out = Command::new("git").current_dir(root).args(arguments).output().context("cannot start git")?;
        anyhow::ensure!(out.status.success(), "git: {}", String::from_utf8_lossy(&out.stderr).trim());
        anyhow::Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    // The results themselves are what a run changes.
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/RESULTS.md"])?;
    Ok(if changed.is_empty() { commit } else { format!("{commit} with changes") })
}

/// Cores, processor, memory, kernel, and how busy it was before.
fn machine() -> anyhow::Result<String> {
    let read = |file: &str| std::fs::read_to_string(file).with_context(|| format!("cannot read `{file}`"));
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|it| it.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = std::thread::available_parallelism()?;
    let model = value(&read("/proc/cpuinfo")?, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = value(&read("/proc/meminfo")?, "MemTotal").and_then(|it| it.split(' ').next()?.parse::<u64>().ok());
    let memory = memory.context("`/proc/meminfo` has no MemTotal")? as f64 / f64::from(1 << 20);
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!(
        "{cores} cores of {model}, {memory:.0} GiB, Linux {}, load average before {load}",
        kernel.trim().split('-').next().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_again() {
        let text = format!("{HEADER}\n## One\n\nfirst\n\n### Inside\n\n## Two\n\nsecond\n");
        let found = sections(&text);
        let wanted = [("One", "first\n\n### Inside"), ("Two", "second")];
        assert_eq!(found, wanted.map(|(title, body)| (title.to_owned(), body.to_owned())));
        assert!(sections("").is_empty() && sections(HEADER).is_empty());
    }

    #[test]
    fn a_missed_target_says_by_how_much() {
        let met = Goal::at_most("w", 0.3, 0.25, "ms").row().join(" | ");
        assert_eq!(met, "w | ≤ 0.3 ms | 0.25 ms | met");
        let missed = Goal::at_least("w", 4000.0, 1000.0, "runs/s").row().join(" | ");
        assert_eq!(missed, "w | ≥ 4000 runs/s | 1000 runs/s | **missed**: 0.25 × the target");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_is_described() {
        let text = machine().unwrap();
        assert!(text.contains("cores of") && text.contains("GiB") && text.contains("load average"), "{text}");
    }
}
