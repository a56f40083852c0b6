//! What calls of plugins' tools came to, for those who look after the plugins.

use domain::{PluginCall, TenantId};

use crate::columns::{self, Stored, maybe_parsed, parsed};
use crate::database::{Row, query};
use crate::error::Operation;
use crate::pages::{Cursor, Page, page, with_one_more};
use crate::{Result, Storage};

macro_rules! call_columns {
    () => {
        "id, plugin_id, version, tool, run, node, at, duration_us, cpu_us, memory_bytes, tokens, error, logs"
    };
}

impl Stored for PluginCall {
    fn read(row: &Row) -> Result<PluginCall, sqlx::Error> {
        Ok(PluginCall {
            id: parsed(row, "id")?,
            plugin_id: row.try_get("plugin_id")?,
            version: row.try_get("version")?,
            tool: row.try_get("tool")?,
            run: maybe_parsed(row, "run")?,
            node: row.try_get("node")?,
            at: row.try_get("at")?,
            duration_us: row.try_get("duration_us")?,
            cpu_us: row.try_get("cpu_us")?,
            memory_bytes: row.try_get("memory_bytes")?,
            tokens: row.try_get("tokens")?,
            error: columns::maybe_json(row, "error")?,
            logs: columns::json(row, "logs")?,
        })
    }
}

impl Storage {
    /// # Errors
    /// `NotFound` when the tenant has no such plugin any more.
    pub async fn note_plugin_call(&self, tenant: TenantId, call: PluginCall) -> Result<()> {
        const NOTE: Operation = Operation::new("note a plugin's call").missing("plugin");
        self.write(NOTE, move |connection| {
            Box::pin(async move {
                let PluginCall {
                    id,
                    plugin_id,
                    version,
                    tool,
                    run,
                    node,
                    at,
                    duration_us,
                    cpu_us,
                    memory_bytes,
                    tokens,
                    error,
                    logs,
                } = call;
                query(concat!(
                    "insert into plugin_calls (tenant, ",
                    call_columns!(),
                    ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
                ))
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(plugin_id)
                .bind(version)
                .bind(tool)
                .bind(run.map(|it| it.to_string()))
                .bind(node)
                .bind(at)
                .bind(duration_us)
                .bind(cpu_us)
                .bind(memory_bytes)
                .bind(tokens)
                .bind(error.map(|it| it.to_string()))
                .bind(logs.to_string())
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// The newest first.
    pub async fn list_plugin_calls(
        &self,
        tenant: TenantId,
        plugin_id: &str,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<PluginCall>> {
        let Cursor { at, id } = Cursor::read(cursor)?;
        let query = query(concat!(
            "select ",
            call_columns!(),
            " from plugin_calls where tenant = $1 and plugin_id = $2 and (at, id) < ($3, $4) \
             order by at desc, id desc limit $5"
        ))
        .bind(tenant.to_string())
        .bind(plugin_id.to_owned())
        .bind(at)
        .bind(id.to_string())
        .bind(with_one_more(limit));
        let items = self.all("list a plugin's calls", query).await?;
        Ok(page(items, limit, |it: &PluginCall| (it.at, *it.id.as_uuid())))
    }

    /// Removes calls from before `before`; answers how many.
    pub async fn all_tenants_prune_plugin_calls(&self, before: i64) -> Result<u64> {
        const PRUNE: Operation = Operation::new("remove old plugin calls");
        self.write(PRUNE, move |connection| {
            Box::pin(async move {
                Ok(query("delete from plugin_calls where at < $1").bind(before).execute(connection).await?)
            })
        })
        .await
    }
}
