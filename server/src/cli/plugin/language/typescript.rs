//! Plugins in TypeScript: a package whose scripts `build` and `test` are the SDK's. Node does the work; here is what it needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use plugin_toolchain::{command_line, find_program};
use rust_embed::RustEmbed;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::app::AppError;
use crate::cli::plugin::sdk::{self, Sdk};

use super::{Kit, Prepared};

pub(super) struct TypeScript;

const TEMPLATE: &[(&str, &str)] = &[
    ("package.json", include_str!("../template/typescript/package.json")),
    ("package-lock.json", include_str!("../template/typescript/package-lock.json")),
    ("tsconfig.json", include_str!("../template/typescript/tsconfig.json")),
    ("src/plugin.ts", include_str!("../template/typescript/src/plugin.ts")),
    ("tests/plugin.test.ts", include_str!("../template/typescript/tests/plugin.test.ts")),
    ("tests/tsconfig.json", include_str!("../template/typescript/tests/tsconfig.json")),
    ("icon.svg", include_str!("../template/typescript/icon.svg")),
    ("README.md", include_str!("../template/typescript/README.md")),
    (".gitignore", include_str!("../template/typescript/gitignore")),
];

/// The folder of packages, and a package cannot have the name of one that it needs.
const RESERVED: &[&str] = &["node_modules", "rolldown", "typebox", "typescript"];

/// The SDK's and rolldown's own floor.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// What `npm` has installed the packages from; `npm ci` removes it with everything else in the folder.
const STAMP: &str = "node_modules/.parlour/install";

/// Not the SDK's own tests.
#[derive(RustEmbed)]
#[folder = "../plugin-sdk/typescript"]
#[include = "package.json"]
#[include = "README.md"]
#[include = "README.zh-CN.md"]
#[include = "files.d.ts"]
#[include = "globals.d.ts"]
#[include = "tsconfig.plugin.json"]
#[include = "tsconfig.test.json"]
#[include = "build/*"]
#[include = "src/*"]
struct Sources;

#[derive(RustEmbed)]
#[folder = "../plugin-sdk/wit"]
struct Contract;

impl Kit for TypeScript {
    fn root_file(&self) -> &'static str {
        "package.json"
    }

    fn template(&self) -> &'static [(&'static str, &'static str)] {
        TEMPLATE
    }

    fn sdk(&self) -> anyhow::Result<Sdk> {
        let sources =
            Sources::iter().filter_map(|name| Some((name.to_string(), Sources::get(&name)?.data.into_owned())));
        let contract =
            Contract::iter().filter_map(|name| Some((format!("wit/{name}"), Contract::get(&name)?.data.into_owned())));
        let mut files: BTreeMap<String, Vec<u8>> = sources.chain(contract).collect();
        let package = files.get_mut("package.json").context("the SDK has no package.json")?;
        *package = as_dependency(package).context("cannot understand the SDK's `package.json`")?;
        Ok(Sdk { files })
    }

    fn objection(&self, name: &str) -> Option<String> {
        RESERVED.contains(&name).then(|| format!("`{name}` is the name of a package that a plugin in TypeScript needs"))
    }

    fn prepare(&self, project: &Path) -> anyhow::Result<Box<dyn Prepared>> {
        let node = require_node()?;
        install(project)?;
        Ok(Box::new(Package { folder: project.to_owned(), node }))
    }
}

/// As a package that another one depends on: npm would install what only its own tests need as well.
fn as_dependency(package: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut package: Value = serde_json::from_slice(package)?;
    if let Some(members) = package.as_object_mut() {
        members.remove("devDependencies");
        members.remove("scripts");
    }
    Ok(format!("{package:#}\n").into_bytes())
}

/// The version of the Node that is here.
fn require_node() -> anyhow::Result<String> {
    let (major, minor) = OLDEST_NODE;
    let hint = "get it from https://nodejs.org/en/download, or run `nvm install 22`";
    let missing = |what: String| {
        AppError::invalid(format!("{what}; a plugin in TypeScript is built with Node {major}.{minor} or newer"))
            .hint(hint)
    };
    let program = |name: &str| {
        let windows = [format!("{name}.exe"), format!("{name}.cmd")];
        find_program(&[name, &windows[0], &windows[1]]).ok_or_else(|| missing(format!("`{name}` was not found")))
    };
    let (node, _) = (program("node")?, program("npm")?);
    let output =
        Command::new(node).arg("--version").stdin(Stdio::null()).output().context("cannot start `node --version`")?;
    let version = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned();
    if is_new_enough(&version) { Ok(version) } else { Err(missing(format!("`node` is {version}")).into()) }
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|it| it.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST_NODE
}

/// The project's `node_modules`; nothing happens while they are what its files ask for.
fn install(project: &Path) -> anyhow::Result<()> {
    let wanted = wanted(project);
    let stamp = project.join(STAMP);
    if std::fs::read_to_string(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    let how = if lock_fits(project) { "ci" } else { "install" };
    let mut command = npm(project);
    // A package that brings an install script has no business running it where a plugin is built.
    command.args([how, "--ignore-scripts", "--no-audit", "--no-fund"]);
    command.stdout(std::io::stderr());
    eprintln!("$ {}", command_line(&command));
    if !succeeds(&mut command)? {
        let folder = project.display();
        return Err(AppError::invalid(format!("the packages of the project in `{folder}` are not there; what npm says stands above"))
            .hint("without a way to its registry, name a mirror (`npm config set registry …`) or a proxy (`npm config set proxy …`)")
            .into());
    }
    // `npm install` may have written another lock file.
    sdk::put(&stamp, self::wanted(project).as_bytes())
}

/// What the packages come from: the project's files and, through its stamp, the SDK.
fn wanted(project: &Path) -> String {
    let mut hash = Sha256::new();
    for name in ["package.json", "package-lock.json", ".parlour/sdk/stamp.txt"] {
        let content = std::fs::read(project.join(name)).unwrap_or_default();
        hash.update(content.len().to_le_bytes());
        hash.update(&content);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether there is a lock file, and one that knows this SDK: another binary's may need other packages, which `npm ci` refuses.
fn lock_fits(project: &Path) -> bool {
    let read = |name: &str| -> Option<Value> { serde_json::from_slice(&std::fs::read(project.join(name)).ok()?).ok() };
    let Some(lock) = read("package-lock.json") else { return false };
    let Some(sdk) = read(".parlour/sdk/package.json") else { return true };
    let locked = lock.get("packages").and_then(|it| it.get(sdk::FOLDER));
    locked.is_some_and(|it| it.get("dependencies") == sdk.get("dependencies"))
}

/// With the user's own settings, as npm finds them.
fn npm(folder: &Path) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn succeeds(command: &mut Command) -> anyhow::Result<bool> {
    let line = command_line(command);
    Ok(command.status().with_context(|| format!("cannot start `{line}`"))?.success())
}

struct Package {
    folder: PathBuf,
    /// The version of Node.
    node: String,
}

impl Prepared for Package {
    fn test(&self) -> anyhow::Result<()> {
        let mut command = npm(&self.folder);
        command.args(["run", "--silent", "test"]).stdout(std::io::stderr());
        if !succeeds(&mut command)? {
            bail!("the project's own tests failed; what Node says stands above");
        }
        Ok(())
    }

    fn compile(&self) -> anyhow::Result<PathBuf> {
        let Package { folder, node } = self;
        eprintln!("compiling with Node {node}");
        let file = PathBuf::from(format!("{}.wasm", self.name()?));
        let mut command = npm(folder);
        command.args(["run", "--silent", "build", "--"]).arg(&file).stdout(std::io::stderr());
        if !succeeds(&mut command)? {
            bail!("the project in `{}` does not compile; what its build says stands above", folder.display());
        }
        Ok(folder.join(file))
    }
}

impl Package {
    /// Of the file, without the scope that a package's name may have.
    fn name(&self) -> anyhow::Result<String> {
        let file = self.folder.join("package.json");
        let text = std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let package: Value =
            serde_json::from_slice(&text).with_context(|| format!("cannot read `{}`", file.display()))?;
        let name = package.get("name").and_then(Value::as_str).unwrap_or("plugin");
        Ok(name.rsplit('/').next().unwrap_or(name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sdk_is_there_whole_without_what_only_its_own_tests_need() {
        let Sdk { files } = TypeScript.sdk().unwrap();
        for expected in [
            "package.json",
            "README.md",
            "globals.d.ts",
            "tsconfig.plugin.json",
            "build/cli.mjs",
            "build/jobs.mjs",
            "src/index.ts",
            "src/testing.ts",
            "src/testing/filter.ts",
            "wit/plugin.wit",
        ] {
            assert!(files.contains_key(expected), "{expected} is missing in {:?}", files.keys());
        }
        let others = ["tests/", "node_modules/", "package-lock.json"];
        assert!(!files.keys().any(|it| others.iter().any(|other| it.starts_with(other))), "{:?}", files.keys());
        let package: Value = serde_json::from_slice(&files["package.json"]).unwrap();
        assert!(package["dependencies"]["typebox"].is_string() && package["devDependencies"].is_null(), "{package}");
    }

    /// `npm ci` refuses a lock file that does not fit, and every new project would begin with another one.
    #[test]
    fn the_templates_lock_file_is_that_of_its_packages_from_the_public_registry() {
        let text = |name: &str| TEMPLATE.iter().find(|(file, _)| *file == name).unwrap().1;
        let lock: Value = serde_json::from_str(text("package-lock.json")).unwrap();
        let package: Value = serde_json::from_str(text("package.json")).unwrap();
        let sdk: Value = serde_json::from_slice(&TypeScript.sdk().unwrap().files["package.json"]).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        for (name, wanted) in [("", &package), (sdk::FOLDER, &sdk)] {
            for member in ["name", "version", "dependencies", "devDependencies"] {
                assert_eq!(packages[name].get(member), wanted.get(member), "{member} of `{name}`");
            }
        }
        for (name, locked) in packages {
            if let Some(resolved) = locked.get("resolved").and_then(Value::as_str) {
                let is_public = resolved.starts_with("https://registry.npmjs.org/") || resolved == sdk::FOLDER;
                assert!(is_public, "`{name}` comes from {resolved}");
            }
        }
        // Whoever begins on another system needs its builds of what is no JavaScript.
        for system in ["linux", "darwin", "win32"] {
            assert!(packages.keys().any(|it| it.contains("rolldown") && it.contains(system)), "{system}");
        }
    }

    #[test]
    fn a_lock_file_of_another_sdk_is_not_followed() {
        let project = tempfile::tempdir().unwrap();
        let put =
            |name: &str, content: Value| sdk::put(&project.path().join(name), content.to_string().as_bytes()).unwrap();
        assert!(!lock_fits(project.path()));
        put("package-lock.json", json!({ "packages": { ".parlour/sdk": { "dependencies": { "typebox": "1.0.0" } } } }));
        assert!(lock_fits(project.path()), "the SDK comes from elsewhere");
        put(".parlour/sdk/package.json", json!({ "dependencies": { "typebox": "1.0.0" } }));
        assert!(lock_fits(project.path()));
        put(".parlour/sdk/package.json", json!({ "dependencies": { "typebox": "2.0.0" } }));
        assert!(!lock_fits(project.path()));
        let before = wanted(project.path());
        put(".parlour/sdk/stamp.txt", json!("another"));
        assert_ne!(before, wanted(project.path()));
    }

    #[test]
    fn versions_of_node_are_compared_as_numbers() {
        for (version, enough) in
            [("20.19.0", true), ("22.1.0", true), ("100.0.0", true), ("20.9.0", false), ("18.20.4", false), ("", false)]
        {
            assert_eq!(is_new_enough(version), enough, "{version}");
        }
    }
}
