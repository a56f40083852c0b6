//! rqlite's data API: <https://rqlite.io/docs/api/api/>. Its endpoint for queries opens the database for reading only.

use parlour_plugin_sdk::serde_json::Map;
use parlour_plugin_sdk::{Deserialize, Error, Result, Value, http, json};

use super::{Provider, Question, base_url, body, failure, send, shortened, with_token, wrong_sql};
use crate::answer::Table;
use crate::sql::Settings;

const ITSELF: Provider = Provider::Rqlite;

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Answer {
    #[serde(default)]
    results: Vec<Rows>,
    /// Of the request as a whole, such as that there is no leader.
    error: Option<String>,
}

/// Errors of a statement come with status 200.
#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Rows {
    #[serde(default)]
    columns: Vec<String>,
    /// Not there when there are none.
    #[serde(default)]
    values: Vec<Vec<Value>>,
    error: Option<String>,
}

pub(super) fn query(settings: &Settings, question: &Question<'_>) -> Result<Table> {
    let (text, values) = question.named()?;
    let statement = if values.is_empty() {
        json!([[text]])
    } else {
        json!([[text, values.into_iter().collect::<Map<String, Value>>()]])
    };
    // `weak`, the usual level: what the leader has, without a round among all nodes.
    let request = http::post(format!("{}/db/query", base_url(ITSELF, settings)?)).query("level", "weak");
    let answer = send(ITSELF, with_token(request, settings.token.as_ref(), "Basic ").json(&statement))?;
    if answer.status != 200 {
        let text = answer.text();
        let said = Some(text.trim()).filter(|it| !it.is_empty());
        return Err(failure(ITSELF, answer, said));
    }
    let Answer { results, error } = match body(&answer) {
        Some(read) => read,
        None => answer.json()?,
    };
    if let Some(error) = error {
        return Err(Error::Unavailable(format!("rqlite: {}", shortened(&error))));
    }
    match results.into_iter().next() {
        Some(Rows { error: Some(error), .. }) => Err(wrong_sql(ITSELF, &shortened(&error))),
        Some(Rows { columns, values, error: None }) => Ok(Table { columns, rows: values, ..Table::default() }),
        None => Err(Error::failed("rqlite answered without a result")),
    }
}
