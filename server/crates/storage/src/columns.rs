//! Reading columns back into the types of the domain.

use std::str::FromStr;

use serde_json::Value;

use crate::database::Row;

type Read<T> = Result<T, sqlx::Error>;
type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Something that can be read from the columns its queries name.
pub(crate) trait Stored: Sized {
    fn read(row: &Row) -> Read<Self>;
}

fn unreadable(column: &str, error: impl Into<BoxedError>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: error.into() }
}

/// An id or a named value.
pub(crate) fn parsed<T>(row: &Row, column: &str) -> Read<T>
where
    T: FromStr,
    T::Err: Into<BoxedError>,
{
    row.try_get::<&str>(column)?.parse().map_err(|error| unreadable(column, error))
}

pub(crate) fn maybe_parsed<T>(row: &Row, column: &str) -> Read<Option<T>>
where
    T: FromStr,
    T::Err: Into<BoxedError>,
{
    let text = row.try_get::<Option<&str>>(column)?;
    text.map(str::parse).transpose().map_err(|error| unreadable(column, error))
}

pub(crate) fn json(row: &Row, column: &str) -> Read<Value> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| unreadable(column, error))
}

pub(crate) fn maybe_json(row: &Row, column: &str) -> Read<Option<Value>> {
    let text = row.try_get::<Option<&str>>(column)?;
    text.map(serde_json::from_str).transpose().map_err(|error| unreadable(column, error))
}

/// A list or an object of a known shape, kept as JSON.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Read<T> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| unreadable(column, error))
}

/// A list of texts as it is kept.
pub(crate) fn list(texts: &[String]) -> String {
    Value::from(texts).to_string()
}

/// What `lower(column) like lower($n) escape '\'` needs to find the texts in which this one stands. Small and large letters are
/// the same as far as the database knows them: SQLite knows those of ASCII.
pub(crate) fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// The same for a column with a [`list`]. None for a text that could be met between the list's members.
pub(crate) fn list_containing(text: &str) -> Option<String> {
    if !text.contains(char::is_alphanumeric) {
        return None;
    }
    // As it stands in a member, but for the quotes around that.
    let member = Value::from(text).to_string();
    Some(containing(member.strip_prefix('"')?.strip_suffix('"')?))
}
