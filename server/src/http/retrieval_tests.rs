//! Tests of retrieval: queries with what they should find, and what came of running them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{RetrievalTest, RetrievalTestId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::body::{Body, In};
use super::knowledge_bases::{SearchBody, WeightsBody};
use crate::app::accounts::Caller;
use crate::app::retrieval_tests::{Expected, TestReport};
use crate::app::{App, AppError, Result};

#[derive(Serialize, ToSchema)]
pub(crate) struct RetrievalTestView {
    id: String,
    query: String,
    #[schema(value_type = Object)]
    filter: Option<Value>,
    expected: Vec<Expected>,
    created_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RetrievalTestList {
    items: Vec<RetrievalTestView>,
    /// What came of them when they were run last.
    last: Option<TestReport>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRetrievalTest {
    query: String,
    #[schema(value_type = Object)]
    filter: Option<Value>,
    expected: Vec<Expected>,
}

/// The settings of a search without its query.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestSettings {
    top_k: Option<u32>,
    mode: Option<String>,
    min_score: Option<f64>,
    #[schema(value_type = Object)]
    filter: Option<Value>,
    weights: Option<WeightsBody>,
    rerank: Option<bool>,
    groups: Option<Vec<String>>,
    expand: Option<String>,
}

fn test_view(it: RetrievalTest) -> RetrievalTestView {
    let RetrievalTest { id, query, filter, expected, created_at, .. } = it;
    let expected = serde_json::from_value(expected).unwrap_or_default();
    RetrievalTestView { id: id.to_string(), query, filter, expected, created_at }
}

pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
) -> Result<Json<RetrievalTestList>> {
    let (tenant, (base, _)) = (caller.tenant.id, app.base(caller.tenant.id, &name).await?);
    let items = app.storage().retrieval_tests(tenant, base.id).await?.into_iter().map(test_view).collect();
    let last = app.storage().retrieval_reports(tenant, base.id, 1).await?.into_iter().next();
    let last = last.and_then(|it| serde_json::from_value(it).ok());
    Ok(Json(RetrievalTestList { items, last }))
}

pub(super) async fn add(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Body(NewRetrievalTest { query, filter, expected }): Body<NewRetrievalTest>,
) -> Result<Json<RetrievalTestView>> {
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    let test = app.add_retrieval_test(caller.tenant.id, &base, (query, filter), expected).await?;
    Ok(Json(test_view(test)))
}

pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, RetrievalTestId)>,
) -> Result<StatusCode> {
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    if !app.storage().delete_retrieval_test(caller.tenant.id, base.id, id).await? {
        return Err(AppError::not_found("test", id));
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn run(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Body(settings): Body<TestSettings>,
) -> Result<Json<TestReport>> {
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    let kept = serde_json::to_value(&settings).map_err(AppError::internal)?;
    let TestSettings { top_k, mode, min_score, filter, weights, rerank, groups, expand } = settings;
    let query = String::new();
    let search = SearchBody { query, top_k, mode, min_score, filter, weights, rerank, groups, expand }.search()?;
    Ok(Json(app.run_retrieval_tests(caller.tenant.id, &base, (search, kept)).await?))
}
