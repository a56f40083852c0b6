//! The plugins inside this binary, as `cargo xtask plugins` built them; a debug build reads them from the folder at run time.
//!
//! `NAME.wasm.gz` is the component, compressed; `NAME.json` has its hash, so that nothing is decompressed that is known already.
//! A plugin is loaded when it is new to a tenant, as anybody's is, because it says itself what it is. The interpreter of Python
//! takes a machine many seconds to compile, which a server without a line of Python should not spend: what it says of itself is
//! in its `NAME.json` as well, and it is loaded when it is needed.

use std::collections::BTreeSet;
use std::io::Read as _;

use domain::TenantId;
use plugin_host::{Declared, Grants, Manifest, Plugin, PluginHost};
use rust_embed::RustEmbed;
use serde::Deserialize;
use serde_json::Value;

use super::NewPlugin;
use crate::app::{App, AppError, Result};

#[derive(RustEmbed)]
#[folder = "../plugins/dist"]
#[exclude = "testing/*"]
#[include = "*.wasm.gz"]
#[include = "*.json"]
#[allow_missing = true]
struct Files;

/// `NAME.json`: what is known of a plugin without loading it.
#[derive(Deserialize)]
struct Known {
    /// Of the component, not of the compressed file.
    sha256: String,
    /// None for one that has to be asked.
    manifest: Option<Value>,
}

/// By their names, in order.
fn ids() -> BTreeSet<String> {
    let files = Files::iter().filter(|it| !it.contains('/'));
    files.filter_map(|it| it.strip_suffix(".wasm.gz").map(str::to_owned)).collect()
}

pub(super) fn has(id: &str) -> bool {
    Files::get(&format!("{id}.json")).is_some()
}

fn known(id: &str) -> Result<Option<Known>> {
    let file = Files::get(&format!("{id}.json"));
    file.map(|it| serde_json::from_slice(&it.data).map_err(AppError::internal)).transpose()
}

impl Known {
    /// What the plugin says of itself, where that is known.
    fn manifest(&self) -> Result<Option<Manifest>> {
        let Some(manifest) = &self.manifest else { return Ok(None) };
        let declared = Declared::check(manifest).map_err(|problems| AppError::internal(problems.join("; ")))?;
        Ok(Some(declared.manifest().clone()))
    }
}

/// The component itself. Not for a thread that others wait for: it has to be decompressed.
fn bytes(id: &str) -> Result<Option<Vec<u8>>> {
    let Some(file) = Files::get(&format!("{id}.wasm.gz")) else { return Ok(None) };
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&*file.data).read_to_end(&mut bytes).map_err(AppError::internal)?;
    Ok(Some(bytes))
}

/// Whether the build has plugins at all; without them most workflows do not compile.
pub fn count() -> usize {
    ids().len()
}

/// The manifests of all of them, for checking documents without a data folder.
///
/// # Errors
/// One of them does not load.
pub async fn manifests(host: &PluginHost) -> Result<Vec<Manifest>> {
    let mut all = Vec::new();
    for id in ids() {
        match known(&id)?.map(|it| it.manifest()).transpose()?.flatten() {
            Some(manifest) => all.push(manifest),
            None => {
                if let Some(bytes) = bytes(&id)? {
                    all.push(host.load(bytes).await?.manifest().clone());
                }
            }
        }
    }
    Ok(all)
}

impl App {
    /// Makes the shipped plugins known to every tenant, newer versions in place of older ones.
    pub(in crate::app) async fn install_shipped_plugins(&self) -> Result<()> {
        for tenant in self.storage().all_tenants_list_tenants().await? {
            self.install_shipped_plugins_for(tenant.id).await?;
        }
        Ok(())
    }

    pub(in crate::app) async fn install_shipped_plugins_for(&self, tenant: TenantId) -> Result<()> {
        for id in ids() {
            // One that does not load keeps none of the others away.
            if let Err(error) = self.install_shipped(tenant, &id).await {
                tracing::error!(plugin = %id, error = %error, "a plugin of this server does not load; run `cargo xtask plugins`");
            }
        }
        Ok(())
    }

    /// What ships with the server is trusted as the server is: what it asks for is granted, once. An admin can take a grant
    /// away, and no newer version brings it back.
    async fn install_shipped(&self, tenant: TenantId, id: &str) -> Result<()> {
        let (Some(shipped), before) = (known(id)?, self.storage().plugin(tenant, id).await?) else { return Ok(()) };
        // Loaded when it is called for the first time, unless it is new and has to be asked what it is.
        if before.as_ref().is_some_and(|it| it.sha256 == shipped.sha256) {
            return Ok(());
        }
        let manifest = match shipped.manifest()? {
            Some(manifest) => manifest,
            None => self.load_shipped(id).await?.manifest().clone(),
        };
        let mut grants = Grants::all_of(&manifest.permissions);
        if let Some(known) = before {
            if !known.system {
                tracing::warn!(
                    plugin = manifest.id,
                    "a tenant has a plugin of its own by the name of one that ships; it is left alone"
                );
                return Ok(());
            }
            let before: Manifest = serde_json::from_value(known.manifest).map_err(AppError::internal)?;
            let asked = Grants::all_of(&before.permissions);
            let new = grants.minus(&asked);
            grants = self.grants(tenant, &manifest.id).await?.within(&manifest.permissions).and(new);
        }
        let stored = serde_json::to_value(&manifest).map_err(AppError::internal)?;
        let new = NewPlugin { manifest: &manifest, stored, sha256: &shipped.sha256, uploaded: None, enabled: true };
        self.record(tenant, new).await?;
        self.store_grants(tenant, &manifest.id, &grants).await
    }

    pub(super) async fn load_shipped(&self, id: &str) -> Result<Plugin> {
        let name = id.to_owned();
        let read = tokio::task::spawn_blocking(move || bytes(&name)).await.map_err(AppError::internal)??;
        self.load(read.ok_or_else(|| AppError::not_found("shipped plugin", id))?).await
    }
}
