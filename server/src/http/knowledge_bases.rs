//! Knowledge bases, and what is found in them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::KnowledgeBase;
use knowledge::{BaseSpec, Embedder as _, Expand, SearchMode, Timings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::body::{Body, In};
use super::notice::NoticeView;
use crate::app::accounts::Caller;
use crate::app::knowledge::{BaseChange, EmbeddingStatus, Search};
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
    /// None for a base of plain documents.
    #[schema(value_type = Object)]
    fields: Option<Value>,
    /// The text of a record, `{field}` standing for values.
    embed_template: Option<String>,
    splitting: Option<SplittingBody>,
    /// Names of products and people that count as one word.
    words: Option<Vec<String>>,
    /// One of `GET /embedding-models`; the server's first one if not given.
    embedding_model: Option<String>,
}

/// How long texts are split.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplittingBody {
    /// Tokens of a passage; 400 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u32>,
    /// The part of a passage that repeats the end of the one before, from 0 to 0.5; 0.15 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap: Option<f64>,
    /// Tokens of the larger passage that is given for a hit; none where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
}

/// What is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BasePatch {
    /// `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    title: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    #[schema(value_type = Object)]
    fields: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    embed_template: Option<Option<String>>,
    splitting: Option<SplittingBody>,
    words: Option<Vec<String>>,
    embedding_model: Option<String>,
}

/// Tells `null` from a member that is not there.
pub(super) fn given<'de, T, D>(deserializer: D) -> std::result::Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BaseEmbeddingView {
    /// The model whose vectors answer.
    model: Option<String>,
    /// `ready`, `working` (on its way to `next`), `failed` or `off`
    state: String,
    /// Records that have vectors of `next`, of all.
    done: usize,
    total: usize,
    reason: Option<String>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BaseView {
    name: String,
    title: Option<String>,
    description: Option<String>,
    #[schema(value_type = Object)]
    fields: Value,
    embed_template: Option<String>,
    #[schema(value_type = Object)]
    splitting: Value,
    words: Vec<String>,
    embedding: BaseEmbeddingView,
    documents: i64,
    records: i64,
    created_at: i64,
    updated_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct EmbeddingModelView {
    model: String,
    title: String,
    /// None while the model has not answered yet.
    dimensions: Option<usize>,
    /// `ready`, `missing`, `downloading`, `failed`, or `provider`, which is asked when it is needed.
    state: String,
    /// Whether bases use it that have chosen none.
    default: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct EmbeddingModelList {
    items: Vec<EmbeddingModelView>,
    /// The reranker that searches can use.
    reranker: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BaseList {
    items: Vec<BaseView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchBody {
    pub(super) query: String,
    /// 1 to 100; 8 if not given.
    pub(super) top_k: Option<u32>,
    /// `hybrid` (default), `dense` or `lexical`
    pub(super) mode: Option<String>,
    pub(super) min_score: Option<f64>,
    /// For example `{"spice_level": {"gte": 2}}`
    #[schema(value_type = Object)]
    pub(super) filter: Option<Value>,
    /// How much each list counts in mode `hybrid`; 1 and 1 if not given.
    pub(super) weights: Option<WeightsBody>,
    /// Put the hits into a better order with the server's reranker.
    pub(super) rerank: Option<bool>,
    /// Search as a visitor of these groups; every document if not given.
    pub(super) groups: Option<Vec<String>>,
    /// `none`, `neighbours` (hits next to each other become one) or `parent` (the larger passage); as the base's splitting
    /// says if not given.
    pub(super) expand: Option<String>,
}

#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeightsBody {
    dense: Option<f64>,
    lexical: Option<f64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SearchView {
    /// `ok`, `empty`, `below_threshold` or `degraded`
    status: String,
    reason: Option<String>,
    /// The parts of `reason`, one by one.
    reasons: Vec<NoticeView>,
    took_ms: f64,
    /// Milliseconds of each stage that took part.
    #[schema(value_type = Object)]
    stages: Value,
    #[schema(value_type = Vec<Object>)]
    hits: Vec<Value>,
}

impl SearchBody {
    pub(super) fn search(self) -> Result<Search> {
        let SearchBody { query, top_k, mode, min_score, filter, weights, rerank, groups, expand } = self;
        let unknown =
            |what: &str, it: &str, hint: &str| AppError::invalid(format!("there is no {what} `{it}`")).hint(hint);
        let mut search = Search::new(query, top_k.unwrap_or(8));
        search.mode = match mode.as_deref() {
            None | Some("hybrid") => SearchMode::Hybrid,
            Some("dense") => SearchMode::Dense,
            Some("lexical") => SearchMode::Lexical,
            Some(other) => return Err(unknown("mode", other, "hybrid, dense or lexical")),
        };
        search.expand = match expand.as_deref() {
            None => None,
            Some("none") => Some(Expand::None),
            Some("neighbours") => Some(Expand::Neighbours),
            Some("parent") => Some(Expand::Parent),
            Some(other) => return Err(unknown("`expand`", other, "none, neighbours or parent")),
        };
        if let Some(WeightsBody { dense, lexical }) = weights {
            search.weights.dense = dense.unwrap_or(search.weights.dense);
            search.weights.lexical = lexical.unwrap_or(search.weights.lexical);
        }
        search.min_score = min_score;
        search.filter = filter;
        search.rerank = rerank.unwrap_or(false);
        search.groups = groups;
        Ok(search)
    }
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
    let EmbeddingStatus { model, state, done, total, reason, next } = app.embedding_of(caller.tenant.id, base);
    let spec: BaseSpec = serde_json::from_value(base.spec.clone()).map_err(AppError::internal)?;
    Ok(BaseView {
        name: base.name.clone(),
        title: base.title.clone(),
        description: base.description.clone(),
        fields: base.spec.get("fields").cloned().unwrap_or_else(|| json!({})),
        embed_template: spec.embed_template.clone(),
        splitting: serde_json::to_value(spec.splitting).map_err(AppError::internal)?,
        words: spec.words,
        embedding: BaseEmbeddingView { model, state: state.to_owned(), done, total, reason, next },
        documents: size.documents,
        records: size.records,
        created_at: base.created_at,
        updated_at: base.updated_at,
    })
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
    let NewBase { name, title, description, fields, embed_template, splitting, words, embedding_model } = body;
    let mut spec = json!({ "knowledge": name, "title": title, "description": description });
    let rest = [
        ("fields", fields),
        ("embed_template", embed_template.map(Value::from)),
        ("words", words.map(Value::from)),
        ("splitting", splitting.map(serde_json::to_value).transpose().map_err(AppError::internal)?),
    ];
    if let Some(members) = spec.as_object_mut() {
        members.extend(rest.into_iter().filter_map(|(member, value)| Some((member.to_owned(), value?))));
    }
    let spec: BaseSpec = serde_json::from_value(spec).map_err(|error| AppError::invalid(error.to_string()))?;
    let base = app.create_base(caller.tenant.id, spec, embedding_model).await?;
    Ok(Json(base_view(&app, &caller, &base).await?))
}

pub(super) async fn change(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Body(body): Body<BasePatch>,
) -> Result<Json<BaseView>> {
    let BasePatch { title, description, fields, embed_template, splitting, words, embedding_model } = body;
    let rest = [
        ("fields", fields),
        ("embed_template", embed_template.map(|it| json!(it))),
        ("words", words.map(Value::from)),
        ("splitting", splitting.map(serde_json::to_value).transpose().map_err(AppError::internal)?),
    ];
    let spec = rest.into_iter().filter_map(|(member, value)| Some((member.to_owned(), value?))).collect();
    let change = BaseChange { title, description, spec, embedding_model };
    let base = app.change_base(caller.tenant.id, &name, change).await?;
    Ok(Json(base_view(&app, &caller, &base).await?))
}

/// A model's name without its owner's; what is behind `@` is a revision, and may have slashes of its own.
fn title(model: &str) -> &str {
    let named = model.split('@').next().unwrap_or(model);
    let from = named.rfind('/').map_or(0, |at| at + 1);
    model.get(from..).unwrap_or(model)
}

pub(super) async fn embedding_models(State(app): State<App>) -> Result<Json<EmbeddingModelList>> {
    let local = app.local_model().map(|it| it.model().to_owned());
    let items = app.embedding_models().iter().enumerate().map(|(at, it)| {
        let here = local.as_deref() == Some(it.model());
        let state = match app.embedding_state().filter(|_| here) {
            Some(state) => super::models::model_state_name(&state),
            None => "provider",
        };
        EmbeddingModelView {
            model: it.model().to_owned(),
            title: title(it.model()).to_owned(),
            dimensions: Some(it.dimensions()).filter(|it| *it > 0),
            state: state.to_owned(),
            default: at == 0,
        }
    });
    Ok(Json(EmbeddingModelList { items: items.collect(), reranker: app.reranker().map(|it| it.name().to_owned()) }))
}

pub(super) async fn show(State(app): State<App>, caller: Caller, In(name): In<String>) -> Result<Json<BaseView>> {
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    Ok(Json(base_view(&app, &caller, &base).await?))
}

pub(super) async fn remove(State(app): State<App>, caller: Caller, In(name): In<String>) -> Result<StatusCode> {
    app.delete_base(caller.tenant.id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn search(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Body(body): Body<SearchBody>,
) -> Result<Json<SearchView>> {
    let mut search = body.search()?;
    search.groups = search.groups.or_else(|| caller.groups.clone());
    let found = app.search(caller.tenant.id, &[name], search).await?;
    let hits = found.hits.iter().filter_map(|it| serde_json::to_value(it).ok()).collect();
    let Timings { total_ms, embed_ms, dense_ms, lexical_ms, rerank_ms } = found.timings;
    // A hundredth of a millisecond is finer than one can trust.
    let rounded = |it: f64| (it * 100.0).round() / 100.0;
    let took_ms = rounded(total_ms);
    let all = [("embed_ms", embed_ms), ("dense_ms", dense_ms), ("lexical_ms", lexical_ms), ("rerank_ms", rerank_ms)];
    let stages = all.into_iter().filter_map(|(name, it)| Some((name.to_owned(), json!(rounded(it?))))).collect();
    let stages = Value::Object(stages);
    let (status, reason) = (found.status.as_str().to_owned(), found.reason());
    let reasons = found.reasons.into_iter().map(|it| NoticeView::from(Value::from(it))).collect();
    Ok(Json(SearchView { status, reason, reasons, took_ms, stages, hits }))
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
    let knowledge::Rows { rows, total } = app.query(caller.tenant.id, &name, &query, caller.groups.as_deref()).await?;
    Ok(Json(RowsView { rows, total }))
}
