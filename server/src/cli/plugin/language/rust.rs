//! Plugins in Rust: a crate that cargo compiles, with whatever way to WebAssembly this machine offers (`plugin-toolchain`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use plugin_toolchain::{TARGET, Toolchain, command_line};
use rust_embed::RustEmbed;
use serde_json::Value;

use crate::app::AppError;
use crate::cli::plugin::sdk::Sdk;

use super::{Kit, Prepared};

pub(super) struct Rust;

/// The lock file is that of the shipped plugins, so that a new project has the versions which the SDK was tested with; cargo
/// takes out what it does not need.
const TEMPLATE: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../template/rust/Cargo.toml.template")),
    ("Cargo.lock", include_str!("../../../../../plugins/Cargo.lock")),
    ("src/lib.rs", include_str!("../template/rust/src/lib.rs")),
    ("icon.svg", include_str!("../template/rust/icon.svg")),
    ("README.md", include_str!("../template/rust/README.md")),
    (".gitignore", include_str!("../template/rust/gitignore")),
];

/// What a crate cannot be called.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// What a plugin is built from. Not the SDK's own tests, and not the generator of its bindings.
#[derive(RustEmbed)]
#[folder = "../plugin-sdk"]
#[include = "Cargo.toml"]
#[include = "README.md"]
#[include = "manifest.schema.json"]
#[include = "macros/Cargo.toml"]
#[include = "macros/src/*"]
#[include = "src/*"]
#[include = "wit/*"]
struct Sources;

impl Kit for Rust {
    fn root_file(&self) -> &'static str {
        "Cargo.toml"
    }

    fn template(&self) -> &'static [(&'static str, &'static str)] {
        TEMPLATE
    }

    fn sdk(&self) -> anyhow::Result<Sdk> {
        let mut files = BTreeMap::new();
        for name in Sources::iter() {
            let Some(file) = Sources::get(&name) else { continue };
            let content = match name.ends_with("Cargo.toml") {
                true => standing_alone(&file.data).with_context(|| format!("cannot understand the SDK's `{name}`"))?,
                false => file.data.into_owned(),
            };
            files.insert(name.into_owned(), content);
        }
        Ok(Sdk { files })
    }

    fn objection(&self, name: &str) -> Option<String> {
        RESERVED
            .contains(&name)
            .then(|| format!("`{name}` is a word of Rust, and a plugin is a Rust crate of its name"))
    }

    fn prepare(&self, project: &Path) -> anyhow::Result<Box<dyn Prepared>> {
        let toolchain = plugin_toolchain::find(project, &|line| eprintln!("{line}"))?;
        Ok(Box::new(Crate { folder: project.to_owned(), toolchain }))
    }
}

/// A package of Parlour's own workspace as one that needs nothing around it, tests and lints left behind.
fn standing_alone(manifest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut manifest: toml::Table = std::str::from_utf8(manifest)?.parse()?;
    for section in ["lints", "test", "dev-dependencies"] {
        manifest.remove(section);
    }
    if let Some(package) = manifest.get_mut("package").and_then(toml::Value::as_table_mut) {
        package.remove("workspace");
    }
    Ok(toml::to_string(&manifest)?.into_bytes())
}

struct Crate {
    folder: PathBuf,
    toolchain: Toolchain,
}

impl Prepared for Crate {
    fn test(&self) -> anyhow::Result<()> {
        let mut command = plugin_toolchain::native_cargo(&self.folder)?;
        command.arg("test").stdin(Stdio::null()).stdout(std::io::stderr());
        let line = command_line(&command);
        let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
        if !status.success() {
            bail!("the project's own tests failed; what cargo says stands above");
        }
        Ok(())
    }

    fn compile(&self) -> anyhow::Result<PathBuf> {
        let Crate { folder, toolchain } = self;
        eprintln!("compiling with {}", toolchain.description);
        let mut command = toolchain.cargo(folder);
        // What is for people goes to standard error; standard output says where the file is, whatever workspace it belongs to.
        command.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
        let line = command_line(&command);
        let output = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start `{line}`"))?;
        if !output.status.success() {
            bail!("the project in `{}` does not compile; what cargo says stands above", folder.display());
        }
        let Some(compiled) = artifact(&String::from_utf8_lossy(&output.stdout), folder) else {
            return Err(AppError::invalid(format!("the project in `{}` makes no plugin", folder.display()))
                .hint("its Cargo.toml needs `crate-type = [\"cdylib\"]` below `[lib]`")
                .into());
        };
        let file = folder.join(compiled.file_name().unwrap_or_default());
        std::fs::copy(&compiled, &file).with_context(|| format!("cannot write `{}`", file.display()))?;
        Ok(file)
    }
}

/// The WebAssembly file that the folder's own package was compiled to, among all that cargo says it has compiled.
fn artifact(messages: &str, folder: &Path) -> Option<PathBuf> {
    let own = folder.join("Cargo.toml").canonicalize().ok()?;
    messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let text = |key: &str| message.get(key).and_then(Value::as_str);
        if text("reason") != Some("compiler-artifact") {
            return None;
        }
        let package = Path::new(text("manifest_path")?).canonicalize().ok()?;
        let mut files = message.get("filenames")?.as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from);
        files.find(|it| package == own && it.extension().is_some_and(|it| it == "wasm"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sdk_is_there_whole_and_needs_no_workspace() {
        let Sdk { files } = Rust.sdk().unwrap();
        for expected in [
            "Cargo.toml",
            "README.md",
            "manifest.schema.json",
            "macros/Cargo.toml",
            "macros/src/lib.rs",
            "src/bindings.rs",
            "src/lib.rs",
            "src/testing/filter.rs",
            "wit/plugin.wit",
        ] {
            assert!(files.contains_key(expected), "{expected} is missing in {:?}", files.keys());
        }
        let others = ["bindgen", "typescript", "python", "tests/"];
        assert!(!files.keys().any(|it| others.iter().any(|other| it.starts_with(other))), "{:?}", files.keys());
        for manifest in ["Cargo.toml", "macros/Cargo.toml"] {
            let text = String::from_utf8(files[manifest].clone()).unwrap();
            assert!(!text.contains("workspace"), "{text}");
            assert!(text.contains("[dependencies"), "{text}");
        }
    }

    #[test]
    fn the_file_of_the_folders_own_package_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("other")).unwrap();
        for place in ["Cargo.toml", "other/Cargo.toml"] {
            std::fs::write(folder.path().join(place), "").unwrap();
        }
        let line = |manifest: &str, file: &str| {
            let manifest = folder.path().join(manifest);
            json!({ "reason": "compiler-artifact", "manifest_path": manifest, "filenames": [file] }).to_string()
        };
        let messages = [
            "not JSON".to_owned(),
            line("other/Cargo.toml", "/t/other.wasm"),
            line("Cargo.toml", "/t/libmine.rlib"),
            line("Cargo.toml", "/t/mine.wasm"),
            json!({ "reason": "build-finished", "success": true }).to_string(),
        ];
        assert_eq!(artifact(&messages.join("\n"), folder.path()), Some(PathBuf::from("/t/mine.wasm")));
        assert_eq!(artifact(&messages[..3].join("\n"), folder.path()), None);
    }
}
