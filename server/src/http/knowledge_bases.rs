//! Knowledge bases, their documents, and search.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use domain::{Document, DocumentId, KnowledgeBase};
use knowledge::{BaseSpec, SearchMode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::body::{Body, In, upload};
use crate::app::accounts::Caller;
use crate::app::knowledge::Search;
use crate::app::{App, AppError, Result};

/// A knowledge base in the form of `knowledge.yaml`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBase {
    name: String,
    title: Option<String>,
    description: Option<String>,
    /// Field names with their type (`text`, `number`, `boolean`, `date`, `keyword`, `list`), or an object with `type`,
    /// `embed`, `filter`, `show`, `title`.
    #[schema(value_type = Object)]
    fields: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BaseView {
    name: String,
    title: Option<String>,
    description: Option<String>,
    #[schema(value_type = Object)]
    fields: Value,
    documents: i64,
    records: i64,
    created_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BaseList {
    items: Vec<BaseView>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DocumentView {
    id: String,
    name: String,
    /// `queued`, `parsing`, `embedding`, `indexing`, `ready` or `failed`
    state: String,
    version: i64,
    records: i64,
    /// Why it failed, or what is missing (for example: not embedded yet).
    reason: Option<String>,
    created_at: i64,
    updated_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DocumentList {
    items: Vec<DocumentView>,
}

/// Records instead of a file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDocument {
    name: String,
    #[schema(value_type = Vec<Object>)]
    records: Vec<Map<String, Value>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchBody {
    query: String,
    /// 1 to 100; 8 if not given.
    top_k: Option<u32>,
    /// `hybrid` (default), `dense` or `lexical`
    mode: Option<String>,
    min_score: Option<f64>,
    /// For example `{"spice_level": {"gte": 2}}`
    #[schema(value_type = Object)]
    filter: Option<Value>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SearchView {
    /// `ok`, `empty`, `below_threshold` or `degraded`
    status: String,
    reason: Option<String>,
    #[schema(value_type = Vec<Object>)]
    hits: Vec<Value>,
}

/// Rows, or groups with figures, over the typed fields.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryBody {
    /// For example `{"date": {"gte": "2026-10-01"}}`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    filter: Option<Value>,
    /// Fields of each record, `id` and `document` among them; all fields if not given. Not together with the next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    select: Option<Vec<String>>,
    /// One row for each combination of these fields' values.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_by: Option<Vec<String>>,
    /// `count`, `count_distinct`, `sum`, `avg`, `min` or `max` of a field, by the name it gets:
    /// `{"total": {"sum": "spend"}, "rows": {"count": "*"}}`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    aggregate: Option<Map<String, Value>>,
    /// `[{"by": "total", "descending": true}]`; what has no value comes last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Object>)]
    order_by: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u32>,
    /// 1 to 1000; 100 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RowsView {
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Map<String, Value>>,
    /// How many there would be without `limit` and `offset`.
    total: u64,
}

async fn base_view(app: &App, caller: &Caller, base: &KnowledgeBase) -> Result<BaseView> {
    let size = app.storage().knowledge_base_size(caller.tenant.id, base.id).await?;
    Ok(BaseView {
        name: base.name.clone(),
        title: base.title.clone(),
        description: base.description.clone(),
        fields: base.spec.get("fields").cloned().unwrap_or(Value::Null),
        documents: size.documents,
        records: size.records,
        created_at: base.created_at,
    })
}

fn document_view(it: Document) -> DocumentView {
    DocumentView {
        id: it.id.to_string(),
        name: it.name,
        state: it.state.as_str().to_owned(),
        version: it.version,
        records: it.records,
        reason: it.reason,
        created_at: it.created_at,
        updated_at: it.updated_at,
    }
}

pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<BaseList>> {
    let mut items = Vec::new();
    for base in app.storage().list_knowledge_bases(caller.tenant.id).await? {
        items.push(base_view(&app, &caller, &base).await?);
    }
    Ok(Json(BaseList { items }))
}

pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<NewBase>,
) -> Result<Json<BaseView>> {
    let NewBase { name, title, description, fields } = body;
    let spec = json!({ "knowledge": name, "title": title, "description": description, "fields": fields });
    let spec: BaseSpec = serde_json::from_value(spec).map_err(|error| AppError::invalid(error.to_string()))?;
    let base = app.create_base(caller.tenant.id, spec).await?;
    Ok(Json(base_view(&app, &caller, &base).await?))
}

pub(super) async fn show(State(app): State<App>, caller: Caller, In(name): In<String>) -> Result<Json<BaseView>> {
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    Ok(Json(base_view(&app, &caller, &base).await?))
}

pub(super) async fn remove(State(app): State<App>, caller: Caller, In(name): In<String>) -> Result<StatusCode> {
    app.delete_base(caller.tenant.id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn documents(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
) -> Result<Json<DocumentList>> {
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    let all = app.documents(caller.tenant.id, base.id).await?;
    Ok(Json(DocumentList { items: all.into_iter().map(document_view).collect() }))
}

pub(super) async fn upload_document(
    app: &App,
    caller: &Caller,
    base: &str,
    name: &str,
    bytes: Vec<u8>,
) -> Result<Json<DocumentView>> {
    Ok(Json(document_view(app.put_document(caller.tenant.id, base, name, bytes).await?)))
}

pub(super) async fn upload_file_or_records(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    request: Request,
) -> Result<Json<DocumentView>> {
    // A base that is not there refuses before a large body is read.
    app.base(caller.tenant.id, &name).await?;
    let json =
        request.headers().get(header::CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
    if json {
        let Body(body): Body<NewDocument> = Body::from_request(request, &app).await?;
        let NewDocument { name: document, records } = body;
        let file = if document.ends_with(".json") { document } else { format!("{document}.json") };
        let bytes = serde_json::to_vec(&records).map_err(AppError::internal)?;
        return upload_document(&app, &caller, &name, &file, bytes).await;
    }
    let file = upload(request, &app).await?;
    upload_document(&app, &caller, &name, &file.name, file.bytes.to_vec()).await
}

pub(super) async fn remove_document(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, DocumentId)>,
) -> Result<StatusCode> {
    app.delete_document(caller.tenant.id, &name, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn search(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Body(body): Body<SearchBody>,
) -> Result<Json<SearchView>> {
    let SearchBody { query, top_k, mode, min_score, filter } = body;
    let mode = match mode.as_deref() {
        None | Some("hybrid") => SearchMode::Hybrid,
        Some("dense") => SearchMode::Dense,
        Some("lexical") => SearchMode::Lexical,
        Some(other) => {
            return Err(AppError::invalid(format!("there is no mode `{other}`")).hint("hybrid, dense or lexical"));
        }
    };
    let search = Search { query, top_k: top_k.unwrap_or(8), min_score, mode, filter };
    let found = app.search(caller.tenant.id, &[name], search).await?;
    let hits = found.hits.iter().filter_map(|it| serde_json::to_value(it).ok()).collect();
    Ok(Json(SearchView { status: found.status.as_str().to_owned(), reason: found.reason, hits }))
}

pub(super) async fn query(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Body(body): Body<QueryBody>,
) -> Result<Json<RowsView>> {
    let Value::Object(query) = serde_json::to_value(body).map_err(AppError::internal)? else {
        return Err(AppError::invalid("a query is an object".to_owned()));
    };
    let knowledge::Rows { rows, total } = app.query(caller.tenant.id, &name, &query).await?;
    Ok(Json(RowsView { rows, total }))
}
