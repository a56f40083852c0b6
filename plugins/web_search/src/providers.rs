//! The four services: which one is asked, and what each makes of language and age.

mod bing;
mod searxng;
mod serper;
mod tavily;

use std::time::Duration;

use parlour_plugin_sdk::http::{Request, Response};
use parlour_plugin_sdk::{Deserialize, Error, JsonSchema, Result, Secret, Serialize, Text};

use crate::web::{Hit, Settings};

/// A search that takes longer keeps a visitor waiting for nothing; a SearXNG with slow engines needs most of it.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "snake_case")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) enum Provider {
    /// Your own SearXNG
    Searxng,
    Bing,
    /// Google's results, by serper.dev
    Serper,
    Tavily,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "snake_case")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) enum Freshness {
    Day,
    Week,
    Month,
    Year,
}

/// A language, and a region where one was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Language {
    /// Small letters.
    pub(crate) code: String,
    /// Capitals.
    pub(crate) region: Option<String>,
}

pub(crate) struct Query {
    pub(crate) text: String,
    pub(crate) count: usize,
    pub(crate) language: Option<Language>,
    pub(crate) freshness: Option<Freshness>,
}

impl Freshness {
    fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl Language {
    /// `zh`, `zh-CN`, `zh_cn`, `zh-Hans-CN`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(['-', '_']);
        let is_word = |part: &&str, lengths: &[usize]| {
            lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
        };
        let code = parts.next().filter(|part| is_word(part, &[2, 3]))?.to_ascii_lowercase();
        let mut region = None;
        for part in parts {
            if is_word(&part, &[2]) && region.is_none() {
                region = Some(part.to_ascii_uppercase());
            } else if !is_word(&part, &[4]) {
                return None;
            }
        }
        Some(Self { code, region })
    }

    /// `zh-CN`, or `zh`.
    fn tag(&self) -> String {
        let Self { code, region } = self;
        region.as_ref().map_or_else(|| code.clone(), |region| format!("{code}-{region}"))
    }
}

impl Provider {
    fn name(self) -> &'static str {
        match self {
            Self::Searxng => "SearXNG",
            Self::Bing => "Bing",
            Self::Serper => "Serper",
            Self::Tavily => "Tavily",
        }
    }

    /// What of the query it could not take into account.
    pub(crate) fn note(self, query: &Query) -> Option<Text> {
        match self {
            Self::Tavily if query.language.is_some() => Some(Text::new(
                "Tavily cannot search by language; write the query in the language you want.",
                "Tavily 不支持按语言搜索，请直接用目标语言书写搜索内容。",
            )),
            Self::Searxng | Self::Bing | Self::Serper | Self::Tavily => None,
        }
    }
}

pub(crate) fn search(settings: &Settings, query: &Query) -> Result<Vec<Hit>> {
    let base_url = settings.base_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
    match settings.provider {
        Provider::Searxng => searxng::search(base_url, query),
        Provider::Bing => bing::search(base_url, key(settings)?, query),
        Provider::Serper => serper::search(key(settings)?, query),
        Provider::Tavily => tavily::search(key(settings)?, query),
    }
}

fn key(settings: &Settings) -> Result<&Secret> {
    settings.api_key.as_ref().ok_or_else(|| {
        Error::failed(format!("{} needs a key; fill in the plugin's setting `api_key`", settings.provider.name()))
    })
}

/// Sends it, and says who refused when somebody did.
fn send(provider: Provider, request: Request) -> Result<Response> {
    let answer = request.timeout(PATIENCE).send()?.error_for_status();
    answer.map_err(|error| {
        let name = provider.name();
        match error {
            Error::Denied(text) => Error::Denied(format!(
                "{name} does not accept the key (plugin setting `api_key`), or its quota is used up: {text}"
            )),
            Error::Failed(text) => Error::Failed(format!("{name}: {text}")),
            Error::Unavailable(text) => Error::Unavailable(format!("{name}: {text}")),
            other @ (Error::NotFound(_) | Error::RateLimited(_) | Error::InvalidInput(_)) => other,
        }
    })
}
