//! `parlour plugin run`: one call of one tool, as a server would make it, with nothing behind it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use plugin_host::{CallContext, CallError, CallErrorKind, CallReport, Grants, LogLevel, LogLine, Manifest, NoServer};
use serde_json::{Map, Value, json};

use crate::app::AppError;
use crate::app::plugins::report_json;
use crate::config::{Config, Format, Grant, RunPluginArgs};

use super::{read, sandbox, words};

pub(super) async fn execute(config: Config, args: RunPluginArgs) -> anyhow::Result<ExitCode> {
    let RunPluginArgs { plugin: path, tool, input, grants, settings, format } = args;
    let (file, bytes) = read(&path)?;
    let host = sandbox(config)?;
    let plugin = host.load(bytes).await.map_err(AppError::from)?;
    let settings: Map<String, Value> = settings.into_iter().collect();
    if !settings.is_empty()
        && let Some(problem) = plugin.config_problems(&settings).first()
    {
        return Err(AppError::invalid(format!("the settings do not fit: {problem}"))
            .hint(format!("`parlour plugin inspect {}` lists them", file.display()))
            .into());
    }
    let grants = Grant::all(&grants)?;
    check_grants(plugin.manifest(), &grants)?;
    let report = host.call(&plugin, &tool, input, surroundings(grants, settings)).await;
    let succeeded = report.result.is_ok();
    match format {
        Format::Text => print(&file, &report)?,
        Format::Json => {
            let (output, error) = match &report.result {
                Ok(output) => (output.clone(), Value::Null),
                Err(error) => (Value::Null, serde_json::to_value(error)?),
            };
            let told = json!({ "ok": succeeded, "output": output, "error": error, "report": report_json(&report) });
            println!("{}", serde_json::to_string_pretty(&told)?);
        }
    }
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A grant that nobody asks for would do nothing, in silence.
fn check_grants(manifest: &Manifest, grants: &Grants) -> Result<(), AppError> {
    match grants.beyond(&manifest.permissions).first() {
        None => Ok(()),
        Some(permission) => {
            let asks = words::asks_in_lines(&words::asks(&manifest.permissions)).join("\n");
            Err(AppError::invalid(format!("{} does not ask for `{permission}`", words::name(manifest))).hint(asks))
        }
    }
}

/// No tenant is behind a call from the command line, so there is nothing to search, to ask or to keep.
pub(super) fn surroundings(grants: Grants, config: Map<String, Value>) -> CallContext {
    let (tenant, access) = (String::new(), Arc::new(NoServer));
    CallContext { tenant, grants, config, limits: None, access, idempotency_key: None }
}

/// The output alone on standard output, so that another program can take it.
fn print(file: &Path, report: &CallReport) -> anyhow::Result<()> {
    let CallReport { result, logs, dropped_log_lines, duration_us, cpu_us, memory_peak_bytes, tokens: _ } = report;
    for LogLine { level, message } in logs {
        let level = match level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        eprintln!("  {level:5}  {message}");
    }
    if *dropped_log_lines > 0 {
        eprintln!("  … and {dropped_log_lines} more lines, which a server drops too");
    }
    match result {
        Ok(output) => println!("{}", serde_json::to_string_pretty(output)?),
        Err(error) => print_error(file, error),
    }
    // What was refused before it began has used nothing.
    if *cpu_us == 0 {
        return Ok(());
    }
    eprintln!(
        "{} of CPU, {} of memory, {} in all",
        words::time(*cpu_us),
        words::memory(*memory_peak_bytes),
        words::time(*duration_us)
    );
    Ok(())
}

fn print_error(file: &Path, error: &CallError) {
    let CallError { kind, message, hint, retry_after_ms: _, detail } = error;
    eprintln!("error[{}]: {message}", kind.as_str());
    for line in detail.iter().flat_map(|it| it.lines()) {
        eprintln!("  | {line}");
    }
    // The host speaks to the author of a workflow; whoever calls by hand has the schema at hand, too.
    if *kind == CallErrorKind::InvalidInput {
        eprintln!("hint: `parlour plugin inspect {}` shows what the tool takes", file.display());
    } else if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
}
