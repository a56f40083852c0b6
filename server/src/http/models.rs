//! Which models there are, and what is missing.

use axum::Json;
use axum::extract::State;
use knowledge::{Embedder as _, Reranker as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use crate::app::accounts::Caller;
use crate::app::models::HOW_TO_ADD_A_MODEL;
use crate::app::{App, Result};

#[derive(Serialize, ToSchema)]
pub(crate) struct ModelsView {
    configured: bool,
    base_url: Option<String>,
    model: Option<String>,
    /// Where the setting comes from: `configuration` or `local Ollama`.
    source: Option<String>,
    /// A local Ollama that could be used.
    offer: Option<OfferView>,
    /// The embedding model that runs inside the server.
    embedding: LocalModelView,
    /// The reranking model, where it runs inside the server.
    reranking: LocalModelView,
    index: IndexView,
    /// How to add a model, where none is set up.
    hint: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OfferView {
    base_url: String,
    models: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct LocalModelView {
    /// `off`, `missing`, `downloading`, `ready` or `failed`
    state: String,
    model: Option<String>,
    /// Bytes fetched, while downloading.
    done: Option<u64>,
    total: Option<u64>,
    reason: Option<String>,
}

/// What finds knowledge.
#[derive(Serialize, ToSchema)]
pub(crate) struct IndexView {
    /// `embedded` or `qdrant`
    kind: String,
    /// `ready` or `unavailable`
    state: String,
    reason: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfferBody {
    model: String,
}

pub(super) async fn status(State(app): State<App>, caller: Caller) -> Result<Json<ModelsView>> {
    let status = app.model_status(caller.tenant.id).await?;
    let hint = status.settings.is_none().then(|| HOW_TO_ADD_A_MODEL.to_owned());
    let (base_url, model, source) = match status.settings {
        Some((settings, source)) => (Some(settings.base_url), Some(settings.name), Some(source.to_owned())),
        None => (None, None, None),
    };
    Ok(Json(ModelsView {
        configured: model.is_some(),
        base_url,
        model,
        source,
        offer: status.offer.map(|(base_url, models)| OfferView { base_url, models }),
        embedding: local_model(app.local_model().map(|it| (it.model().to_owned(), it.state()))),
        reranking: local_model(app.local_reranker().map(|it| (it.name().to_owned(), it.state()))),
        index: index(&app).await,
        hint,
    }))
}

pub(super) fn model_state_name(state: &knowledge::ModelState) -> &'static str {
    use knowledge::ModelState as State;
    match state {
        State::Missing => "missing",
        State::Downloading { .. } => "downloading",
        State::Ready => "ready",
        State::Failed { .. } => "failed",
    }
}

/// A model inside the server, with its state; none where it is not wanted.
fn local_model(model: Option<(String, knowledge::ModelState)>) -> LocalModelView {
    use knowledge::ModelState as State;
    let none = LocalModelView { state: "off".to_owned(), model: None, done: None, total: None, reason: None };
    let Some((name, state)) = model else { return none };
    let view = LocalModelView { state: model_state_name(&state).to_owned(), model: Some(name), ..none };
    match state {
        State::Missing | State::Ready => view,
        State::Downloading { done, total } => LocalModelView { done: Some(done), total, ..view },
        State::Failed { reason } => LocalModelView { reason: Some(reason), ..view },
    }
}

async fn index(app: &App) -> IndexView {
    let (kind, reason) = match app.knowledge_index().index_state().await {
        knowledge::IndexState::Embedded => ("embedded", None),
        knowledge::IndexState::Qdrant { problem } => ("qdrant", problem),
    };
    let state = if reason.is_some() { "unavailable" } else { "ready" };
    IndexView { kind: kind.to_owned(), state: state.to_owned(), reason }
}

pub(super) async fn accept_offer(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<OfferBody>,
) -> Result<Json<ModelsView>> {
    app.accept_offer(caller.tenant.id, &body.model).await?;
    status(State(app), caller).await
}
