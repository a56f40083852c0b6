//! Assistants and workflows as documents: checked, versioned, published. A published version never changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{Definition, DefinitionKind, TenantId, Version, VersionId};
use workflow_engine::{Catalog, Compiled, Diagnostic, Trigger, compile_assistant, compile_workflow};

use super::catalog::accept;
use super::clock::new_uuid;
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;

/// What a published version is known by.
pub(super) type Published = (TenantId, DefinitionKind, String);

/// A document that compiled, and what it says of itself.
pub struct Checked {
    pub kind: DefinitionKind,
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// What starts it by itself; an assistant has none.
    pub triggers: Vec<Trigger>,
    /// What a workflow's nodes call for certain.
    pub plugins: BTreeSet<String>,
}

/// Which kind of document this is, by its first key.
pub fn kind_of(yaml: &str) -> Option<DefinitionKind> {
    yaml.lines().find_map(|line| {
        let line = line.trim_start_matches('\u{feff}');
        if line.starts_with("workflow:") {
            Some(DefinitionKind::Workflow)
        } else if line.starts_with("assistant:") {
            Some(DefinitionKind::Assistant)
        } else {
            None
        }
    })
}

/// Compiles a document of either kind for its diagnostics and its header.
pub fn check(yaml: &str, catalog: &Catalog) -> (Option<Checked>, Vec<Diagnostic>) {
    if kind_of(yaml) == Some(DefinitionKind::Assistant) {
        let Compiled { value, diagnostics } = compile_assistant(yaml, catalog);
        let checked = value.map(|it| Checked {
            kind: DefinitionKind::Assistant,
            name: it.document.name.clone(),
            title: it.document.title.clone(),
            description: it.document.description.clone(),
            triggers: Vec::new(),
            plugins: BTreeSet::new(),
        });
        return (checked, diagnostics);
    }
    let Compiled { value, diagnostics } = compile_workflow(yaml, catalog);
    let checked = value.map(|it| Checked {
        kind: DefinitionKind::Workflow,
        name: it.name().to_owned(),
        title: it.title().map(str::to_owned),
        description: it.description().map(str::to_owned),
        triggers: it.triggers().to_vec(),
        plugins: it.plugins().into_iter().map(str::to_owned).collect(),
    });
    (checked, diagnostics)
}

impl App {
    /// Checks a document and publishes it under the name that it gives itself.
    ///
    /// # Errors
    /// Every diagnostic of a document that does not compile; a name or kind other than the expected one.
    pub async fn publish(
        &self,
        tenant: TenantId,
        expected: Option<(DefinitionKind, &str)>,
        yaml: &str,
        author: Option<String>,
    ) -> Result<(Version, Vec<Diagnostic>)> {
        let (checked, diagnostics) = check(yaml, &self.catalog(tenant).await?);
        let checked = accept(Compiled { value: checked, diagnostics: diagnostics.clone() })?;
        let Checked { kind, name, .. } = &checked;
        if let Some((expected_kind, expected_name)) = expected {
            if *kind != expected_kind {
                return Err(AppError::new(
                    ErrorCode::InvalidDefinition,
                    format!("this document is of kind `{}`, not `{}`", kind.as_str(), expected_kind.as_str()),
                )
                .hint(format!("its first key should be `{}: {expected_name}`", expected_kind.as_str())));
            }
            if name != expected_name {
                return Err(AppError::new(
                    ErrorCode::InvalidDefinition,
                    format!("the document names itself `{name}`, the address says `{expected_name}`"),
                )
                .hint("make the two equal"));
            }
        }
        let stored = self.store_version(tenant, checked, yaml, author).await?;
        Ok((stored, diagnostics))
    }

    /// Stores what compiled as the published version, and brings a workflow's triggers up to date.
    pub(super) async fn store_version(
        &self,
        tenant: TenantId,
        checked: Checked,
        yaml: &str,
        author: Option<String>,
    ) -> Result<Version> {
        let Checked { kind, name, title, description, triggers, plugins } = checked;
        let version = Version {
            id: VersionId::from_uuid(new_uuid()),
            number: 0,
            yaml: yaml.to_owned(),
            title,
            description,
            author,
            created_at: self.clock().now_ms(),
        };
        match kind {
            DefinitionKind::Assistant => {
                let stored = self.storage().save_version(tenant, kind, &name, version).await?;
                self.0.published.forget_all();
                Ok(stored)
            }
            DefinitionKind::Workflow => {
                let triggers = self.declared_triggers(&name, &triggers)?;
                let stored = self.storage().save_workflow(tenant, &name, version, triggers).await?;
                self.0.published.forget_all();
                // Assistants and workflows that call this one were compiled against its old inputs.
                self.programs().forget_all();
                self.get_ready(tenant, plugins);
                Ok(stored)
            }
        }
    }

    /// The published version.
    pub async fn definition(&self, tenant: TenantId, kind: DefinitionKind, name: &str) -> Result<Arc<Version>> {
        let key = (tenant, kind, name.to_owned());
        let ticket = match self.0.published.get(&key) {
            Ok(version) => return Ok(version),
            Err(ticket) => ticket,
        };
        let found = self.storage().current_version(tenant, kind, name).await?;
        let found = Arc::new(found.ok_or_else(|| AppError::not_found(kind.as_str(), name))?);
        self.0.published.keep(key, found.clone(), ticket);
        Ok(found)
    }

    pub async fn definitions(&self, tenant: TenantId, kind: DefinitionKind) -> Result<Vec<Definition>> {
        Ok(self.storage().list_definitions(tenant, kind).await?)
    }

    /// Takes a document away. Old runs keep the version they used.
    pub async fn delete_definition(&self, tenant: TenantId, kind: DefinitionKind, name: &str) -> Result<()> {
        if kind == DefinitionKind::Workflow {
            let users = self.users_of_workflow(tenant, name).await?;
            if !users.is_empty() {
                return Err(AppError::new(ErrorCode::InUse, format!("`{name}` is used by {}", users.join(", ")))
                    .hint("change or delete those first"));
            }
        }
        if !self.storage().delete_definition(tenant, kind, name).await? {
            return Err(AppError::not_found(kind.as_str(), name));
        }
        self.0.published.forget_all();
        self.programs().forget_all();
        Ok(())
    }

    async fn users_of_workflow(&self, tenant: TenantId, name: &str) -> Result<Vec<String>> {
        let mut catalog = self.catalog(tenant).await?;
        catalog.workflows.remove(name);
        let own = format!("{} `{name}`", DefinitionKind::Workflow.as_str());
        let users = self.users_without(tenant, &catalog, "unknown_workflow").await?;
        Ok(users.into_iter().filter(|it| *it != own).collect())
    }

    /// Assistants and workflows that do not compile with this catalog, for this reason.
    pub(super) async fn users_without(&self, tenant: TenantId, catalog: &Catalog, code: &str) -> Result<Vec<String>> {
        let mut users = Vec::new();
        for kind in [DefinitionKind::Assistant, DefinitionKind::Workflow] {
            for it in self.storage().list_definitions(tenant, kind).await? {
                let missing = |d: &Diagnostic| d.is_error() && d.code == code;
                if check(&it.version.yaml, catalog).1.iter().any(missing) {
                    users.push(format!("{} `{}`", kind.as_str(), it.name));
                }
            }
        }
        Ok(users)
    }
}
