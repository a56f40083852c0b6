//! Installed plugins: the shipped ones in every tenant, uploaded ones in the tenant that uploaded them.

mod access;
mod settings;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use domain::{PluginCall, PluginCallId, PluginId, PluginVersion, RunId, TenantId};
use plugin_host::{CallContext, CallReport, Grants, Manifest, Plugin};
use rust_embed::RustEmbed;
use serde_json::{Value, json};
use storage::Page;

use super::accounts::Caller;
use super::clock::new_uuid;
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use crate::run::effects::code_of_call as code;
use access::TenantAccess;

/// The shipped plugins as `cargo xtask plugins` built them; a debug build reads them from the folder at run time.
#[derive(RustEmbed)]
#[folder = "../plugins/dist"]
#[exclude = "testing/*"]
#[include = "*.wasm"]
#[allow_missing = true]
struct Shipped;

/// An installed plugin with what the tenant granted it.
pub struct Installed {
    pub record: domain::Plugin,
    pub manifest: Manifest,
    pub grants: Grants,
}

impl App {
    /// Makes the shipped plugins known to every tenant, newer versions in place of older ones.
    pub(super) async fn install_shipped_plugins(&self) -> Result<()> {
        for tenant in self.storage().all_tenants_list_tenants().await? {
            self.install_shipped_plugins_for(tenant.id).await?;
        }
        Ok(())
    }

    pub(super) async fn install_shipped_plugins_for(&self, tenant: TenantId) -> Result<()> {
        for name in Shipped::iter().filter(|it| !it.contains('/')) {
            let Some(file) = Shipped::get(&name) else { continue };
            let plugin = self.load(file.data.into_owned()).await?;
            let known = self.storage().plugin(tenant, &plugin.manifest().id).await?;
            if known.is_some_and(|it| it.sha256 == plugin.sha256()) {
                continue;
            }
            self.record_plugin(tenant, &plugin, None).await?;
            // What ships with the server is trusted as the server is; an admin can take the grant away.
            let grants = Grants::all_of(&plugin.manifest().permissions);
            self.store_grants(tenant, &plugin.manifest().id, &grants).await?;
        }
        Ok(())
    }

    async fn load(&self, bytes: Vec<u8>) -> Result<Plugin> {
        let plugin = self.0.plugin_host.load(bytes).await?;
        let mut loaded = self.0.loaded_plugins.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.insert(plugin.sha256().to_owned(), plugin.clone());
        Ok(plugin)
    }

    async fn record_plugin(&self, tenant: TenantId, plugin: &Plugin, uploaded: Option<Vec<u8>>) -> Result<()> {
        let manifest = plugin.manifest();
        let record = domain::Plugin {
            id: PluginId::from_uuid(new_uuid()),
            plugin_id: manifest.id.clone(),
            version: manifest.version.to_string(),
            manifest: serde_json::to_value(manifest).map_err(AppError::internal)?,
            sha256: plugin.sha256().to_owned(),
            system: uploaded.is_none(),
            enabled: true,
            installed_at: self.clock().now_ms(),
        };
        self.storage().install_plugin(tenant, record, uploaded.unwrap_or_default()).await?;
        self.programs().forget_all();
        Ok(())
    }

    /// Installs an uploaded plugin with nothing granted. A plugin of the same id is replaced; it keeps only those of its
    /// grants that the new version still asks for.
    pub async fn install_plugin(&self, tenant: TenantId, bytes: Vec<u8>) -> Result<Installed> {
        let plugin = self.load(bytes.clone()).await?;
        let id = plugin.manifest().id.clone();
        let known = self.storage().plugin(tenant, &id).await?;
        if known.as_ref().is_some_and(|it| it.system) || ships(&id) {
            return Err(AppError::new(ErrorCode::Conflict, format!("`{id}` is a plugin that ships with Parlour"))
                .hint("give your plugin another id"));
        }
        self.record_plugin(tenant, &plugin, Some(bytes)).await?;
        let grants = self.grants(tenant, &id).await?.within(&plugin.manifest().permissions);
        self.store_grants(tenant, &id, &grants).await?;
        self.installed(tenant, &id).await
    }

    pub async fn plugins(&self, tenant: TenantId) -> Result<Vec<Installed>> {
        let mut all = Vec::new();
        for record in self.storage().list_plugins(tenant).await? {
            all.push(self.with_grants(tenant, record).await?);
        }
        Ok(all)
    }

    pub async fn installed(&self, tenant: TenantId, id: &str) -> Result<Installed> {
        let record = self.storage().plugin(tenant, id).await?.ok_or_else(|| AppError::not_found("plugin", id))?;
        self.with_grants(tenant, record).await
    }

    async fn with_grants(&self, tenant: TenantId, record: domain::Plugin) -> Result<Installed> {
        let manifest = serde_json::from_value(record.manifest.clone()).map_err(AppError::internal)?;
        let grants = self.grants(tenant, &record.plugin_id).await?;
        Ok(Installed { record, manifest, grants })
    }

    async fn grants(&self, tenant: TenantId, id: &str) -> Result<Grants> {
        match self.storage().grants(tenant, id).await? {
            // A grant that cannot be read grants nothing.
            Some(stored) => serde_json::from_value(stored).map_err(AppError::internal),
            None => Ok(Grants::default()),
        }
    }

    async fn store_grants(&self, tenant: TenantId, id: &str, grants: &Grants) -> Result<()> {
        let grants = serde_json::to_value(grants).map_err(AppError::internal)?;
        Ok(self.storage().set_grants(tenant, id, grants).await?)
    }

    /// Sets what the plugin may use. Only what its manifest asks for can be granted.
    pub async fn set_grants(&self, tenant: TenantId, id: &str, grants: Grants) -> Result<Installed> {
        let installed = self.installed(tenant, id).await?;
        let beyond = grants.beyond(&installed.manifest.permissions);
        if !beyond.is_empty() {
            return Err(AppError::invalid(format!("`{id}` does not ask for `{}`", beyond.join("`, `")))
                .hint("a grant can only allow what the plugin's manifest asks for"));
        }
        self.store_grants(tenant, id, &grants).await?;
        self.installed(tenant, id).await
    }

    pub async fn delete_plugin(&self, tenant: TenantId, id: &str) -> Result<()> {
        let installed = self.installed(tenant, id).await?;
        if installed.record.system {
            return Err(AppError::new(ErrorCode::Conflict, format!("`{id}` ships with Parlour and cannot be removed"))
                .hint("take its grants away instead"));
        }
        let users = self.users_of_plugin(tenant, id).await?;
        if !users.is_empty() {
            return Err(AppError::new(ErrorCode::InUse, format!("`{id}` is used by {}", users.join(", ")))
                .hint("change or delete those workflows first"));
        }
        self.storage().delete_plugin(tenant, id).await?;
        self.forget_plugin_settings(tenant, id).await?;
        self.programs().forget_all();
        Ok(())
    }

    async fn users_of_plugin(&self, tenant: TenantId, id: &str) -> Result<Vec<String>> {
        let mut catalog = self.catalog(tenant).await?;
        catalog.tools.retain(|_, it| it.plugin != id);
        let mut users = Vec::new();
        for it in self.storage().list_definitions(tenant, domain::DefinitionKind::Workflow).await? {
            let found = workflow_engine::compile_workflow(&it.version.yaml, &catalog).diagnostics;
            if found.iter().any(|d| d.is_error() && (d.code == "unknown_tool" || d.code == "unknown_kind")) {
                users.push(format!("workflow `{}`", it.name));
            }
        }
        Ok(users)
    }

    /// Switches a plugin off, or on again. Workflows that use it fail at its nodes meanwhile.
    pub async fn set_plugin_enabled(&self, caller: &Caller, id: &str, enabled: bool) -> Result<Installed> {
        let tenant = caller.tenant.id;
        self.installed(tenant, id).await?;
        self.storage().set_plugin_enabled(tenant, id, enabled).await?;
        self.note_change(caller, if enabled { "plugin.enable" } else { "plugin.disable" }, id).await?;
        self.installed(tenant, id).await
    }

    /// The versions of an uploaded plugin that one can go back to, the newest first.
    pub async fn plugin_versions(&self, tenant: TenantId, id: &str) -> Result<Vec<PluginVersion>> {
        self.installed(tenant, id).await?;
        Ok(self.storage().plugin_versions(tenant, id).await?)
    }

    /// Installs a version again that was installed before. It keeps those of the present grants that it asks for.
    pub async fn restore_plugin(&self, caller: &Caller, id: &str, sha256: &str) -> Result<Installed> {
        let tenant = caller.tenant.id;
        self.installed(tenant, id).await?;
        let bytes = self.storage().plugin_version_bytes(tenant, id, sha256).await?;
        let bytes = bytes.ok_or_else(|| AppError::not_found("version of this plugin", sha256))?;
        let installed = self.install_plugin(tenant, bytes).await?;
        self.note_change(caller, "plugin.restore", &format!("{id} {}", installed.record.version)).await?;
        Ok(installed)
    }

    /// What the plugin's calls came to, the newest first.
    pub async fn plugin_calls(
        &self,
        tenant: TenantId,
        id: &str,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<PluginCall>> {
        self.installed(tenant, id).await?;
        Ok(self.storage().list_plugin_calls(tenant, id, cursor, limit).await?)
    }

    /// Calls a tool in the sandbox with the tenant's grants. `place` is the run and the node that call it.
    pub async fn call_tool(
        &self,
        tenant: TenantId,
        (id, tool): (&str, &str),
        input: Value,
        place: Option<(RunId, &str)>,
    ) -> Result<CallReport> {
        let installed = self.installed(tenant, id).await?;
        if !installed.record.enabled {
            return Err(AppError::new(ErrorCode::Conflict, format!("the plugin `{id}` is switched off"))
                .hint("an administrator can switch it on again"));
        }
        let plugin = self.loaded(tenant, &installed.record).await?;
        let context = CallContext {
            config: self.plugin_settings(tenant, &installed.manifest).await?,
            grants: installed.grants,
            limits: None,
            access: Arc::new(TenantAccess { app: self.clone(), tenant, plugin: id.to_owned() }),
        };
        let at = self.clock().now_ms();
        let report = self.0.plugin_host.call(&plugin, tool, input, context).await;
        self.note_call(tenant, &installed.record, call_of((id, tool), at, place, &report));
        Ok(report)
    }

    /// Nobody waits for it to be stored: it helps people to look after a plugin, and no run depends on it.
    fn note_call(&self, tenant: TenantId, record: &domain::Plugin, call: PluginCall) {
        let (app, call) = (self.clone(), PluginCall { version: record.version.clone(), ..call });
        self.spawn(async move {
            match app.storage().note_plugin_call(tenant, call).await {
                // The plugin was removed meanwhile.
                Ok(()) | Err(storage::StorageError::NotFound { .. }) => {}
                Err(error) => tracing::warn!(error = %error, "a plugin's call was not noted"),
            }
        });
    }

    /// The plugin's compiled form; loaded again from its stored bytes after a restart.
    async fn loaded(&self, tenant: TenantId, record: &domain::Plugin) -> Result<Plugin> {
        let known = {
            let loaded = self.0.loaded_plugins.lock().unwrap_or_else(PoisonError::into_inner);
            loaded.get(&record.sha256).cloned()
        };
        if let Some(plugin) = known {
            return Ok(plugin);
        }
        let bytes = self.storage().plugin_bytes(tenant, &record.plugin_id).await?;
        if let Some(bytes) = bytes.filter(|it| !it.is_empty()) {
            return self.load(bytes).await;
        }
        // Another server on this database installed its own build of what ships with both. Not every compiler gives the same
        // bytes twice, so a version is known by its number.
        if let Some(file) = Shipped::get(&format!("{}.wasm", record.plugin_id)) {
            let plugin = self.load(file.data.into_owned()).await?;
            if plugin.manifest().version.to_string() == record.version {
                let mut loaded = self.0.loaded_plugins.lock().unwrap_or_else(PoisonError::into_inner);
                loaded.insert(record.sha256.clone(), plugin.clone());
                return Ok(plugin);
            }
        }
        Err(AppError::new(
            ErrorCode::NotFound,
            format!("the plugin `{}` of this version no longer ships with the server", record.plugin_id),
        )
        .hint("run `cargo xtask plugins` and start the server again"))
    }

    /// Tools that may be called twice with the same effect as once.
    pub(crate) async fn idempotent_tools(&self, tenant: TenantId) -> HashSet<(String, String)> {
        let Ok(installed) = self.plugins(tenant).await else { return HashSet::new() };
        let tools = installed.iter().flat_map(|it| it.manifest.tools.iter().map(|tool| (&it.manifest.id, tool)));
        tools.filter(|(_, tool)| tool.idempotent).map(|(id, tool)| (id.clone(), tool.name.clone())).collect()
    }

    /// The manifests of the shipped plugins, for checking documents without a data folder.
    pub async fn shipped_manifests(host: &plugin_host::PluginHost) -> Result<Vec<Manifest>> {
        let mut all = Vec::new();
        for name in Shipped::iter().filter(|it| !it.contains('/')) {
            if let Some(file) = Shipped::get(&name) {
                all.push(host.load(file.data.into_owned()).await?.manifest().clone());
            }
        }
        Ok(all)
    }
}

/// Whether a plugin of this id belongs to the server, or would if it had been built: `code` nodes call theirs by its id, so
/// whoever could install another would see what they are given.
fn ships(id: &str) -> bool {
    id == workflow_engine::JAVASCRIPT_PLUGIN || Shipped::get(&format!("{id}.wasm")).is_some()
}

/// Whether the build has plugins at all; without them most workflows do not compile.
pub fn shipped_count() -> usize {
    Shipped::iter().filter(|it| !it.contains('/')).count()
}

fn call_of((id, tool): (&str, &str), at: i64, place: Option<(RunId, &str)>, report: &CallReport) -> PluginCall {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let error = report.result.as_ref().err();
    PluginCall {
        id: PluginCallId::from_uuid(new_uuid()),
        plugin_id: id.to_owned(),
        version: String::new(),
        tool: tool.to_owned(),
        run: place.map(|(run, _)| run),
        node: place.map(|(_, node)| node.to_owned()),
        at,
        duration_us: whole(report.duration_us),
        cpu_us: whole(report.cpu_us),
        memory_bytes: whole(report.memory_peak_bytes),
        tokens: whole(report.tokens.input + report.tokens.output),
        error: error.map(|it| json!({ "code": code(it.kind), "message": it.message })),
        logs: json!(report.logs),
    }
}

/// A report of a tool call as the API tells it.
pub(crate) fn report_json(report: &CallReport) -> Value {
    json!({
        "logs": report.logs,
        "dropped_log_lines": report.dropped_log_lines,
        "duration_us": report.duration_us,
        "cpu_us": report.cpu_us,
        "memory_peak_bytes": report.memory_peak_bytes,
        "tokens": report.tokens,
    })
}
