//! Tavily: <https://docs.tavily.com/documentation/api-reference/endpoint/search>.

use parlour_plugin_sdk::{Deserialize, Result, Secret, Serialize, http};

use super::{Provider, Query, send};
use crate::web::Hit;

const ADDRESS: &str = "https://api.tavily.com/search";

#[derive(Serialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Question<'a> {
    query: &'a str,
    max_results: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_range: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Answer {
    results: Vec<Found>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Found {
    title: String,
    url: String,
    #[serde(default)]
    content: String,
    published_date: Option<String>,
}

pub(super) fn search(key: &Secret, query: &Query) -> Result<Vec<Hit>> {
    let time_range = query.freshness.map(super::Freshness::word);
    let question = Question { query: &query.text, max_results: query.count, time_range };
    let answer: Answer = send(Provider::Tavily, http::post(ADDRESS).bearer(key).json(&question))?.json()?;
    Ok(answer.results.into_iter().map(hit).collect())
}

fn hit(found: Found) -> Hit {
    let Found { title, url, content, published_date } = found;
    Hit { title, url, snippet: content, published: published_date }
}
