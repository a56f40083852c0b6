//! `parlour plugin inspect`: what a file offers, asks for and imports, before anybody installs it.

use std::path::Path;
use std::process::ExitCode;

use plugin_host::{Effects, Import, Manifest, PluginError, Tool};
use serde_json::{Value, json};

use crate::app::AppError;
use crate::config::{Config, Format, InspectPluginArgs};

use super::{read, sandbox, words};

pub(super) async fn execute(config: Config, args: InspectPluginArgs) -> anyhow::Result<ExitCode> {
    let InspectPluginArgs { plugin, format } = args;
    let (file, bytes) = read(&plugin)?;
    let size = bytes.len();
    // A file that is refused still has imports, and one of them is often the reason.
    let imports = plugin_host::imports(&bytes).unwrap_or_default();
    let loaded = match sandbox(config)?.load(bytes).await {
        Ok(loaded) => loaded,
        Err(error) => return refuse(error, &imports, format),
    };
    match format {
        Format::Text => print(&file, size, loaded.sha256(), loaded.manifest(), &imports),
        Format::Json => println!(
            "{}",
            serde_json::to_string_pretty(&json!({
                "ok": true,
                "file": file.display().to_string(),
                "bytes": size,
                "sha256": loaded.sha256(),
                "manifest": loaded.manifest(),
                "imports": imports_json(&imports),
            }))?
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// The words are those of the upload.
fn refuse(error: PluginError, imports: &[Import], format: Format) -> anyhow::Result<ExitCode> {
    match format {
        Format::Text => {
            print_imports(imports);
            Err(AppError::from(error).into())
        }
        Format::Json => {
            let told = json!({ "code": error.code(), "message": error.to_string(), "hint": error.hint() });
            let report = json!({ "ok": false, "error": told, "imports": imports_json(imports) });
            println!("{}", serde_json::to_string_pretty(&report)?);
            Ok(ExitCode::FAILURE)
        }
    }
}

fn imports_json(imports: &[Import]) -> Vec<Value> {
    imports.iter().map(|Import { name, offered }| json!({ "name": name, "offered": offered })).collect()
}

fn print(file: &Path, size: usize, sha256: &str, manifest: &Manifest, imports: &[Import]) {
    let Manifest { id: _, version: _, title, description, icon: _, homepage, license, tools, config, permissions } =
        manifest;
    println!("{}   {}", words::name(manifest), words::both(title));
    println!("{}", description.en);
    println!("{}, {}, sha256 {sha256}", file.display(), words::size(size));
    for (label, text) in [("license", license), ("homepage", homepage)] {
        if let Some(text) = text {
            println!("{label} {text}");
        }
    }
    for tool in tools {
        print_tool(tool);
    }
    if let Some(config) = config {
        println!("\nsettings");
        for line in words::fields(config) {
            println!("    {line}");
        }
    }
    println!();
    for line in words::asks_in_lines(&words::asks(permissions)) {
        println!("{line}");
    }
    println!();
    print_imports(imports);
    println!("\n`--format json` has the whole schemas");
}

fn print_tool(tool: &Tool) {
    let Tool { name, title, description, input, output, idempotent, effects, examples } = tool;
    println!("\ntool {name}   {}", words::both(title));
    println!("  {}", description.en);
    let effects = match effects {
        Effects::None => "changes nothing and reads nothing outside its input",
        Effects::Reads => "reads from outside its input",
        Effects::Writes => "changes something outside",
    };
    let repeated = if *idempotent { "may be repeated" } else { "is never repeated" };
    println!("  {effects}; {repeated}; examples: {}", examples.len());
    for (label, schema) in [("input", input), ("output", output)] {
        println!("  {label}");
        for line in words::fields(schema) {
            println!("    {line}");
        }
    }
}

fn print_imports(imports: &[Import]) {
    if imports.is_empty() {
        println!("imports nothing");
        return;
    }
    println!("imports");
    for Import { name, offered } in imports {
        println!("  {name}{}", if *offered { "" } else { "   ✗ the sandbox does not offer this" });
    }
}
