//! What every source's rows become: objects, and a Markdown table for a prompt.

use std::fmt::Write as _;

use parlour_plugin_sdk::serde_json::{self, Map};
use parlour_plugin_sdk::{Error, Result, Value};

use crate::sql::Answer;

/// What the server's own query gives at most, and far more than a prompt can use.
pub(crate) const MAX_ROWS: usize = 1000;
/// The host takes 4 MiB out of one call; some is left for the JSON around the rows.
const MAX_ANSWER_BYTES: usize = 3 << 20;

/// Rows as a source gave them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    /// Each as long as `columns`.
    pub(crate) rows: Vec<Vec<Value>>,
    /// How many rows there are without any limit, where the source says so.
    pub(crate) total: Option<u64>,
    pub(crate) truncated: bool,
}

/// # Errors
/// `InvalidInput` when it is more than a call may give.
pub(crate) fn written(table: Table) -> Result<Answer> {
    let Table { columns, rows, total, truncated } = table;
    let columns = told_apart(columns);
    let text = markdown(&columns, &rows);
    let object = |row: Vec<Value>| columns.iter().cloned().zip(row).collect();
    let rows: Vec<Map<String, Value>> = rows.into_iter().map(object).collect();
    let bytes = serde_json::to_vec(&rows)?.len() + text.len();
    if bytes > MAX_ANSWER_BYTES {
        return Err(Error::InvalidInput(format!(
            "the answer has {bytes} bytes, and at most {MAX_ANSWER_BYTES} fit; select fewer columns or lower `limit`"
        )));
    }
    Ok(Answer { columns, rows, total, truncated, text })
}

/// Two columns of one name would be one member of a row's object.
fn told_apart(columns: Vec<String>) -> Vec<String> {
    let mut apart: Vec<String> = Vec::with_capacity(columns.len());
    for name in columns {
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|it| !apart.contains(it));
        apart.push(free.unwrap_or(name));
    }
    apart
}

fn markdown(columns: &[String], rows: &[Vec<Value>]) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        let _infallible = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(columns.iter().map(|it| cell(it)).collect());
    line(columns.iter().map(|_| "---".to_owned()).collect());
    for row in rows {
        line(row.iter().map(|it| cell(&plain(it))).collect());
    }
    text.truncate(text.trim_end().len());
    text
}

/// A cell stays in its row and its column, whatever the value has in it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\\', "\\\\").replace('|', "\\|")
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
