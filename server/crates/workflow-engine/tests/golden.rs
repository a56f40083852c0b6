//! The language's specification, held against the engine: `workflows/tests/*.yaml` are runs with their traces,
//! `workflows/tests/diagnostics/*.yaml` are documents with everything that is wrong with them.
//!
//! `UPDATE_EXPECT=1 cargo test -p workflow-engine` rewrites the expected parts; look at the difference before keeping it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops where something is not as it should be"
)]

#[path = "golden/again.rs"]
mod again;
#[path = "golden/cases.rs"]
mod cases;
#[path = "golden/diagnostics.rs"]
mod diagnostics;
#[path = "golden/limits.rs"]
mod limits;
#[path = "golden/outcomes.rs"]
mod outcomes;
#[path = "golden/properties.rs"]
mod properties;
#[path = "golden/shipped.rs"]
mod shipped;
#[path = "golden/talk.rs"]
mod talk;
#[path = "golden/trace.rs"]
mod trace;

use std::path::{Path, PathBuf};

use proptest::prelude::ProptestConfig;
use serde_json::Value;

/// So many cases of a property, unless `PROPTEST_CASES` asks for another number.
fn config(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

/// The folder of the golden files.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../workflows/tests")
}

/// Every golden file of a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no golden files in {}", folder.display());
    files
}

fn read(path: &Path) -> (String, Value) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.starts_with("# "), "{}: must start with a comment that says what it proves", path.display());
    let value = serde_saphyr::from_str(&text).unwrap_or_else(|it| panic!("{}: {it}", path.display()));
    (text, value)
}

/// Compares what happened with the last block of a golden file, or rewrites it. Returns what is different.
fn compare(path: &Path, text: &str, key: &str, happened: &str) -> Option<String> {
    let marker = format!("\n{key}: |\n");
    let at = text.find(&marker).map(|it| it + marker.len());
    let expected: String = at
        .and_then(|it| text.get(it..))
        .unwrap_or_default()
        .lines()
        .map(|it| format!("{}\n", it.strip_prefix("  ").unwrap_or(it)))
        .collect();
    if expected == happened {
        return None;
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let head = text.find(&format!("\n{key}:")).and_then(|it| text.get(..it)).unwrap_or_else(|| text.trim_end());
        let head = format!("{head}{marker}");
        let block: String =
            happened.lines().map(|it| if it.is_empty() { "\n".to_owned() } else { format!("  {it}\n") }).collect();
        std::fs::write(path, head + &block).unwrap();
        return None;
    }
    let first = expected.lines().zip(happened.lines()).position(|(a, b)| a != b);
    let line = first.unwrap_or_else(|| expected.lines().count().min(happened.lines().count()));
    Some(format!(
        "{}: line {} of `{key}`\n  expected: {}\n  happened: {}\n",
        path.display(),
        line + 1,
        expected.lines().nth(line).unwrap_or("(nothing)"),
        happened.lines().nth(line).unwrap_or("(nothing)"),
    ))
}
