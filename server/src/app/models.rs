//! The language model: configured by the operator, or a local Ollama that the owner accepted with one click.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use domain::TenantId;
use model_client::{ModelClient, ModelConfig};
use serde_json::json;

use super::{App, AppError, Result};
use crate::config::{ModelPrice, ModelSettings};
use crate::error_codes::ErrorCode;

/// The tenant's setting that names the accepted local model.
const ACCEPTED_OFFER: &str = "local_model";

pub struct Models {
    client: reqwest::Client,
    configured: Option<ModelSettings>,
    /// Written when a client is made; a provider's abilities are learnt once per client.
    made: RwLock<Vec<(String, Arc<ModelClient>)>>,
}

/// What the owner sees of the model.
pub struct ModelStatus {
    pub settings: Option<(ModelSettings, &'static str)>,
    pub offer: Option<(String, Vec<String>)>,
}

impl Models {
    pub(super) fn new(client: reqwest::Client, configured: Option<ModelSettings>) -> Models {
        Models { client, configured, made: RwLock::default() }
    }

    fn client(&self, settings: &ModelSettings) -> Result<Arc<ModelClient>> {
        let key = format!("{}\n{}", settings.base_url, settings.name);
        if let Ok(made) = self.made.read()
            && let Some((_, client)) = made.iter().find(|(it, _)| *it == key)
        {
            return Ok(client.clone());
        }
        let mut config = ModelConfig::new(&settings.base_url, &settings.name);
        config.api_key.clone_from(&settings.api_key);
        let client =
            Arc::new(ModelClient::new(config, self.client.clone()).map_err(|error| {
                AppError::new(ErrorCode::ModelFailed, error.author_message()).maybe_hint(error.hint())
            })?);
        if let Ok(mut made) = self.made.write() {
            made.push((key, client.clone()));
        }
        Ok(client)
    }
}

/// The one client for everything that the operator has configured: model providers and the model download.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    // reqwest and async-openai are built without a TLS provider of their own; the first one installed wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder()
        .user_agent(concat!("parlour/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .build()?)
}

impl App {
    /// The client for a role or model name; every role is the one configured model until a tenant can name more.
    pub(crate) async fn model(&self, tenant: TenantId, _role: &str) -> Result<Arc<ModelClient>> {
        match self.model_settings(tenant).await? {
            Some((settings, _)) => self.0.models.client(&settings),
            None => Err(AppError::new(
                ErrorCode::ModelNotConfigured,
                "no language model is set up, so this cannot be answered",
            )
            .hint(HOW_TO_ADD_A_MODEL)),
        }
    }

    /// What the model's tokens cost, as far as the operator has said; a local one costs nothing that could be counted.
    pub(crate) fn model_price(&self) -> Option<ModelPrice> {
        self.0.models.configured.as_ref().and_then(|it| it.price)
    }

    async fn model_settings(&self, tenant: TenantId) -> Result<Option<(ModelSettings, &'static str)>> {
        if let Some(settings) = &self.0.models.configured {
            return Ok(Some((settings.clone(), "configuration")));
        }
        let accepted = self.storage().setting(tenant, ACCEPTED_OFFER).await?;
        let name = accepted.and_then(|it| it.get("model").and_then(|name| name.as_str().map(str::to_owned)));
        Ok(name.map(|name| {
            let base_url = self.config().ollama_url.clone();
            (ModelSettings { base_url, api_key: None, name, price: None }, "local Ollama")
        }))
    }

    /// What makes one model another one, for what is kept of its answers.
    pub(crate) async fn model_fingerprint(&self, tenant: TenantId, role: &str) -> Result<serde_json::Value> {
        let settings = self.model_settings(tenant).await?;
        Ok(json!([role, settings.map(|(it, _)| [it.base_url, it.name])]))
    }

    pub async fn model_status(&self, tenant: TenantId) -> Result<ModelStatus> {
        let settings = self.model_settings(tenant).await?;
        let offer = match &settings {
            Some(_) => None,
            None => self.ollama_models().await,
        };
        Ok(ModelStatus { settings, offer })
    }

    /// A local Ollama with the models it has, if one answers.
    pub async fn ollama_models(&self) -> Option<(String, Vec<String>)> {
        let url = self.config().ollama_url.clone();
        let models = model_client::find_ollama(&self.0.models.client, &url).await?;
        Some((url, models))
    }

    /// Takes the offered local Ollama's model as the tenant's.
    pub async fn accept_offer(&self, tenant: TenantId, model: &str) -> Result<()> {
        if self.0.models.configured.is_some() {
            return Err(AppError::new(ErrorCode::Conflict, "the operator has configured a model already")
                .hint("change PARLOUR_MODEL_BASE_URL and PARLOUR_MODEL_NAME, or remove them to choose here"));
        }
        let Some((url, models)) = self.ollama_models().await else {
            return Err(
                AppError::not_found("local Ollama at", &self.config().ollama_url).hint("start it: `ollama serve`")
            );
        };
        if !models.iter().any(|it| it == model) {
            return Err(AppError::not_found("model", model).hint(format!(
                "the Ollama at {url} has {}; `ollama pull {model}` fetches another",
                models.join(", ")
            )));
        }
        self.storage().set_setting(tenant, ACCEPTED_OFFER, json!({ "model": model }), self.clock().now_ms()).await?;
        Ok(())
    }
}

pub const HOW_TO_ADD_A_MODEL: &str = "add one: set PARLOUR_MODEL_BASE_URL and PARLOUR_MODEL_NAME (and PARLOUR_MODEL_API_KEY \
    where the provider wants a key) and start the server again; for a free local model install Ollama, run \
    `ollama pull qwen2.5:7b`, then set PARLOUR_MODEL_BASE_URL=http://127.0.0.1:11434 and PARLOUR_MODEL_NAME=qwen2.5:7b";
