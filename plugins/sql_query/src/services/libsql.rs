//! libSQL and Turso, by Hrana over HTTP: <https://github.com/tursodatabase/libsql/blob/main/docs/HTTP_V2_SPEC.md>.

use parlour_plugin_sdk::serde_json::Number;
use parlour_plugin_sdk::{Deserialize, Error, Result, Value, http, json};

use super::{Named, Provider, Question, base_url, body, failure, send, shortened, with_token, wrong_sql};
use crate::answer::Table;
use crate::sql::Settings;

const ITSELF: Provider = Provider::Libsql;

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Answer {
    results: Vec<Outcome>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde", tag = "type", rename_all = "snake_case")]
enum Outcome {
    Ok { response: Answered },
    Error { error: Failure },
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde", tag = "type", rename_all = "snake_case")]
enum Answered {
    Execute { result: Rows },
    Close,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Failure {
    message: String,
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Rows {
    cols: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Column {
    name: Option<String>,
}

/// Integers are texts, because JSON's readers may lose digits of them.
#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde", tag = "type", rename_all = "snake_case")]
enum Cell {
    Null,
    Integer { value: String },
    Float { value: f64 },
    Text { value: String },
    Blob { base64: String },
}

/// What stands in the body when the request itself is refused: `{"error": …}` or `{"message": …}`.
#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Refusal {
    error: Option<String>,
    message: Option<String>,
}

pub(super) fn query(settings: &Settings, question: &Question<'_>) -> Result<Table> {
    let (text, values) = question.named()?;
    let arguments: Vec<Value> = values.into_iter().map(argument).collect();
    let statement = json!({"sql": text, "named_args": arguments, "want_rows": true});
    let pipeline = json!({"requests": [{"type": "execute", "stmt": statement}, {"type": "close"}]});
    let request = http::post(format!("{}/v2/pipeline", base_url(ITSELF, settings)?));
    let answer = send(ITSELF, with_token(request, settings.token.as_ref(), "Bearer ").json(&pipeline))?;
    if answer.status != 200 {
        let said = body(&answer).and_then(|Refusal { error, message }| error.or(message));
        return Err(failure(ITSELF, answer, said.as_deref()));
    }
    let Answer { results } = answer.json()?;
    match results.into_iter().next() {
        Some(Outcome::Ok { response: Answered::Execute { result: Rows { cols, rows } } }) => Ok(Table {
            columns: cols.into_iter().map(|it| it.name.unwrap_or_default()).collect(),
            rows: rows.into_iter().map(|row| row.into_iter().map(Cell::into_value).collect()).collect(),
            ..Table::default()
        }),
        Some(Outcome::Error { error: Failure { message, code } }) => Err(match code.as_deref() {
            Some("SQLITE_BUSY" | "SQLITE_LOCKED") => Error::Unavailable(format!("libSQL: {}", shortened(&message))),
            Some("SQLITE_AUTH" | "SQLITE_PERM" | "BLOCKED") => super::denied(ITSELF, &shortened(&message)),
            Some(_) | None => wrong_sql(ITSELF, &shortened(&message)),
        }),
        Some(Outcome::Ok { response: Answered::Close }) | None => {
            Err(Error::failed("libSQL answered without a result"))
        }
    }
}

fn argument((name, value): Named) -> Value {
    let value = match value {
        Value::Number(number) if number.is_f64() => json!({"type": "float", "value": number}),
        Value::Number(number) => json!({"type": "integer", "value": number.to_string()}),
        Value::String(text) => json!({"type": "text", "value": text}),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => json!({"type": "null"}),
    };
    json!({"name": name, "value": value})
}

impl Cell {
    fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer { value } => value.parse::<i64>().map_or(Value::String(value), |it| Number::from(it).into()),
            Self::Float { value } => value.into(),
            Self::Text { value } => value.into(),
            Self::Blob { base64 } => base64.into(),
        }
    }
}
