//! What plugins keep from one call to the next: a store of keys per tenant and plugin.

use domain::TenantId;

use crate::columns::Stored;
use crate::database::{Connection, Row, query};
use crate::error::{Failure, Operation};
use crate::{Result, Storage, StorageError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginValue {
    pub value: String,
    /// 1, 2, 3, …
    pub version: i64,
    pub expires_at: Option<i64>,
}

/// A value that is to be kept.
#[derive(Clone, Debug)]
pub struct NewPluginValue {
    pub key: String,
    pub value: String,
    pub expires_at: Option<i64>,
    /// Only if the present version is this one; 0: if there is none.
    pub expected: Option<i64>,
    /// Of all the plugin's keys and values together, in UTF-8.
    pub max_bytes: i64,
    pub at: i64,
}

impl Stored for PluginValue {
    fn read(row: &Row) -> Result<PluginValue, sqlx::Error> {
        Ok(PluginValue {
            value: row.try_get("value")?,
            version: row.try_get("version")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}

struct Key(String);

impl Stored for Key {
    fn read(row: &Row) -> Result<Key, sqlx::Error> {
        Ok(Key(row.try_get("key")?))
    }
}

impl Storage {
    /// None also when it has expired.
    pub async fn plugin_value(
        &self,
        tenant: TenantId,
        plugin_id: &str,
        (key, now): (&str, i64),
    ) -> Result<Option<PluginValue>> {
        let query = query(
            "select value, version, expires_at from plugin_values where tenant = $1 and plugin_id = $2 and key = $3 \
             and (expires_at is null or expires_at > $4)",
        )
        .bind(tenant.to_string())
        .bind(plugin_id.to_owned())
        .bind(key.to_owned())
        .bind(now);
        self.first("read what a plugin has kept", query).await
    }

    /// Keeps a value; answers its version.
    ///
    /// # Errors
    /// `Conflict` when the present version is not the expected one, `QuotaExceeded` when it would be too much, `NotFound`
    /// when the tenant has no such plugin. Nothing is stored then.
    pub async fn set_plugin_value(&self, tenant: TenantId, plugin_id: &str, new: NewPluginValue) -> Result<i64> {
        const SET: Operation = Operation::new("keep a plugin's value").missing("plugin");
        let plugin_id = plugin_id.to_owned();
        self.write(SET, move |connection| Box::pin(set(connection, tenant, plugin_id, new))).await
    }

    /// False when there was none.
    pub async fn delete_plugin_value(
        &self,
        tenant: TenantId,
        plugin_id: &str,
        (key, now): (&str, i64),
    ) -> Result<bool> {
        const DELETE: Operation = Operation::new("forget a plugin's value");
        let (plugin_id, key) = (plugin_id.to_owned(), key.to_owned());
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let gone = query(
                    "delete from plugin_values where tenant = $1 and plugin_id = $2 and key = $3 returning expires_at",
                )
                .bind(tenant.to_string())
                .bind(plugin_id)
                .bind(key)
                .fetch_optional(connection)
                .await?;
                let Some(gone) = gone else { return Ok(false) };
                Ok(gone.try_get::<Option<i64>>("expires_at")?.is_none_or(|it| it > now))
            })
        })
        .await
    }

    /// Keys that begin with `prefix` and come after `after`, sorted by bytes.
    pub async fn plugin_keys(
        &self,
        tenant: TenantId,
        plugin_id: &str,
        (prefix, after): (&str, Option<&str>),
        (limit, now): (i64, i64),
    ) -> Result<Vec<String>> {
        let mut sql = query("select key from plugin_values where tenant = ");
        sql.push_bind(tenant.to_string()).push(" and plugin_id = ").push_bind(plugin_id.to_owned());
        sql.push(" and (expires_at is null or expires_at > ").push_bind(now).push(")");
        // Not `like`, in which `%` and `_` of a key would mean something else.
        sql.push(" and substr(key, 1, cast(").push_bind(i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX));
        sql.push(" as integer)) = ").push_bind(prefix.to_owned());
        if let Some(after) = after {
            sql.push(" and key > ").push_bind(after.to_owned());
        }
        sql.push(" order by key limit ").push_bind(limit.max(0));
        let keys: Vec<Key> = self.all("list what a plugin has kept", sql).await?;
        Ok(keys.into_iter().map(|Key(key)| key).collect())
    }

    /// Answers how many.
    pub async fn all_tenants_prune_plugin_values(&self, now: i64) -> Result<u64> {
        const PRUNE: Operation = Operation::new("forget what plugins kept for a time");
        self.write(PRUNE, move |connection| {
            Box::pin(async move {
                Ok(query("delete from plugin_values where expires_at <= $1").bind(now).execute(connection).await?)
            })
        })
        .await
    }
}

async fn set(
    connection: &mut Connection,
    tenant: TenantId,
    plugin_id: String,
    new: NewPluginValue,
) -> Result<i64, Failure> {
    let NewPluginValue { key, value, expires_at, expected, max_bytes, at } = new;
    let present =
        query("select version, expires_at from plugin_values where tenant = $1 and plugin_id = $2 and key = $3")
            .bind(tenant.to_string())
            .bind(plugin_id.clone())
            .bind(key.clone())
            .fetch_optional(&mut *connection)
            .await?;
    // One that has expired is gone for whoever compares, and its count goes on all the same.
    let (counted, version) = match present {
        None => (0, 0),
        Some(row) => {
            let counted: i64 = row.try_get("version")?;
            let gone = row.try_get::<Option<i64>>("expires_at")?.is_some_and(|it| it <= at);
            (counted, if gone { 0 } else { counted })
        }
    };
    if expected.is_some_and(|it| it != version) {
        return Err(StorageError::Conflict { what: "another version of this value" }.into());
    }
    let rest = query(
        "select cast(coalesce(sum(octet_length(key) + octet_length(value)), 0) as bigint) as bytes from plugin_values \
         where tenant = $1 and plugin_id = $2 and key <> $3 and (expires_at is null or expires_at > $4)",
    )
    .bind(tenant.to_string())
    .bind(plugin_id.clone())
    .bind(key.clone())
    .bind(at)
    .fetch_one(&mut *connection)
    .await?;
    let rest: i64 = rest.try_get("bytes")?;
    let bytes = i64::try_from(key.len() + value.len()).unwrap_or(i64::MAX).saturating_add(rest);
    if bytes > max_bytes {
        return Err(StorageError::QuotaExceeded { bytes, max_bytes }.into());
    }
    query(
        "insert into plugin_values (tenant, plugin_id, key, value, version, expires_at) values ($1, $2, $3, $4, $5, $6) \
         on conflict (tenant, plugin_id, key) do update set value = excluded.value, version = excluded.version, \
         expires_at = excluded.expires_at",
    )
    .bind(tenant.to_string())
    .bind(plugin_id)
    .bind(key)
    .bind(value)
    .bind(counted + 1)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(counted + 1)
}
