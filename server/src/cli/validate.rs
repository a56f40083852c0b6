//! `parlour validate`: compiles every document of a project and prints what is wrong, like a compiler.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use workflow_engine::{Catalog, Diagnostic};

use crate::app::catalog::add_tools;
use crate::app::plugins::shipped;
use crate::app::projects::Project;
use crate::config::{Config, Format, ValidateArgs};

pub(super) async fn execute(mut config: Config, args: ValidateArgs) -> anyhow::Result<ExitCode> {
    config.use_shared_plugin_cache();
    let shipped = shipped_catalog(&config).await?;
    let mut report = Report { format: args.format, errors: 0, warnings: 0, documents: 0, found: Vec::new() };
    for path in &args.paths {
        let project = Project::read(path);
        let mut catalog = shipped.clone();
        // A single file may refer to what stands beside it in its project.
        if let Some(folder) = project_of(path) {
            Project::read(&folder).extend(&mut catalog);
        }
        project.extend(&mut catalog);
        for (file, problem) in &project.problems {
            report.problem(file, problem);
        }
        for base in &project.bases {
            report.documents += 1;
            for problem in base.spec.check() {
                report.problem(&base.path, &problem);
            }
            for data in &base.data {
                check_data(data, &base.spec, &mut report);
            }
        }
        for (file, diagnostics) in project.diagnostics(&catalog) {
            report.documents += 1;
            for it in &diagnostics {
                report.diagnostic(&file.path, &file.text, it);
            }
        }
    }
    report.close()
}

fn check_data(path: &PathBuf, spec: &knowledge::BaseSpec, report: &mut Report) {
    let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    match std::fs::read(path) {
        Err(error) => report.problem(path, &format!("cannot be read: {error}")),
        Ok(bytes) => {
            if let Err(error) = knowledge::parse(&bytes, &name, spec) {
                let problems = error.problems();
                if problems.is_empty() {
                    report.problem(path, &error.to_string());
                }
                for it in problems {
                    let row = it.row.map(|row| format!("row {row}: ")).unwrap_or_default();
                    report.problem(path, &format!("{row}{}", it.notice));
                }
            }
        }
    }
}

/// The project folder that a file such as `workflows/x.yaml` belongs to.
pub(super) fn project_of(file: &std::path::Path) -> Option<PathBuf> {
    let folder = file.parent().filter(|_| file.is_file())?;
    let name = folder.file_name()?.to_str()?;
    let root = folder.parent()?;
    let root = if root.as_os_str().is_empty() { std::path::Path::new(".") } else { root };
    matches!(name, "workflows" | "assistants").then(|| root.to_owned())
}

async fn shipped_catalog(config: &Config) -> anyhow::Result<Catalog> {
    if shipped::count() == 0 {
        eprintln!("note: this build has no plugins, so their tools are unknown; `cargo xtask plugins` builds them");
        return Ok(Catalog::default());
    }
    let host = plugin_host::PluginHost::new(plugin_host::HostConfig {
        cache_dir: config.plugin_cache.clone(),
        pool_slots: 4,
        limits: plugin_host::Limits::default(),
    })?;
    let mut catalog = Catalog::default();
    for manifest in shipped::manifests(&host).await? {
        add_tools(&mut catalog, &manifest);
    }
    Ok(catalog)
}

struct Report {
    format: Format,
    errors: usize,
    warnings: usize,
    documents: usize,
    found: Vec<Value>,
}

impl Report {
    fn problem(&mut self, file: &std::path::Path, message: &str) {
        self.errors += 1;
        match self.format {
            Format::Text => eprintln!("error: {}: {message}", file.display()),
            Format::Json => {
                self.found.push(json!({ "file": file.display().to_string(), "severity": "error", "message": message }));
            }
        }
    }

    fn diagnostic(&mut self, file: &std::path::Path, text: &str, it: &Diagnostic) {
        if it.is_error() {
            self.errors += 1;
        } else {
            self.warnings += 1;
        }
        let shown = file.display().to_string();
        match self.format {
            Format::Text => eprintln!("{}", it.render(&shown, text)),
            Format::Json => {
                let mut value = serde_json::to_value(it).unwrap_or_default();
                if let Value::Object(map) = &mut value {
                    map.insert("file".into(), shown.into());
                }
                self.found.push(value);
            }
        }
    }

    fn close(self) -> anyhow::Result<ExitCode> {
        let Report { format, errors, warnings, documents, found } = self;
        match format {
            Format::Json => {
                println!("{}", serde_json::to_string_pretty(&json!({ "ok": errors == 0, "diagnostics": found }))?);
            }
            Format::Text if errors == 0 && warnings == 0 => println!("documents: {documents}, all fine"),
            Format::Text => println!("documents: {documents}, errors: {errors}, warnings: {warnings}"),
        }
        Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
