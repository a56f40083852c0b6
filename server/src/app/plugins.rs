//! Installed plugins: the shipped ones in every tenant, uploaded ones in the tenant that uploaded them.

mod access;
pub mod openapi;
mod settings;
pub mod shipped;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError};

use domain::{PluginCall, PluginCallId, PluginId, PluginVersion, RunId, TenantId};
use plugin_host::{CallContext, CallReport, Declared, Grants, HttpRules, Limits, Manifest, Plugin};
use serde_json::{Map, Value, json};
use storage::Page;

use super::accounts::Caller;
use super::clock::{fingerprint, new_uuid};
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;
use crate::run::effects::code_of_call as code;
use access::TenantAccess;
use openapi::{Api, Import};

/// What performs a plugin's tools.
#[derive(Clone)]
pub(super) enum Loaded {
    Code(Plugin),
    /// Operations of an HTTP interface.
    Api(Arc<(Declared, Api)>),
}

impl Loaded {
    fn config_problems(&self, config: &Map<String, Value>) -> Vec<String> {
        match self {
            Loaded::Code(plugin) => plugin.config_problems(config),
            Loaded::Api(api) => api.0.config_problems(config),
        }
    }
}

/// What is written down of a plugin when it is installed.
struct NewPlugin<'a> {
    manifest: &'a Manifest,
    /// The manifest, and what else is kept with it.
    stored: Value,
    sha256: &'a str,
    /// None for what ships with the server.
    uploaded: Option<Vec<u8>>,
    /// Whether a plugin that was not there before begins switched on; one that was there stays as it is.
    enabled: bool,
}

impl<'a> NewPlugin<'a> {
    fn uploaded(plugin: &'a Plugin, bytes: Vec<u8>) -> Result<NewPlugin<'a>> {
        let manifest = plugin.manifest();
        let stored = serde_json::to_value(manifest).map_err(AppError::internal)?;
        Ok(NewPlugin { manifest, stored, sha256: plugin.sha256(), uploaded: Some(bytes), enabled: true })
    }
}

/// An installed plugin with what the tenant granted it.
pub struct Installed {
    pub record: domain::Plugin,
    pub manifest: Manifest,
    pub grants: Grants,
}

impl App {
    /// Begins to load plugins that will be called: the largest takes a while, and a call that comes later need not wait for it.
    pub(super) fn get_ready(&self, tenant: TenantId, plugins: BTreeSet<String>) {
        let app = self.clone();
        self.spawn(async move {
            for id in plugins {
                let ready = async {
                    let record = app.storage().plugin(tenant, &id).await?;
                    if let Some(record) = record { app.loaded(tenant, &record).await.map(drop) } else { Ok(()) }
                };
                if let Err(error) = ready.await {
                    tracing::debug!(plugin = %id, error = %error, "a plugin could not be loaded before it is called");
                }
            }
        });
    }

    async fn load(&self, bytes: Vec<u8>) -> Result<Plugin> {
        let plugin = self.0.plugin_host.load(bytes).await?;
        let mut loaded = self.0.loaded_plugins.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.insert(plugin.sha256().to_owned(), Loaded::Code(plugin.clone()));
        Ok(plugin)
    }

    async fn record(&self, tenant: TenantId, new: NewPlugin<'_>) -> Result<()> {
        let NewPlugin { manifest, stored, sha256, uploaded, enabled } = new;
        let record = domain::Plugin {
            id: PluginId::from_uuid(new_uuid()),
            plugin_id: manifest.id.clone(),
            version: manifest.version.to_string(),
            manifest: stored,
            sha256: sha256.to_owned(),
            system: uploaded.is_none(),
            enabled,
            installed_at: self.clock().now_ms(),
        };
        self.storage().install_plugin(tenant, record, uploaded.unwrap_or_default()).await?;
        self.programs().forget_all();
        Ok(())
    }

    /// Installs an uploaded plugin, or the operations of an uploaded OpenAPI document, with nothing granted. A plugin of the
    /// same id is replaced; it keeps only those of its grants that the new version still asks for.
    pub async fn install_plugin(&self, tenant: TenantId, bytes: Vec<u8>) -> Result<Installed> {
        if let Some(import) = Import::read(&bytes) {
            return self.import_openapi(tenant, import?).await;
        }
        let plugin = self.load(bytes.clone()).await?;
        let known = self.known(tenant, plugin.manifest()).await?;
        self.keep_grants(tenant, known, plugin.manifest()).await?;
        self.record(tenant, NewPlugin::uploaded(&plugin, bytes)?).await?;
        self.installed(tenant, &plugin.manifest().id).await
    }

    /// Keeps a version for an admin to install, and changes nothing of what is in use. A plugin that is not there yet is
    /// installed with nothing granted and switched off.
    ///
    /// # Errors
    /// The file is no plugin, or this version of it was published with another content.
    pub async fn publish_plugin(&self, caller: &Caller, bytes: Vec<u8>) -> Result<(Installed, PluginVersion)> {
        if Import::read(&bytes).is_some() {
            return Err(AppError::invalid("an OpenAPI document is not published".to_owned())
                .hint("import it: it becomes a plugin at once, with nothing granted"));
        }
        let tenant = caller.tenant.id;
        let plugin = self.load(bytes.clone()).await?;
        let (id, version) = (&plugin.manifest().id, plugin.manifest().version.to_string());
        let published = PluginVersion {
            sha256: plugin.sha256().to_owned(),
            version: version.clone(),
            installed: false,
            at: self.clock().now_ms(),
        };
        if self.known(tenant, plugin.manifest()).await?.is_none() {
            self.record(tenant, NewPlugin { enabled: false, ..NewPlugin::uploaded(&plugin, bytes)? }).await?;
        } else {
            let kept = self.storage().plugin_versions(tenant, id).await?;
            if kept.iter().any(|it| it.version == version && it.sha256 != published.sha256) {
                return Err(AppError::new(
                    ErrorCode::Conflict,
                    format!("version {version} of `{id}` is there already, with another content"),
                )
                .hint("give the plugin a new version; what was published does not change"));
            }
            self.storage().publish_plugin_version(tenant, id, published.clone(), bytes).await?;
        }
        self.note_change(caller, "plugin.publish", &format!("{id} {version}")).await?;
        Ok((self.installed(tenant, id).await?, published))
    }

    /// Makes the operations of an HTTP interface the tools of a plugin.
    ///
    /// # Errors
    /// The document cannot be used; every problem is told.
    pub async fn import_openapi(&self, tenant: TenantId, import: Import) -> Result<Installed> {
        let (declared, api) = import.plugin()?;
        let manifest = declared.manifest();
        let known = self.known(tenant, manifest).await?;
        let mut stored = serde_json::to_value(manifest).map_err(AppError::internal)?;
        if let Value::Object(members) = &mut stored {
            members.insert(API.to_owned(), serde_json::to_value(&api).map_err(AppError::internal)?);
        }
        let bytes = import.bytes()?;
        // JSON text as it is.
        let sha256 = fingerprint(&String::from_utf8_lossy(&bytes));
        self.keep_grants(tenant, known, manifest).await?;
        let new = NewPlugin { manifest, stored, sha256: &sha256, uploaded: Some(bytes), enabled: true };
        self.record(tenant, new).await?;
        self.installed(tenant, &manifest.id).await
    }

    /// The plugin that one of this id would replace.
    async fn known(&self, tenant: TenantId, manifest: &Manifest) -> Result<Option<domain::Plugin>> {
        let (id, known) = (&manifest.id, self.storage().plugin(tenant, &manifest.id).await?);
        if known.as_ref().is_some_and(|it| it.system) || ships(id) {
            return Err(AppError::new(ErrorCode::Conflict, format!("`{id}` is a plugin that ships with Parlour"))
                .hint("give your plugin another id"));
        }
        Ok(known)
    }

    /// Before the new version is there, so that it never runs with what only the old one was granted.
    async fn keep_grants(&self, tenant: TenantId, known: Option<domain::Plugin>, now: &Manifest) -> Result<()> {
        let Some(known) = known else { return Ok(()) };
        let before: Manifest = serde_json::from_value(known.manifest).map_err(AppError::internal)?;
        let granted = self.grants(tenant, &now.id).await?;
        self.store_grants(tenant, &now.id, &granted.after_update(&before.permissions, &now.permissions)).await
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
        if has_api(&installed.record.manifest) && !grants.limits.is_empty() {
            return Err(AppError::invalid(format!("`{id}` has no code that limits could be set for"))
                .hint("its tools are requests, which have the server's own limits"));
        }
        let problems = grants.limits.problems(self.plugin_limits());
        if !problems.is_empty() {
            return Err(AppError::invalid(problems.join("; "))
                .hint("a plugin can be given less than the server allows, by its operator's `[plugins.limits]`"));
        }
        self.store_grants(tenant, id, &grants).await?;
        self.installed(tenant, id).await
    }

    /// What one call of any plugin may use.
    pub fn plugin_limits(&self) -> &Limits {
        self.0.plugin_host.limits()
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

    /// The versions of an uploaded plugin that can be installed, the newest first.
    pub async fn plugin_versions(&self, tenant: TenantId, id: &str) -> Result<Vec<PluginVersion>> {
        self.installed(tenant, id).await?;
        Ok(self.storage().plugin_versions(tenant, id).await?)
    }

    /// Installs a version that was published, or that was installed before. It keeps those of the present grants that it
    /// asks for.
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

    /// Calls a tool in the sandbox with the tenant's grants. `place` is the run and the node that call it; `groups` are those
    /// of the visitor for whom it is called.
    pub async fn call_tool(
        &self,
        tenant: TenantId,
        (id, tool): (&str, &str),
        input: Value,
        (place, groups): (Option<(RunId, &str)>, Option<Vec<String>>),
    ) -> Result<CallReport> {
        let installed = self.installed(tenant, id).await?;
        if !installed.record.enabled {
            return Err(AppError::new(ErrorCode::Conflict, format!("the plugin `{id}` is switched off"))
                .hint("an administrator can switch it on again"));
        }
        let settings = self.plugin_settings(tenant, &installed.manifest).await?;
        // As for a node's own requests: equal for every attempt of one node in one run.
        let idempotency_key = place.map(|(run, node)| format!("{run}-{node}"));
        let at = self.clock().now_ms();
        let report = match self.loaded(tenant, &installed.record).await? {
            Loaded::Code(plugin) => {
                let context = CallContext {
                    tenant: tenant.to_string(),
                    config: settings,
                    grants: installed.grants,
                    limits: None,
                    access: Arc::new(TenantAccess { app: self.clone(), tenant, plugin: id.to_owned(), groups }),
                    idempotency_key,
                };
                self.0.plugin_host.call(&plugin, tool, input, context).await
            }
            Loaded::Api(api) => {
                let rules = HttpRules::of(&installed.manifest, &installed.grants, &settings);
                let caller = openapi::Caller { egress: self.egress(), rules, settings, idempotency_key };
                openapi::perform(&api, tool, &input, caller).await
            }
        };
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

    /// What performs the plugin's tools; loaded again from what is stored after a restart.
    async fn loaded(&self, tenant: TenantId, record: &domain::Plugin) -> Result<Loaded> {
        if let Some(known) = self.already_loaded(&record.sha256) {
            return Ok(known);
        }
        // Whoever wants the same one meanwhile waits, instead of reading and hashing it once more.
        let turn = {
            let mut loading = self.0.loading_plugins.lock().unwrap_or_else(PoisonError::into_inner);
            loading.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(loading.entry(record.sha256.clone()).or_default())
        };
        let _turn = turn.lock().await;
        if let Some(known) = self.already_loaded(&record.sha256) {
            return Ok(known);
        }
        if let Some(api) = record.manifest.get(API) {
            let api: Api = serde_json::from_value(api.clone()).map_err(AppError::internal)?;
            let declared = Declared::check(&without_api(&record.manifest));
            let declared = declared.map_err(|problems| AppError::internal(problems.join("; ")))?;
            let api = Loaded::Api(Arc::new((declared, api)));
            let mut loaded = self.0.loaded_plugins.lock().unwrap_or_else(PoisonError::into_inner);
            loaded.insert(record.sha256.clone(), api.clone());
            return Ok(api);
        }
        let bytes = self.storage().plugin_bytes(tenant, &record.plugin_id).await?;
        if let Some(bytes) = bytes.filter(|it| !it.is_empty()) {
            return Ok(Loaded::Code(self.load(bytes).await?));
        }
        // Another server on this database installed its own build of what ships with both. Not every compiler gives the same
        // bytes twice, so a version is known by its number.
        if shipped::has(&record.plugin_id) {
            let plugin = self.load_shipped(&record.plugin_id).await?;
            if plugin.manifest().version.to_string() == record.version {
                let mut loaded = self.0.loaded_plugins.lock().unwrap_or_else(PoisonError::into_inner);
                loaded.insert(record.sha256.clone(), Loaded::Code(plugin.clone()));
                return Ok(Loaded::Code(plugin));
            }
        }
        Err(AppError::new(
            ErrorCode::NotFound,
            format!("the plugin `{}` of this version no longer ships with the server", record.plugin_id),
        )
        .hint("run `cargo xtask plugins` and start the server again"))
    }

    fn already_loaded(&self, sha256: &str) -> Option<Loaded> {
        self.0.loaded_plugins.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned()
    }

    /// Tools that may be called twice with the same effect as once.
    pub(crate) async fn idempotent_tools(&self, tenant: TenantId) -> HashSet<(String, String)> {
        let Ok(installed) = self.plugins(tenant).await else { return HashSet::new() };
        let tools = installed.iter().flat_map(|it| it.manifest.tools.iter().map(|tool| (&it.manifest.id, tool)));
        tools.filter(|(_, tool)| tool.idempotent).map(|(id, tool)| (id.clone(), tool.name.clone())).collect()
    }
}

/// Beside a manifest's own members: how the tools of an imported plugin are performed.
const API: &str = "openapi";

/// Whether the plugin is an imported interface.
pub(crate) fn has_api(manifest: &Value) -> bool {
    manifest.get(API).is_some()
}

/// A manifest as its plugin would give it.
pub(crate) fn without_api(manifest: &Value) -> Value {
    let mut manifest = manifest.clone();
    if let Value::Object(members) = &mut manifest {
        members.remove(API);
    }
    manifest
}

/// Whether a plugin of this id belongs to the server, or would if it had been built: `code` nodes call theirs by its id, so
/// whoever could install another would see what they are given.
fn ships(id: &str) -> bool {
    workflow_engine::CODE_PLUGINS.contains(&id) || shipped::has(id)
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
