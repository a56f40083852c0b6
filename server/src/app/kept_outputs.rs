//! What `cache` keeps: outputs under a hash of everything that makes two calls of a node equal. The node's own part of that
//! comes from the engine; the versions of what it uses are added here, so that another model, other knowledge, another
//! plugin or another version of a workflow is another call.

use domain::{DefinitionKind, TenantId};
use serde_json::{Value, json};
use workflow_engine::{CacheKey, CacheScope};

use super::clock::fingerprint;
use super::{App, Result};

/// A larger output is not kept: reading it back would cost more than it saves.
const MAX_KEPT_BYTES: usize = 1 << 20;

impl App {
    /// `{hit: false}`, or `{hit: true, ports, output}`.
    pub(crate) async fn recall(&self, tenant: TenantId, user: &Value, key: &CacheKey) -> Result<Value> {
        let Some(name) = self.cache_name(tenant, user, key).await? else { return Ok(json!({ "hit": false })) };
        let now = self.clock().now_ms();
        Ok(match self.storage().kept_output(tenant, &name, now).await? {
            Some(Value::Object(mut kept)) => {
                kept.insert("hit".to_owned(), Value::Bool(true));
                Value::Object(kept)
            }
            Some(_) | None => json!({ "hit": false }),
        })
    }

    /// Keeps an output for `recall`. One that is too large is not kept.
    pub(crate) async fn keep(
        &self,
        tenant: TenantId,
        user: &Value,
        key: &CacheKey,
        (ports, output): (&[String], &Value),
    ) -> Result<()> {
        let kept = json!({ "ports": ports, "output": output });
        if kept.to_string().len() > MAX_KEPT_BYTES {
            return Ok(());
        }
        let Some(name) = self.cache_name(tenant, user, key).await? else { return Ok(()) };
        let now = self.clock().now_ms();
        let expires = now.saturating_add(i64::try_from(key.ttl_ms).unwrap_or(i64::MAX));
        Ok(self.storage().keep_output(tenant, &name, (kept, now, expires)).await?)
    }

    /// The key's hash. None for what is kept per user when nobody in particular asks.
    async fn cache_name(&self, tenant: TenantId, user: &Value, key: &CacheKey) -> Result<Option<String>> {
        let CacheKey { material, models, knowledge_bases, ttl_ms: _, scope } = key;
        // What one visitor may see is not kept for another, whatever the scope.
        let groups = user.pointer("/attributes/groups").cloned().unwrap_or_default();
        let user = match scope {
            CacheScope::Tenant => Value::Null,
            CacheScope::User => match user.get("id").and_then(Value::as_str) {
                Some(id) => json!(id),
                None => return Ok(None),
            },
        };
        let mut parts = vec![material.clone(), user, groups];
        for model in models {
            parts.push(self.model_fingerprint(tenant, model).await?);
        }
        for name in knowledge_bases {
            let (base, _) = match self.base(tenant, name).await {
                Ok(found) => found,
                // The node itself will say that it does not exist.
                Err(_) => continue,
            };
            let documents = self.documents(tenant, base.id).await?;
            let newest = documents.iter().map(|it| it.updated_at).max();
            let versions: i64 = documents.iter().map(|it| it.version).sum();
            parts.push(json!([name, base.id, base.updated_at, documents.len(), newest, versions]));
        }
        parts.push(self.used_version(tenant, material.get("use").and_then(Value::as_str).unwrap_or_default()).await?);
        Ok(Some(fingerprint(&Value::Array(parts).to_string())))
    }

    /// The version of the workflow or plugin that `use` names; null for built-in kinds.
    async fn used_version(&self, tenant: TenantId, used: &str) -> Result<Value> {
        if let Some(name) = used.strip_prefix("workflow/") {
            let version = self.definition(tenant, DefinitionKind::Workflow, name).await?;
            return Ok(json!(version.id));
        }
        let plugin = used.split('/').next().unwrap_or(used);
        let plugins = self.storage().list_plugins(tenant).await?;
        Ok(plugins.iter().find(|it| it.plugin_id == plugin).map_or(Value::Null, |it| json!(it.sha256)))
    }
}
