//! The tenant's knowledge bases: what they are, and what is found in them. How documents get into them is in
//! [`super::documents`] and [`crate::jobs`].

use std::collections::BTreeMap;

use domain::{DocumentState, KnowledgeBase, KnowledgeBaseId, TenantId};
use knowledge::{BaseRef, BaseSpec, Expand, Hit, Notice, SearchMode, SearchRequest, SearchResponse, Weights};
use serde_json::{Map, Value, json};

use super::clock::new_uuid;
use super::{App, AppError, Problem, Result};
use crate::error_codes::ErrorCode;

/// What a caller asks of one or several knowledge bases.
#[derive(Clone, Debug)]
pub struct Search {
    pub query: String,
    pub top_k: u32,
    pub min_score: Option<f64>,
    pub mode: SearchMode,
    pub filter: Option<Value>,
    pub weights: Weights,
    /// Whose visitor asks; none for somebody who may see every document.
    pub groups: Option<Vec<String>>,
    pub rerank: bool,
    /// None: the larger passage where the base's splitting makes some.
    pub expand: Option<Expand>,
}

impl Search {
    /// With the usual settings, seeing everything.
    pub fn new(query: String, top_k: u32) -> Search {
        Search {
            query,
            top_k,
            min_score: None,
            mode: SearchMode::Hybrid,
            filter: None,
            weights: Weights::default(),
            groups: None,
            rerank: false,
            expand: None,
        }
    }
}

/// What is changed of a knowledge base; what is not there stays.
#[derive(Clone, Debug, Default)]
pub struct BaseChange {
    /// `Some(None)` takes it away.
    pub title: Option<Option<String>>,
    pub description: Option<Option<String>>,
    /// The rest of the specification, in the form of `knowledge.yaml`: `fields`, `splitting`, `embed_template`, `words`.
    pub spec: Map<String, Value>,
    pub embedding_model: Option<String>,
}

/// How a base stands with its embedding model.
pub struct EmbeddingStatus {
    /// None when the server has none.
    pub model: Option<String>,
    /// `ready`, `working`, `failed` or `off`.
    pub state: &'static str,
    pub done: usize,
    pub total: usize,
    pub reason: Option<String>,
    pub next: Option<String>,
}

/// More hits than this serve neither a model nor a reader.
const MAX_TOP_K: u32 = 100;
/// A longer query says less, and costs as much as a document.
const MAX_QUERY_BYTES: usize = 8 << 10;

impl App {
    /// # Errors
    /// The specification is not valid (every problem is told), there is no such embedding model, or the name is taken.
    pub async fn create_base(
        &self,
        tenant: TenantId,
        spec: BaseSpec,
        embedding_model: Option<String>,
    ) -> Result<KnowledgeBase> {
        valid(&spec)?;
        if let Some(model) = &embedding_model {
            self.embedder_asked_for(model)?;
        }
        let now = self.clock().now_ms();
        let base = KnowledgeBase {
            id: KnowledgeBaseId::from_uuid(new_uuid()),
            name: spec.name.clone(),
            title: spec.title.clone(),
            description: spec.description.clone(),
            spec: serde_json::to_value(&spec).map_err(AppError::internal)?,
            embedding_model,
            next_embedding_model: None,
            embedding_problem: None,
            created_at: now,
            updated_at: now,
        };
        self.storage().create_knowledge_base(tenant, base.clone()).await?;
        self.programs().forget_all();
        Ok(base)
    }

    /// Changes a base. Where its records come out differently, its documents are read again in the background; where its
    /// model does, they are embedded again. What answers goes on to until that is done.
    ///
    /// # Errors
    /// As [`App::create_base`]; `NotFound`.
    pub async fn change_base(&self, tenant: TenantId, name: &str, change: BaseChange) -> Result<KnowledgeBase> {
        let (mut base, before) = self.base(tenant, name).await?;
        let BaseChange { title, description, spec: changed, embedding_model } = change;
        let mut spec = base.spec.clone();
        if let Some(members) = spec.as_object_mut() {
            members.extend(changed);
            for (member, value) in [("title", &title), ("description", &description)] {
                if let Some(value) = value {
                    members.insert(member.to_owned(), json!(value));
                }
            }
        }
        let after: BaseSpec = serde_json::from_value(spec).map_err(|error| AppError::invalid(error.to_string()))?;
        valid(&after)?;
        base.spec = serde_json::to_value(&after).map_err(AppError::internal)?;
        base.title.clone_from(&after.title);
        base.description.clone_from(&after.description);
        if let Some(model) = &embedding_model {
            self.embedder_asked_for(model)?;
            let present = self.embedder_of(&base).map(|it| it.model().to_owned());
            base.next_embedding_model = (present.as_ref() != Some(model)).then(|| model.clone());
            base.embedding_problem = None;
        }
        base.updated_at = self.clock().now_ms();
        self.storage().update_knowledge_base(tenant, base.clone()).await?;
        self.programs().forget_all();
        if makes_other_records(&before, &after) {
            self.read_all_again(tenant, &base).await?;
        }
        if base.next_embedding_model.is_some() {
            self.vectors_are_missing();
        }
        Ok(base)
    }

    /// Makes a base what a project's file says.
    pub(crate) async fn put_base(&self, tenant: TenantId, spec: &BaseSpec) -> Result<()> {
        match self.base(tenant, &spec.name).await {
            Ok((_, present)) if present == *spec => Ok(()),
            Ok(_) => {
                let BaseSpec { title, description, .. } = spec;
                let (title, description) = (Some(title.clone()), Some(description.clone()));
                let Value::Object(mut members) = serde_json::to_value(spec).map_err(AppError::internal)? else {
                    return Err(AppError::invalid("a knowledge base is an object"));
                };
                // What is not said is what the file takes away.
                members.entry("embed_template").or_insert(Value::Null);
                members.entry("words").or_insert_with(|| json!([]));
                members.entry("splitting").or_insert_with(|| json!({}));
                let change = BaseChange { title, description, spec: members, embedding_model: None };
                self.change_base(tenant, &spec.name, change).await.map(|_| ())
            }
            Err(_) => self.create_base(tenant, spec.clone(), None).await.map(|_| ()),
        }
    }

    async fn read_all_again(&self, tenant: TenantId, base: &KnowledgeBase) -> Result<()> {
        for document in self.documents(tenant, base.id).await? {
            // One that is on its way begins anew: what has been read of it came of the old settings.
            if document.content_hash.is_some() || document.source.is_some() || document.ingestion.is_some() {
                let again = match &document.ingestion {
                    None => self.begin_again(tenant, &document).await,
                    Some(it) if it.state == DocumentState::Cancelled => continue,
                    Some(it) => {
                        let pending = domain::Document {
                            media_type: it.media_type.clone(),
                            columns: it.columns.clone(),
                            source: it.source.clone(),
                            content_hash: it.content_hash.clone(),
                            size_bytes: it.size_bytes,
                            ..document.clone()
                        };
                        self.begin_again(tenant, &pending).await
                    }
                };
                if let Err(error) = again {
                    tracing::warn!(document.id = %document.id, error = %error, "a document keeps its old records");
                }
            }
        }
        self.documents_wait();
        Ok(())
    }

    pub async fn base(&self, tenant: TenantId, name: &str) -> Result<(KnowledgeBase, BaseSpec)> {
        let found = self.storage().knowledge_base(tenant, name).await?;
        let base = found.ok_or_else(|| AppError::not_found("knowledge base", name))?;
        let spec = serde_json::from_value(base.spec.clone()).map_err(AppError::internal)?;
        Ok((base, spec))
    }

    /// The base as its index knows it.
    pub(crate) fn base_ref(&self, base: &KnowledgeBase) -> Result<BaseRef> {
        let spec: BaseSpec = serde_json::from_value(base.spec.clone()).map_err(AppError::internal)?;
        Ok(BaseRef::new(base.id.to_string(), spec, self.embedder_of(base)))
    }

    pub fn embedding_of(&self, tenant: TenantId, base: &KnowledgeBase) -> EmbeddingStatus {
        let model = self.embedder_of(base).map(|it| it.model().to_owned());
        let progress = self.jobs().moves.of(tenant, base.id);
        let reason = match (&base.embedding_problem, &base.embedding_model, &model) {
            (Some(problem), _, _) => Some(problem.clone()),
            (None, Some(wanted), None) => Some(format!("the server has no embedding model `{wanted}` any more")),
            (None, _, _) => None,
        };
        let state = match (&base.next_embedding_model, &reason, &model) {
            (_, Some(_), _) => "failed",
            (Some(_), None, _) => "working",
            (None, None, Some(_)) => "ready",
            (None, None, None) => "off",
        };
        EmbeddingStatus {
            model: base.embedding_model.clone().or(model),
            state,
            done: progress.map_or(0, |it| it.done),
            total: progress.map_or(0, |it| it.total),
            reason,
            next: base.next_embedding_model.clone(),
        }
    }

    /// # Errors
    /// `NotFound`; `InUse` with the workflows and assistants that name it.
    pub async fn delete_base(&self, tenant: TenantId, name: &str) -> Result<()> {
        let (base, _) = self.base(tenant, name).await?;
        let mut catalog = self.catalog(tenant).await?;
        catalog.knowledge_bases.remove(name);
        let users = self.users_without(tenant, &catalog, "unknown_knowledge_base").await?;
        if !users.is_empty() {
            return Err(AppError::new(ErrorCode::InUse, format!("`{name}` is used by {}", users.join(", ")))
                .hint("change or delete those first"));
        }
        self.storage().delete_knowledge_base(tenant, name).await?;
        self.0.knowledge.delete_base(&tenant.to_string(), &base.id.to_string()).await?;
        self.programs().forget_all();
        Ok(())
    }

    /// The hits' `base` is the name of theirs.
    ///
    /// # Errors
    /// `NotFound`, `TooLarge`, `InvalidInput`; `EmbeddingUnavailable` where nothing can be found without.
    pub async fn search(&self, tenant: TenantId, bases: &[String], search: Search) -> Result<SearchResponse> {
        if search.query.len() > MAX_QUERY_BYTES {
            return Err(AppError::new(ErrorCode::TooLarge, format!("a query has at most {MAX_QUERY_BYTES} bytes"))
                .hint("ask with the words that matter"));
        }
        if search.top_k == 0 || search.top_k > MAX_TOP_K {
            return Err(AppError::invalid(format!("`top_k` is {}; it goes from 1 to {MAX_TOP_K}", search.top_k)));
        }
        let (mut references, mut names) = (Vec::new(), std::collections::HashMap::new());
        for name in bases {
            let (base, _) = self.base(tenant, name).await?;
            self.catch_up(tenant, &base).await?;
            references.push(self.base_ref(&base)?);
            names.insert(base.id.to_string(), name.clone());
        }
        let Search { query, top_k, min_score, mode, filter, weights, groups, rerank, expand } = search;
        let mut request = SearchRequest::new(references, query);
        request.top_k = top_k;
        request.min_score = min_score;
        request.mode = mode;
        request.filter = filter;
        request.weights = weights;
        request.groups = groups;
        let with_parents = request.bases.iter().any(|it| it.spec.splitting.parent.is_some());
        request.expand = expand.unwrap_or(if with_parents { Expand::Parent } else { Expand::None });
        let reranker = self.reranker().filter(|_| rerank);
        let unavailable = rerank && reranker.is_none();
        request.reranker = reranker;
        let mut found = self.0.knowledge.search(&tenant.to_string(), request).await?;
        for hit in &mut found.hits {
            if let Some(name) = names.get(&hit.base) {
                hit.base.clone_from(name);
            }
        }
        if unavailable && !found.hits.is_empty() {
            found.status = knowledge::SearchStatus::Degraded;
            found.reasons.push(Notice {
                code: "no_reranker",
                message: "there is no reranking model, so the hits are in the order of the search".to_owned(),
                values: BTreeMap::new(),
            });
        }
        Ok(found)
    }

    /// Rows and sums over a base's typed fields.
    ///
    /// # Errors
    /// The query does not fit the base, or the index cannot be read.
    pub async fn query(
        &self,
        tenant: TenantId,
        base: &str,
        query: &Map<String, Value>,
        groups: Option<&[String]>,
    ) -> Result<knowledge::Rows> {
        let (found, _) = self.base(tenant, base).await?;
        self.catch_up(tenant, &found).await?;
        let reference = self.base_ref(&found)?;
        Ok(self.0.knowledge.query(&tenant.to_string(), &reference, query, groups).await?)
    }

    pub(crate) fn knowledge_index(&self) -> &knowledge::Knowledge {
        &self.0.knowledge
    }
}

fn valid(spec: &BaseSpec) -> Result<()> {
    let problems = spec.check();
    if problems.is_empty() {
        return Ok(());
    }
    Err(AppError::invalid(format!("the knowledge base `{}` is not valid", spec.name))
        .errors(problems.into_iter().map(|it| Problem::new("invalid_input", it)).collect()))
}

/// Whether the same files give other records.
fn makes_other_records(before: &BaseSpec, after: &BaseSpec) -> bool {
    before.fields != after.fields
        || before.embed_template != after.embed_template
        || before.splitting != after.splitting
        || before.words != after.words
}

pub(crate) fn unreadable(error: knowledge::KnowledgeError) -> AppError {
    let code = error.code();
    let mut problems: Vec<Problem> = error.problems().into_iter().map(Problem::from).collect();
    let refusal = AppError::from(error);
    // One code stands for every file that cannot be read; this one says which of the reasons it is.
    if problems.is_empty() && refusal.internal.is_none() {
        problems.push(Problem::new(code, refusal.detail.clone()));
    }
    refusal.errors(problems)
}

/// A hit as a model reads it: under its headings, and a question with its standard answer.
pub(crate) fn read_text(hit: &Hit) -> String {
    let mut text = String::new();
    if !hit.position.headings.is_empty() {
        text = format!("{}\n", hit.position.headings.join(" › "));
    }
    text.push_str(&hit.text);
    if let Some(answer) = &hit.answer {
        text.push('\n');
        text.push_str(answer);
    }
    text
}

/// A hit as workflows see it: its fields beside its id, document, text and score. `source` says where it stands, and
/// `answer` is the standard answer to a question, unless the base has fields of these names.
pub(crate) fn flat_hit(hit: &Hit) -> Value {
    let mut flat: Map<String, Value> = hit.fields.clone();
    let mut source = serde_json::to_value(&hit.position).unwrap_or_default();
    if let Some(members) = source.as_object_mut() {
        members.insert("document_id".into(), json!(hit.document_id));
        members.insert("knowledge_base".into(), json!(hit.base));
    }
    flat.entry("source").or_insert(source);
    if let Some(answer) = &hit.answer {
        flat.entry("answer").or_insert(json!(answer));
    }
    flat.insert("id".into(), json!(hit.id));
    flat.insert("document".into(), json!(hit.document));
    flat.insert("text".into(), json!(read_text(hit)));
    flat.insert("score".into(), json!(hit.score));
    Value::Object(flat)
}
