//! Calls a plugin's tool in its sandbox, with what the tenant has granted.

use plugin_host::CallErrorKind;
use serde_json::{Value, json};
use workflow_engine::{EffectError, Outcome};

use super::{FromEffect, Surroundings, refused};

pub(super) async fn perform(
    around: &Surroundings,
    node: String,
    plugin: &str,
    tool: &str,
    arguments: Value,
) -> Outcome {
    let whence = (Some((around.run, node.as_str())), super::search::groups_of(&around.user));
    let report = match around.app.call_tool(around.tenant, (plugin, tool), arguments, whence).await {
        Ok(report) => report,
        Err(error) => return refused(error),
    };
    around.usage.add(report.tokens.input, report.tokens.output);
    if !report.logs.is_empty() {
        let lines = report.logs.iter().map(|it| json!(it)).collect();
        let _ = around.deltas.send(FromEffect::Log { node, lines });
    }
    match report.result {
        Ok(value) => Outcome::Ok { value },
        Err(error) => {
            if let Some(detail) = &error.detail {
                tracing::warn!(run.id = %around.run, plugin, tool, detail, "a plugin call failed: {}", error.message);
            }
            Outcome::Failed {
                error: EffectError {
                    code: code(error.kind).to_owned(),
                    message: error.message,
                    hint: error.hint,
                    retry_after_ms: error.retry_after_ms,
                },
            }
        }
    }
}

/// The engine's names for what went wrong; `retry.on` of the workflow language refers to them.
pub(crate) fn code(kind: CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::InvalidInput => "invalid_input",
        CallErrorKind::NotFound => "not_found",
        CallErrorKind::Denied => "denied",
        CallErrorKind::RateLimited => "rate_limited",
        CallErrorKind::Unavailable => "unavailable",
        CallErrorKind::Failed => "error",
        CallErrorKind::Trap => "plugin_trap",
        CallErrorKind::CpuLimit
        | CallErrorKind::TimeLimit
        | CallErrorKind::MemoryLimit
        | CallErrorKind::OutputLimit
        | CallErrorKind::HostCallLimit => "plugin_limit",
        CallErrorKind::BadOutput => "plugin_bad_output",
    }
}
