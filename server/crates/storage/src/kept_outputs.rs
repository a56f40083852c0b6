//! Outputs of nodes that are given again for equal input, until they expire.

use domain::TenantId;
use serde_json::Value;

use crate::columns::{self, Stored};
use crate::database::{Row, query};
use crate::error::Operation;
use crate::{Result, Storage};

/// Outputs that one tenant may keep; the ones that expire first make room.
const KEPT_PER_TENANT: i64 = 20_000;

struct Kept(Value);

impl Stored for Kept {
    fn read(row: &Row) -> Result<Kept, sqlx::Error> {
        columns::json(row, "kept").map(Kept)
    }
}

impl Storage {
    /// What was kept under a key and has not expired.
    pub async fn kept_output(&self, tenant: TenantId, key: &str, now: i64) -> Result<Option<Value>> {
        let query = query("select kept from kept_outputs where tenant = $1 and key = $2 and expires_at > $3")
            .bind(tenant.to_string())
            .bind(key.to_owned())
            .bind(now);
        Ok(self.first("look a kept output up", query).await?.map(|Kept(value)| value))
    }

    /// Keeps an output, instead of an older one under the same key.
    pub async fn keep_output(
        &self,
        tenant: TenantId,
        key: &str,
        (kept, now, expires_at): (Value, i64, i64),
    ) -> Result<()> {
        const KEEP: Operation = Operation::new("keep an output");
        let key = key.to_owned();
        self.write(KEEP, move |connection| {
            Box::pin(async move {
                query(
                    "insert into kept_outputs (tenant, key, kept, created_at, expires_at) values ($1, $2, $3, $4, $5) \
                     on conflict (tenant, key) do update set kept = excluded.kept, created_at = excluded.created_at, \
                     expires_at = excluded.expires_at",
                )
                .bind(tenant.to_string())
                .bind(key)
                .bind(kept.to_string())
                .bind(now)
                .bind(expires_at)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Removes what has expired, and what is more than a tenant may keep.
    pub async fn all_tenants_prune_kept_outputs(&self, now: i64) -> Result<u64> {
        const PRUNE: Operation = Operation::new("remove kept outputs");
        self.write(PRUNE, move |connection| {
            Box::pin(async move {
                let expired = query("delete from kept_outputs where expires_at <= $1")
                    .bind(now)
                    .execute(&mut *connection)
                    .await?;
                let too_many = query(
                    "delete from kept_outputs where (tenant, key) in (select tenant, key from (select tenant, key, \
                     row_number() over (partition by tenant order by expires_at desc, key) as place from kept_outputs) \
                     as ranked where place > $1)",
                )
                .bind(KEPT_PER_TENANT)
                .execute(&mut *connection)
                .await?;
                Ok(expired + too_many)
            })
        })
        .await
    }
}
