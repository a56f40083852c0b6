//! What Qdrant was told of single records: those that it does not have as they are here are taken in batches, and noted when
//! they have arrived.

use sqlx::Row as _;

use super::super::point::Written;
use crate::error::KnowledgeError;
use crate::index::schema::{ordinal_of, rows_of};
use crate::index::snapshot::floats;
use crate::index::tenant::TenantIndex;

/// A record that Qdrant has is `Without` or `With` its vector. One that changed here is `Changed` until it was sent again,
/// and `Sent` while nobody knows whether it arrived: whatever changes it meanwhile makes it `Changed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index::qdrant) enum Told {
    Changed,
    Sent,
    Without,
    With,
}

impl Told {
    pub(in crate::index::qdrant) fn code(self) -> i64 {
        match self {
            Told::Changed => 0,
            Told::Sent => 1,
            Told::Without => 2,
            Told::With => 3,
        }
    }
}

/// A record that Qdrant does not have as it is.
pub(in crate::index::qdrant) struct Waiting {
    pub(in crate::index::qdrant) row: i64,
    pub(in crate::index::qdrant) written: Written,
    /// Nothing was ever told of it from here.
    pub(in crate::index::qdrant) unknown: bool,
}

impl TenantIndex {
    /// All of a version's points are there already: another server put them there.
    pub(in crate::index::qdrant) async fn note_found(
        &self,
        collection: i64,
        version: i64,
        told: Told,
    ) -> Result<(), KnowledgeError> {
        let (first, last) = rows_of(version);
        sqlx::query(
            "INSERT OR IGNORE INTO told_records (row, collection, state)
             SELECT row, $3, $4 FROM records WHERE row BETWEEN $1 AND $2",
        )
        .bind(first)
        .bind(last)
        .bind(collection)
        .bind(told.code())
        .execute(&self.writer)
        .await
        .map_err(self.failed("remember what Qdrant has"))?;
        Ok(())
    }

    /// The next records behind a row that Qdrant does not have as they are, in their order; from now on they count as sent.
    pub(in crate::index::qdrant) async fn take_waiting(
        &self,
        (collection, model): (i64, Option<&str>),
        version: i64,
        (after, most): (i64, i64),
    ) -> Result<Vec<Waiting>, KnowledgeError> {
        let failed = || self.failed("read what Qdrant is to be told of");
        let mut writing = self.begin_writing().await?;
        let rows = sqlx::query(
            "SELECT records.row, vectors.vector, records.terms, records.fields, told.state FROM records
             LEFT JOIN vectors ON vectors.hash = records.hash
               AND vectors.model = (SELECT row FROM models WHERE name = $4)
             LEFT JOIN told_records AS told ON told.row = records.row AND told.collection = $3
             WHERE records.row > $1 AND records.row <= $2
               AND (told.state IS NULL OR told.state IN ($5, $6) OR (told.state = $7 AND vectors.row IS NOT NULL))
             ORDER BY records.row LIMIT $8",
        )
        .bind(after)
        .bind(rows_of(version).1)
        .bind(collection)
        .bind(model)
        .bind(Told::Changed.code())
        .bind(Told::Sent.code())
        .bind(Told::Without.code())
        .bind(most)
        .fetch_all(&mut *writing)
        .await
        .map_err(failed())?;
        let mut waiting = Vec::with_capacity(rows.len());
        for row in rows {
            let number: i64 = row.get(0);
            waiting.push(Waiting {
                row: number,
                unknown: row.get::<Option<i64>, _>(4).is_none(),
                written: Written {
                    ordinal: ordinal_of(number),
                    vector: row.get::<Option<&[u8]>, _>(1).map(floats),
                    terms: row.get(2),
                    fields: self.fields(row.get(3))?,
                },
            });
        }
        if waiting.is_empty() {
            return Ok(waiting);
        }
        let numbers: Vec<i64> = waiting.iter().map(|it| it.row).collect();
        sqlx::query(
            "INSERT OR REPLACE INTO told_records (row, collection, state) SELECT value, $2, $3 FROM json_each($1)",
        )
        .bind(serde_json::to_string(&numbers).unwrap_or_default())
        .bind(collection)
        .bind(Told::Sent.code())
        .execute(&mut *writing)
        .await
        .map_err(failed())?;
        writing.commit().await.map_err(failed())?;
        Ok(waiting)
    }

    /// They arrived. What has changed since they were taken stays changed.
    pub(in crate::index::qdrant) async fn note_arrived(
        &self,
        collection: i64,
        rows: &[i64],
        told: Told,
    ) -> Result<(), KnowledgeError> {
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE told_records SET state = $3 WHERE row IN (SELECT value FROM json_each($1)) AND collection = $2
             AND state = $4",
        )
        .bind(serde_json::to_string(rows).unwrap_or_default())
        .bind(collection)
        .bind(told.code())
        .bind(Told::Sent.code())
        .execute(&self.writer)
        .await
        .map_err(self.failed("remember what Qdrant was told of"))?;
        Ok(())
    }

    /// Records of a version that Qdrant has and that are not there any more.
    pub(in crate::index::qdrant) async fn told_and_gone(
        &self,
        collection: i64,
        version: i64,
    ) -> Result<Vec<i64>, KnowledgeError> {
        let (first, last) = rows_of(version);
        sqlx::query_scalar(
            "SELECT row FROM told_records WHERE row BETWEEN $1 AND $2 AND collection = $3
             AND NOT EXISTS (SELECT 1 FROM records WHERE records.row = told_records.row)",
        )
        .bind(first)
        .bind(last)
        .bind(collection)
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("look for records that are gone"))
    }

    pub(in crate::index::qdrant) async fn note_gone(
        &self,
        collection: i64,
        rows: &[i64],
    ) -> Result<(), KnowledgeError> {
        sqlx::query(
            "DELETE FROM told_records WHERE row IN (SELECT value FROM json_each($1)) AND collection = $2
             AND NOT EXISTS (SELECT 1 FROM records WHERE records.row = told_records.row)",
        )
        .bind(serde_json::to_string(rows).unwrap_or_default())
        .bind(collection)
        .execute(&self.writer)
        .await
        .map_err(self.failed("remember what Qdrant was told of"))?;
        Ok(())
    }
}
