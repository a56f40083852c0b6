//! What was done and how long it took. Build and test time are features here, so every test run shows them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    SetUp,
    Build,
    Test,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::SetUp => "set up",
            Kind::Build => "build",
            Kind::Test => "test",
        }
    }
}

struct Step {
    name: String,
    kind: Kind,
    time: Duration,
    failure: Option<String>,
}

#[derive(Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
}

impl Report {
    /// Does one step, timed. Gives its result, or none when it failed; the failure is in the table and ends the run in
    /// [`Report::finish`], after the steps that do not need this one.
    pub(crate) fn step<T>(&mut self, kind: Kind, name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> Option<T> {
        eprintln!("\n── {name} ──");
        let start = Instant::now();
        let result = work();
        let (value, failure) = match result {
            Ok(value) => (Some(value), None),
            Err(error) => {
                eprintln!("\nerror: {error:#}");
                (None, Some(format!("{error:#}")))
            }
        };
        self.steps.push(Step { name: name.to_owned(), kind, time: start.elapsed(), failure });
        value
    }

    /// Prints the table.
    ///
    /// # Errors
    /// A step failed; the text names each.
    pub(crate) fn finish(self, binary: Option<PathBuf>) -> anyhow::Result<()> {
        println!("\n{}", self.table());
        if let Some((file, size)) = binary.and_then(|file| std::fs::metadata(&file).ok().map(|it| (file, it.len()))) {
            println!("{}: {} MB", file.file_name().unwrap_or_default().to_string_lossy(), size / 1_000_000);
        }
        let failed: Vec<String> = self
            .steps
            .iter()
            .filter_map(|step| {
                step.failure.as_ref().map(|it| format!("  {}: {}", step.name, it.lines().next().unwrap_or(it)))
            })
            .collect();
        if failed.is_empty() {
            println!("everything passed");
            return Ok(());
        }
        bail!("{} of {} steps failed:\n{}", failed.len(), self.steps.len(), failed.join("\n"))
    }

    fn table(&self) -> String {
        let mut lines = vec![format!("{:<34} {:<7} {:>9}", "step", "kind", "time")];
        for Step { name, kind, time, failure } in &self.steps {
            let end = if failure.is_some() { "  FAILED" } else { "" };
            lines.push(format!("{name:<34} {:<7} {:>7.1} s{end}", kind.word(), time.as_secs_f64()));
        }
        for kind in [Kind::SetUp, Kind::Build, Kind::Test] {
            let sum: Duration = self.steps.iter().filter(|it| it.kind == kind).map(|it| it.time).sum();
            lines.push(format!("{:<34} {:<7} {:>7.1} s", "all together", kind.word(), sum.as_secs_f64()));
        }
        let mut slowest: Vec<&Step> = self.steps.iter().collect();
        slowest.sort_by_key(|step| std::cmp::Reverse(step.time));
        let names: Vec<String> =
            slowest.iter().take(5).map(|it| format!("{} ({:.1} s)", it.name, it.time.as_secs_f64())).collect();
        lines.push(format!("the five slowest: {}", names.join(", ")));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_run_and_is_named() {
        let mut report = Report::default();
        assert_eq!(report.step(Kind::Build, "fine", || Ok(1)), Some(1));
        assert_eq!(report.step(Kind::Test, "broken", || -> anyhow::Result<()> { bail!("it broke") }), None);
        let table = report.table();
        assert!(table.contains("FAILED") && table.contains("the five slowest"), "{table}");
        let error = report.finish(None).err().unwrap().to_string();
        assert!(error.contains("1 of 2 steps failed") && error.contains("broken: it broke"), "{error}");
    }
}
