//! `parlour plugin build`: a project becomes one `.wasm` file in its folder, which the sandbox has looked at.

use std::process::ExitCode;

use serde_json::json;

use crate::app::AppError;
use crate::config::{BuildPluginArgs, Config, Format};

use super::{language, read, sandbox, words};

pub(super) async fn execute(config: Config, args: BuildPluginArgs) -> anyhow::Result<ExitCode> {
    let BuildPluginArgs { folder, format } = args;
    let (file, bytes) = read(&language::prepare(&folder)?.compile()?)?;
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
