//! `parlour plugin build`: a project becomes one `.wasm` file in its folder, which the sandbox has looked at.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, bail};
use plugin_toolchain::{TARGET, Toolchain, command_line};
use serde_json::{Value, json};

use crate::app::AppError;
use crate::config::{BuildPluginArgs, Config, Format};

use super::{sandbox, sdk, words};

pub(super) async fn execute(config: Config, args: BuildPluginArgs) -> anyhow::Result<ExitCode> {
    let BuildPluginArgs { folder, format } = args;
    let file = compile(&folder)?;
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let size = bytes.len();
    // What a server would refuse is found here, not after the way there.
    let plugin = sandbox(config)?.load(bytes).await.map_err(AppError::from)?;
    let manifest = plugin.manifest();
    match format {
        Format::Text => println!("{}: {}, {}", file.display(), words::name(manifest), words::size(size)),
        Format::Json => println!(
            "{}",
            json!({
                "file": file.display().to_string(),
                "bytes": size,
                "sha256": plugin.sha256(),
                "id": manifest.id,
                "version": manifest.version.to_string(),
            })
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Compiles the project in a folder; answers the file.
pub(super) fn compile(folder: &Path) -> anyhow::Result<PathBuf> {
    let toolchain = prepare(folder)?;
    compile_with(&toolchain, folder)
}

/// Everything that a build of the project needs, which may take minutes where there is no compiler yet.
pub(super) fn prepare(folder: &Path) -> anyhow::Result<Toolchain> {
    if !folder.join("Cargo.toml").is_file() {
        return Err(AppError::invalid(format!("there is no project in `{}`: it has no Cargo.toml", folder.display()))
            .hint("`parlour plugin new NAME` makes one")
            .into());
    }
    sdk::renew(folder)?;
    plugin_toolchain::find(folder, &|line| eprintln!("{line}"))
}

pub(super) fn compile_with(toolchain: &Toolchain, folder: &Path) -> anyhow::Result<PathBuf> {
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
    use super::*;

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
