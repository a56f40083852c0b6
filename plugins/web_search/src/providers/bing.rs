//! Bing Web Search, version 7: <https://learn.microsoft.com/bing/search-apis/bing-web-search/reference/query-parameters>.

use parlour_plugin_sdk::{Deserialize, Result, Secret, http, system};

use super::{Freshness, Provider, Query, send};
use crate::web::Hit;

const ADDRESS: &str = "https://api.bing.microsoft.com/v7.0/search";

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "camelCase")]
struct Answer {
    /// Not there when nothing was found.
    web_pages: Option<WebPages>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct WebPages {
    value: Vec<Found>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "camelCase")]
struct Found {
    name: String,
    url: String,
    #[serde(default)]
    snippet: String,
    date_published: Option<String>,
}

pub(super) fn search(base_url: Option<&str>, key: &Secret, query: &Query) -> Result<Vec<Hit>> {
    let mut request = http::get(base_url.unwrap_or(ADDRESS))
        .header("Ocp-Apim-Subscription-Key", key)
        .query("q", &query.text)
        .query("count", query.count)
        .query("responseFilter", "Webpages");
    if let Some(language) = &query.language {
        // A market is a language with its region; a language alone only says how the answer is written.
        let name = if language.region.is_some() { "mkt" } else { "setLang" };
        request = request.query(name, language.tag());
    }
    if let Some(freshness) = query.freshness {
        request = request.query(
            "freshness",
            match freshness {
                Freshness::Day => "Day".to_owned(),
                Freshness::Week => "Week".to_owned(),
                Freshness::Month => "Month".to_owned(),
                Freshness::Year => last_year(system::now_ms()),
            },
        );
    }
    let answer: Answer = send(Provider::Bing, request)?.json()?;
    Ok(answer.web_pages.into_iter().flat_map(|pages| pages.value).map(hit).collect())
}

fn hit(found: Found) -> Hit {
    let Found { name, url, snippet, date_published } = found;
    Hit { title: name, url, snippet, published: date_published }
}

/// Bing has no word for a year, but takes two days with dots between.
fn last_year(now_ms: u64) -> String {
    let today = now_ms / 86_400_000;
    format!("{}..{}", day(today.saturating_sub(365)), day(today))
}

/// A day since 1970-01-01 as Bing writes it, by Howard Hinnant's algorithm.
fn day(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{:02}", day_of_year - (153 * from_march + 2) / 5 + 1)
}
