//! Cloudflare D1: <https://developers.cloudflare.com/api/resources/d1/subresources/database/methods/raw/>, which answers as
//! `query` beside it, with rows as arrays.

use parlour_plugin_sdk::{Deserialize, Error, Result, Value, http, json};

use super::{Provider, Question, base_url, body, failure, id, of_sqlite, send, shortened, with_token, wrong_sql};
use crate::answer::Table;
use crate::sql::Settings;

const ITSELF: Provider = Provider::D1;
const ADDRESS: &str = "https://api.cloudflare.com/client/v4";

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Answer {
    /// One for each statement.
    #[serde(default)]
    result: Vec<Outcome>,
    #[serde(default)]
    errors: Vec<Trouble>,
    success: bool,
}

/// The errors alone: with one of them, `result` is null or not there.
#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Refusal {
    errors: Vec<Trouble>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Trouble {
    message: String,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Outcome {
    results: Rows,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Rows {
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
}

pub(super) fn query(settings: &Settings, question: &Question<'_>) -> Result<Table> {
    let mut names: Vec<String> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    let text = question.text(&mut |name, value| {
        // D1 takes texts only, and the text '5' is not the number 5. A number is its own literal; the brackets keep a
        // minus before it from becoming a comment.
        let Value::String(value) = value else { return Ok(format!("({})", literal(value))) };
        let known = names.iter().position(|it| it == name);
        let at = known.unwrap_or_else(|| {
            names.push(name.to_owned());
            texts.push(value.clone());
            texts.len() - 1
        });
        Ok(format!("?{}", at + 1))
    })?;
    let base = if settings.base_url.as_deref().is_none_or(|url| url.trim().is_empty()) {
        ADDRESS
    } else {
        base_url(ITSELF, settings)?
    };
    let account = id(ITSELF, "account", settings.account.as_deref())?;
    let database = id(ITSELF, "database", settings.database.as_deref())?;
    let token = settings.token.as_ref();
    if token.is_none() {
        return Err(Error::failed("Cloudflare D1 needs a token; fill in the plugin's setting `token`"));
    }
    let request = http::post(format!("{base}/accounts/{account}/d1/database/{database}/raw"));
    let request = with_token(request, token, "Bearer ").json(&json!({"sql": text, "params": texts}));
    let answer = send(ITSELF, request)?;
    if answer.status != 200 {
        let said = body(&answer).and_then(|it: Refusal| all(&it.errors));
        return Err(failure(ITSELF, answer, said.as_deref()));
    }
    let Answer { result, errors, success } = answer.json()?;
    if !success || !errors.is_empty() {
        return Err(wrong_sql(ITSELF, &shortened(&all(&errors).unwrap_or_default())));
    }
    match result.into_iter().next() {
        Some(Outcome { results: Rows { columns, rows } }) => Ok(Table { columns, rows, ..Table::default() }),
        None => Err(Error::failed("Cloudflare D1 answered without a result")),
    }
}

/// A number, or NULL.
fn literal(value: &Value) -> String {
    match of_sqlite(value) {
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => "NULL".to_owned(),
    }
}

fn all(errors: &[Trouble]) -> Option<String> {
    let texts: Vec<&str> = errors.iter().map(|it| it.message.as_str()).collect();
    Some(texts.join("; ")).filter(|it| !it.is_empty())
}
