//! Assistants and workflows with their versions. A version is written once and never changed or removed.

use domain::{Definition, DefinitionKind, TenantId, Version, VersionId};

use crate::columns::{Stored, parsed};
use crate::database::{Connection, Row, query};
use crate::error::{Failure, Operation};
use crate::{Result, Storage};

macro_rules! version_columns {
    () => {
        "v.id, v.number, v.yaml, v.title, v.description, v.author, v.created_at"
    };
}
macro_rules! current_from {
    () => {
        " from definitions d join versions v on v.tenant = d.tenant and v.id = d.current_version \
         where d.tenant = $1 and d.kind = $2 and not d.deleted "
    };
}

impl Stored for Version {
    fn read(row: &Row) -> Result<Version, sqlx::Error> {
        Ok(Version {
            id: parsed(row, "id")?,
            number: row.try_get("number")?,
            yaml: row.try_get("yaml")?,
            title: row.try_get("title")?,
            description: row.try_get("description")?,
            author: row.try_get("author")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl Stored for Definition {
    fn read(row: &Row) -> Result<Definition, sqlx::Error> {
        Ok(Definition {
            kind: parsed(row, "kind")?,
            name: row.try_get("name")?,
            version: Version::read(row)?,
            created_at: row.try_get("definition_created_at")?,
        })
    }
}

impl Storage {
    /// Publishes a text under a name. A text equal to the published one makes no new version: the published one is
    /// answered. The given version's number is ignored; the answered one has its own.
    pub async fn save_version(
        &self,
        tenant: TenantId,
        kind: DefinitionKind,
        name: &str,
        version: Version,
    ) -> Result<Version> {
        const SAVE: Operation = Operation::new("save a version").conflict("a version with this id");
        let name = name.to_owned();
        self.write(SAVE, move |connection| Box::pin(save(connection, tenant, (kind, name), version))).await
    }

    pub async fn current_version(&self, tenant: TenantId, kind: DefinitionKind, name: &str) -> Result<Option<Version>> {
        let sql = concat!("select ", version_columns!(), current_from!(), "and d.name = $3");
        let query = query(sql).bind(tenant.to_string()).bind(kind.as_str()).bind(name.to_owned());
        self.first("read a published version", query).await
    }

    /// Any version, also of a deleted definition: old runs refer to it.
    pub async fn version(&self, tenant: TenantId, id: VersionId) -> Result<Option<Version>> {
        let sql = concat!("select ", version_columns!(), " from versions v where v.tenant = $1 and v.id = $2");
        self.first("read a version", query(sql).bind(tenant.to_string()).bind(id.to_string())).await
    }

    /// By name.
    pub async fn list_definitions(&self, tenant: TenantId, kind: DefinitionKind) -> Result<Vec<Definition>> {
        let sql = concat!(
            "select d.kind, d.name, d.created_at as definition_created_at, ",
            version_columns!(),
            current_from!(),
            "order by d.name"
        );
        self.all("list the definitions", query(sql).bind(tenant.to_string()).bind(kind.as_str())).await
    }

    /// The versions of a definition that is not deleted, the newest first.
    pub async fn list_versions(&self, tenant: TenantId, kind: DefinitionKind, name: &str) -> Result<Vec<Version>> {
        let sql = concat!(
            "select ",
            version_columns!(),
            " from definitions d join versions v on v.tenant = d.tenant and v.definition = d.id \
             where d.tenant = $1 and d.kind = $2 and not d.deleted and d.name = $3 order by v.number desc"
        );
        let query = query(sql).bind(tenant.to_string()).bind(kind.as_str()).bind(name.to_owned());
        self.all("list the versions", query).await
    }

    /// Frees the name and takes a workflow's triggers away. The versions stay for the runs that used them. False when there
    /// is no such definition.
    pub async fn delete_definition(&self, tenant: TenantId, kind: DefinitionKind, name: &str) -> Result<bool> {
        const DELETE: Operation = Operation::new("delete a definition");
        let name = name.to_owned();
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let done = query(
                    "update definitions set deleted = true where tenant = $1 and kind = $2 and name = $3 and not deleted",
                )
                .bind(tenant.to_string())
                .bind(kind.as_str())
                .bind(name.clone())
                .execute(&mut *connection)
                .await?;
                if kind == DefinitionKind::Workflow {
                    crate::triggers::remove_all(connection, &tenant.to_string(), &name).await?;
                }
                Ok(done > 0)
            })
        })
        .await
    }
}

pub(crate) async fn save(
    connection: &mut Connection,
    tenant: TenantId,
    (kind, name): (DefinitionKind, String),
    version: Version,
) -> Result<Version, Failure> {
    let sql = concat!("select d.id as definition, ", version_columns!(), current_from!(), "and d.name = $3");
    let current = query(sql)
        .bind(tenant.to_string())
        .bind(kind.as_str())
        .bind(name.clone())
        .fetch_optional(&mut *connection)
        .await?;
    let definition = match current {
        Some(row) => {
            let current = Version::read(&row)?;
            if current.yaml == version.yaml {
                return Ok(current);
            }
            row.try_get("definition")?
        }
        None => insert_definition(connection, tenant, (kind, name), &version).await?,
    };
    insert_version(connection, tenant, definition, version).await
}

async fn insert_definition(
    connection: &mut Connection,
    tenant: TenantId,
    (kind, name): (DefinitionKind, String),
    first: &Version,
) -> Result<String, Failure> {
    let id = first.id.to_string();
    query("insert into definitions (tenant, id, kind, name, deleted, created_at) values ($1, $2, $3, $4, false, $5)")
        .bind(tenant.to_string())
        .bind(id.clone())
        .bind(kind.as_str())
        .bind(name)
        .bind(first.created_at)
        .execute(connection)
        .await?;
    Ok(id)
}

async fn insert_version(
    connection: &mut Connection,
    tenant: TenantId,
    definition: String,
    version: Version,
) -> Result<Version, Failure> {
    let insert = query(
        "insert into versions (tenant, id, definition, number, yaml, title, description, author, created_at) \
         values ($1, $2, $3, (select coalesce(max(number), 0) + 1 from versions where tenant = $1 and definition = $3), \
         $4, $5, $6, $7, $8) returning number",
    );
    let row = insert
        .bind(tenant.to_string())
        .bind(version.id.to_string())
        .bind(definition.clone())
        .bind(version.yaml.clone())
        .bind(version.title.clone())
        .bind(version.description.clone())
        .bind(version.author.clone())
        .bind(version.created_at)
        .fetch_one(&mut *connection)
        .await?;
    query("update definitions set current_version = $3 where tenant = $1 and id = $2")
        .bind(tenant.to_string())
        .bind(definition)
        .bind(version.id.to_string())
        .execute(connection)
        .await?;
    Ok(Version { number: row.try_get("number")?, ..version })
}
