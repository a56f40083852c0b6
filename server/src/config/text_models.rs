//! Models that read texts, to embed or to rerank them: inside the server, or at a provider. A name alone is a model of the hub
//! or a folder; with an address it is a provider's.

use std::path::PathBuf;

use anyhow::bail;
use knowledge::{LocalModelConfig, ModelSource};

const HUB_URL: &str = "https://huggingface.co";

/// One of these models.
#[derive(Clone, Debug)]
pub enum TextModel {
    Inside(LocalModelConfig),
    Provider(ProviderSettings),
}

/// A model of a provider that is asked over HTTP.
#[derive(Clone)]
pub struct ProviderSettings {
    pub url: String,
    pub api_key: Option<String>,
    pub model: String,
}

impl std::fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, api_key, model } = self;
        f.debug_struct("ProviderSettings")
            .field("url", url)
            .field("api_key", &api_key.as_ref().map(|_| "…"))
            .field("model", model)
            .finish()
    }
}

/// Where models inside the server come from, and where they are kept.
pub(super) struct ModelPlaces {
    pub(super) dir: PathBuf,
    pub(super) package_index: Option<String>,
    pub(super) hub: Option<String>,
}

impl ModelPlaces {
    /// multilingual-e5-small.
    fn default_model(&self) -> LocalModelConfig {
        let index = self.package_index.clone();
        self.model(index.map_or_else(ModelSource::package, |index| ModelSource::Package { index }))
    }

    fn model(&self, source: ModelSource) -> LocalModelConfig {
        LocalModelConfig { source, ..LocalModelConfig::new(self.dir.clone()) }
    }
}

/// What the operator says of one of the models; the names are those of its settings, without `PARLOUR_`.
pub(super) struct TextModelSettings {
    pub(super) model: (&'static str, Option<String>),
    pub(super) url: (&'static str, Option<String>),
    pub(super) api_key: Option<String>,
}

impl TextModelSettings {
    pub(super) fn read(self, places: &ModelPlaces) -> anyhow::Result<Option<TextModel>> {
        let ((model_name, model), (url_name, url)) = (self.model, self.url);
        match (given(url), given(model)) {
            (None, None) => Ok(None),
            (None, Some(model)) => {
                let hub = places.hub.as_deref().unwrap_or(HUB_URL);
                let source = ModelSource::named(&model, hub).map_err(|why| {
                    anyhow::anyhow!(
                        "PARLOUR_{model_name}: {why}; a provider's model needs its address in PARLOUR_{url_name}"
                    )
                })?;
                Ok(Some(TextModel::Inside(places.model(source))))
            }
            (Some(url), Some(model)) => {
                Ok(Some(TextModel::Provider(ProviderSettings { url, api_key: given(self.api_key), model })))
            }
            (Some(_), None) => {
                bail!("PARLOUR_{url_name} is set but PARLOUR_{model_name} is not: name the provider's model")
            }
        }
    }
}

/// The embedding model inside the server, if there is to be one, and the provider's.
pub(super) fn embedding(
    switch: Option<&str>,
    settings: TextModelSettings,
    places: &ModelPlaces,
) -> anyhow::Result<(Option<LocalModelConfig>, Option<ProviderSettings>)> {
    let (inside, provider) = match settings.read(places)? {
        Some(TextModel::Inside(model)) => (Some(model), None),
        Some(TextModel::Provider(provider)) => (None, Some(provider)),
        None => (None, None),
    };
    let inside = match (switch, inside) {
        (None | Some("on"), inside) => Some(inside.unwrap_or_else(|| places.default_model())),
        (Some("off"), None) => None,
        (Some("off"), Some(_)) => {
            bail!("PARLOUR_EMBEDDING_MODEL names a model, and PARLOUR_EMBEDDING is `off`: leave one of them out")
        }
        (Some(other), _) => bail!("`embedding` is `{other}`; it takes `on` or `off`"),
    };
    Ok((inside, provider))
}

pub(super) fn given(text: Option<String>) -> Option<String> {
    text.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}
