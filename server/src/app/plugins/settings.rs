//! What a tenant has filled in for a plugin, by the manifest's `config` schema. Secrets are stored sealed and never shown.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::TenantId;
use plugin_host::Manifest;
use serde_json::{Map, Value, json};

use super::Installed;
use crate::app::accounts::Caller;
use crate::app::{App, AppError, Problem, Result};

/// How a sealed value stands among the others.
const SEALED: &str = "sealed";

fn setting_of(plugin: &str) -> String {
    format!("plugin_config.{plugin}")
}

fn is_secret(manifest: &Manifest, key: &str) -> bool {
    let property = manifest.config.as_ref().and_then(|it| it.get("properties")?.get(key));
    property.and_then(|it| it.get("secret")).and_then(Value::as_bool).unwrap_or(false)
}

impl App {
    async fn stored_settings(&self, tenant: TenantId, plugin: &str) -> Result<Map<String, Value>> {
        Ok(match self.storage().setting(tenant, &setting_of(plugin)).await? {
            Some(Value::Object(settings)) => settings,
            Some(_) | None => Map::new(),
        })
    }

    /// With the secrets opened: for calls.
    pub(super) async fn plugin_settings(&self, tenant: TenantId, manifest: &Manifest) -> Result<Map<String, Value>> {
        if manifest.config.is_none() {
            return Ok(Map::new());
        }
        let mut settings = self.stored_settings(tenant, &manifest.id).await?;
        for (key, value) in &mut settings {
            if let Some(sealed) = value.get(SEALED).and_then(Value::as_str) {
                *value = Value::String(self.opened(tenant, (&manifest.id, key), sealed)?);
            }
        }
        Ok(settings)
    }

    fn opened(&self, tenant: TenantId, (plugin, key): (&str, &str), sealed: &str) -> Result<String> {
        let sealed = BASE64_STANDARD.decode(sealed).map_err(|error| AppError::internal(error.to_string()))?;
        let place = format!("plugin {plugin} {key}");
        let value = self.0.sealer.open((tenant, &place), sealed)?;
        String::from_utf8(value).map_err(|error| AppError::internal(error.to_string()))
    }

    /// As people see them: of a secret only whether it is filled in.
    pub async fn shown_settings(&self, tenant: TenantId, manifest: &Manifest) -> Result<Map<String, Value>> {
        let mut settings = self.stored_settings(tenant, &manifest.id).await?;
        for (key, value) in &mut settings {
            if is_secret(manifest, key) || value.get(SEALED).is_some() {
                *value = json!({ "set": true });
            }
        }
        Ok(settings)
    }

    /// Fills the settings in. A secret that is left out stays as it is; null takes any setting away.
    ///
    /// # Errors
    /// They do not fit the manifest's schema; every problem is told.
    pub async fn set_plugin_settings(&self, caller: &Caller, id: &str, given: Map<String, Value>) -> Result<Installed> {
        let tenant = caller.tenant.id;
        let installed = self.installed(tenant, id).await?;
        let manifest = &installed.manifest;
        let known = self.stored_settings(tenant, id).await?;
        let open = self.plugin_settings(tenant, manifest).await?;
        let kept = known.into_iter().filter(|(key, _)| is_secret(manifest, key) && !given.contains_key(key));
        let mut stored: Map<String, Value> = kept.collect();
        let mut plain: Map<String, Value> = Map::new();
        for key in stored.keys() {
            plain.extend(open.get(key).map(|it| (key.clone(), it.clone())));
        }
        for (key, value) in given.into_iter().filter(|(_, value)| !value.is_null()) {
            plain.insert(key.clone(), value.clone());
            let sealed = match value.as_str().filter(|_| is_secret(manifest, &key)) {
                Some(text) => {
                    let place = format!("plugin {id} {key}");
                    let sealed = self.0.sealer.seal((tenant, &place), text.as_bytes())?;
                    json!({ SEALED: BASE64_STANDARD.encode(sealed) })
                }
                None => value,
            };
            stored.insert(key, sealed);
        }
        let plugin = self.loaded(tenant, &installed.record).await?;
        let problems = plugin.config_problems(&plain);
        if !problems.is_empty() {
            return Err(AppError::invalid(format!("the settings of `{id}` do not fit"))
                .hint("compare them with `config` of the plugin's manifest")
                .errors(problems.into_iter().map(|it| Problem::new("invalid_input", it)).collect()));
        }
        self.storage().set_setting(tenant, &setting_of(id), Value::Object(stored), self.clock().now_ms()).await?;
        self.note_change(caller, "plugin.settings", id).await?;
        self.installed(tenant, id).await
    }

    pub(super) async fn forget_plugin_settings(&self, tenant: TenantId, id: &str) -> Result<()> {
        self.storage().delete_setting(tenant, &setting_of(id)).await?;
        Ok(())
    }
}
