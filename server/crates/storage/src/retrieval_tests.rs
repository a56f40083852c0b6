//! Queries with the passages that they should find, and what came of running them.

use domain::{KnowledgeBaseId, RetrievalTest, RetrievalTestId, TenantId};
use serde_json::Value;

use crate::columns::{self, Stored, parsed};
use crate::database::{Row, query};
use crate::error::Operation;
use crate::{Result, Storage};

/// Reports of a base that are kept.
const REPORTS: i64 = 50;

impl Stored for RetrievalTest {
    fn read(row: &Row) -> Result<RetrievalTest, sqlx::Error> {
        Ok(RetrievalTest {
            id: parsed(row, "id")?,
            base: parsed(row, "base")?,
            query: row.try_get("query")?,
            filter: columns::maybe_json(row, "filter")?,
            expected: columns::json(row, "expected")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

struct Report(Value);

impl Stored for Report {
    fn read(row: &Row) -> Result<Report, sqlx::Error> {
        Ok(Report(columns::json(row, "report")?))
    }
}

impl Storage {
    /// # Errors
    /// `NotFound` when the tenant has no such knowledge base.
    pub async fn add_retrieval_test(&self, tenant: TenantId, test: RetrievalTest) -> Result<()> {
        const ADD: Operation = Operation::new("store a retrieval test").missing("knowledge base");
        self.write(ADD, move |connection| {
            Box::pin(async move {
                query(
                    "insert into retrieval_tests (tenant, id, base, query, filter, expected, created_at) \
                     values ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(tenant.to_string())
                .bind(test.id.to_string())
                .bind(test.base.to_string())
                .bind(test.query)
                .bind(test.filter.map(|it| it.to_string()))
                .bind(test.expected.to_string())
                .bind(test.created_at)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// The oldest first.
    pub async fn retrieval_tests(&self, tenant: TenantId, base: KnowledgeBaseId) -> Result<Vec<RetrievalTest>> {
        let query = query(
            "select id, base, query, filter, expected, created_at from retrieval_tests where tenant = $1 and base = $2 \
             order by created_at, id",
        )
        .bind(tenant.to_string())
        .bind(base.to_string());
        self.all("list the retrieval tests", query).await
    }

    /// False when the base has no such test.
    pub async fn delete_retrieval_test(
        &self,
        tenant: TenantId,
        base: KnowledgeBaseId,
        id: RetrievalTestId,
    ) -> Result<bool> {
        const DELETE: Operation = Operation::new("delete a retrieval test");
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let done = query("delete from retrieval_tests where tenant = $1 and base = $2 and id = $3")
                    .bind(tenant.to_string())
                    .bind(base.to_string())
                    .bind(id.to_string())
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// Keeps what came of the tests at a moment, and forgets what came of them long ago.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such knowledge base.
    pub async fn add_retrieval_report(
        &self,
        tenant: TenantId,
        base: KnowledgeBaseId,
        report: Value,
        at: i64,
    ) -> Result<()> {
        const ADD: Operation = Operation::new("store a report").missing("knowledge base");
        self.write(ADD, move |connection| {
            Box::pin(async move {
                query(
                    "insert into retrieval_reports (tenant, base, at, report) values ($1, $2, $3, $4) \
                     on conflict (tenant, base, at) do update set report = excluded.report",
                )
                .bind(tenant.to_string())
                .bind(base.to_string())
                .bind(at)
                .bind(report.to_string())
                .execute(&mut *connection)
                .await?;
                query(
                    "delete from retrieval_reports where tenant = $1 and base = $2 and at not in (select at \
                     from retrieval_reports where tenant = $1 and base = $2 order by at desc limit $3)",
                )
                .bind(tenant.to_string())
                .bind(base.to_string())
                .bind(REPORTS)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// The newest first.
    pub async fn retrieval_reports(&self, tenant: TenantId, base: KnowledgeBaseId, limit: i64) -> Result<Vec<Value>> {
        let query =
            query("select report from retrieval_reports where tenant = $1 and base = $2 order by at desc limit $3")
                .bind(tenant.to_string())
                .bind(base.to_string())
                .bind(limit);
        let found: Vec<Report> = self.all("list the reports", query).await?;
        Ok(found.into_iter().map(|Report(it)| it).collect())
    }
}
