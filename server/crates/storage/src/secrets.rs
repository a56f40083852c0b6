//! A tenant's sealed secrets. Nothing here can open them.

use domain::{Secret, TenantId};

use crate::columns::Stored;
use crate::database::{Row, query};
use crate::error::Operation;
use crate::{Result, Storage};

impl Stored for Secret {
    fn read(row: &Row) -> Result<Secret, sqlx::Error> {
        Ok(Secret {
            name: row.try_get("name")?,
            sealed: row.try_get("sealed")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl Storage {
    /// Stores a secret, or replaces the one of the same name, which keeps its time of creation.
    pub async fn put_secret(&self, tenant: TenantId, secret: Secret) -> Result<Secret> {
        const PUT: Operation = Operation::new("store a secret").missing("tenant");
        self.write(PUT, move |connection| {
            Box::pin(async move {
                let Secret { name, sealed, created_at, updated_at } = secret;
                let row = query(
                    "insert into secrets (tenant, name, sealed, created_at, updated_at) values ($1, $2, $3, $4, $5) \
                     on conflict (tenant, name) do update set sealed = excluded.sealed, updated_at = excluded.updated_at \
                     returning name, sealed, created_at, updated_at",
                )
                .bind(tenant.to_string())
                .bind(name)
                .bind(sealed)
                .bind(created_at)
                .bind(updated_at)
                .fetch_one(connection)
                .await?;
                Ok(Secret::read(&row)?)
            })
        })
        .await
    }

    pub async fn secret(&self, tenant: TenantId, name: &str) -> Result<Option<Secret>> {
        let query = query("select name, sealed, created_at, updated_at from secrets where tenant = $1 and name = $2")
            .bind(tenant.to_string())
            .bind(name.to_owned());
        self.first("read a secret", query).await
    }

    /// By name.
    pub async fn list_secrets(&self, tenant: TenantId) -> Result<Vec<Secret>> {
        let query = query("select name, sealed, created_at, updated_at from secrets where tenant = $1 order by name")
            .bind(tenant.to_string());
        self.all("list the secrets", query).await
    }

    /// False when there was none of that name.
    pub async fn delete_secret(&self, tenant: TenantId, name: &str) -> Result<bool> {
        const DELETE: Operation = Operation::new("remove a secret");
        let name = name.to_owned();
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let done = query("delete from secrets where tenant = $1 and name = $2")
                    .bind(tenant.to_string())
                    .bind(name)
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }
}
