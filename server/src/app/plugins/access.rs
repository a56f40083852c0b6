//! What one call of a plugin reaches of its tenant. The host has checked ask and grant before it gets here.

use std::error::Error as _;
use std::time::Duration;

use domain::TenantId;
use knowledge::SearchMode;
use model_client::{CompletionRequest, Message, Role};
use plugin_host::{
    Answer, Author, Completion, EmbedPurpose, EmbedRequest, Embeddings, HostError, HttpRequest, HttpResponse, KeyPage,
    ModelRequest, SetValue, StoredValue,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use storage::{NewPluginValue, StorageError};

use crate::app::knowledge::{Search, read_text};
use crate::app::{App, AppError};
use crate::egress::{EgressError, Outgoing};

/// One tenant, as one of its plugins sees it.
pub(crate) struct TenantAccess {
    pub app: App,
    pub tenant: TenantId,
    pub plugin: String,
    /// Of the visitor for whom the plugin is called; none sees every document.
    pub groups: Option<Vec<String>>,
}

impl plugin_host::ServerAccess for TenantAccess {
    fn search(&self, request: plugin_host::SearchRequest) -> Answer<'_, plugin_host::SearchResult> {
        Box::pin(async move {
            let mut search = Search::new(request.query, request.top_k);
            search.min_score = request.min_score;
            search.filter = request.filter;
            search.groups.clone_from(&self.groups);
            search.mode = match request.mode {
                plugin_host::SearchMode::Hybrid => SearchMode::Hybrid,
                plugin_host::SearchMode::Dense => SearchMode::Dense,
                plugin_host::SearchMode::Lexical => SearchMode::Lexical,
            };
            let found = self.app.search(self.tenant, &[request.knowledge_base], search).await.map_err(host_error)?;
            Ok(plugin_host::SearchResult {
                status: match found.status {
                    knowledge::SearchStatus::Ok => plugin_host::SearchStatus::Ok,
                    knowledge::SearchStatus::Empty => plugin_host::SearchStatus::Empty,
                    knowledge::SearchStatus::BelowThreshold => plugin_host::SearchStatus::BelowThreshold,
                    knowledge::SearchStatus::Degraded => plugin_host::SearchStatus::Degraded,
                },
                reason: found.reason(),
                hits: found
                    .hits
                    .into_iter()
                    .map(|hit| plugin_host::Hit {
                        score: hit.score,
                        entry: plugin_host::Entry {
                            text: read_text(&hit),
                            id: hit.id,
                            document: hit.document,
                            fields: hit.fields,
                        },
                    })
                    .collect(),
            })
        })
    }

    fn get(&self, base: String, id: String) -> Answer<'_, plugin_host::Entry> {
        Box::pin(async move {
            let (found, _) = self.app.base(self.tenant, &base).await.map_err(host_error)?;
            self.app.catch_up(self.tenant, &found).await.map_err(host_error)?;
            let entry = self
                .app
                .knowledge_index()
                .get(&self.tenant.to_string(), &found.id.to_string(), &id, self.groups.as_deref())
                .await;
            match entry.map_err(|it| host_error(it.into()))? {
                Some(entry) => Ok(plugin_entry(entry)),
                None => Err(plugin_host::HostError::NotFound(format!("`{base}` has no record `{id}`"))),
            }
        })
    }

    fn list(&self, request: plugin_host::ListRequest) -> Answer<'_, plugin_host::Page> {
        Box::pin(async move {
            let (base, _) = self.app.base(self.tenant, &request.knowledge_base).await.map_err(host_error)?;
            self.app.catch_up(self.tenant, &base).await.map_err(host_error)?;
            let base = self.app.base_ref(&base).map_err(host_error)?;
            let plugin_host::ListRequest { filter, cursor, limit, .. } = request;
            let wanted = knowledge::ListRequest { filter, cursor, limit, document: None, groups: self.groups.clone() };
            let page = self
                .app
                .knowledge_index()
                .list(&self.tenant.to_string(), &base, wanted)
                .await
                .map_err(|it| host_error(it.into()))?;
            Ok(plugin_host::Page {
                entries: page.entries.into_iter().map(plugin_entry).collect(),
                next_cursor: page.next_cursor,
            })
        })
    }

    fn query(&self, request: plugin_host::QueryRequest) -> Answer<'_, plugin_host::Rows> {
        Box::pin(async move {
            let found = self
                .app
                .query(self.tenant, &request.knowledge_base, &request.query, self.groups.as_deref())
                .await
                .map_err(host_error)?;
            let knowledge::Rows { rows, total } = found;
            Ok(plugin_host::Rows { rows: rows.into_iter().map(serde_json::Value::Object).collect(), total })
        })
    }

    fn send(&self, request: HttpRequest) -> Answer<'_, HttpResponse> {
        Box::pin(async move {
            let HttpRequest { method, url, headers: given, body, timeout_ms, max_bytes, rules } = request;
            let invalid = |what: String| HostError::InvalidInput(what);
            let method = method.parse().map_err(|_| invalid(format!("`{method}` is no method")))?;
            let mut headers = HeaderMap::new();
            for it in given {
                let name: HeaderName =
                    it.name.parse().map_err(|_| invalid(format!("`{}` is no name of a header", it.name)))?;
                let mut value = HeaderValue::from_str(&it.value)
                    .map_err(|_| invalid(format!("the value of the header `{name}` cannot be sent")))?;
                value.set_sensitive(it.secret);
                headers.append(name, value);
            }
            let time = Duration::from_millis(timeout_ms);
            let outgoing = Outgoing { method, url, headers, body, max_bytes, time, rules: Some(rules) };
            let arrived = self.app.egress().send(outgoing).await.map_err(refused)?;
            let headers = arrived.headers.iter();
            let headers =
                headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
            Ok(HttpResponse {
                status: arrived.status.as_u16(),
                url: arrived.url.to_string(),
                headers: headers.collect(),
                body: arrived.body,
            })
        })
    }

    fn complete(&self, request: ModelRequest) -> Answer<'_, Completion> {
        Box::pin(async move {
            let client = self.app.model(self.tenant, &request.role).await.map_err(host_error)?;
            let messages = request.messages.into_iter().map(|it| Message {
                role: match it.author {
                    Author::System => Role::System,
                    Author::User => Role::User,
                    Author::Assistant => Role::Assistant,
                },
                content: it.content,
                images: Vec::new(),
                tool_calls: Vec::new(),
                tool_call_id: None,
            });
            let request = CompletionRequest {
                messages: messages.collect(),
                temperature: request.temperature,
                max_tokens: Some(u32::try_from(request.max_tokens).unwrap_or(u32::MAX)),
                schema: request.schema,
                tools: Vec::new(),
            };
            let done = client.complete(request, &mut |_| {}).await.map_err(|error| {
                tracing::warn!(plugin = self.plugin, error = %error, "the language model did not answer a plugin");
                match error.retry_after_ms() {
                    Some(ms) => HostError::RateLimited(Some(u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX))),
                    None => HostError::Unavailable(error.author_message()),
                }
            })?;
            Ok(Completion {
                text: done.text,
                model: done.model,
                input_tokens: done.usage.input_tokens,
                output_tokens: done.usage.output_tokens,
            })
        })
    }

    fn embed(&self, request: EmbedRequest) -> Answer<'_, Embeddings> {
        Box::pin(async move {
            let EmbedRequest { texts, purpose } = request;
            let Some(embedder) = self.app.embedder() else {
                return Err(HostError::Unavailable("the server runs without an embedding model".to_owned()));
            };
            let purpose = match purpose {
                EmbedPurpose::Query => knowledge::Purpose::Query,
                EmbedPurpose::Passage => knowledge::Purpose::Passage,
            };
            let vectors = embedder.embed(&texts, purpose).await.map_err(|error| match error.hint() {
                Some(hint) => HostError::Unavailable(format!("{error} ({hint})")),
                None => HostError::Unavailable(error.to_string()),
            })?;
            // It runs in this process, and costs nobody a token.
            Ok(Embeddings { vectors, model: embedder.model().to_owned(), input_tokens: 0 })
        })
    }

    fn value(&self, key: String) -> Answer<'_, Option<StoredValue>> {
        Box::pin(async move {
            let now = self.app.clock().now_ms();
            let found = self.app.storage().plugin_value(self.tenant, &self.plugin, (&key, now)).await;
            Ok(found.map_err(not_kept)?.map(|it| StoredValue {
                value: it.value,
                version: u64::try_from(it.version).unwrap_or(0),
                expires_at: it.expires_at.and_then(|it| u64::try_from(it).ok()),
            }))
        })
    }

    fn set_value(&self, set: SetValue) -> Answer<'_, u64> {
        Box::pin(async move {
            let SetValue { key, value, ttl_s, expected, max_bytes } = set;
            let at = self.app.clock().now_ms();
            let new = NewPluginValue {
                key,
                value,
                expires_at: ttl_s.map(|it| at + i64::from(it) * 1_000),
                expected: expected.map(|it| i64::try_from(it).unwrap_or(i64::MAX)),
                max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX),
                at,
            };
            let version =
                self.app.storage().set_plugin_value(self.tenant, &self.plugin, new).await.map_err(not_kept)?;
            Ok(u64::try_from(version).unwrap_or(0))
        })
    }

    fn delete_value(&self, key: String) -> Answer<'_, bool> {
        Box::pin(async move {
            let now = self.app.clock().now_ms();
            self.app.storage().delete_plugin_value(self.tenant, &self.plugin, (&key, now)).await.map_err(not_kept)
        })
    }

    fn list_values(&self, prefix: String, cursor: Option<String>, limit: u32) -> Answer<'_, KeyPage> {
        Box::pin(async move {
            let now = self.app.clock().now_ms();
            // One more than is shown: it tells whether there is a next page.
            let asked = (prefix.as_str(), cursor.as_deref());
            let keys =
                self.app.storage().plugin_keys(self.tenant, &self.plugin, asked, (i64::from(limit) + 1, now)).await;
            let mut keys = keys.map_err(not_kept)?;
            let shown = usize::try_from(limit).unwrap_or(usize::MAX);
            let more = keys.len() > shown;
            keys.truncate(shown);
            let next_cursor = keys.last().filter(|_| more).cloned();
            Ok(KeyPage { keys, next_cursor })
        })
    }
}

fn plugin_entry(entry: knowledge::Entry) -> plugin_host::Entry {
    plugin_host::Entry { id: entry.id, document: entry.document, text: entry.text, fields: entry.fields }
}

fn host_error(error: AppError) -> plugin_host::HostError {
    if let Some(cause) = error.source() {
        tracing::error!(error = cause, "a plugin's host call failed inside the server");
    }
    let text = match &error.hint {
        Some(hint) => format!("{} ({hint})", error.detail),
        None => error.detail.clone(),
    };
    match error.code.status() {
        404 => plugin_host::HostError::NotFound(text),
        400..500 => plugin_host::HostError::InvalidInput(text),
        _ => plugin_host::HostError::Unavailable(text),
    }
}

fn refused(error: EgressError) -> HostError {
    let text = match error.hint() {
        Some(hint) if matches!(error, EgressError::Denied { .. }) => format!("{error} ({hint})"),
        Some(_) | None => error.to_string(),
    };
    match error {
        EgressError::Scheme { .. } => HostError::InvalidInput(text),
        EgressError::Denied { .. } | EgressError::NotGranted { .. } => HostError::Denied(text),
        EgressError::Timeout { .. } | EgressError::Unavailable { .. } => HostError::Unavailable(text),
        EgressError::TooLarge { .. }
        | EgressError::Redirects { .. }
        | EgressError::Location { .. }
        | EgressError::Encoded { .. } => HostError::Failed(text),
    }
}

fn not_kept(error: StorageError) -> HostError {
    if let StorageError::QuotaExceeded { .. } = &error {
        return HostError::Failed(format!("{error}; the manifest asks for no more"));
    }
    if let StorageError::Conflict { .. } = &error {
        return HostError::InvalidInput("the value has changed since: read it again and try again".to_owned());
    }
    host_error(error.into())
}
