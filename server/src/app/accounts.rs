//! Who may do what: tenants, the one-time link of the first start, sign-in, sessions and API keys.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use domain::{ApiKey, ApiKeyId, Role, Session, Tenant, TenantId, User, UserId};

use super::clock::{fingerprint, new_secret, new_uuid};
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A visitor who comes back within a month is still signed in.
const SESSION_MS: i64 = 30 * DAY_MS;
/// The link stands in a terminal; a new one is printed at each start.
const SETUP_LINK_MS: i64 = 7 * DAY_MS;
/// Long enough that guessing is hopeless together with [`SIGN_IN_TRIES`].
const PASSWORD_MIN_CHARS: usize = 10;
/// argon2 reads the whole password; more is an attempt to keep the server busy.
const PASSWORD_MAX_BYTES: usize = 1024;
/// Wrong passwords for one address before it has to wait.
const SIGN_IN_TRIES: u32 = 5;
const SIGN_IN_PAUSE_MS: i64 = 60_000;
/// Addresses remembered for that; the oldest knowledge is given up first when someone floods it.
const SIGN_IN_ADDRESSES: usize = 10_000;

/// What a key may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Talk to assistants.
    Chat,
    /// Start workflow runs and see runs.
    Run,
    /// Change assistants, workflows, knowledge, plugins and keys.
    Manage,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::Chat, Scope::Run, Scope::Manage];

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Chat => "chat",
            Scope::Run => "run",
            Scope::Manage => "manage",
        }
    }
}

/// Whoever asks, once it is known who that is.
#[derive(Clone, Debug)]
pub struct Caller {
    pub tenant: Tenant,
    /// None for an API key.
    pub user: Option<User>,
    /// The API key, if it is one.
    pub key: Option<ApiKeyId>,
    pub scopes: Vec<String>,
    /// The groups of the visitor for whom this is, if the caller says so: then only documents for everybody and for these
    /// groups are seen. None: all of them.
    pub groups: Option<Vec<String>>,
}

impl Caller {
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|it| it == scope.as_str())
    }

    /// People have their own; only a key that may manage the tenant reads everybody's.
    pub fn sees_all_conversations(&self) -> bool {
        self.user.is_none() && self.may(Scope::Manage)
    }

    /// As the audit log names whoever changed something.
    pub(super) fn as_actor(&self) -> String {
        match (&self.user, self.key) {
            (Some(user), _) => format!("user/{}", user.id),
            (None, Some(key)) => format!("key/{key}"),
            (None, None) => "system".to_owned(),
        }
    }

    /// What workflows see as `user`.
    pub fn as_workflow_user(&self) -> serde_json::Value {
        let attributes = match &self.groups {
            Some(groups) => serde_json::json!({ "groups": groups }),
            None => serde_json::json!({}),
        };
        match &self.user {
            Some(user) => serde_json::json!({ "id": user.id, "name": user.name, "attributes": attributes }),
            None => serde_json::json!({ "id": "api", "name": "API", "attributes": attributes }),
        }
    }
}

/// A signed-in session: the token goes into the cookie and nowhere else.
pub struct SignedIn {
    pub token: String,
    pub user: User,
    pub tenant: Tenant,
}

#[derive(Default)]
pub struct SignIns(Mutex<HashMap<String, (u32, i64)>>);

impl App {
    pub(super) async fn ensure_first_tenant(&self) -> Result<()> {
        if self.storage().all_tenants_list_tenants().await?.is_empty() {
            let tenant = self.new_tenant("main", "Parlour");
            match self.storage().all_tenants_create_tenant(tenant).await {
                // Another process on the same folder was a moment faster; its tenant serves as well.
                Ok(()) | Err(storage::StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn new_tenant(&self, slug: &str, name: &str) -> Tenant {
        Tenant {
            id: TenantId::from_uuid(new_uuid()),
            slug: slug.to_owned(),
            name: name.to_owned(),
            created_at: self.clock().now_ms(),
        }
    }

    pub async fn first_tenant(&self) -> Result<Tenant> {
        let mut all = self.storage().all_tenants_list_tenants().await?;
        all.sort_by_key(|it| it.created_at);
        all.into_iter().next().ok_or_else(|| AppError::internal("a data folder always has a tenant"))
    }

    pub async fn tenant(&self, slug: Option<&str>) -> Result<Tenant> {
        let Some(slug) = slug else { return self.first_tenant().await };
        let found = self.storage().all_tenants_tenant_by_slug(slug).await?;
        found.ok_or_else(|| {
            AppError::not_found("tenant", slug)
                .hint("`parlour tenant list` shows them; `parlour tenant create` makes one")
        })
    }

    /// # Errors
    /// The short name is malformed or taken.
    pub async fn create_tenant(&self, slug: &str, name: Option<&str>) -> Result<Tenant> {
        let fine = !slug.is_empty()
            && slug.len() <= 63
            && slug.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        if !fine {
            return Err(AppError::invalid(format!("`{slug}` cannot be a tenant's short name"))
                .hint("use lower-case letters, digits and hyphens, at most 63"));
        }
        let tenant = self.new_tenant(slug, name.unwrap_or(slug));
        self.storage().all_tenants_create_tenant(tenant.clone()).await?;
        self.install_shipped_plugins_for(tenant.id).await?;
        Ok(tenant)
    }

    /// A fresh one-time token, while nobody could sign in otherwise.
    pub async fn setup_token(&self) -> Result<Option<String>> {
        if self.storage().all_tenants_has_owner_with_password().await? {
            return Ok(None);
        }
        let token = new_secret()?;
        let tenant = self.first_tenant().await?;
        let expires = self.clock().now_ms() + SETUP_LINK_MS;
        self.storage().all_tenants_create_setup_token(&fingerprint(&token), tenant.id, expires).await?;
        Ok(Some(token))
    }

    pub async fn needs_setup(&self) -> Result<bool> {
        Ok(!self.storage().all_tenants_has_owner_with_password().await?)
    }

    /// Takes the one-time link: signs its holder in as the owner, who is made if there is none.
    pub async fn use_setup_link(&self, token: &str) -> Result<SignedIn> {
        let now = self.clock().now_ms();
        let taken = self.storage().all_tenants_take_setup_token(&fingerprint(token), now).await?;
        let Some(tenant) = taken else {
            return Err(AppError::new(ErrorCode::LinkUsed, "this set-up link was used already or has expired")
                .hint("sign in if you have a password; otherwise start the server again, and it prints a new link"));
        };
        let owner = self.storage().all_tenants_owner().await?.filter(|it| it.tenant == tenant);
        let user = match owner {
            Some(owner) if owner.password_hash.is_some() => {
                return Err(AppError::new(ErrorCode::LinkUsed, "this installation has an owner with a password")
                    .hint("sign in with e-mail and password"));
            }
            Some(owner) => owner,
            None => {
                let user = User {
                    id: UserId::from_uuid(new_uuid()),
                    tenant,
                    name: "Owner".to_owned(),
                    email: None,
                    password_hash: None,
                    role: Role::Owner,
                    created_at: now,
                };
                self.storage().create_user(tenant, user.clone()).await?;
                user
            }
        };
        self.open_session(user).await
    }

    async fn open_session(&self, user: User) -> Result<SignedIn> {
        let now = self.clock().now_ms();
        let token = new_secret()?;
        let hash = fingerprint(&token);
        let session = Session {
            token_hash: hash.clone(),
            tenant: user.tenant,
            user: user.id,
            created_at: now,
            expires_at: now + SESSION_MS,
        };
        self.storage().all_tenants_create_session(session).await?;
        let opened = self.storage().all_tenants_session(&hash, now).await?;
        let (_, user, tenant) = opened.ok_or_else(|| AppError::internal("a session vanished as it was made"))?;
        Ok(SignedIn { token, user, tenant })
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn> {
        let email = email.trim().to_lowercase();
        self.0.sign_ins.check(&email, self.clock().now_ms())?;
        let user = self.storage().all_tenants_user_by_email(&email).await?;
        let stored = user.as_ref().and_then(|it| it.password_hash.clone());
        let fits = check_password(stored, password.to_owned()).await?;
        match user {
            Some(user) if fits => {
                self.0.sign_ins.forget(&email);
                self.open_session(user).await
            }
            Some(_) | None => {
                self.0.sign_ins.count(&email, self.clock().now_ms());
                Err(AppError::new(ErrorCode::WrongCredentials, "no account has this e-mail with this password"))
            }
        }
    }

    pub async fn sign_out(&self, token: &str) -> Result<()> {
        Ok(self.storage().all_tenants_delete_session(&fingerprint(token)).await?)
    }

    pub async fn caller_of_session(&self, token: &str) -> Result<Option<Caller>> {
        let found = self.storage().all_tenants_session(&fingerprint(token), self.clock().now_ms()).await?;
        Ok(found.map(|(_, user, tenant)| {
            let scopes = match user.role {
                Role::Owner | Role::Admin | Role::Author => {
                    Scope::ALL.iter().map(|it| it.as_str().to_owned()).collect()
                }
                Role::Operator => vec!["chat".to_owned(), "run".to_owned()],
                Role::Member => vec!["chat".to_owned()],
            };
            Caller { tenant, user: Some(user), key: None, scopes, groups: None }
        }))
    }

    pub async fn caller_of_key(&self, key: &str) -> Result<Option<Caller>> {
        let now = self.clock().now_ms();
        let hash = fingerprint(key);
        let caller = |(key, tenant): (ApiKey, Tenant)| Caller {
            tenant,
            user: None,
            key: Some(key.id),
            scopes: key.scopes,
            groups: None,
        };
        let ticket = match self.0.keys.get(&hash) {
            Ok((key, tenant)) => {
                let valid = key.expires_at.is_none_or(|it| it > now);
                return Ok(valid.then(|| caller((key, tenant))));
            }
            Err(ticket) => ticket,
        };
        let found = self.storage().all_tenants_api_key(&hash, now).await?;
        if let Some(found) = &found {
            self.0.keys.keep(hash, found.clone(), ticket);
        }
        Ok(found.map(caller))
    }

    /// False when the tenant has no such key.
    pub async fn delete_key(&self, tenant: TenantId, id: ApiKeyId) -> Result<bool> {
        let deleted = self.storage().delete_api_key(tenant, id).await?;
        self.0.keys.forget_all();
        Ok(deleted)
    }

    /// Changes the signed-in user's own name, e-mail and password; what is none stays as it is.
    pub async fn change_account(&self, caller: &Caller, change: AccountChange) -> Result<User> {
        let Some(mut user) = caller.user.clone() else {
            return Err(AppError::new(ErrorCode::MissingScope, "an API key has no account to change")
                .hint("sign in in the browser"));
        };
        if let Some(name) = change.name {
            let name = name.trim().to_owned();
            if name.is_empty() || name.chars().count() > 100 {
                return Err(AppError::invalid("a name has 1 to 100 characters"));
            }
            user.name = name;
        }
        if let Some(email) = change.email {
            let email = email.trim().to_lowercase();
            if !plausible_email(&email) {
                return Err(AppError::invalid(format!("`{email}` is not an e-mail address")));
            }
            user.email = Some(email);
        }
        if let Some(password) = change.password {
            if user.password_hash.is_some() {
                let current = change.current_password.unwrap_or_default();
                if !check_password(user.password_hash.clone(), current).await? {
                    return Err(AppError::new(ErrorCode::WrongCredentials, "the current password is wrong"));
                }
            }
            if user.email.is_none() {
                return Err(AppError::invalid("a password needs an e-mail address to sign in with"));
            }
            user.password_hash = Some(hash_password(password).await?);
        }
        self.storage().update_user(caller.tenant.id, user.clone()).await?;
        Ok(user)
    }

    /// Makes a key; the text is returned once and only its hash is kept.
    pub async fn create_key(&self, tenant: TenantId, name: &str, scopes: Vec<String>) -> Result<(ApiKey, String)> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 100 {
            return Err(AppError::invalid("a key's name has 1 to 100 characters"));
        }
        if scopes.is_empty() {
            return Err(AppError::invalid("a key needs at least one scope").hint("chat, run, manage"));
        }
        if let Some(unknown) = scopes.iter().find(|it| !Scope::ALL.iter().any(|known| known.as_str() == it.as_str())) {
            return Err(AppError::invalid(format!("there is no scope `{unknown}`")).hint("chat, run, manage"));
        }
        let secret = format!("pk_{}", new_secret()?);
        let key = ApiKey {
            id: ApiKeyId::from_uuid(new_uuid()),
            name: name.to_owned(),
            hash: fingerprint(&secret),
            prefix: secret.chars().take(9).collect(),
            scopes,
            assistant: None,
            created_at: self.clock().now_ms(),
            expires_at: None,
            last_used_at: None,
        };
        self.storage().create_api_key(tenant, key.clone()).await?;
        Ok((key, secret))
    }
}

pub struct AccountChange {
    pub name: Option<String>,
    pub email: Option<String>,
    pub password: Option<String>,
    pub current_password: Option<String>,
}

fn plausible_email(email: &str) -> bool {
    let Some((local, host)) = email.split_once('@') else { return false };
    !local.is_empty()
        && host.contains('.')
        && !host.contains('@')
        && email.len() <= 254
        && !email.contains(char::is_whitespace)
}

async fn hash_password(password: String) -> Result<String> {
    if password.chars().count() < PASSWORD_MIN_CHARS {
        return Err(AppError::invalid(format!("a password has at least {PASSWORD_MIN_CHARS} characters"))
            .hint("four unrelated words are easy to keep in mind and hard to guess"));
    }
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(AppError::invalid(format!("a password has at most {PASSWORD_MAX_BYTES} bytes")));
    }
    let work = tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password(password.as_bytes()).map(|it| it.to_string())
    });
    work.await.map_err(AppError::internal)?.map_err(|error| AppError::internal(error.to_string()))
}

/// Takes as long for an unknown account as for a known one.
async fn check_password(stored: Option<String>, password: String) -> Result<bool> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Ok(false);
    }
    let work = tokio::task::spawn_blocking(move || match stored.as_deref().map(PasswordHash::new) {
        Some(Ok(hash)) => Argon2::default().verify_password(password.as_bytes(), &hash).is_ok(),
        Some(Err(_)) | None => {
            let _ = Argon2::default().hash_password(password.as_bytes());
            false
        }
    });
    work.await.map_err(AppError::internal)
}

impl SignIns {
    fn check(&self, email: &str, now: i64) -> Result<()> {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match tries.get(email) {
            Some((count, until)) if *count >= SIGN_IN_TRIES && now < *until => {
                let mut it = AppError::new(ErrorCode::TooManyRequests, "too many wrong passwords for this address");
                it.retry_after_s = Some(u64::try_from((until - now) / 1000 + 1).unwrap_or(60));
                Err(it.hint("wait a minute, then try again"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn count(&self, email: &str, now: i64) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= SIGN_IN_ADDRESSES {
            tries.retain(|_, (_, until)| *until > now);
        }
        let entry = tries.entry(email.to_owned()).or_insert((0, 0));
        if entry.1 < now {
            entry.0 = 0;
        }
        entry.0 += 1;
        entry.1 = now + SIGN_IN_PAUSE_MS;
    }

    fn forget(&self, email: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(email);
    }
}
