//! Which crate may depend on what. The layers of the house are absences (the engine knows no tokio, only two crates know
//! sqlx, only one knows wasmtime), so a new edge fails here until somebody writes it down on purpose.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

/// A crate's folder, what it may use, and what its tests may use besides.
struct Allowed {
    folder: &'static str,
    dependencies: &'static [&'static str],
    for_tests: &'static [&'static str],
}

const ALLOWED: &[Allowed] = &[
    Allowed { folder: "bench", dependencies: &["anyhow", "futures", "jiff", "serde_json", "tokio"], for_tests: &[] },
    Allowed {
        folder: "server",
        dependencies: &[
            "anyhow",
            "argon2",
            "axum",
            "base64",
            "calamine",
            "clap",
            "domain",
            "encoding_rs",
            "flate2",
            "futures",
            "getrandom",
            "indexmap",
            "jiff",
            "jsonschema",
            "knowledge",
            "mime_guess",
            "model-client",
            "plugin-host",
            "plugin-toolchain",
            "reqwest",
            "ring",
            "roxmltree",
            "rust-embed",
            "rustix",
            "rustls",
            "serde",
            "serde-saphyr",
            "serde_json",
            "sha2",
            "storage",
            "tempfile",
            "thiserror",
            "tokio",
            "tokio-stream",
            "tokio-util",
            "toml",
            "tower",
            "tower-http",
            "tracing",
            "tracing-subscriber",
            "url",
            "utoipa",
            "uuid",
            "workflow-engine",
            "zip",
        ],
        for_tests: &[],
    },
    Allowed { folder: "server/crates/domain", dependencies: &["serde", "serde_json", "uuid"], for_tests: &[] },
    Allowed {
        folder: "server/crates/knowledge",
        dependencies: &[
            "base64",
            "calamine",
            "chardetng",
            "csv",
            "encoding_rs",
            "flate2",
            "futures",
            "hanconv",
            "hayro-interpret",
            "html5gum",
            "httpdate",
            "jieba-rs",
            "jiff",
            "qdrant-client",
            "quick-xml",
            "rayon",
            "reqwest",
            "rten-gemm",
            "rten-simd",
            "rten-tensor",
            "rten-vecmath",
            "rust-stemmers",
            "safetensors",
            "serde",
            "serde-saphyr",
            "serde_json",
            "sha2",
            "sqlx",
            "tempfile",
            "thiserror",
            "tokio",
            "tonic",
            "tracing",
            "unicode-normalization",
            "uuid",
            "zip",
        ],
        for_tests: &["rustls"],
    },
    Allowed {
        folder: "server/crates/model-client",
        dependencies: &[
            "async-openai",
            "eventsource-stream",
            "futures",
            "http",
            "httpdate",
            "reqwest",
            "rustls",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tower",
            "tracing",
        ],
        for_tests: &["axum", "serde-saphyr"],
    },
    Allowed {
        folder: "server/crates/plugin-host",
        dependencies: &[
            "futures",
            "getrandom",
            "jsonschema",
            "roxmltree",
            "rustix",
            "semver",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tokio",
            "tokio-util",
            "tracing",
            "url",
            "wasmparser",
            "wasmtime",
            "wit-component",
        ],
        for_tests: &["tempfile", "wat", "wit-parser"],
    },
    Allowed { folder: "server/crates/plugin-toolchain", dependencies: &["anyhow"], for_tests: &[] },
    Allowed {
        folder: "server/crates/storage",
        dependencies: &["domain", "futures", "serde", "serde_json", "sqlx", "thiserror", "tokio", "tracing", "uuid"],
        for_tests: &["tempfile"],
    },
    Allowed {
        folder: "server/crates/workflow-engine",
        dependencies: &[
            "croner",
            "csv",
            "granit-parser",
            "indexmap",
            "jiff",
            "jsonschema",
            "minijinja",
            "serde",
            "serde_json",
            "strsim",
            "unicode-width",
        ],
        for_tests: &["proptest", "serde-saphyr"],
    },
    Allowed {
        folder: "server/xtask",
        dependencies: &["anyhow", "flate2", "plugin-toolchain", "sha2"],
        for_tests: &["toml"],
    },
];

/// These dependencies are quarantined: nobody else may name them.
const QUARANTINED: &[(&str, &[&str])] = &[
    ("wasmtime", &["plugin-host"]),
    ("sqlx", &["knowledge", "storage"]),
    ("axum", &["server"]),
    ("async-openai", &["model-client"]),
    ("clap", &["server"]),
];

fn root() -> std::path::PathBuf {
    crate::root()
}

fn manifest(folder: &str) -> Table {
    let file = root().join(folder).join("Cargo.toml");
    let text =
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read `{}`: {error}", file.display()));
    text.parse().unwrap_or_else(|error| panic!("cannot understand `{}`: {error}", file.display()))
}

/// The folders of the workspace's members, `*` expanded.
fn members() -> BTreeSet<String> {
    let workspace = manifest("");
    let mut found = BTreeSet::new();
    for member in workspace["workspace"]["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        match member.strip_suffix("/*") {
            None => {
                found.insert(member.to_owned());
            }
            Some(folder) => {
                for entry in std::fs::read_dir(root().join(folder)).unwrap() {
                    let entry = entry.unwrap();
                    if entry.path().join("Cargo.toml").is_file() {
                        found.insert(format!("{folder}/{}", entry.file_name().to_string_lossy()));
                    }
                }
            }
        }
    }
    found
}

/// The names in these tables of a manifest, those for one platform only included.
fn names(manifest: &Table, tables: &[&str]) -> BTreeSet<String> {
    sections(manifest, tables).into_iter().flat_map(|table| table.keys().cloned().collect::<Vec<_>>()).collect()
}

fn sections<'manifest>(manifest: &'manifest Table, tables: &[&str]) -> Vec<&'manifest Table> {
    let mut places = vec![manifest];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        places.extend(targets.values().filter_map(Value::as_table));
    }
    places
        .iter()
        .flat_map(|place| tables.iter().filter_map(|name| place.get(*name).and_then(Value::as_table)))
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn every_crate_depends_on_what_the_table_allows_and_nothing_else() {
    let table: BTreeMap<String, &Allowed> = ALLOWED.iter().map(|it| (it.folder.to_owned(), it)).collect();
    assert_eq!(
        members(),
        table.keys().cloned().collect(),
        "the workspace's members and the table of allowed dependencies differ"
    );
    let mut wrong = Vec::new();
    for (folder, allowed) in table {
        let manifest = manifest(&folder);
        let pairs = [
            ("[dependencies]", names(&manifest, &["dependencies", "build-dependencies"]), set(allowed.dependencies)),
            ("[dev-dependencies]", names(&manifest, &["dev-dependencies"]), set(allowed.for_tests)),
        ];
        for (section, found, wanted) in pairs {
            wrong.extend(
                found
                    .difference(&wanted)
                    .map(|it| format!("{folder} {section} has `{it}`, which the table does not allow")),
            );
            wrong.extend(
                wanted.difference(&found).map(|it| format!("{folder} {section} has no `{it}`; take it off the table")),
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "an edge between crates is a decision: write it into ALLOWED and ARCHITECTURE.md, or drop it\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_heavy_dependencies_stay_where_they_are_kept() {
    for (dependency, homes) in QUARANTINED {
        for folder in members() {
            let name = folder.rsplit('/').next().unwrap();
            let used = names(&manifest(&folder), &["dependencies", "build-dependencies"]).contains(*dependency);
            assert!(!used || homes.contains(&name), "`{folder}` depends on `{dependency}`, which only {homes:?} may");
        }
    }
}

/// A version or a feature named in one crate builds a second copy, or a different one for each package selection.
#[test]
fn versions_and_features_stand_in_the_workspace_manifest_only() {
    for folder in members() {
        let manifest = manifest(&folder);
        for section in sections(&manifest, &["dependencies", "build-dependencies", "dev-dependencies"]) {
            for (name, value) in section {
                let plain = value
                    .as_table()
                    .is_some_and(|it| it.len() == 1 && it.get("workspace") == Some(&Value::Boolean(true)));
                assert!(plain, "{folder}: `{name}` must be `{name}.workspace = true` and nothing else");
            }
        }
    }
}

#[test]
fn every_shared_dependency_is_used_and_explained() {
    let workspace = manifest("");
    let shared = workspace["workspace"]["dependencies"].as_table().unwrap();
    let mut used = BTreeSet::new();
    for folder in members() {
        used.extend(names(&manifest(&folder), &["dependencies", "build-dependencies", "dev-dependencies"]));
    }
    let explained = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut wrong = Vec::new();
    for (name, value) in shared {
        if !used.contains(name) {
            wrong.push(format!("no crate uses `{name}`: take it out of the workspace manifest"));
        }
        let ours = value.as_table().is_some_and(|it| it.contains_key("path"));
        if !ours && !explained.contains(&format!("`{name}`")) {
            wrong.push(format!("ARCHITECTURE.md does not say what `{name}` is for"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
