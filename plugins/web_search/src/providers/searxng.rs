//! SearXNG: <https://docs.searxng.org/dev/search_api.html>.

use parlour_plugin_sdk::{Deserialize, Error, Result, http};

use super::{PATIENCE, Query};
use crate::web::Hit;

/// What helps when it answers with a page, or refuses: JSON is off in a new installation.
const JSON_IS_OFF: &str = "add `json` to `search.formats` in its settings.yml";

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Answer {
    #[serde(default)]
    results: Vec<Found>,
    /// Pairs of an engine and its trouble.
    #[serde(default)]
    unresponsive_engines: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "camelCase")]
struct Found {
    title: Option<String>,
    url: String,
    content: Option<String>,
    published_date: Option<String>,
}

pub(super) fn search(base_url: Option<&str>, query: &Query) -> Result<Vec<Hit>> {
    let Some(base_url) = base_url else {
        return Err(Error::failed("SearXNG needs its address; fill in the plugin's setting `base_url`"));
    };
    let base_url = base_url.trim_end_matches('/').trim_end_matches("/search");
    let mut request = http::get(format!("{base_url}/search")).query("q", &query.text).query("format", "json");
    if let Some(language) = &query.language {
        request = request.query("language", language.tag());
    }
    if let Some(freshness) = query.freshness {
        request = request.query("time_range", freshness.word());
    }
    let answer = request.timeout(PATIENCE).send()?;
    let is_page = answer.header("Content-Type").is_some_and(|kind| kind.contains("html"));
    if answer.status == 403 || (answer.status == 200 && is_page) {
        return Err(Error::Denied(format!("the SearXNG at `{base_url}` gives no JSON; {JSON_IS_OFF}")));
    }
    let Answer { results, unresponsive_engines } = answer.error_for_status()?.json()?;
    if results.is_empty() && !unresponsive_engines.is_empty() {
        let troubles: Vec<String> =
            unresponsive_engines.iter().map(|(engine, why)| format!("{engine} ({why})")).collect();
        return Err(Error::Unavailable(format!("none of SearXNG's engines answered: {}", troubles.join(", "))));
    }
    Ok(results.into_iter().map(hit).collect())
}

fn hit(found: Found) -> Hit {
    let Found { title, url, content, published_date } = found;
    Hit { title: title.unwrap_or_default(), url, snippet: content.unwrap_or_default(), published: published_date }
}
