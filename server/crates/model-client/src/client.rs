//! The client of one model: sends, reads the stream, tries again where that can help, and says in words why not.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use futures::StreamExt;
use reqwest::header::HeaderValue;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use crate::abilities::Abilities;
use crate::answer::Answer;
use crate::error::{ModelError, Phase};
use crate::refusal::Refusal;
use crate::stream::{End, Transport, Watch};
use crate::{Completion, CompletionRequest, ModelConfig, ModelDelta, base_url, request, retry, stream};

/// After the model has said that it is done, only the usage is missing; who keeps the connection open for longer than
/// this has none to tell.
const TRAILER_PATIENCE: Duration = Duration::from_secs(5);

/// For the list of models, which no provider computes.
const LIST_PATIENCE: Duration = Duration::from_secs(10);

/// For the list of models that makes an error message more helpful.
const ADVICE_PATIENCE: Duration = Duration::from_secs(2);

type OnDelta<'a> = &'a mut (dyn FnMut(ModelDelta) + Send);

/// One model of one provider. Cheap to share behind an `Arc`; it learns which optional parameters the provider refuses,
/// so it should live as long as its configuration.
pub struct ModelClient {
    config: ModelConfig,
    base_url: String,
    http: reqwest::Client,
    wire: OpenAIConfig,
    /// Written when a request has been answered that had to leave something out.
    abilities: Mutex<Abilities>,
}

/// Leaves the key out.
impl fmt::Debug for ModelClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, base_url, http: _, wire: _, abilities } = self;
        formatter
            .debug_struct("ModelClient")
            .field("config", config)
            .field("base_url", base_url)
            .field("abilities", abilities)
            .finish()
    }
}

/// Why an attempt gave no answer, and whether the caller has seen a part of one.
struct Failed {
    error: ModelError,
    delivered: bool,
}

impl ModelClient {
    /// `http` brings TLS, proxies and the time to connect; see [`crate::install_tls_provider`]. Fails on a base URL or
    /// a key that cannot be used.
    pub fn new(mut config: ModelConfig, http: reqwest::Client) -> Result<ModelClient, ModelError> {
        let base_url = base_url::normalized(&config.base_url)?;
        let key = config.api_key.take().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        if let Some(key) = &key
            && (!key.is_ascii() || HeaderValue::from_str(key).is_err())
        {
            return Err(ModelError::Key);
        }
        // The library fills what is not given from OPENAI_* in the environment, which belongs to another provider.
        let wire = OpenAIConfig::new()
            .with_api_base(base_url.as_str())
            .with_api_key(key.clone().unwrap_or_default())
            .with_org_id("")
            .with_project_id("");
        config.api_key = key;
        Ok(ModelClient { config, base_url, http, wire, abilities: Mutex::default() })
    }

    /// The model's name, as configured.
    pub fn model(&self) -> &str {
        &self.config.model
    }

    /// The provider's address in the form that paths are appended to.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Asks the model. `on_delta` gets the answer as it comes; nothing is sent again once it has been called.
    pub async fn complete(&self, request: CompletionRequest, on_delta: OnDelta<'_>) -> Result<Completion, ModelError> {
        let limit = self.config.total_timeout;
        let mut error = match timeout(limit, self.ask(&request, on_delta)).await {
            Ok(Ok(completion)) => return Ok(completion),
            Ok(Err(error)) => error,
            Err(_) => return Err(self.timeout(Phase::WholeAnswer, limit)),
        };
        if let ModelError::Refused(refusal) = &mut error {
            let available = if refusal.is_unknown_model() {
                timeout(ADVICE_PATIENCE, self.list()).await.ok().and_then(Result::ok).unwrap_or_default()
            } else {
                Vec::new()
            };
            refusal.advise(&self.config.model, self.config.api_key.is_some(), &available);
        }
        Err(error)
    }

    /// The names of the provider's models, sorted.
    pub async fn list_models(&self) -> Result<Vec<String>, ModelError> {
        let mut result = match timeout(LIST_PATIENCE, self.list()).await {
            Ok(result) => result,
            Err(_) => return Err(self.timeout(Phase::ListOfModels, LIST_PATIENCE)),
        };
        if let Err(ModelError::Refused(refusal)) = &mut result {
            refusal.advise(&self.config.model, self.config.api_key.is_some(), &[]);
        }
        result
    }

    async fn ask(&self, request: &CompletionRequest, on_delta: OnDelta<'_>) -> Result<Completion, ModelError> {
        let known = self.abilities();
        let mut abilities = known;
        let mut schema_only = false;
        let mut retries = 0;
        loop {
            let Failed { error, delivered } = match self.attempt(request, abilities, on_delta).await {
                Ok(completion) => {
                    if abilities != known {
                        self.remember(abilities.remembered(known, schema_only));
                    }
                    return Ok(completion);
                }
                Err(failed) => failed,
            };
            if delivered {
                return Err(error);
            }
            if let ModelError::Refused(refusal) = &error
                && let Some(reduced) = abilities.reduced(refusal, request)
            {
                tracing::debug!(
                    model = %self.config.model,
                    base_url = %self.base_url,
                    ?reduced,
                    "the model provider refused an optional parameter; asking without it"
                );
                schema_only |= reduced.schema != abilities.schema && refusal.mentions(&["invalid schema"]);
                abilities = reduced;
                continue;
            }
            let wait = match &error {
                _ if retries >= self.config.max_retries => None,
                ModelError::Refused(refusal) if refusal.is_passing() => {
                    retry::wait(retries, self.config.first_backoff, refusal.retry_after)
                }
                ModelError::Broken { .. } => retry::wait(retries, self.config.first_backoff, None),
                ModelError::Refused(_)
                | ModelError::BaseUrl { .. }
                | ModelError::Key
                | ModelError::Unreachable { .. }
                | ModelError::Timeout { .. }
                | ModelError::BadAnswer { .. } => None,
            };
            let Some(wait) = wait else { return Err(error) };
            retries += 1;
            tracing::info!(
                model = %self.config.model,
                reason = %error,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "asking the model provider again"
            );
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends the request once and reads its stream to the end.
    async fn attempt(
        &self,
        request: &CompletionRequest,
        abilities: Abilities,
        on_delta: &mut (dyn FnMut(ModelDelta) + Send),
    ) -> Result<Completion, Failed> {
        let mut delivered = false;
        let mut begun = false;
        let fail = |error, delivered| Failed { error, delivered };
        let watch = Arc::new(Watch::default());
        let client = self.client(watch.clone());
        let body = request::body(&self.config.model, request, abilities);
        let chat = client.chat();
        let first_limit = Instant::now() + self.config.first_token_timeout;
        let opened = timeout_at(first_limit, chat.create_stream_byot::<Value, Value>(body)).await;
        let mut chunks = match opened {
            Ok(Ok(chunks)) => chunks,
            Ok(Err(error)) => return Err(fail(self.error(error), false)),
            Err(_) => return Err(fail(self.timeout(Phase::FirstToken, self.config.first_token_timeout), false)),
        };
        let mut answer = Answer::new();
        let mut heard = false;
        loop {
            let (limit, phase, length) = if answer.is_finished() {
                (Instant::now() + TRAILER_PATIENCE, Phase::NextToken, TRAILER_PATIENCE)
            } else if begun {
                let length = self.config.between_tokens_timeout;
                (Instant::now() + length, Phase::NextToken, length)
            } else {
                (first_limit, Phase::FirstToken, self.config.first_token_timeout)
            };
            let chunk = match timeout_at(limit, chunks.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => return Err(fail(self.error(error), delivered)),
                Ok(None) => break,
                Err(_) if answer.is_finished() => break,
                Err(_) => return Err(fail(self.timeout(phase, length), delivered)),
            };
            if let Some(mut refusal) = Refusal::from_chunk(&self.base_url, &chunk) {
                refusal.redact(self.config.api_key.as_deref());
                return Err(fail(ModelError::Refused(Box::new(refusal)), delivered));
            }
            heard |= chunk.get("choices").is_some();
            let brought = answer.take(&chunk);
            begun |= brought.begun;
            for delta in brought.deltas {
                delivered = true;
                on_delta(delta);
            }
        }
        self.judge(watch.end(), answer.is_finished(), heard).map_err(|error| fail(error, delivered))?;
        let (last, completion) = answer.finish(&self.config.model, request.schema.is_some());
        if let Some(last) = last {
            on_delta(last);
        }
        Ok(completion)
    }

    /// Whether the stream ended as an answer ends.
    fn judge(&self, end: End, finished: bool, heard: bool) -> Result<(), ModelError> {
        let base_url = self.base_url.clone();
        match end {
            _ if finished => Ok(()),
            End::Done if heard => Ok(()),
            End::Done => Err(ModelError::BadAnswer { base_url, detail: "it holds no choices".to_owned() }),
            End::Closed => {
                Err(ModelError::Broken { base_url, detail: "it was closed before the answer was complete".to_owned() })
            }
            End::Broken(detail) => Err(ModelError::Broken { base_url, detail: self.without_key(&detail) }),
            End::BadAnswer(detail) => Err(ModelError::BadAnswer { base_url, detail: self.without_key(&detail) }),
        }
    }

    async fn list(&self) -> Result<Vec<String>, ModelError> {
        let watch = Arc::new(Watch::default());
        let client = self.client(watch.clone());
        let listed: Result<Value, OpenAIError> = client.models().list_byot().await;
        if let End::BadAnswer(detail) = watch.end() {
            return Err(ModelError::BadAnswer { base_url: self.base_url.clone(), detail });
        }
        let listed = listed.map_err(|error| self.error(error))?;
        let Some(models) = listed.get("data").and_then(Value::as_array) else {
            let detail = "it is no list of models".to_owned();
            return Err(ModelError::BadAnswer { base_url: self.base_url.clone(), detail });
        };
        let mut names: Vec<String> =
            models.iter().filter_map(|model| model.get("id")?.as_str().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    fn client(&self, watch: Arc<Watch>) -> Client<OpenAIConfig> {
        stream::client(Transport {
            http: self.http.clone(),
            config: self.wire.clone(),
            base_url: self.base_url.clone(),
            has_key: self.config.api_key.is_some(),
            watch,
        })
    }

    fn error(&self, error: OpenAIError) -> ModelError {
        let base_url = self.base_url.clone();
        let bad = |detail: &str| ModelError::BadAnswer { base_url: base_url.clone(), detail: self.without_key(detail) };
        match error {
            OpenAIError::Boxed(boxed) => match boxed.downcast::<Refusal>() {
                Ok(mut refusal) => {
                    refusal.redact(self.config.api_key.as_deref());
                    ModelError::Refused(refusal)
                }
                Err(other) => bad(&other.to_string()),
            },
            OpenAIError::Reqwest(source) if source.is_connect() || source.is_builder() => {
                ModelError::Unreachable { base_url, source }
            }
            OpenAIError::Reqwest(source) => {
                ModelError::Broken { base_url, detail: self.without_key(&source.without_url().to_string()) }
            }
            OpenAIError::JSONDeserialize(error, _) => bad(&error.to_string()),
            OpenAIError::StreamError(error) => bad(&error.to_string()),
            OpenAIError::ApiError(error) => bad(&error.to_string()),
            OpenAIError::FileSaveError(detail)
            | OpenAIError::FileReadError(detail)
            | OpenAIError::InvalidArgument(detail) => bad(&detail),
        }
    }

    fn timeout(&self, phase: Phase, limit: Duration) -> ModelError {
        ModelError::Timeout { base_url: self.base_url.clone(), model: self.config.model.clone(), phase, limit }
    }

    fn without_key(&self, text: &str) -> String {
        match &self.config.api_key {
            Some(key) => text.replace(key, "[key]"),
            None => text.to_owned(),
        }
    }

    fn abilities(&self) -> Abilities {
        self.abilities.lock().map(|known| *known).unwrap_or_default()
    }

    fn remember(&self, abilities: Abilities) {
        if let Ok(mut known) = self.abilities.lock() {
            *known = abilities;
        }
    }
}
