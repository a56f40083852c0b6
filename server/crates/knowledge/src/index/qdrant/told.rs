//! What a tenant's file remembers of what Qdrant was told: of each version whether it answers there, and of each record
//! whether it is there as it is here. What was told and what is true are compared in the file, and only what differs is sent.

mod records;

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::collection::Collection;
use crate::error::KnowledgeError;
use crate::index::schema::{MAX_ORDINAL, ORDINAL_BITS, State, rows_of};
use crate::index::tenant::{Reading, TenantIndex};
pub(super) use records::Told;

/// A version's row stands here from the moment when its first point is sent until its last one is gone; until then its records
/// stay, so that whatever Qdrant still finds can be read. `others` names the models that records without a vector of this
/// one have vectors of. Triggers notice every change of a record, whoever makes it.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS told_collections (
  row INTEGER PRIMARY KEY AUTOINCREMENT, server TEXT NOT NULL, name TEXT NOT NULL, model TEXT, UNIQUE (server, name));
CREATE TABLE IF NOT EXISTS told_bases (
  collection INTEGER NOT NULL, base TEXT NOT NULL, generation INTEGER NOT NULL, fields TEXT NOT NULL,
  leaving INTEGER NOT NULL, PRIMARY KEY (collection, base)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told_versions (
  version INTEGER NOT NULL, collection INTEGER NOT NULL, base TEXT NOT NULL, document TEXT NOT NULL,
  number INTEGER NOT NULL, live INTEGER NOT NULL, stamp INTEGER NOT NULL, groups TEXT NOT NULL,
  embedded INTEGER NOT NULL, others TEXT NOT NULL, PRIMARY KEY (version, collection)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS told_versions_by_base ON told_versions (collection, base, document);
CREATE TABLE IF NOT EXISTS told_records (
  row INTEGER NOT NULL, collection INTEGER NOT NULL, state INTEGER NOT NULL,
  PRIMARY KEY (row, collection)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS told_records_inserted AFTER INSERT ON records BEGIN
  UPDATE told_records SET state = 0 WHERE row = NEW.row; END;
CREATE TRIGGER IF NOT EXISTS told_records_updated AFTER UPDATE ON records BEGIN
  UPDATE told_records SET state = 0 WHERE row = NEW.row; END;
";

/// A document as the file has it, beside what was told of the version that answers.
pub(super) struct Standing {
    pub(super) document: String,
    pub(super) version: i64,
    pub(super) number: i64,
    pub(super) records: i64,
    pub(super) stamp: i64,
    pub(super) groups: String,
    pub(super) told: Option<ToldVersion>,
}

pub(super) struct ToldVersion {
    pub(super) live: bool,
    pub(super) stamp: i64,
    pub(super) groups: String,
    pub(super) embedded: i64,
}

impl Standing {
    /// Whether Qdrant has it as it is; records without vectors are looked at again where somebody asks for that.
    pub(super) fn is_in_step(&self, look_again: bool) -> bool {
        self.told.as_ref().is_some_and(|told| {
            let whole = told.embedded == self.records || !look_again;
            told.live && told.stamp == self.stamp && told.groups == self.groups && whole
        })
    }
}

/// A version that does not answer any more, or never will, and that Qdrant was told of.
pub(super) struct Leaving {
    pub(super) version: i64,
    pub(super) collection: i64,
    pub(super) name: String,
    pub(super) base: String,
    pub(super) document: String,
    pub(super) number: i64,
    pub(super) live: bool,
    /// A version of the same number answers, whose points have the same names.
    pub(super) replaced: bool,
    /// Of the base, nothing is left.
    pub(super) base_is_gone: bool,
}

impl TenantIndex {
    /// The tables, empty but for what this server was told; none is kept where there is no Qdrant, so that a file without
    /// one forgets what it owed to another.
    pub(in crate::index) async fn create_told_tables(
        &self,
        writing: &mut Reading,
        server: Option<&str>,
    ) -> Result<(), KnowledgeError> {
        let failed = || self.failed("open its file");
        sqlx::raw_sql(SCHEMA).execute(&mut **writing).await.map_err(failed())?;
        sqlx::query("DELETE FROM told_collections WHERE server IS NOT $1")
            .bind(server)
            .execute(&mut **writing)
            .await
            .map_err(failed())?;
        for statement in [
            "DELETE FROM told_bases WHERE collection NOT IN (SELECT row FROM told_collections)",
            "DELETE FROM told_versions WHERE collection NOT IN (SELECT row FROM told_collections)",
            "DELETE FROM told_records WHERE collection NOT IN (SELECT row FROM told_collections)",
        ] {
            sqlx::query(statement).execute(&mut **writing).await.map_err(failed())?;
        }
        Ok(())
    }

    /// The collection's row, which is there afterwards.
    pub(super) async fn told_collection(&self, server: &str, collection: &Collection) -> Result<i64, KnowledgeError> {
        let failed = || self.failed("remember a collection");
        let found: Option<i64> = sqlx::query_scalar("SELECT row FROM told_collections WHERE server = $1 AND name = $2")
            .bind(server)
            .bind(&collection.name)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        if let Some(row) = found {
            return Ok(row);
        }
        sqlx::query_scalar(
            "INSERT INTO told_collections (server, name, model) VALUES ($1, $2, $3)
             ON CONFLICT (server, name) DO UPDATE SET name = name RETURNING row",
        )
        .bind(server)
        .bind(&collection.name)
        .bind(collection.model.as_ref().map(|it| it.0.as_str()))
        .fetch_one(&self.writer)
        .await
        .map_err(failed())
    }

    /// The base's generation, and the one that was brought into step last with these fields; none where nothing was ever put
    /// into it.
    pub(super) async fn told_generation(
        &self,
        collection: i64,
        base: &str,
        fields: &str,
    ) -> Result<Option<(i64, Option<i64>)>, KnowledgeError> {
        sqlx::query_as(
            "SELECT bases.generation, told_bases.generation FROM bases
             LEFT JOIN told_bases ON told_bases.base = bases.id AND told_bases.collection = $1 AND told_bases.leaving = 0
               AND told_bases.fields = $3
             WHERE bases.id = $2",
        )
        .bind(collection)
        .bind(base)
        .bind(fields)
        .fetch_optional(&self.readers)
        .await
        .map_err(self.failed("see what Qdrant was told of"))
    }

    /// A base that is filtered by other fields than before has to be told again.
    pub(super) async fn note_fields(&self, collection: i64, base: &str, fields: &str) -> Result<(), KnowledgeError> {
        let failed = || self.failed("change what a base is filtered by");
        let mut writing = self.begin_writing().await?;
        let changed = sqlx::query(
            "UPDATE told_bases SET fields = $3, generation = -1 WHERE collection = $1 AND base = $2 AND fields <> $3",
        )
        .bind(collection)
        .bind(base)
        .bind(fields)
        .execute(&mut *writing)
        .await
        .map_err(failed())?;
        if changed.rows_affected() > 0 {
            let versions: Vec<i64> = sqlx::query_scalar(
                "UPDATE told_versions SET stamp = -1 WHERE collection = $1 AND base = $2 RETURNING version",
            )
            .bind(collection)
            .bind(base)
            .fetch_all(&mut *writing)
            .await
            .map_err(failed())?;
            for (first, last) in versions.into_iter().map(rows_of) {
                sqlx::query("UPDATE told_records SET state = $4 WHERE row BETWEEN $1 AND $2 AND collection = $3")
                    .bind(first)
                    .bind(last)
                    .bind(collection)
                    .bind(Told::Changed.code())
                    .execute(&mut *writing)
                    .await
                    .map_err(failed())?;
            }
        }
        writing.commit().await.map_err(failed())
    }

    pub(super) async fn note_generation(
        &self,
        collection: i64,
        (base, fields): (&str, &str),
        generation: i64,
    ) -> Result<(), KnowledgeError> {
        sqlx::query(
            "INSERT INTO told_bases (collection, base, generation, fields, leaving) VALUES ($1, $2, $3, $4, 0)
             ON CONFLICT (collection, base) DO UPDATE SET generation = $3, fields = $4, leaving = 0",
        )
        .bind(collection)
        .bind(base)
        .bind(generation)
        .bind(fields)
        .execute(&self.writer)
        .await
        .map_err(self.failed("remember what Qdrant was told of"))?;
        Ok(())
    }

    pub(super) async fn standing(
        &self,
        reading: &mut Reading,
        collection: i64,
        base: &str,
    ) -> Result<Vec<Standing>, KnowledgeError> {
        let rows = sqlx::query(
            "SELECT documents.id, versions.row, versions.number, versions.records, documents.stamp, documents.groups,
               told.live, told.stamp, told.groups, told.embedded
             FROM documents JOIN versions ON versions.row = documents.visible JOIN bases ON bases.row = documents.base
             LEFT JOIN told_versions AS told ON told.version = versions.row AND told.collection = $1
             WHERE bases.id = $2 ORDER BY documents.row",
        )
        .bind(collection)
        .bind(base)
        .fetch_all(&mut **reading)
        .await
        .map_err(self.failed("see what Qdrant was told of"))?;
        Ok(rows
            .into_iter()
            .map(|row| Standing {
                document: row.get(0),
                version: row.get(1),
                number: row.get(2),
                records: row.get(3),
                stamp: row.get(4),
                groups: row.get(5),
                told: row.get::<Option<i64>, _>(6).map(|live| ToldVersion {
                    live: live != 0,
                    stamp: row.get(7),
                    groups: row.get(8),
                    embedded: row.get(9),
                }),
            })
            .collect())
    }

    /// The points that answer, as far as was told.
    pub(super) async fn told_points(&self, collection: i64, base: &str) -> Result<u64, KnowledgeError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM told_versions AS told
             JOIN told_records ON told_records.row BETWEEN told.version << $3 AND (told.version << $3) + $4
               AND told_records.collection = told.collection
             WHERE told.collection = $1 AND told.base = $2 AND told.live",
        )
        .bind(collection)
        .bind(base)
        .bind(ORDINAL_BITS)
        .bind(MAX_ORDINAL)
        .fetch_one(&self.readers)
        .await
        .map_err(self.failed("count what Qdrant was told of"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// As if nothing had ever been told of a base.
    pub(super) async fn forget_told(&self, collection: i64, base: &str) -> Result<(), KnowledgeError> {
        let failed = || self.failed("forget what Qdrant was told of");
        let mut writing = self.begin_writing().await?;
        let versions: Vec<i64> =
            sqlx::query_scalar("SELECT version FROM told_versions WHERE collection = $1 AND base = $2")
                .bind(collection)
                .bind(base)
                .fetch_all(&mut *writing)
                .await
                .map_err(failed())?;
        for version in versions {
            self.forget_version(&mut writing, collection, version).await?;
        }
        sqlx::query("DELETE FROM told_bases WHERE collection = $1 AND base = $2")
            .bind(collection)
            .bind(base)
            .execute(&mut *writing)
            .await
            .map_err(failed())?;
        writing.commit().await.map_err(failed())
    }

    pub(super) async fn forget_version(
        &self,
        writing: &mut Reading,
        collection: i64,
        version: i64,
    ) -> Result<(), KnowledgeError> {
        let (first, last) = rows_of(version);
        sqlx::query("DELETE FROM told_records WHERE row BETWEEN $1 AND $2 AND collection = $3")
            .bind(first)
            .bind(last)
            .bind(collection)
            .execute(&mut **writing)
            .await
            .map_err(self.failed("forget what Qdrant was told of"))?;
        sqlx::query("DELETE FROM told_versions WHERE version = $1 AND collection = $2")
            .bind(version)
            .bind(collection)
            .execute(&mut **writing)
            .await
            .map_err(self.failed("forget what Qdrant was told of"))?;
        Ok(())
    }

    /// From now on something may be there. A version of the same number, whose points have the same names, hands them over.
    pub(super) async fn begin_telling(
        &self,
        (collection, base): (i64, &str),
        standing: &Standing,
    ) -> Result<(), KnowledgeError> {
        let failed = || self.failed("remember what Qdrant is told of");
        let mut writing = self.begin_writing().await?;
        let before: Option<(i64, i64)> = sqlx::query_as(
            "SELECT version, live FROM told_versions
             WHERE collection = $1 AND base = $2 AND document = $3 AND number = $4 AND version <> $5 LIMIT 1",
        )
        .bind(collection)
        .bind(base)
        .bind(&standing.document)
        .bind(standing.number)
        .bind(standing.version)
        .fetch_optional(&mut *writing)
        .await
        .map_err(failed())?;
        sqlx::query(
            "INSERT OR IGNORE INTO told_versions
               (version, collection, base, document, number, live, stamp, groups, embedded, others)
             VALUES ($1, $2, $3, $4, $5, $6, -1, $7, 0, '{}')",
        )
        .bind(standing.version)
        .bind(collection)
        .bind(base)
        .bind(&standing.document)
        .bind(standing.number)
        .bind(before.map_or(0, |it| it.1))
        .bind(&standing.groups)
        .execute(&mut *writing)
        .await
        .map_err(failed())?;
        if let Some((before, _)) = before {
            let (first, last) = rows_of(before);
            sqlx::query(
                "INSERT OR REPLACE INTO told_records (row, collection, state)
                 SELECT row - $1 + $3, collection, $5 FROM told_records
                 WHERE row BETWEEN $1 AND $2 AND collection = $4",
            )
            .bind(first)
            .bind(last)
            .bind(rows_of(standing.version).0)
            .bind(collection)
            .bind(Told::Changed.code())
            .execute(&mut *writing)
            .await
            .map_err(failed())?;
            self.forget_version(&mut writing, collection, before).await?;
        }
        writing.commit().await.map_err(failed())
    }

    /// All of a version was sent: how many of its records have their vector there.
    pub(super) async fn note_sent(&self, collection: i64, it: &Standing) -> Result<(), KnowledgeError> {
        let failed = || self.failed("remember what Qdrant was told of");
        let mut writing = self.begin_writing().await?;
        let (first, last) = rows_of(it.version);
        let embedded: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM told_records WHERE row BETWEEN $1 AND $2 AND collection = $3 AND state = $4",
        )
        .bind(first)
        .bind(last)
        .bind(collection)
        .bind(Told::With.code())
        .fetch_one(&mut *writing)
        .await
        .map_err(failed())?;
        let others: BTreeMap<String, usize> = if embedded < it.records {
            let model: Option<i64> = sqlx::query_scalar(
                "SELECT models.row FROM models JOIN told_collections ON told_collections.model = models.name
                 WHERE told_collections.row = $1",
            )
            .bind(collection)
            .fetch_optional(&mut *writing)
            .await
            .map_err(failed())?;
            self.other_models(&mut writing, (first, last), model.unwrap_or(0)).await?.into_iter().collect()
        } else {
            BTreeMap::new()
        };
        sqlx::query("UPDATE told_versions SET embedded = $3, others = $4 WHERE version = $1 AND collection = $2")
            .bind(it.version)
            .bind(collection)
            .bind(embedded)
            .bind(serde_json::to_string(&others).unwrap_or_else(|_| "{}".to_owned()))
            .execute(&mut *writing)
            .await
            .map_err(failed())?;
        writing.commit().await.map_err(failed())
    }

    /// A version answers there as it is here, and no older one of its document does.
    pub(super) async fn note_standing(&self, collection: i64, base: &str, it: &Standing) -> Result<(), KnowledgeError> {
        let failed = || self.failed("remember what Qdrant was told of");
        let mut writing = self.begin_writing().await?;
        let older: Vec<i64> = sqlx::query_scalar(
            "SELECT version FROM told_versions
             WHERE collection = $1 AND base = $2 AND document = $3 AND version <> $4 AND number < $5",
        )
        .bind(collection)
        .bind(base)
        .bind(&it.document)
        .bind(it.version)
        .bind(it.number)
        .fetch_all(&mut *writing)
        .await
        .map_err(failed())?;
        for version in older {
            self.forget_version(&mut writing, collection, version).await?;
        }
        sqlx::query(
            "UPDATE told_versions SET live = 1, stamp = $3, groups = $4 WHERE version = $1 AND collection = $2",
        )
        .bind(it.version)
        .bind(collection)
        .bind(it.stamp)
        .bind(&it.groups)
        .execute(&mut *writing)
        .await
        .map_err(failed())?;
        writing.commit().await.map_err(failed())
    }

    /// Versions whose points are to go. One that a newer version follows goes when that one answers.
    pub(super) async fn leaving(&self, server: &str) -> Result<Vec<Leaving>, KnowledgeError> {
        let rows = sqlx::query(
            "SELECT told.version, told.collection, told_collections.name, told.base, told.document, told.number, told.live,
               EXISTS (SELECT 1 FROM versions JOIN documents ON documents.visible = versions.row
                 JOIN bases ON bases.row = documents.base
                 WHERE bases.id = told.base AND documents.id = told.document AND versions.number = told.number),
               NOT EXISTS (SELECT 1 FROM bases WHERE bases.id = told.base)
             FROM told_versions AS told JOIN told_collections ON told_collections.row = told.collection
             WHERE told_collections.server = $1
               AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.row = told.version AND versions.state <> $2)
               AND (told.live = 0 OR NOT EXISTS (
                 SELECT 1 FROM documents JOIN bases ON bases.row = documents.base
                 WHERE bases.id = told.base AND documents.id = told.document AND documents.visible IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM told_versions AS newer WHERE newer.version = documents.visible
                     AND newer.collection = told.collection AND newer.live)))",
        )
        .bind(server)
        .bind(State::Dead.code())
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("see what Qdrant has to forget"))?;
        Ok(rows
            .into_iter()
            .map(|row| Leaving {
                version: row.get(0),
                collection: row.get(1),
                name: row.get(2),
                base: row.get(3),
                document: row.get(4),
                number: row.get(5),
                live: row.get(6),
                replaced: row.get(7),
                base_is_gone: row.get(8),
            })
            .collect())
    }

    /// Bases that were moved out of a collection: the collection's row and name, and the base.
    pub(super) async fn leaving_bases(&self, server: &str) -> Result<Vec<(i64, String, String)>, KnowledgeError> {
        sqlx::query_as(
            "SELECT told_bases.collection, told_collections.name, told_bases.base FROM told_bases
             JOIN told_collections ON told_collections.row = told_bases.collection
             WHERE told_collections.server = $1 AND told_bases.leaving",
        )
        .bind(server)
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("see what Qdrant has to forget"))
    }

    /// A base that has a model's collection leaves the one of records without any.
    pub(super) async fn leave_words(&self, collection: i64, base: &str) -> Result<(), KnowledgeError> {
        sqlx::query(
            "UPDATE told_bases SET leaving = 1 WHERE base = $2
             AND EXISTS (SELECT 1 FROM told_collections WHERE row = $1 AND model IS NOT NULL)
             AND collection IN (SELECT row FROM told_collections WHERE model IS NULL)",
        )
        .bind(collection)
        .bind(base)
        .execute(&self.writer)
        .await
        .map_err(self.failed("move a base"))?;
        Ok(())
    }

    /// A base leaves the collections of a model.
    pub(super) async fn leave_model(&self, base: &str, model: &str) -> Result<(), KnowledgeError> {
        sqlx::query(
            "UPDATE told_bases SET leaving = 1 WHERE base = $1
             AND collection IN (SELECT row FROM told_collections WHERE model = $2)",
        )
        .bind(base)
        .bind(model)
        .execute(&self.writer)
        .await
        .map_err(self.failed("move a base"))?;
        Ok(())
    }
}
