//! `parlour plugin test`: the project's own tests natively, then every example of its manifest in the real sandbox. Nothing
//! is granted and nothing is set there, so an example that needs either, and states no output, cannot be judged.

use std::process::ExitCode;

use plugin_host::{CallErrorKind, CallReport, Example, Grants, Manifest, Plugin, PluginHost};
use serde_json::{Map, Value, json};

use crate::app::AppError;
use crate::app::plugins::report_json;
use crate::config::{BuildPluginArgs, Config, Format};

use super::run::surroundings;
use super::{language, read, sandbox, words};

pub(super) async fn execute(config: Config, args: BuildPluginArgs) -> anyhow::Result<ExitCode> {
    let BuildPluginArgs { folder, format } = args;
    let project = language::prepare(&folder)?;
    project.test()?;
    let (_, bytes) = read(&project.compile()?)?;
    let host = sandbox(config)?;
    let plugin = host.load(bytes).await.map_err(AppError::from)?;
    let tried = try_examples(&host, &plugin).await;
    let failed = tried.iter().any(|it| matches!(it.verdict, Verdict::Failed(_)));
    match format {
        Format::Text => print(plugin.manifest(), &tried),
        Format::Json => {
            let Manifest { id, version, .. } = plugin.manifest();
            let examples: Vec<Value> = tried.iter().map(Tried::json).collect();
            let told = json!({ "ok": !failed, "id": id, "version": version.to_string(), "examples": examples });
            println!("{}", serde_json::to_string_pretty(&told)?);
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// An example and what came of it.
struct Tried {
    tool: String,
    title: String,
    report: CallReport,
    verdict: Verdict,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Passed,
    Failed(String),
    /// It needs what is not here; the words are the tool's own.
    NotJudged(String),
}

impl Tried {
    fn json(&self) -> Value {
        let Tried { tool, title, report, verdict } = self;
        let (verdict, message) = match verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Failed(message) => ("failed", Some(message)),
            Verdict::NotJudged(message) => ("not_judged", Some(message)),
        };
        json!({ "tool": tool, "title": title, "verdict": verdict, "message": message, "report": report_json(report) })
    }
}

async fn try_examples(host: &PluginHost, plugin: &Plugin) -> Vec<Tried> {
    let mut tried = Vec::new();
    for tool in &plugin.manifest().tools {
        for example in &tool.examples {
            let context = surroundings(Grants::default(), Map::new());
            let report = host.call(plugin, &tool.name, example.input.clone(), context).await;
            let verdict = judge(example, &report);
            tried.push(Tried { tool: tool.name.clone(), title: example.title.en.clone(), report, verdict });
        }
    }
    tried
}

/// The host has checked that an output fits the tool's schema before it comes here.
fn judge(example: &Example, report: &CallReport) -> Verdict {
    match (&report.result, &example.output) {
        (Ok(_), None) => Verdict::Passed,
        (Ok(output), Some(stated)) if output == stated => Verdict::Passed,
        (Ok(output), Some(stated)) => Verdict::Failed(format!("stated {stated}\nis     {output}")),
        (Err(error), stated) => {
            let lacks_surroundings = match error.kind {
                CallErrorKind::Denied
                | CallErrorKind::NotFound
                | CallErrorKind::RateLimited
                | CallErrorKind::Unavailable
                | CallErrorKind::Failed => true,
                // An example is what people copy: its input at least must be right.
                CallErrorKind::InvalidInput
                | CallErrorKind::Trap
                | CallErrorKind::CpuLimit
                | CallErrorKind::TimeLimit
                | CallErrorKind::MemoryLimit
                | CallErrorKind::OutputLimit
                | CallErrorKind::HostCallLimit
                | CallErrorKind::BadOutput => false,
            };
            if !lacks_surroundings {
                let detail = error.detail.as_deref().map(|it| format!("\n{it}")).unwrap_or_default();
                return Verdict::Failed(format!("{}{detail}", error.message));
            }
            match stated {
                None => Verdict::NotJudged(error.message.clone()),
                Some(_) => Verdict::Failed(format!(
                    "{}\nhint: nothing is granted or set here; state no output that depends on a tenant's data",
                    error.message
                )),
            }
        }
    }
}

fn print(manifest: &Manifest, tried: &[Tried]) {
    println!("{}", words::name(manifest));
    let widest = tried.iter().map(|it| it.tool.len()).max().unwrap_or_default();
    for Tried { tool, title, report, verdict } in tried {
        let (mark, message) = match verdict {
            Verdict::Passed => ("✓", ""),
            Verdict::Failed(message) => ("✗", message.as_str()),
            Verdict::NotJudged(message) => ("–", message.as_str()),
        };
        let (cpu, memory) = (words::time(report.cpu_us), words::memory(report.memory_peak_bytes));
        println!("  {mark} {tool:widest$}  {cpu:>10}  {memory:>9}  {title}");
        for line in message.lines() {
            println!("      {line}");
        }
    }
    if tried.is_empty() {
        println!("examples: none; an example of a tool shows people how to call it, and is tried here");
        return;
    }
    let count = |wanted: fn(&Verdict) -> bool| tried.iter().filter(|it| wanted(&it.verdict)).count();
    let passed = count(|it| matches!(it, Verdict::Passed));
    let failed = count(|it| matches!(it, Verdict::Failed(_)));
    let others = match count(|it| matches!(it, Verdict::NotJudged(_))) {
        0 => String::new(),
        number => format!(", {number} not judged, because nothing is granted here"),
    };
    println!("examples: {passed} passed, {failed} failed{others}");
}

#[cfg(test)]
mod tests {
    use plugin_host::{CallError, Localized};

    use super::*;

    fn verdict(result: Result<Value, CallErrorKind>, stated: Option<Value>) -> Verdict {
        let title = Localized { en: "x".to_owned(), zh: "x".to_owned() };
        let error =
            |kind| CallError { kind, message: "why".to_owned(), hint: None, retry_after_ms: None, detail: None };
        let report = CallReport {
            result: result.map_err(error),
            logs: Vec::new(),
            dropped_log_lines: 0,
            duration_us: 1,
            cpu_us: 1,
            memory_peak_bytes: 1,
            tokens: plugin_host::Tokens::default(),
        };
        judge(&Example { title, input: json!({}), output: stated }, &report)
    }

    #[test]
    fn an_example_is_judged_by_what_it_states() {
        assert_eq!(verdict(Ok(json!(1)), None), Verdict::Passed);
        assert_eq!(verdict(Ok(json!({ "a": 1 })), Some(json!({ "a": 1 }))), Verdict::Passed);
        assert_eq!(verdict(Ok(json!(1)), Some(json!(2))), Verdict::Failed("stated 2\nis     1".to_owned()));
    }

    #[test]
    fn what_needs_surroundings_is_not_judged_unless_it_states_an_output() {
        assert_eq!(verdict(Err(CallErrorKind::Denied), None), Verdict::NotJudged("why".to_owned()));
        assert!(matches!(verdict(Err(CallErrorKind::Denied), Some(json!(1))), Verdict::Failed(_)));
        for broken in
            [CallErrorKind::Trap, CallErrorKind::BadOutput, CallErrorKind::InvalidInput, CallErrorKind::CpuLimit]
        {
            assert_eq!(verdict(Err(broken), None), Verdict::Failed("why".to_owned()), "{broken:?}");
        }
    }
}
