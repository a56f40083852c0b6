//! Values that outlive a call: one store per tenant and plugin, which the server keeps. The manifest asks for so many bytes, the
//! tenant grants it or not.

use crate::access::{Answer, ServerAccess};
use crate::bindings::parlour::plugin::storage as wit;
use crate::bindings::parlour::plugin::types;
use crate::call::Guest;
use crate::error::HostError;
use crate::grants::Grants;
use crate::manifest::Manifest;

const MAX_KEY_BYTES: usize = 200;
const MAX_PAGE: u32 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    pub value: String,
    /// 1, 2, 3, …
    pub version: u64,
    /// Milliseconds since 1970.
    pub expires_at: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetValue {
    pub key: String,
    pub value: String,
    pub ttl_s: Option<u32>,
    /// Only if the present version is this one; 0: if there is none.
    pub expected: Option<u64>,
    /// Of all keys and values together.
    pub max_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    pub keys: Vec<String>,
    pub next_cursor: Option<String>,
}

/// Ask ∧ grant; answers how many bytes the plugin may keep.
fn allowance(manifest: Option<&Manifest>, grants: &Grants) -> Result<u64, HostError> {
    let Some(manifest) = manifest else {
        return Err(HostError::Denied("nothing is granted while a plugin describes itself".to_owned()));
    };
    let Some(asked) = &manifest.permissions.storage else {
        return Err(HostError::Denied(
            "the manifest does not ask for storage, so no grant can allow it; its `permissions` would need `storage`"
                .to_owned(),
        ));
    };
    if !grants.storage {
        return Err(HostError::Denied(
            "storage is not granted to this plugin; the grant `storage` would allow it".to_owned(),
        ));
    }
    Ok(asked.max_bytes)
}

fn check_key(key: &str) -> Result<(), HostError> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) && !key.contains('\0') {
        return Ok(());
    }
    Err(HostError::InvalidInput(format!("a key has 1 to {MAX_KEY_BYTES} bytes; this one has {}", key.len())))
}

impl Guest {
    async fn ask_storage<T: Send + 'static>(
        &mut self,
        check: impl FnOnce() -> Result<(), HostError>,
        question: impl FnOnce(std::sync::Arc<dyn ServerAccess>, u64) -> Answer<'static, T>,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        let allowed = allowance(self.manifest.as_deref(), &self.grants);
        let (permission, bytes) = match allowed {
            Ok(bytes) => (check(), bytes),
            Err(error) => (Err(error), 0),
        };
        self.ask_if(permission, || "storage".to_owned(), |access| question(access, bytes)).await
    }
}

impl wit::Host for Guest {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<wit::Entry>, types::Error>> {
        let checked = check_key(&key);
        let found = self.ask_storage(|| checked, |access, _| Box::pin(async move { access.value(key).await })).await?;
        Ok(found
            .map(|it| it.map(|StoredValue { value, version, expires_at }| wit::Entry { value, version, expires_at })))
    }

    async fn set(
        &mut self,
        key: String,
        value: String,
        ttl_s: Option<u32>,
        expected: Option<u64>,
    ) -> wasmtime::Result<Result<u64, types::Error>> {
        let checked = check_key(&key);
        self.ask_storage(
            || checked,
            |access, max_bytes| {
                Box::pin(async move { access.set_value(SetValue { key, value, ttl_s, expected, max_bytes }).await })
            },
        )
        .await
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, types::Error>> {
        let checked = check_key(&key);
        self.ask_storage(|| checked, |access, _| Box::pin(async move { access.delete_value(key).await })).await
    }

    async fn list(
        &mut self,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<wit::Page, types::Error>> {
        let check = || match limit {
            1..=MAX_PAGE => Ok(()),
            _ => Err(HostError::InvalidInput(format!("`limit` is {limit}; it goes from 1 to {MAX_PAGE}"))),
        };
        let listed = self
            .ask_storage(check, |access, _| Box::pin(async move { access.list_values(prefix, cursor, limit).await }))
            .await?;
        Ok(listed.map(|KeyPage { keys, next_cursor }| wit::Page { keys, next_cursor }))
    }
}
