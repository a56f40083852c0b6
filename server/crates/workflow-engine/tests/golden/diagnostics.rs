//! Documents that are wrong, and what the compiler says about them, as it prints it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use workflow_engine::{Catalog, compile_assistant, compile_workflow};

use crate::{compare, files, folder, read};

#[test]
fn golden_diagnostics() {
    let mut differences = Vec::new();
    let mut seen = BTreeSet::new();
    for path in files(&folder().join("diagnostics")) {
        let (text, case) = read(&path);
        let catalog: Catalog =
            case.get("catalog").map(|it| serde_json::from_value(it.clone()).unwrap()).unwrap_or_default();
        let document = case.get("document").and_then(Value::as_str).unwrap();
        let diagnostics = if document.contains("assistant:") {
            compile_assistant(document, &catalog).diagnostics
        } else {
            compile_workflow(document, &catalog).diagnostics
        };
        assert!(!diagnostics.is_empty(), "{}: nothing is wrong with it", path.display());
        seen.extend(diagnostics.iter().map(|it| it.code));
        let happened: Vec<String> = diagnostics.iter().map(|it| it.render("document.yaml", document)).collect();
        differences.extend(compare(&path, &text, "diagnostics", &happened.join("\n")));
    }
    assert!(differences.is_empty(), "\n{}\nUPDATE_EXPECT=1 rewrites them", differences.join("\n"));
    let without: Vec<String> = codes().into_iter().filter(|it| !seen.contains(it.as_str())).collect();
    assert!(without.is_empty(), "no golden case shows: {}", without.join(", "));
}

/// Every code that the sources report: what stands first in `error(…)` and `warning(…)`, and in fields that hold codes.
fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
    assert!(codes.len() > 20, "the sources are not where they are expected");
    codes
}

fn collect(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, codes);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for start in [".error(", ".warning(", "code: \"", "missing: \"", "unknown: \""] {
            for (at, _) in text.match_indices(start) {
                let rest = text[at + start.len()..].trim_start();
                let rest = if start.ends_with('"') { rest } else { rest.strip_prefix('"').unwrap_or_default() };
                let code: String = rest.chars().take_while(|it| it.is_ascii_lowercase() || *it == '_').collect();
                // `code: "…".to_owned()` is an error of a run, not a diagnostic.
                let is_diagnostic = !start.starts_with("code") || rest[code.len()..].starts_with("\",");
                if !code.is_empty() && is_diagnostic {
                    codes.insert(code);
                }
            }
        }
    }
}
