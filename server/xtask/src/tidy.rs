//! The parts of the style that a program can check. Plain assertions over the sources: no tool to install, no setting to tune.

use std::path::{Path, PathBuf};

/// What is fetched, built or generated.
const SKIPPED_FOLDERS: &[&str] =
    &[".git", "target", "node_modules", "dist", "data", "corpus", "artifacts", ".venv", "__pycache__"];

/// Written by a program, so nobody reads them from top to bottom.
const GENERATED: &[&str] = &["plugin-sdk/src/bindings.rs", "web/src/api/schema.d.ts"];

/// The agreement is about 500; what is past this is two files.
const LONGEST: usize = 600;

struct Source {
    /// From the repository's root, with `/`.
    name: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.name.ends_with(".rs")
    }

    fn is_code(&self) -> bool {
        self.is_rust() || [".ts", ".tsx", ".mjs", ".js"].iter().any(|it| self.name.ends_with(it))
    }
}

/// Every text file that people write.
fn sources() -> Vec<Source> {
    let root = crate::root();
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "found only {} files: the search itself is broken", files.len());
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        // What is not UTF-8 is a picture, or a test's broken file.
        if let Ok(text) = std::fs::read_to_string(&file) {
            sources.push(Source { name, text });
        }
    }
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = entry.file_name();
        if path.is_symlink() || SKIPPED_FOLDERS.iter().any(|it| name == **it) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn report(wrong: &[String], why: &str) {
    assert!(wrong.is_empty(), "{why}\n{}", wrong.join("\n"));
}

#[test]
fn modules_are_files_beside_their_folders() {
    let wrong: Vec<String> = sources().into_iter().map(|it| it.name).filter(|it| it.ends_with("/mod.rs")).collect();
    report(&wrong, "`foo.rs` beside `foo/`: ten editor tabs called mod.rs are nine too many");
}

#[test]
fn files_stay_short_enough_to_read() {
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|it| it.is_code() && !GENERATED.contains(&it.name.as_str()))
        .map(|it| (it.text.lines().count(), &it.name))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, name)| format!("{name}: {lines} lines"))
        .collect();
    report(&wrong, "a file past 600 lines has two subjects: split it by noun");
}

/// A path of one person's machine works nowhere else.
#[test]
fn no_path_belongs_to_one_machine() {
    // Put together here, so that this file does not find itself.
    let roots: Vec<String> = ["work", "root", "Users", "home"].iter().map(|it| format!("/{it}/")).collect();
    let mut wrong = Vec::new();
    for Source { name, text } in sources() {
        for (number, line) in text.lines().enumerate() {
            for start in roots.iter().filter_map(|it| line.find(it.as_str())) {
                // Inside a longer path or an address it is not a root.
                let before = line[..start].chars().next_back();
                if !before.is_some_and(|it| it.is_alphanumeric() || "._-~}$*>".contains(it)) {
                    wrong.push(format!("{name}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    report(&wrong, "an absolute path of one machine");
}

/// A slow test stands behind `RUN_SLOW_TESTS`, so that it is always compiled; a wrong one is mended or deleted.
#[test]
fn no_test_is_switched_off() {
    let needles = [
        format!("#[{}", "ignore"),
        format!("cfg({})", "ignored"),
        format!(".{}(", "skip_test"),
        format!("test.{}(", "skip"),
    ];
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|it| it.is_code() && needles.iter().any(|needle| it.text.contains(needle.as_str())))
        .map(|it| it.name)
        .collect();
    report(&wrong, "a test that is switched off proves nothing");
}

#[test]
fn every_rust_file_says_what_it_is() {
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|it| it.is_rust() && it.name.contains("src/") && !it.name.ends_with("tests.rs"))
        .filter(|it| !GENERATED.contains(&it.name.as_str()) && !it.text.starts_with("//!"))
        .map(|it| it.name)
        .collect();
    report(&wrong, "a file opens with what it is and why: a `//!` comment on its first line");
}

#[test]
fn nothing_is_left_to_be_done_in_a_comment() {
    let words = [format!("TO{}", "DO"), format!("FIX{}", "ME"), format!("XX{}", "X")];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|it| it.is_code()) {
        for (number, line) in source.text.lines().enumerate() {
            if words.iter().any(|it| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == it)) {
                wrong.push(format!("{}:{}: {}", source.name, number + 1, line.trim()));
            }
        }
    }
    report(&wrong, "finish it, or write an issue");
}
