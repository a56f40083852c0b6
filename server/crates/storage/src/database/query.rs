//! One statement for every kind of database: its text with `$1`, `$2`, …, its parameters, and the rows that it gives.
//!
//! `sqlx::Any` would do the same but refuses SQLite's `boolean` columns, copies every text twice, and cannot set SQLite's
//! pragmas.

use std::borrow::Cow;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{
    AssertSqlSafe, Decode, PgConnection, PgPool, Postgres, Row as _, Sqlite, SqliteConnection, SqlitePool, Type,
};

use super::{Connection, Pool};

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    sql: Cow<'static, str>,
    parameters: Vec<Parameter>,
}

#[derive(Clone, Debug)]
pub(crate) enum Parameter {
    Text(Option<String>),
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Bytes(Vec<u8>),
}

impl From<String> for Parameter {
    fn from(text: String) -> Parameter {
        Parameter::Text(Some(text))
    }
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Parameter {
        Parameter::Text(Some(text.to_owned()))
    }
}

impl From<Option<String>> for Parameter {
    fn from(text: Option<String>) -> Parameter {
        Parameter::Text(text)
    }
}

impl From<Option<&str>> for Parameter {
    fn from(text: Option<&str>) -> Parameter {
        Parameter::Text(text.map(str::to_owned))
    }
}

impl From<i64> for Parameter {
    fn from(number: i64) -> Parameter {
        Parameter::Integer(Some(number))
    }
}

impl From<Option<i64>> for Parameter {
    fn from(number: Option<i64>) -> Parameter {
        Parameter::Integer(number)
    }
}

impl From<bool> for Parameter {
    fn from(truth: bool) -> Parameter {
        Parameter::Boolean(Some(truth))
    }
}

impl From<Option<bool>> for Parameter {
    fn from(truth: Option<bool>) -> Parameter {
        Parameter::Boolean(truth)
    }
}

impl From<Vec<u8>> for Parameter {
    fn from(bytes: Vec<u8>) -> Parameter {
        Parameter::Bytes(bytes)
    }
}

pub(crate) fn query(sql: &'static str) -> Query {
    Query { sql: Cow::Borrowed(sql), parameters: Vec::new() }
}

/// The statement as sqlx's query of one kind of database.
macro_rules! native {
    ($query:expr, $text:expr) => {{
        let Query { sql, parameters } = $query;
        // A text that was put together here has names and places of parameters in it, never a value.
        let mut native = match sql {
            Cow::Borrowed(sql) => sqlx::query(sql),
            Cow::Owned(sql) => sqlx::query(AssertSqlSafe(sql)),
        };
        for parameter in parameters {
            native = match parameter {
                Parameter::Text(text) => native.bind(text.map($text)),
                Parameter::Integer(number) => native.bind(number),
                Parameter::Boolean(truth) => native.bind(truth),
                Parameter::Bytes(bytes) => native.bind(bytes),
            };
        }
        native
    }};
}

fn as_it_is(text: String) -> String {
    text
}

/// Postgres has no place for U+0000 in a text, and a message must not be lost for it: it is stored as U+FFFD. (JSON has it
/// as an escape, which stays.)
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

impl Query {
    pub(crate) fn bind(mut self, parameter: impl Into<Parameter>) -> Query {
        self.parameters.push(parameter.into());
        self
    }

    /// Goes on with the statement's text.
    pub(crate) fn push(&mut self, sql: &str) -> &mut Query {
        self.sql.to_mut().push_str(sql);
        self
    }

    /// Goes on with a parameter at this place of the text.
    pub(crate) fn push_bind(&mut self, parameter: impl Into<Parameter>) -> &mut Query {
        self.parameters.push(parameter.into());
        let place = format!("${}", self.parameters.len());
        self.push(&place)
    }

    /// Answers how many rows were inserted, changed or deleted.
    pub(crate) async fn execute(self, on: impl Into<On<'_>>) -> Result<u64, sqlx::Error> {
        Ok(match on.into() {
            On::Sqlite(on) => native!(self, as_it_is).execute(on).await?.rows_affected(),
            On::SqlitePool(on) => native!(self, as_it_is).execute(on).await?.rows_affected(),
            On::Postgres(on) => native!(self, without_nul).execute(on).await?.rows_affected(),
            On::PostgresPool(on) => native!(self, without_nul).execute(on).await?.rows_affected(),
        })
    }

    pub(crate) async fn fetch_optional(self, on: impl Into<On<'_>>) -> Result<Option<Row>, sqlx::Error> {
        Ok(match on.into() {
            On::Sqlite(on) => native!(self, as_it_is).fetch_optional(on).await?.map(Row::Sqlite),
            On::SqlitePool(on) => native!(self, as_it_is).fetch_optional(on).await?.map(Row::Sqlite),
            On::Postgres(on) => native!(self, without_nul).fetch_optional(on).await?.map(Row::Postgres),
            On::PostgresPool(on) => native!(self, without_nul).fetch_optional(on).await?.map(Row::Postgres),
        })
    }

    pub(crate) async fn fetch_one(self, on: impl Into<On<'_>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    pub(crate) async fn fetch_all(self, on: impl Into<On<'_>>) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match on.into() {
            On::Sqlite(on) => native!(self, as_it_is).fetch_all(on).await?.into_iter().map(Row::Sqlite).collect(),
            On::SqlitePool(on) => native!(self, as_it_is).fetch_all(on).await?.into_iter().map(Row::Sqlite).collect(),
            On::Postgres(on) => {
                native!(self, without_nul).fetch_all(on).await?.into_iter().map(Row::Postgres).collect()
            }
            On::PostgresPool(on) => {
                native!(self, without_nul).fetch_all(on).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }
}

/// What a statement is sent to.
pub(crate) enum On<'c> {
    Sqlite(&'c mut SqliteConnection),
    SqlitePool(&'c SqlitePool),
    Postgres(&'c mut PgConnection),
    PostgresPool(&'c PgPool),
}

impl<'c> From<&'c mut Connection> for On<'c> {
    fn from(connection: &'c mut Connection) -> On<'c> {
        match connection {
            Connection::Sqlite(connection) => On::Sqlite(connection),
            Connection::Postgres(connection) => On::Postgres(connection),
        }
    }
}

impl<'c> From<&'c Pool> for On<'c> {
    fn from(pool: &'c Pool) -> On<'c> {
        match pool {
            Pool::Sqlite(pool) => On::SqlitePool(pool),
            Pool::Postgres(pool) => On::PostgresPool(pool),
        }
    }
}

pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column can be read as.
pub(crate) trait Column<'r>: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres> {}
impl<'r, T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>> Column<'r> for T {}

impl Row {
    /// # Errors
    /// There is no such column, or it holds something else.
    pub(crate) fn try_get<'r, T: Column<'r>>(&'r self, column: &str) -> Result<T, sqlx::Error> {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
    }
}
