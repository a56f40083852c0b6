//! Decision tables, by the names that workflows give them.

use domain::{DecisionTable, TenantId};

use crate::columns::Stored;
use crate::database::{Row, query};
use crate::error::Operation;
use crate::{Result, Storage};

impl Stored for DecisionTable {
    fn read(row: &Row) -> Result<DecisionTable, sqlx::Error> {
        Ok(DecisionTable {
            name: row.try_get("name")?,
            csv: row.try_get("csv")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl Storage {
    pub async fn list_tables(&self, tenant: TenantId) -> Result<Vec<DecisionTable>> {
        let query = query("select name, csv, updated_at from decision_tables where tenant = $1 order by name")
            .bind(tenant.to_string());
        self.all("list the tables", query).await
    }

    /// Keeps a table, instead of an older one of the same name.
    pub async fn put_table(&self, tenant: TenantId, table: DecisionTable) -> Result<()> {
        const PUT: Operation = Operation::new("store a table");
        self.write(PUT, move |connection| {
            Box::pin(async move {
                let DecisionTable { name, csv, updated_at } = table;
                query(
                    "insert into decision_tables (tenant, name, csv, updated_at) values ($1, $2, $3, $4) \
                     on conflict (tenant, name) do update set csv = excluded.csv, updated_at = excluded.updated_at",
                )
                .bind(tenant.to_string())
                .bind(name)
                .bind(csv)
                .bind(updated_at)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// False when there was no such table.
    pub async fn delete_table(&self, tenant: TenantId, name: &str) -> Result<bool> {
        const DELETE: Operation = Operation::new("remove a table");
        let name = name.to_owned();
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let done = query("delete from decision_tables where tenant = $1 and name = $2")
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
