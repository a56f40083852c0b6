//! Queries with the passages that they should find, run with any settings of a search: what a change of them is worth is
//! seen in two numbers, recall (the part of the expected passages that is found) and the mean reciprocal rank (1 when the
//! first of them always stands on top).

use domain::{KnowledgeBase, RetrievalTest, RetrievalTestId, TenantId};
use knowledge::Hit;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::clock::new_uuid;
use super::knowledge::Search;
use super::{App, AppError, Result};

const MAX_TESTS: usize = 500;
const MAX_EXPECTED: usize = 20;

/// A passage that a query should find: a record of a document by its number, or any of it that has a text in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The document's name.
    pub document: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

impl Expected {
    fn is(&self, hit: &Hit) -> bool {
        let number = |id: &str| id.rsplit_once(':').and_then(|(_, it)| it.parse::<u32>().ok());
        let of_document = hit.document == self.document;
        let numbered = self.ordinal.is_none_or(|it| {
            number(&hit.id) == Some(it) || hit.merged.contains(&it) || hit.also.iter().any(|id| number(id) == Some(it))
        });
        of_document && numbered && self.contains.as_ref().is_none_or(|it| hit.text.contains(it.as_str()))
    }
}

/// What came of one test.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CaseReport {
    pub id: String,
    pub query: String,
    /// The rank of each expected passage, from 1; `null` for one that was not found.
    pub found: Vec<Option<u32>>,
    pub recall: f64,
    /// Of the best of them; 0 if none was found.
    pub reciprocal_rank: f64,
    /// Of the search, or `error`.
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same, each with a code and the values in it; none where the search itself failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub reasons: Vec<Value>,
}

/// What came of all of a base's tests at one moment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestReport {
    pub at: i64,
    #[schema(value_type = Object)]
    pub settings: Value,
    pub cases: Vec<CaseReport>,
    pub recall: f64,
    pub mrr: f64,
    /// The report before this one.
    pub before: Option<Before>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Before {
    pub at: i64,
    pub recall: f64,
    pub mrr: f64,
}

impl App {
    /// # Errors
    /// The query is empty, nothing is expected, or the base has as many tests as it may have.
    pub async fn add_retrieval_test(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        (query, filter): (String, Option<Value>),
        expected: Vec<Expected>,
    ) -> Result<RetrievalTest> {
        if query.trim().is_empty() {
            return Err(AppError::invalid("the query is empty"));
        }
        if expected.is_empty() || expected.len() > MAX_EXPECTED {
            return Err(AppError::invalid(format!("a test expects 1 to {MAX_EXPECTED} passages"))
                .hint("for example [{\"document\": \"menu.csv\", \"ordinal\": 3}]"));
        }
        if let Some(it) = expected.iter().find(|it| it.ordinal.is_none() && it.contains.is_none()) {
            return Err(AppError::invalid(format!("the passage of `{}` is not said", it.document))
                .hint("give its `ordinal`, or a text that it `contains`"));
        }
        if self.storage().retrieval_tests(tenant, base.id).await?.len() >= MAX_TESTS {
            return Err(AppError::invalid(format!("a knowledge base has at most {MAX_TESTS} tests")));
        }
        let test = RetrievalTest {
            id: RetrievalTestId::from_uuid(new_uuid()),
            base: base.id,
            query,
            filter,
            expected: serde_json::to_value(expected).map_err(AppError::internal)?,
            created_at: self.clock().now_ms(),
        };
        self.storage().add_retrieval_test(tenant, test.clone()).await?;
        Ok(test)
    }

    /// Runs all tests of a base with these settings, and keeps what came of them.
    ///
    /// # Errors
    /// There are none, or the settings are not usable.
    pub async fn run_retrieval_tests(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        (search, settings): (Search, Value),
    ) -> Result<TestReport> {
        let tests = self.storage().retrieval_tests(tenant, base.id).await?;
        if tests.is_empty() {
            return Err(AppError::invalid("the knowledge base has no tests yet")
                .hint("search for something, and say of a hit that it is the right one"));
        }
        let mut cases = Vec::new();
        for test in &tests {
            cases.push(self.run_retrieval_test(tenant, base, test, search.clone()).await);
        }
        let mean = |of: fn(&CaseReport) -> f64| cases.iter().map(of).sum::<f64>() / cases.len() as f64;
        let before = self.storage().retrieval_reports(tenant, base.id, 1).await?.into_iter().next();
        let before: Option<TestReport> = before.and_then(|it| serde_json::from_value(it).ok());
        let report = TestReport {
            at: self.clock().now_ms(),
            settings,
            recall: mean(|it| it.recall),
            mrr: mean(|it| it.reciprocal_rank),
            before: before.map(|TestReport { at, recall, mrr, .. }| Before { at, recall, mrr }),
            cases,
        };
        let kept = serde_json::to_value(&report).map_err(AppError::internal)?;
        self.storage().add_retrieval_report(tenant, base.id, kept, report.at).await?;
        Ok(report)
    }

    async fn run_retrieval_test(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        test: &RetrievalTest,
        search: Search,
    ) -> CaseReport {
        let expected: Vec<Expected> = serde_json::from_value(test.expected.clone()).unwrap_or_default();
        let mut report = CaseReport {
            id: test.id.to_string(),
            query: test.query.clone(),
            found: vec![None; expected.len()],
            recall: 0.0,
            reciprocal_rank: 0.0,
            status: "error".to_owned(),
            reason: None,
            reasons: Vec::new(),
        };
        // A filter of the settings holds beside the test's own.
        let filter = match (search.filter.clone(), test.filter.clone()) {
            (Some(one), Some(other)) => Some(json!({ "all": [one, other] })),
            (one, other) => one.or(other),
        };
        let search = Search { query: test.query.clone(), filter, ..search };
        match self.search(tenant, std::slice::from_ref(&base.name), search).await {
            Err(error) => report.reason = Some(error.detail),
            Ok(response) => {
                report.status = response.status.as_str().to_owned();
                report.reason = response.reason();
                report.reasons = response.reasons.iter().cloned().map(Value::from).collect();
                let rank = |it: &Expected| response.hits.iter().zip(1u32..).find(|(hit, _)| it.is(hit)).map(|it| it.1);
                report.found = expected.iter().map(rank).collect();
                let found = report.found.iter().flatten();
                report.recall = found.clone().count() as f64 / expected.len().max(1) as f64;
                report.reciprocal_rank = found.min().map_or(0.0, |it| 1.0 / f64::from(*it));
            }
        }
        report
    }
}
