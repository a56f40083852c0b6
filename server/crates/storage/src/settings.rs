//! A tenant's settings, and the record of who changed what.

use domain::{AuditEntry, TenantId};
use serde_json::Value;

use crate::columns::{self, Stored, parsed};
use crate::database::{Row, query};
use crate::error::Operation;
use crate::pages::{Cursor, Page, page, with_one_more};
use crate::{Result, Storage};

struct Setting(Value);

impl Stored for Setting {
    fn read(row: &Row) -> Result<Setting, sqlx::Error> {
        columns::json(row, "value").map(Setting)
    }
}

impl Stored for AuditEntry {
    fn read(row: &Row) -> Result<AuditEntry, sqlx::Error> {
        Ok(AuditEntry {
            id: parsed(row, "id")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            detail: columns::json(row, "detail")?,
        })
    }
}

impl Storage {
    pub async fn setting(&self, tenant: TenantId, key: &str) -> Result<Option<Value>> {
        let query = query("select value from settings where tenant = $1 and key = $2")
            .bind(tenant.to_string())
            .bind(key.to_owned());
        Ok(self.first("read a setting", query).await?.map(|Setting(value)| value))
    }

    pub async fn set_setting(&self, tenant: TenantId, key: &str, value: Value, at: i64) -> Result<()> {
        const SET: Operation = Operation::new("store a setting");
        let key = key.to_owned();
        self.write(SET, move |connection| {
            Box::pin(async move {
                query(
                    "insert into settings (tenant, key, value, updated_at) values ($1, $2, $3, $4) \
                     on conflict (tenant, key) do update set value = excluded.value, updated_at = excluded.updated_at",
                )
                .bind(tenant.to_string())
                .bind(key)
                .bind(value.to_string())
                .bind(at)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Stores a setting unless there is one; answers the one that is there then.
    pub async fn keep_setting(&self, tenant: TenantId, key: &str, value: Value, at: i64) -> Result<Value> {
        const KEEP: Operation = Operation::new("store a setting");
        let key = key.to_owned();
        self.write(KEEP, move |connection| {
            Box::pin(async move {
                query(
                    "insert into settings (tenant, key, value, updated_at) values ($1, $2, $3, $4) \
                     on conflict (tenant, key) do nothing",
                )
                .bind(tenant.to_string())
                .bind(key.clone())
                .bind(value.to_string())
                .bind(at)
                .execute(&mut *connection)
                .await?;
                let kept = query("select value from settings where tenant = $1 and key = $2");
                let kept = kept.bind(tenant.to_string()).bind(key).fetch_one(connection).await?;
                Ok(Setting::read(&kept)?.0)
            })
        })
        .await
    }

    /// False when there was no such setting.
    pub async fn delete_setting(&self, tenant: TenantId, key: &str) -> Result<bool> {
        const DELETE: Operation = Operation::new("remove a setting");
        let key = key.to_owned();
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let done = query("delete from settings where tenant = $1 and key = $2")
                    .bind(tenant.to_string())
                    .bind(key)
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    pub async fn audit(&self, tenant: TenantId, entry: AuditEntry) -> Result<()> {
        const ADD: Operation = Operation::new("add to the audit log").conflict("an audit entry with this id");
        self.write(ADD, move |connection| {
            Box::pin(async move {
                let AuditEntry { id, at, actor, action, subject, detail } = entry;
                query(
                    "insert into audit_log (tenant, id, at, actor, action, subject, detail) values ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(at)
                .bind(actor)
                .bind(action)
                .bind(subject)
                .bind(detail.to_string())
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// The newest first.
    pub async fn list_audit(&self, tenant: TenantId, cursor: Option<&str>, limit: i64) -> Result<Page<AuditEntry>> {
        let Cursor { at, id } = Cursor::read(cursor)?;
        let query = query(
            "select id, at, actor, action, subject, detail from audit_log \
             where tenant = $1 and (at, id) < ($2, $3) order by at desc, id desc limit $4",
        )
        .bind(tenant.to_string())
        .bind(at)
        .bind(id.to_string())
        .bind(with_one_more(limit));
        let items = self.all("read the audit log", query).await?;
        Ok(page(items, limit, |it: &AuditEntry| (it.at, *it.id.as_uuid())))
    }
}
