//! Serper, which gives Google's results: <https://serper.dev>.

use parlour_plugin_sdk::{Deserialize, Result, Secret, Value, http, json};

use super::{Freshness, Provider, Query, send};
use crate::web::Hit;

const ADDRESS: &str = "https://google.serper.dev/search";

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Answer {
    #[serde(default)]
    organic: Vec<Found>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Found {
    title: String,
    link: String,
    #[serde(default)]
    snippet: String,
    date: Option<String>,
}

pub(super) fn search(key: &Secret, query: &Query) -> Result<Vec<Hit>> {
    let mut body = json!({"q": query.text, "num": query.count});
    if let Some(language) = &query.language {
        // Google has no Chinese as such, only as it is written here or there.
        let code = match (language.code.as_str(), language.region.as_deref()) {
            ("zh", Some("TW" | "HK" | "MO")) => "zh-tw",
            ("zh", _) => "zh-cn",
            (code, _) => code,
        };
        set(&mut body, "hl", code);
        if let Some(region) = &language.region {
            set(&mut body, "gl", &region.to_ascii_lowercase());
        }
    }
    if let Some(freshness) = query.freshness {
        set(
            &mut body,
            "tbs",
            match freshness {
                Freshness::Day => "qdr:d",
                Freshness::Week => "qdr:w",
                Freshness::Month => "qdr:m",
                Freshness::Year => "qdr:y",
            },
        );
    }
    let answer: Answer = send(Provider::Serper, http::post(ADDRESS).header("X-API-KEY", key).json(&body))?.json()?;
    Ok(answer.organic.into_iter().map(hit).collect())
}

fn set(body: &mut Value, name: &str, value: &str) {
    if let Some(body) = body.as_object_mut() {
        body.insert(name.to_owned(), value.into());
    }
}

fn hit(found: Found) -> Hit {
    let Found { title, link, snippet, date } = found;
    Hit { title, url: link, snippet, published: date }
}
