//! What a tenant's workflows may refer to, and their compiled form.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{DefinitionKind, TenantId, VersionId};
use workflow_engine::{
    Assistant, Catalog, Compiled, Program, ToolSpec, compile_assistant, compile_workflow, signature,
};

use super::{App, AppError, Result};
use crate::app::error::problems;
use crate::error_codes::ErrorCode;
use crate::run::frames::Drawing;

/// Compiled versions that are kept; a version never changes, so there is nothing to invalidate but room.
const KEPT_PROGRAMS: usize = 2_000;

/// Compiled versions, filled on first use.
#[derive(Default)]
pub struct Programs(Mutex<HashMap<VersionId, Entry>>);

#[derive(Clone)]
pub(crate) enum Entry {
    Workflow(Arc<Runnable>),
    Assistant(Arc<Ready>),
}

/// A program with what every run of it tells of it.
pub(crate) struct Runnable {
    program: Program,
    pub drawing: Drawing,
}

impl Runnable {
    fn new(program: Program) -> Runnable {
        Runnable { drawing: Drawing::of(&program), program }
    }
}

impl Deref for Runnable {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

/// An assistant with its program where the driver can share it.
pub(crate) struct Ready {
    pub document: workflow_engine::AssistantDocument,
    pub program: Arc<Runnable>,
}

impl App {
    /// Tools, workflows and knowledge bases of the tenant, as the compiler wants to know them.
    pub async fn catalog(&self, tenant: TenantId) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        for plugin in self.storage().list_plugins(tenant).await? {
            let manifest: plugin_host::Manifest =
                serde_json::from_value(plugin.manifest).map_err(AppError::internal)?;
            add_tools(&mut catalog, &manifest);
        }
        for definition in self.storage().list_definitions(tenant, DefinitionKind::Workflow).await? {
            if let Some(found) = signature(&definition.version.yaml) {
                catalog.workflows.insert(definition.name, found);
            }
        }
        for (stored, table) in self.tables(tenant).await? {
            catalog.tables.insert(stored.name, table);
        }
        for base in self.storage().list_knowledge_bases(tenant).await? {
            catalog.knowledge_bases.insert(base.name);
        }
        Ok(catalog)
    }

    pub(crate) async fn program(&self, tenant: TenantId, version: &domain::Version) -> Result<Arc<Runnable>> {
        self.notice_changes(tenant).await?;
        if let Some(Entry::Workflow(program)) = self.0.programs.get(version.id) {
            return Ok(program);
        }
        let compiled = compile_workflow(&version.yaml, &self.catalog(tenant).await?);
        let program = Arc::new(Runnable::new(accept(compiled)?));
        self.0.programs.keep(version.id, Entry::Workflow(program.clone()));
        Ok(program)
    }

    pub(crate) async fn assistant_program(&self, tenant: TenantId, version: &domain::Version) -> Result<Arc<Ready>> {
        self.notice_changes(tenant).await?;
        if let Some(Entry::Assistant(ready)) = self.0.programs.get(version.id) {
            return Ok(ready);
        }
        let Assistant { document, program } = accept(compile_assistant(&version.yaml, &self.catalog(tenant).await?))?;
        let ready = Arc::new(Ready { document, program: Arc::new(Runnable::new(program)) });
        self.0.programs.keep(version.id, Entry::Assistant(ready.clone()));
        Ok(ready)
    }
}

impl Programs {
    fn get(&self, version: VersionId) -> Option<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&version).cloned()
    }

    fn keep(&self, version: VersionId, entry: Entry) {
        let mut programs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if programs.len() >= KEPT_PROGRAMS {
            programs.clear();
        }
        programs.insert(version, entry);
    }

    /// After the tenant's tools have changed, what was compiled against the old ones is compiled again.
    pub(crate) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl App {
    pub(crate) fn programs(&self) -> &Programs {
        &self.0.programs
    }
}

/// The value, or every diagnostic as one refusal.
pub(crate) fn accept<T>(compiled: Compiled<T>) -> Result<T> {
    let Compiled { value, diagnostics } = compiled;
    value.ok_or_else(|| {
        let count = diagnostics.iter().filter(|it| it.is_error()).count();
        let first = diagnostics.iter().find(|it| it.is_error());
        let detail = match (count, first) {
            (1, Some(only)) => format!("line {}: {}", only.line, only.message),
            (_, Some(first)) => format!("{count} errors; the first is in line {}: {}", first.line, first.message),
            (_, None) => "the document cannot be compiled".to_owned(),
        };
        AppError::new(ErrorCode::InvalidDefinition, detail)
            .maybe_hint(first.and_then(|it| it.hint.clone()))
            .errors(problems(&diagnostics))
    })
}

pub(crate) fn add_tools(catalog: &mut Catalog, manifest: &plugin_host::Manifest) {
    for tool in &manifest.tools {
        let spec = ToolSpec {
            plugin: manifest.id.clone(),
            tool: tool.name.clone(),
            title: tool.title.en.clone(),
            description: tool.description.en.clone(),
            input: tool.input.clone(),
            output: tool.output.clone(),
            idempotent: tool.idempotent,
        };
        if manifest.tools.len() == 1 {
            catalog.tools.insert(manifest.id.clone(), spec.clone());
        }
        catalog.tools.insert(format!("{}/{}", manifest.id, tool.name), spec);
    }
}
