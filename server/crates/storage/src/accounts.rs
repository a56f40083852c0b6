//! Tenants, users, sessions, one-time links and API keys.

use domain::{ApiKey, ApiKeyId, Role, Session, Tenant, TenantId, User, UserId};

use crate::columns::{Stored, parsed};
use crate::database::{Connection, Row, query};
use crate::error::{self, Failure, Operation};
use crate::{Result, Storage, StorageError};

/// A key's last use is stored at most once in this time: a busy key must not mean a write per request.
const TOUCH_EVERY_MS: i64 = 60_000;

macro_rules! tenant_columns {
    () => {
        "t.id, t.slug, t.name, t.created_at"
    };
}
macro_rules! user_columns {
    () => {
        "u.id, u.tenant, u.name, u.email, u.password_hash, u.role, u.created_at"
    };
}
macro_rules! key_columns {
    () => {
        "k.id, k.name, k.hash, k.prefix, k.scopes, k.assistant, k.created_at, k.expires_at, k.last_used_at"
    };
}
/// For joins, where `id`, `name` and `created_at` would be ambiguous.
macro_rules! joined_tenant_columns {
    () => {
        "t.id as tenant_id, t.slug as tenant_slug, t.name as tenant_name, t.created_at as tenant_created_at"
    };
}

impl Stored for Tenant {
    fn read(row: &Row) -> Result<Tenant, sqlx::Error> {
        Ok(Tenant {
            id: parsed(row, "id")?,
            slug: row.try_get("slug")?,
            name: row.try_get("name")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

fn joined_tenant(row: &Row) -> Result<Tenant, sqlx::Error> {
    Ok(Tenant {
        id: parsed(row, "tenant_id")?,
        slug: row.try_get("tenant_slug")?,
        name: row.try_get("tenant_name")?,
        created_at: row.try_get("tenant_created_at")?,
    })
}

impl Stored for User {
    fn read(row: &Row) -> Result<User, sqlx::Error> {
        Ok(User {
            id: parsed(row, "id")?,
            tenant: parsed(row, "tenant")?,
            name: row.try_get("name")?,
            email: row.try_get("email")?,
            password_hash: row.try_get("password_hash")?,
            role: parsed(row, "role")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl Stored for ApiKey {
    fn read(row: &Row) -> Result<ApiKey, sqlx::Error> {
        let scopes: &str = row.try_get("scopes")?;
        Ok(ApiKey {
            id: parsed(row, "id")?,
            name: row.try_get("name")?,
            hash: row.try_get("hash")?,
            prefix: row.try_get("prefix")?,
            scopes: serde_json::from_str(scopes)
                .map_err(|error| sqlx::Error::ColumnDecode { index: "scopes".to_owned(), source: error.into() })?,
            assistant: row.try_get("assistant")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
            last_used_at: row.try_get("last_used_at")?,
        })
    }
}

struct Signed(Session, User, Tenant);

impl Stored for Signed {
    fn read(row: &Row) -> Result<Signed, sqlx::Error> {
        let user = User::read(row)?;
        let session = Session {
            token_hash: row.try_get("token_hash")?,
            tenant: user.tenant,
            user: user.id,
            created_at: row.try_get("session_created_at")?,
            expires_at: row.try_get("session_expires_at")?,
        };
        Ok(Signed(session, user, joined_tenant(row)?))
    }
}

struct Keyed(ApiKey, Tenant);

impl Stored for Keyed {
    fn read(row: &Row) -> Result<Keyed, sqlx::Error> {
        Ok(Keyed(ApiKey::read(row)?, joined_tenant(row)?))
    }
}

impl Storage {
    /// # Errors
    /// `Conflict` when the id or the slug is taken.
    pub async fn all_tenants_create_tenant(&self, tenant: Tenant) -> Result<()> {
        const CREATE: Operation = Operation::new("create a tenant").conflict("a tenant with this short name");
        self.write(CREATE, move |connection| {
            Box::pin(async move {
                let Tenant { id, slug, name, created_at } = tenant;
                query("insert into tenants (id, slug, name, created_at) values ($1, $2, $3, $4)")
                    .bind(id.to_string())
                    .bind(slug)
                    .bind(name)
                    .bind(created_at)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// The oldest first.
    pub async fn all_tenants_list_tenants(&self) -> Result<Vec<Tenant>> {
        let sql = concat!("select ", tenant_columns!(), " from tenants t order by t.created_at, t.id");
        self.all("list the tenants", query(sql)).await
    }

    pub async fn all_tenants_tenant_by_slug(&self, slug: &str) -> Result<Option<Tenant>> {
        let sql = concat!("select ", tenant_columns!(), " from tenants t where t.slug = $1");
        self.first("look up a tenant", query(sql).bind(slug.to_owned())).await
    }

    pub async fn all_tenants_has_owner_with_password(&self) -> Result<bool> {
        let sql = "select 1 from users where role = $1 and password_hash is not null limit 1";
        let found = query(sql).bind(Role::Owner.as_str()).fetch_optional(&self.readers).await;
        Ok(found.map_err(error::reading("look for an owner"))?.is_some())
    }

    /// The oldest owner of the oldest tenant.
    pub async fn all_tenants_owner(&self) -> Result<Option<User>> {
        let sql = concat!(
            "select ",
            user_columns!(),
            " from users u where u.role = $1 and u.tenant = (select id from tenants order by created_at, id limit 1) \
             order by u.created_at, u.id limit 1"
        );
        self.first("look for the owner", query(sql).bind(Role::Owner.as_str())).await
    }

    /// # Errors
    /// `Conflict` when the id or the e-mail is taken, `NotFound` when there is no such tenant.
    pub async fn create_user(&self, tenant: TenantId, user: User) -> Result<()> {
        const CREATE: Operation = Operation::new("create a user").conflict("an account with this e-mail");
        self.write(CREATE, move |connection| {
            Box::pin(async move {
                // The tenant is the one that was asked for, whatever the entity says.
                let User { id, tenant: _, name, email, password_hash, role, created_at } = user;
                query(
                    "insert into users (tenant, id, name, email, password_hash, role, created_at) \
                     values ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(name)
                .bind(email)
                .bind(password_hash)
                .bind(role.as_str())
                .bind(created_at)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Stores name, e-mail, password and role.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such user, `Conflict` when the e-mail is taken.
    pub async fn update_user(&self, tenant: TenantId, user: User) -> Result<()> {
        const UPDATE: Operation = Operation::new("change a user").conflict("an account with this e-mail");
        self.write(UPDATE, move |connection| {
            Box::pin(async move {
                let User { id, tenant: _, name, email, password_hash, role, created_at: _ } = user;
                let done = query(
                    "update users set name = $3, email = $4, password_hash = $5, role = $6 where tenant = $1 and id = $2",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(name)
                .bind(email)
                .bind(password_hash)
                .bind(role.as_str())
                .execute(connection)
                .await?;
                found(done, "user")
            })
        })
        .await
    }

    pub async fn user(&self, tenant: TenantId, id: UserId) -> Result<Option<User>> {
        let sql = concat!("select ", user_columns!(), " from users u where u.tenant = $1 and u.id = $2");
        self.first("read a user", query(sql).bind(tenant.to_string()).bind(id.to_string())).await
    }

    /// The oldest first.
    pub async fn list_users(&self, tenant: TenantId) -> Result<Vec<User>> {
        let sql = concat!("select ", user_columns!(), " from users u where u.tenant = $1 order by u.created_at, u.id");
        self.all("list the users", query(sql).bind(tenant.to_string())).await
    }

    /// E-mails are compared as they are; whoever stores and asks makes them lower case.
    pub async fn all_tenants_user_by_email(&self, email: &str) -> Result<Option<User>> {
        let sql = concat!("select ", user_columns!(), " from users u where u.email = $1");
        self.first("look up an account", query(sql).bind(email.to_owned())).await
    }

    pub async fn all_tenants_create_setup_token(&self, hash: &str, tenant: TenantId, expires_at: i64) -> Result<()> {
        const CREATE: Operation = Operation::new("store a set-up link").conflict("a set-up link with this token");
        let hash = hash.to_owned();
        self.write(CREATE, move |connection| {
            Box::pin(async move {
                query("insert into setup_tokens (hash, tenant, expires_at) values ($1, $2, $3)")
                    .bind(hash)
                    .bind(tenant.to_string())
                    .bind(expires_at)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Uses a one-time link up: of many who come with it, one gets the tenant.
    pub async fn all_tenants_take_setup_token(&self, hash: &str, now: i64) -> Result<Option<TenantId>> {
        const TAKE: Operation = Operation::new("use a set-up link");
        let hash = hash.to_owned();
        self.write(TAKE, move |connection| {
            Box::pin(async move {
                let taken = query("delete from setup_tokens where hash = $1 and expires_at > $2 returning tenant")
                    .bind(hash)
                    .bind(now)
                    .fetch_optional(connection)
                    .await?;
                Ok(taken.map(|row| parsed(&row, "tenant")).transpose()?)
            })
        })
        .await
    }

    /// # Errors
    /// `NotFound` when the session's tenant has no such user.
    pub async fn all_tenants_create_session(&self, session: Session) -> Result<()> {
        const CREATE: Operation =
            Operation::new("store a session").conflict("a session with this token").missing("user");
        self.write(CREATE, move |connection| {
            Box::pin(async move {
                let Session { token_hash, tenant, user, created_at, expires_at } = session;
                query(
                    "insert into sessions (token_hash, tenant, user_id, created_at, expires_at) values ($1, $2, $3, $4, $5)",
                )
                .bind(token_hash)
                .bind(tenant.to_string())
                .bind(user.to_string())
                .bind(created_at)
                .bind(expires_at)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// None also when the session has expired.
    pub async fn all_tenants_session(&self, token_hash: &str, now: i64) -> Result<Option<(Session, User, Tenant)>> {
        let sql = concat!(
            "select s.token_hash, s.created_at as session_created_at, s.expires_at as session_expires_at, ",
            user_columns!(),
            ", ",
            joined_tenant_columns!(),
            " from sessions s join users u on u.tenant = s.tenant and u.id = s.user_id join tenants t on t.id = s.tenant \
             where s.token_hash = $1 and s.expires_at > $2"
        );
        let found: Option<Signed> =
            self.first("look up a session", query(sql).bind(token_hash.to_owned()).bind(now)).await?;
        Ok(found.map(|Signed(session, user, tenant)| (session, user, tenant)))
    }

    /// Whoever holds the token may end its session; the token says which tenant it is of.
    pub async fn all_tenants_delete_session(&self, token_hash: &str) -> Result<()> {
        const DELETE: Operation = Operation::new("end a session");
        let token_hash = token_hash.to_owned();
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                query("delete from sessions where token_hash = $1").bind(token_hash).execute(connection).await?;
                Ok(())
            })
        })
        .await
    }

    /// Removes sessions and one-time links that have expired; answers how many.
    pub async fn all_tenants_prune_expired(&self, now: i64) -> Result<u64> {
        const PRUNE: Operation = Operation::new("remove expired sessions");
        self.write(PRUNE, move |connection| {
            Box::pin(async move {
                let sessions = query("delete from sessions where expires_at <= $1").bind(now);
                let mut count = sessions.execute(&mut *connection).await?;
                let links = query("delete from setup_tokens where expires_at <= $1").bind(now);
                count += links.execute(connection).await?;
                Ok(count)
            })
        })
        .await
    }

    pub async fn create_api_key(&self, tenant: TenantId, key: ApiKey) -> Result<()> {
        const CREATE: Operation = Operation::new("store an API key").conflict("an API key like this");
        self.write(CREATE, move |connection| Box::pin(insert_key(connection, tenant, key))).await
    }

    /// None also when the key has expired.
    pub async fn all_tenants_api_key(&self, hash: &str, now: i64) -> Result<Option<(ApiKey, Tenant)>> {
        let sql = concat!(
            "select ",
            key_columns!(),
            ", ",
            joined_tenant_columns!(),
            " from api_keys k join tenants t on t.id = k.tenant \
             where k.hash = $1 and (k.expires_at is null or k.expires_at > $2)"
        );
        let found: Option<Keyed> = self.first("look up an API key", query(sql).bind(hash.to_owned()).bind(now)).await?;
        Ok(found.map(|Keyed(key, tenant)| (key, tenant)))
    }

    /// The oldest first.
    pub async fn list_api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKey>> {
        let sql =
            concat!("select ", key_columns!(), " from api_keys k where k.tenant = $1 order by k.created_at, k.id");
        self.all("list the API keys", query(sql).bind(tenant.to_string())).await
    }

    /// False when the tenant has no such key.
    pub async fn delete_api_key(&self, tenant: TenantId, id: ApiKeyId) -> Result<bool> {
        const DELETE: Operation = Operation::new("delete an API key");
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let done = query("delete from api_keys where tenant = $1 and id = $2")
                    .bind(tenant.to_string())
                    .bind(id.to_string())
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Notes that a key was used. Costs a write only when the last note is older than a minute.
    pub async fn touch_api_key(&self, tenant: TenantId, key: &ApiKey, now: i64) -> Result<()> {
        const TOUCH: Operation = Operation::new("note the use of an API key");
        if key.last_used_at.is_some_and(|it| now - it < TOUCH_EVERY_MS) {
            return Ok(());
        }
        let id = key.id;
        self.write(TOUCH, move |connection| {
            Box::pin(async move {
                query("update api_keys set last_used_at = $3 where tenant = $1 and id = $2")
                    .bind(tenant.to_string())
                    .bind(id.to_string())
                    .bind(now)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

async fn insert_key(connection: &mut Connection, tenant: TenantId, key: ApiKey) -> Result<(), Failure> {
    let ApiKey { id, name, hash, prefix, scopes, assistant, created_at, expires_at, last_used_at } = key;
    let insert = query(
        "insert into api_keys \
         (tenant, id, name, hash, prefix, scopes, assistant, created_at, expires_at, last_used_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    );
    insert
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(name)
        .bind(hash)
        .bind(prefix)
        .bind(serde_json::Value::from(scopes).to_string())
        .bind(assistant)
        .bind(created_at)
        .bind(expires_at)
        .bind(last_used_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// A change that met no row was meant for something that is not there.
pub(crate) fn found(rows: u64, what: &'static str) -> Result<(), Failure> {
    if rows == 0 { Err(StorageError::NotFound { what }.into()) } else { Ok(()) }
}
