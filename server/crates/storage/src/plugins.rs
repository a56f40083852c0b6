//! Installed plugins, their code and what each tenant has granted them.

use domain::{Plugin, PluginVersion, TenantId};
use serde_json::Value;

use crate::columns::{self, Stored, parsed};
use crate::database::{Connection, Row, query};
use crate::error::{self, Failure, Operation};
use crate::{Result, Storage};

/// Versions of a plugin that can be installed, the one in use included.
const KEPT_VERSIONS: i64 = 10;

macro_rules! plugin_columns {
    () => {
        "id, plugin_id, version, manifest, sha256, system, enabled, installed_at"
    };
}

impl Stored for Plugin {
    fn read(row: &Row) -> Result<Plugin, sqlx::Error> {
        Ok(Plugin {
            id: parsed(row, "id")?,
            plugin_id: row.try_get("plugin_id")?,
            version: row.try_get("version")?,
            manifest: columns::json(row, "manifest")?,
            sha256: row.try_get("sha256")?,
            system: row.try_get("system")?,
            enabled: row.try_get("enabled")?,
            installed_at: row.try_get("installed_at")?,
        })
    }
}

impl Stored for PluginVersion {
    fn read(row: &Row) -> Result<PluginVersion, sqlx::Error> {
        Ok(PluginVersion {
            sha256: row.try_get("sha256")?,
            version: row.try_get("version")?,
            installed: row.try_get("installed")?,
            at: row.try_get("installed_at")?,
        })
    }
}

struct Grants(Value);

impl Stored for Grants {
    fn read(row: &Row) -> Result<Grants, sqlx::Error> {
        columns::json(row, "grants").map(Grants)
    }
}

impl Storage {
    /// Installs a plugin, or replaces the one of the same `plugin_id`, which keeps its id, its
    /// grants, and whether it is switched off.
    ///
    /// `plugin.sha256` must be the hash of `bytes`: code is stored once per hash, for all tenants. Empty `bytes` mean that
    /// the code comes with the server and is not kept here.
    pub async fn install_plugin(&self, tenant: TenantId, plugin: Plugin, bytes: Vec<u8>) -> Result<Plugin> {
        const INSTALL: Operation = Operation::new("install a plugin").conflict("a plugin with this id");
        self.write(INSTALL, move |connection| Box::pin(install(connection, tenant, plugin, bytes))).await
    }

    /// By name.
    pub async fn list_plugins(&self, tenant: TenantId) -> Result<Vec<Plugin>> {
        let sql = concat!("select ", plugin_columns!(), " from plugins where tenant = $1 order by plugin_id");
        self.all("list the plugins", query(sql).bind(tenant.to_string())).await
    }

    pub async fn plugin(&self, tenant: TenantId, plugin_id: &str) -> Result<Option<Plugin>> {
        let sql = concat!("select ", plugin_columns!(), " from plugins where tenant = $1 and plugin_id = $2");
        self.first("read a plugin", query(sql).bind(tenant.to_string()).bind(plugin_id.to_owned())).await
    }

    /// None also when the code was not given to be kept.
    pub async fn plugin_bytes(&self, tenant: TenantId, plugin_id: &str) -> Result<Option<Vec<u8>>> {
        const OPERATION: &str = "read a plugin's code";
        let row = query(
            "select c.bytes from plugins p join plugin_code c on c.sha256 = p.sha256 \
             where p.tenant = $1 and p.plugin_id = $2",
        )
        .bind(tenant.to_string())
        .bind(plugin_id.to_owned())
        .fetch_optional(&self.readers)
        .await
        .map_err(error::reading(OPERATION))?;
        row.map(|it| it.try_get("bytes")).transpose().map_err(error::reading(OPERATION))
    }

    /// Keeps a version of an installed plugin beside the one that is in use. A version that is there already stays as it is.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such plugin.
    pub async fn publish_plugin_version(
        &self,
        tenant: TenantId,
        plugin_id: &str,
        version: PluginVersion,
        bytes: Vec<u8>,
    ) -> Result<()> {
        const PUBLISH: Operation = Operation::new("publish a version of a plugin").missing("plugin");
        let plugin_id = plugin_id.to_owned();
        self.write(PUBLISH, move |connection| {
            Box::pin(async move {
                keep_code(connection, &version.sha256, bytes).await?;
                note_version(connection, tenant, &plugin_id, version).await
            })
        })
        .await
    }

    /// The versions of an uploaded plugin that can be installed, the newest first; the one that is in use among them.
    pub async fn plugin_versions(&self, tenant: TenantId, plugin_id: &str) -> Result<Vec<PluginVersion>> {
        let query = query(
            "select sha256, version, installed, installed_at from plugin_versions where tenant = $1 and plugin_id = $2 \
             order by installed_at desc, sha256",
        )
        .bind(tenant.to_string())
        .bind(plugin_id.to_owned());
        self.all("list a plugin's versions", query).await
    }

    /// The code of a version that can be gone back to.
    pub async fn plugin_version_bytes(
        &self,
        tenant: TenantId,
        plugin_id: &str,
        sha256: &str,
    ) -> Result<Option<Vec<u8>>> {
        const OPERATION: &str = "read the code of a plugin's version";
        let row = query(
            "select c.bytes from plugin_versions v join plugin_code c on c.sha256 = v.sha256 \
             where v.tenant = $1 and v.plugin_id = $2 and v.sha256 = $3",
        )
        .bind(tenant.to_string())
        .bind(plugin_id.to_owned())
        .bind(sha256.to_owned())
        .fetch_optional(&self.readers)
        .await
        .map_err(error::reading(OPERATION))?;
        row.map(|it| it.try_get("bytes")).transpose().map_err(error::reading(OPERATION))
    }

    /// # Errors
    /// `NotFound` when the tenant has no such plugin.
    pub async fn set_plugin_enabled(&self, tenant: TenantId, plugin_id: &str, enabled: bool) -> Result<()> {
        const SET: Operation = Operation::new("switch a plugin on or off");
        let plugin_id = plugin_id.to_owned();
        self.write(SET, move |connection| {
            Box::pin(async move {
                let done = query("update plugins set enabled = $3 where tenant = $1 and plugin_id = $2")
                    .bind(tenant.to_string())
                    .bind(plugin_id)
                    .bind(enabled)
                    .execute(connection)
                    .await?;
                crate::accounts::found(done, "plugin")
            })
        })
        .await
    }

    /// Removes the plugin with its grants, and its code if no other tenant has it. False when there is no such plugin.
    pub async fn delete_plugin(&self, tenant: TenantId, plugin_id: &str) -> Result<bool> {
        const DELETE: Operation = Operation::new("remove a plugin");
        let plugin_id = plugin_id.to_owned();
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let earlier = query("select sha256 from plugin_versions where tenant = $1 and plugin_id = $2")
                    .bind(tenant.to_string())
                    .bind(plugin_id.clone())
                    .fetch_all(&mut *connection)
                    .await?;
                let row = query("delete from plugins where tenant = $1 and plugin_id = $2 returning sha256")
                    .bind(tenant.to_string())
                    .bind(plugin_id)
                    .fetch_optional(&mut *connection)
                    .await?;
                let Some(row) = row else { return Ok(false) };
                for it in earlier.iter().chain([&row]) {
                    forget_code(connection, it.try_get("sha256")?).await?;
                }
                Ok(true)
            })
        })
        .await
    }

    /// # Errors
    /// `NotFound` when the tenant has no such plugin.
    pub async fn set_grants(&self, tenant: TenantId, plugin_id: &str, grants: Value) -> Result<()> {
        const SET: Operation = Operation::new("store a plugin's grants").missing("plugin");
        let plugin_id = plugin_id.to_owned();
        self.write(SET, move |connection| {
            Box::pin(async move {
                query(
                    "insert into plugin_grants (tenant, plugin_id, grants) values ($1, $2, $3) \
                     on conflict (tenant, plugin_id) do update set grants = excluded.grants",
                )
                .bind(tenant.to_string())
                .bind(plugin_id)
                .bind(grants.to_string())
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// None when nothing was ever granted.
    pub async fn grants(&self, tenant: TenantId, plugin_id: &str) -> Result<Option<Value>> {
        let query = query("select grants from plugin_grants where tenant = $1 and plugin_id = $2")
            .bind(tenant.to_string())
            .bind(plugin_id.to_owned());
        Ok(self.first("read a plugin's grants", query).await?.map(|Grants(value)| value))
    }
}

async fn install(
    connection: &mut Connection,
    tenant: TenantId,
    plugin: Plugin,
    bytes: Vec<u8>,
) -> Result<Plugin, Failure> {
    let old = query("select sha256 from plugins where tenant = $1 and plugin_id = $2")
        .bind(tenant.to_string())
        .bind(plugin.plugin_id.clone())
        .fetch_optional(&mut *connection)
        .await?;
    let kept = !bytes.is_empty();
    if kept {
        keep_code(connection, &plugin.sha256, bytes).await?;
    }
    let Plugin { id, plugin_id, version, manifest, sha256, system, enabled, installed_at } = plugin;
    let sql = concat!(
        "insert into plugins (tenant, ",
        plugin_columns!(),
        ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (tenant, plugin_id) do update set \
         version = excluded.version, manifest = excluded.manifest, sha256 = excluded.sha256, system = excluded.system, \
         installed_at = excluded.installed_at returning ",
        plugin_columns!()
    );
    let row = query(sql)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(plugin_id)
        .bind(version)
        .bind(manifest.to_string())
        .bind(sha256)
        .bind(system)
        .bind(enabled)
        .bind(installed_at)
        .fetch_one(&mut *connection)
        .await?;
    let plugin = Plugin::read(&row)?;
    if kept {
        let Plugin { sha256, version, installed_at: at, .. } = plugin.clone();
        note_version(connection, tenant, &plugin.plugin_id, PluginVersion { sha256, version, installed: true, at })
            .await?;
    }
    if let Some(old) = old {
        forget_code(connection, old.try_get("sha256")?).await?;
    }
    Ok(plugin)
}

async fn keep_code(connection: &mut Connection, sha256: &str, bytes: Vec<u8>) -> Result<(), Failure> {
    query("insert into plugin_code (sha256, bytes) values ($1, $2) on conflict (sha256) do nothing")
        .bind(sha256.to_owned())
        .bind(bytes)
        .execute(connection)
        .await?;
    Ok(())
}

/// The newest versions stay, so that one can go back, and the one in use whatever its age.
async fn note_version(
    connection: &mut Connection,
    tenant: TenantId,
    plugin_id: &str,
    version: PluginVersion,
) -> Result<(), Failure> {
    let PluginVersion { sha256, version, installed, at } = version;
    query(
        "insert into plugin_versions (tenant, plugin_id, sha256, version, installed, installed_at) \
         values ($1, $2, $3, $4, $5, $6) on conflict (tenant, plugin_id, sha256) do update \
         set installed = true, installed_at = excluded.installed_at where excluded.installed",
    )
    .bind(tenant.to_string())
    .bind(plugin_id.to_owned())
    .bind(sha256)
    .bind(version)
    .bind(installed)
    .bind(at)
    .execute(&mut *connection)
    .await?;
    let forgotten = query(
        "delete from plugin_versions where tenant = $1 and plugin_id = $2 and sha256 not in \
         (select sha256 from plugin_versions where tenant = $1 and plugin_id = $2 order by installed_at desc limit $3) \
         and sha256 not in (select sha256 from plugins where tenant = $1 and plugin_id = $2) returning sha256",
    )
    .bind(tenant.to_string())
    .bind(plugin_id.to_owned())
    .bind(KEPT_VERSIONS)
    .fetch_all(&mut *connection)
    .await?;
    for it in forgotten {
        forget_code(connection, it.try_get("sha256")?).await?;
    }
    Ok(())
}

/// Code that no tenant has any more is taken out of the database.
async fn forget_code(connection: &mut Connection, sha256: String) -> Result<(), Failure> {
    query(
        "delete from plugin_code where sha256 = $1 and not exists (select 1 from plugins where sha256 = $1) \
         and not exists (select 1 from plugin_versions where sha256 = $1)",
    )
    .bind(sha256)
    .execute(connection)
    .await?;
    Ok(())
}
