//! Databases that answer over HTTP. What they share is here: values as each takes them, one row more than is shown so that it
//! is known whether there are more, and what a refusal means. How each is asked is in its own file.

mod clickhouse;
mod d1;
mod libsql;
mod rqlite;

use std::time::Duration;

use parlour_plugin_sdk::http::{Request, Response};
use parlour_plugin_sdk::serde_json::{self, Map};
use parlour_plugin_sdk::{Deserialize, Error, JsonSchema, Result, Secret, Value};
use sqlparser::ast::{LimitClause, SetExpr};
use sqlparser::tokenizer::Token;

use crate::answer::Table;
use crate::guard;
use crate::sql::Settings;
use crate::statement::{Dialect, Statement};

/// Most of a call's half minute; what is left is for reading the answer.
const PATIENCE: Duration = Duration::from_secs(25);
/// As much of a database's own words as an error repeats.
const QUOTED_CHARACTERS: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "snake_case")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) enum Provider {
    /// ClickHouse, by its HTTP interface
    Clickhouse,
    /// rqlite
    Rqlite,
    /// libSQL server or Turso
    Libsql,
    /// Cloudflare D1
    D1,
}

impl Provider {
    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Clickhouse => Dialect::Clickhouse,
            Self::Rqlite | Self::Libsql | Self::D1 => Dialect::Sqlite,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Clickhouse => "ClickHouse",
            Self::Rqlite => "rqlite",
            Self::Libsql => "libSQL",
            Self::D1 => "Cloudflare D1",
        }
    }

    /// The settings by which it knows who asks.
    fn credentials(self) -> &'static str {
        match self {
            Self::Clickhouse => "`user` and `password`",
            Self::Rqlite => "`token`, which is the Base64 of `user:password`,",
            Self::Libsql => "`token`",
            Self::D1 => "`token`, which needs the right `D1 Read`,",
        }
    }
}

/// A value as it crosses to a database.
type Named = (String, Value);

pub(crate) fn run(
    provider: Provider,
    settings: &Settings,
    statement: &Statement,
    parameters: &Map<String, Value>,
    limit: usize,
) -> Result<Table> {
    guard::reads_only(statement, provider.dialect())?;
    let question = Question { dialect: provider.dialect(), statement, parameters, limit };
    let mut table = match provider {
        Provider::Clickhouse => clickhouse::query(settings, &question),
        Provider::Rqlite => rqlite::query(settings, &question),
        Provider::Libsql => libsql::query(settings, &question),
        Provider::D1 => d1::query(settings, &question),
    }?;
    table.truncated = table.rows.len() > limit;
    table.rows.truncate(limit);
    if table.rows.iter().any(|row| row.len() != table.columns.len()) {
        return Err(Error::failed(format!("{} gave rows that do not fit its columns", provider.name())));
    }
    Ok(table)
}

/// What is asked, before it is written the way of one service.
struct Question<'a> {
    dialect: Dialect,
    statement: &'a Statement,
    parameters: &'a Map<String, Value>,
    limit: usize,
}

impl Question<'_> {
    /// The statement's text, made of the tokens that were checked. `place` writes a value's place and is told a name that no
    /// other value has; the values of a list are told apart by numbers.
    fn text(&self, place: &mut dyn FnMut(&str, &Value) -> Result<String>) -> Result<String> {
        let tokens = &self.statement.tokens;
        let mut text = String::new();
        for (at, token) in tokens.iter().enumerate() {
            let Token::Placeholder(written) = token else {
                text.push_str(&token.to_string());
                continue;
            };
            let name = written.strip_prefix(':').unwrap_or(written);
            match self.parameters.get(name).unwrap_or(&Value::Null) {
                Value::Array(items) => {
                    if !is_listed(tokens, at) {
                        return Err(Error::InvalidInput(format!(
                            "`:{name}` is a list, which goes into brackets: `IN (:{name})`"
                        )));
                    }
                    let numbered = (1..).zip(items);
                    let places = numbered.map(|(number, item)| place(&self.free_name(name, number), item));
                    text.push_str(&places.collect::<Result<Vec<_>>>()?.join(", "));
                }
                scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                    text.push_str(&place(name, scalar)?);
                }
            }
        }
        Ok(self.limited(text))
    }

    /// With placeholders `:name` and their values, once each, as SQLite's family takes them.
    fn named(&self) -> Result<(String, Vec<Named>)> {
        let mut values: Vec<Named> = Vec::new();
        let text = self.text(&mut |name, value| {
            if !values.iter().any(|(known, _)| known == name) {
                values.push((name.to_owned(), of_sqlite(value)));
            }
            Ok(format!(":{name}"))
        })?;
        Ok((text, values))
    }

    fn free_name(&self, name: &str, number: usize) -> String {
        let mut free = format!("{name}_{number}");
        while self.parameters.contains_key(&free) {
            free.push('_');
        }
        free
    }

    /// One row more than is shown, where the statement has no limit of its own.
    fn limited(&self, text: String) -> String {
        let rows = self.limit + 1;
        let query = &self.statement.query;
        let has_own = match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                offset.is_some() || (limit.is_some() && limit_by.is_empty())
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => true,
            None => query.fetch.is_some(),
        };
        if has_own {
            return text;
        }
        // In ClickHouse what ends a UNION belongs to its last part.
        if self.dialect == Dialect::Clickhouse && !matches!(query.body.as_ref(), SetExpr::Select(_)) {
            return format!("SELECT * FROM ({text}) LIMIT {rows}");
        }
        format!("{text} LIMIT {rows}")
    }
}

/// Whether a placeholder stands alone between brackets and commas.
fn is_listed(tokens: &[Token], at: usize) -> bool {
    let solid = |it: &&Token| !matches!(it, Token::Whitespace(_));
    let before = tokens.iter().take(at).rev().find(solid);
    let after = tokens.iter().skip(at + 1).find(solid);
    matches!(before, Some(Token::LParen | Token::Comma)) && matches!(after, Some(Token::RParen | Token::Comma))
}

/// SQLite has no booleans: `true` in its SQL is 1.
fn of_sqlite(value: &Value) -> Value {
    match value {
        Value::Bool(truth) => i32::from(*truth).into(),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    }
}

fn base_url(provider: Provider, settings: &Settings) -> Result<&str> {
    let name = provider.name();
    let url = settings.base_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
    let url =
        url.ok_or_else(|| Error::failed(format!("{name} needs its address; fill in the plugin's setting `base_url`")))?;
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err(Error::failed(format!("the plugin's setting `base_url` is `{url}`; write it as `https://…`")));
    }
    Ok(url.trim_end_matches('/'))
}

/// A setting that stands in an address's path, where nothing but an id may stand.
fn id<'a>(provider: Provider, key: &str, value: Option<&'a str>) -> Result<&'a str> {
    let value = value.map(str::trim).unwrap_or_default();
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Error::failed(format!(
            "{} needs the plugin's setting `{key}`, an id of letters, digits and `-`",
            provider.name()
        )));
    }
    Ok(value)
}

fn with_token(request: Request, token: Option<&Secret>, scheme: &str) -> Request {
    match token {
        Some(token) => request.header("Authorization", token.after(scheme)),
        None => request,
    }
}

/// Sends it. Any status is an answer: what it means stands in the body, and each service knows where.
fn send(provider: Provider, request: Request) -> Result<Response> {
    request.timeout(PATIENCE).send().map_err(|error| match error {
        // The host's words name the limit.
        Error::Failed(text) => Error::Failed(format!(
            "{}: {text}. If the answer is too large, select fewer columns, sum up in the SQL, or give it a `LIMIT`",
            provider.name()
        )),
        other @ (Error::InvalidInput(_)
        | Error::NotFound(_)
        | Error::Denied(_)
        | Error::RateLimited(_)
        | Error::Unavailable(_)) => other,
    })
}

/// What an answer that is no success means, by its status and what the service says about it.
fn failure(provider: Provider, answer: Response, said: Option<&str>) -> Error {
    let name = provider.name();
    let quoted = said.map(shortened);
    match (answer.status, quoted) {
        (401 | 403, said) => denied(provider, &said.unwrap_or_else(|| format!("it answered {}", answer.status))),
        (408, said) => Error::Unavailable(format!("{name} took too long: {}", said.unwrap_or_default())),
        (404, Some(said)) => Error::NotFound(format!("{name}: {said}; are the plugin's settings right?")),
        (400 | 422, Some(said)) => wrong_sql(provider, &said),
        (413, _) => Error::InvalidInput(format!("{name} finds the statement too large; write it shorter")),
        (500..=599, Some(said)) => Error::Unavailable(format!("{name}: {said}")),
        _ => match answer.error_for_status() {
            Err(Error::NotFound(text)) => Error::NotFound(format!("{text}; are the plugin's settings right?")),
            Err(other) => other,
            Ok(answer) => Error::failed(format!("{name} answered {} with nothing in it", answer.status)),
        },
    }
}

fn denied(provider: Provider, said: &str) -> Error {
    Error::Denied(format!(
        "{} does not accept the plugin's setting {} or gives it no right to read: {said}",
        provider.name(),
        provider.credentials()
    ))
}

fn wrong_sql(provider: Provider, said: &str) -> Error {
    Error::InvalidInput(format!("{} cannot answer the SQL: {said}", provider.name()))
}

/// The beginning of a text, on one line.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().take(QUOTED_CHARACTERS).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// The body as JSON, if it is that.
fn body<T: for<'de> Deserialize<'de>>(answer: &Response) -> Option<T> {
    serde_json::from_slice(&answer.body).ok()
}
