//! ClickHouse's HTTP interface: <https://clickhouse.com/docs/interfaces/http>.

use parlour_plugin_sdk::http::Response;
use parlour_plugin_sdk::serde_json::Number;
use parlour_plugin_sdk::{Deserialize, Error, Result, Value, http};

use super::{Provider, Question, base_url, body, denied, failure, send, shortened, wrong_sql};
use crate::answer::Table;
use crate::sql::Settings;

const ITSELF: Provider = Provider::Clickhouse;
/// Codes of who may do what, from `ErrorCodes.cpp`: READONLY, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD,
/// DATABASE_ACCESS_DENIED, ACCESS_DENIED, AUTHENTICATION_FAILED.
const DENIED: &[u32] = &[164, 192, 193, 194, 291, 497, 516];
/// Codes of what may pass: TIMEOUT_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, SOCKET_TIMEOUT, NETWORK_ERROR,
/// MEMORY_LIMIT_EXCEEDED, ALL_CONNECTION_TRIES_FAILED, KEEPER_EXCEPTION.
const PASSING: &[u32] = &[159, 202, 209, 210, 241, 279, 999];
const READONLY: u32 = 164;

/// The format `JSONCompact`: `JSON` with rows as arrays, in which two columns may have one name.
#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Answer {
    #[serde(default)]
    meta: Vec<Column>,
    #[serde(default)]
    data: Vec<Vec<Value>>,
    /// What went wrong after the first rows were written.
    exception: Option<String>,
}

#[derive(Deserialize)]
#[serde(crate = "parlour_plugin_sdk::serde")]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

pub(super) fn query(settings: &Settings, question: &Question<'_>) -> Result<Table> {
    for (name, value) in question.parameters {
        if value.as_array().is_some_and(Vec::is_empty) {
            return Err(Error::InvalidInput(format!("`:{name}` is an empty list, and ClickHouse has no `IN ()`")));
        }
    }
    let mut values: Vec<(String, String)> = Vec::new();
    let text = question.text(&mut |name, value| {
        let Some(kind) = kind(value) else { return Ok("NULL".to_owned()) };
        if !values.iter().any(|(known, _)| known == name) {
            values.push((name.to_owned(), escaped(value)));
        }
        Ok(format!("{{{name}:{kind}}}"))
    })?;
    // The whole answer is made before it is sent, so that its status is true.
    let mut request = http::post(format!("{}/", base_url(ITSELF, settings)?))
        .query("default_format", "JSONCompact")
        .query("readonly", 1)
        .query("wait_end_of_query", 1);
    if let Some(database) = settings.database.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
        request = request.query("database", database);
    }
    for (name, value) in &values {
        request = request.query(&format!("param_{name}"), value);
    }
    if let Some(user) = settings.user.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
        request = request.header("X-ClickHouse-User", user);
    }
    if let Some(password) = &settings.password {
        request = request.header("X-ClickHouse-Key", password);
    }
    let answer = send(ITSELF, request.header("Content-Type", "text/plain; charset=utf-8").body(text))?;
    if answer.status != 200 {
        return Err(refused(answer));
    }
    let Answer { meta, data, exception } = match body(&answer) {
        Some(read) => read,
        None if answer.text().contains("DB::Exception") => return Err(refused(answer)),
        None => answer.json()?,
    };
    if let Some(exception) = exception {
        return Err(by_code(&exception, code_in(&exception)));
    }
    let row = |row: Vec<Value>| row.into_iter().zip(&meta).map(|(value, column)| shown(value, &column.kind)).collect();
    let rows = data.into_iter().map(row).collect();
    Ok(Table { columns: meta.iter().map(|it| it.name.clone()).collect(), rows, ..Table::default() })
}

/// The type of a placeholder; null has none, and is written as it is.
fn kind(value: &Value) -> Option<&'static str> {
    match value {
        Value::Bool(_) => Some("Bool"),
        Value::Number(number) if number.is_i64() => Some("Int64"),
        Value::Number(number) if number.is_u64() => Some("UInt64"),
        Value::Number(_) => Some("Float64"),
        Value::String(_) => Some("String"),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Values in the address are read as in the format `TabSeparated`, where `\N` would be null.
fn escaped(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\0' => escaped.push_str("\\0"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Older servers put 64-bit integers in quotes, which JavaScript needs and nobody here.
fn shown(value: Value, kind: &str) -> Value {
    let inner = kind.strip_prefix("Nullable(").and_then(|it| it.strip_suffix(')')).unwrap_or(kind);
    match (inner, value) {
        ("Int64" | "UInt64", Value::String(digits)) => {
            let number = digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from));
            number.map_or(Value::String(digits), Value::Number)
        }
        (_, value) => value,
    }
}

/// The error's number stands in a header, and in older servers in the text only.
fn refused(answer: Response) -> Error {
    let text = answer.text();
    let code = answer.header("X-ClickHouse-Exception-Code").and_then(|it| it.trim().parse().ok());
    match code.or_else(|| code_in(&text)) {
        Some(code) => by_code(&text, Some(code)),
        None => failure(ITSELF, answer, None),
    }
}

/// `Code: 62. DB::Exception: Syntax error: …`
fn code_in(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("Code: ")?;
    rest.split_once('.')?.0.parse().ok()
}

fn by_code(text: &str, code: Option<u32>) -> Error {
    // The words begin there; before it may stand half an answer.
    let said = shortened(text.find("Code: ").and_then(|at| text.get(at..)).unwrap_or(text));
    match code {
        Some(READONLY) => Error::Denied(format!(
            "ClickHouse refuses: {said}. If the profile of the plugin's setting `user` has `readonly = 2`, make it 1 or 0: \
             this plugin asks for 1 by itself"
        )),
        Some(code) if DENIED.contains(&code) => denied(ITSELF, &said),
        Some(code) if PASSING.contains(&code) => Error::Unavailable(format!("ClickHouse: {said}")),
        Some(_) | None => wrong_sql(ITSELF, &said),
    }
}
