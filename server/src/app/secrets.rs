//! A tenant's secrets: stored sealed, used in requests, never shown again.

mod master_key;
mod seal;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::{AuditEntry, AuditEntryId, Secret, TenantId};
use serde_json::json;

use super::accounts::Caller;
use super::clock::new_uuid;
use super::{App, AppError, Result};
use crate::config::Database;

pub(super) use master_key::master_key;
pub(super) use seal::Sealer;

/// Keys and tokens are far shorter; a certificate fits.
const MAX_VALUE_BYTES: usize = 16 << 10;
/// One screen's list, and more services than a tenant will talk to.
const MAX_SECRETS: usize = 500;
const MAX_NAME_CHARS: usize = 63;

/// The setting of the first tenant that tells one master key from another, and what is sealed in it.
const KEY_CHECK: &str = "master_key_check";
const CHECKED: &[u8] = b"parlour";

impl App {
    /// Servers that share a database must have the same master key: what one seals, the others have to open.
    ///
    /// # Errors
    /// The database's secrets are sealed under another key.
    pub(super) async fn check_master_key(&self) -> anyhow::Result<()> {
        let Database::Server(_) = self.config().database else { return Ok(()) };
        let tenant = self.first_tenant().await?.id;
        let place = (tenant, KEY_CHECK);
        let mine = BASE64_STANDARD.encode(self.0.sealer.seal(place, CHECKED)?);
        let kept = self.storage().keep_setting(tenant, KEY_CHECK, json!(mine), self.clock().now_ms()).await?;
        let sealed = kept.as_str().and_then(|it| BASE64_STANDARD.decode(it).ok()).unwrap_or_default();
        if self.0.sealer.open(place, sealed).is_ok_and(|it| it == CHECKED) {
            return Ok(());
        }
        anyhow::bail!(
            "the secrets in this database are sealed under another master key: copy `master.key` from the data folder of the \
             server that came first, or give all of them the same PARLOUR_MASTER_KEY (if that key is lost, delete the \
             row `{KEY_CHECK}` of the table `settings`, and enter the secrets anew)"
        )
    }

    /// By name, without values.
    pub async fn secrets(&self, tenant: TenantId) -> Result<Vec<Secret>> {
        Ok(self.storage().list_secrets(tenant).await?)
    }

    /// Stores a secret or replaces its value.
    ///
    /// # Errors
    /// The name or the value cannot be one, or the tenant has too many.
    pub async fn put_secret(&self, caller: &Caller, name: &str, value: &str) -> Result<Secret> {
        let tenant = caller.tenant.id;
        if !is_name(name) {
            return Err(AppError::invalid(format!("`{name}` cannot be a secret's name")).hint(
                "begin with a letter, then letters, digits and underscores, at most 63, for example `CRM_TOKEN`",
            ));
        }
        if value.is_empty() || value.len() > MAX_VALUE_BYTES {
            return Err(AppError::invalid(format!("a secret's value has 1 to {MAX_VALUE_BYTES} bytes")));
        }
        let known = self.secrets(tenant).await?;
        if known.len() >= MAX_SECRETS && !known.iter().any(|it| it.name == name) {
            return Err(AppError::invalid(format!("there are {MAX_SECRETS} secrets already"))
                .hint("delete those that nothing uses"));
        }
        let now = self.clock().now_ms();
        let sealed = self.0.sealer.seal((tenant, name), value.as_bytes())?;
        let secret = Secret { name: name.to_owned(), sealed, created_at: now, updated_at: now };
        let stored = self.storage().put_secret(tenant, secret).await?;
        self.note_change(caller, "secret.put", name).await?;
        Ok(stored)
    }

    pub async fn delete_secret(&self, caller: &Caller, name: &str) -> Result<()> {
        if !self.storage().delete_secret(caller.tenant.id, name).await? {
            return Err(AppError::not_found("secret", name));
        }
        self.note_change(caller, "secret.delete", name).await
    }

    /// A secret's value, for a request that is about to be sent; none if there is no such secret.
    ///
    /// # Errors
    /// It was sealed under another master key, or the database cannot be read.
    pub(crate) async fn open_secret(&self, tenant: TenantId, name: &str) -> Result<Option<String>> {
        let Some(secret) = self.storage().secret(tenant, name).await? else { return Ok(None) };
        let value = self.0.sealer.open((tenant, name), secret.sealed)?;
        String::from_utf8(value).map(Some).map_err(|_| AppError::internal("a secret's value is not UTF-8"))
    }

    pub(crate) async fn note_change(&self, caller: &Caller, action: &str, subject: &str) -> Result<()> {
        let entry = AuditEntry {
            id: AuditEntryId::from_uuid(new_uuid()),
            at: self.clock().now_ms(),
            actor: caller.as_actor(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: json!({}),
        };
        Ok(self.storage().audit(caller.tenant.id, entry).await?)
    }
}

/// As ids in workflows, and upper case as well, since that is how keys are named everywhere else.
fn is_name(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_alphabetic())
        && name.len() <= MAX_NAME_CHARS
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}
