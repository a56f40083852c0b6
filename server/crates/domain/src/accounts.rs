//! Tenants, the people in them, and the ways to prove who one is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::named;
use crate::{ApiKeyId, TenantId, UserId};

named!(
    /// What a user may do in their tenant, from everything to chat only.
    Role, "role", {
        Owner = "owner",
        Admin = "admin",
        Author = "author",
        Operator = "operator",
        Member = "member",
    }
);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    pub id: TenantId,
    /// Unique in the whole installation; part of addresses and command lines.
    pub slug: String,
    pub name: String,
    pub created_at: i64,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub tenant: TenantId,
    pub name: String,
    /// Lower case; unique in the whole installation, because signing in asks for nothing else.
    pub email: Option<String>,
    /// argon2id in PHC form.
    #[serde(skip_serializing, default)]
    pub password_hash: Option<String>,
    pub role: Role,
    pub created_at: i64,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// A hash of what the cookie holds; the cookie's value itself is stored nowhere.
    #[serde(skip_serializing, default)]
    pub token_hash: String,
    pub tenant: TenantId,
    pub user: UserId,
    pub created_at: i64,
    pub expires_at: i64,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    /// A hash of the key; the key itself is shown once and stored nowhere.
    #[serde(skip_serializing, default)]
    pub hash: String,
    /// The key's first characters, by which people recognise it in a list.
    pub prefix: String,
    pub scopes: Vec<String>,
    /// The only assistant that the key may talk to; none means every one.
    pub assistant: Option<String>,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub last_used_at: Option<i64>,
}

// Written by hand so that a hash never gets into a log with `{:?}`.

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let User { id, tenant, name, email, password_hash, role, created_at } = self;
        f.debug_struct("User")
            .field("id", id)
            .field("tenant", tenant)
            .field("name", name)
            .field("email", email)
            .field("has_password", &password_hash.is_some())
            .field("role", role)
            .field("created_at", created_at)
            .finish()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Session { token_hash: _, tenant, user, created_at, expires_at } = self;
        f.debug_struct("Session")
            .field("tenant", tenant)
            .field("user", user)
            .field("created_at", created_at)
            .field("expires_at", expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ApiKey { id, name, hash: _, prefix, scopes, assistant, created_at, expires_at, last_used_at } = self;
        f.debug_struct("ApiKey")
            .field("id", id)
            .field("name", name)
            .field("prefix", prefix)
            .field("scopes", scopes)
            .field("assistant", assistant)
            .field("created_at", created_at)
            .field("expires_at", expires_at)
            .field("last_used_at", last_used_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_show_neither_in_debug_nor_in_json() {
        let tenant = TenantId::from_uuid(uuid::Uuid::from_u128(1));
        let id = UserId::from_uuid(uuid::Uuid::from_u128(2));
        let user = User {
            id,
            tenant,
            name: "李雷".into(),
            email: None,
            password_hash: Some("secret-hash".into()),
            role: Role::Owner,
            created_at: 1,
        };
        let session = Session { token_hash: "secret-hash".into(), tenant, user: id, created_at: 1, expires_at: 2 };
        let key = ApiKey {
            id: ApiKeyId::from_uuid(uuid::Uuid::from_u128(3)),
            name: "ci".into(),
            hash: "secret-hash".into(),
            prefix: "pk_1".into(),
            scopes: vec!["chat".into()],
            assistant: None,
            created_at: 1,
            expires_at: None,
            last_used_at: None,
        };
        let texts = [
            format!("{user:?} {session:?} {key:?}"),
            serde_json::to_string(&user).unwrap(),
            serde_json::to_string(&session).unwrap(),
            serde_json::to_string(&key).unwrap(),
        ];
        for text in texts {
            assert!(!text.contains("secret-hash"), "{text}");
        }
    }
}
