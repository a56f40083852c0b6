//! Rows as a workflow wants them: a header with one name for each column, a kind for each column, rows as objects or lists.

use std::collections::BTreeMap;

use parlour_plugin_sdk::Value;
use parlour_plugin_sdk::serde_json::Map;

use crate::cell::{Cell, Kind};

/// What was read of one sheet.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// Without rows that have no value at all.
    pub(crate) rows: Vec<Vec<Cell>>,
    /// How many rows with values there are, also those that were not kept.
    pub(crate) total: usize,
    /// Some columns were left out.
    pub(crate) cut: bool,
}

pub(crate) struct Table {
    /// Name and kind of each column.
    pub(crate) columns: Vec<(String, Kind)>,
    pub(crate) rows: Vec<Value>,
}

impl Table {
    pub(crate) fn of(mut rows: Vec<Vec<Cell>>, header: bool) -> Self {
        let width = rows
            .iter()
            .map(|row| row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |at| at + 1))
            .max()
            .unwrap_or(0);
        let head = if header && !rows.is_empty() { Some(rows.remove(0)) } else { None };
        let names = names(head.as_deref().unwrap_or_default(), width);
        let kinds: Vec<Kind> = (0..width).map(|column| kind(&rows, column)).collect();
        let rows = rows.into_iter().map(|mut row| {
            row.resize(width, Cell::Empty);
            let cells = row.into_iter().map(Cell::into_json);
            if header {
                Value::Object(names.iter().cloned().zip(cells).collect::<Map<_, _>>())
            } else {
                cells.collect()
            }
        });
        let rows = rows.collect();
        Self { columns: names.into_iter().zip(kinds).collect(), rows }
    }
}

/// A name for each column: what the header says, told apart where it says the same twice.
fn names(head: &[Cell], width: usize) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut names: Vec<String> = Vec::new();
    for column in 0..width {
        let words = head.get(column).map(Cell::words).unwrap_or_default();
        let base = if words.is_empty() { format!("column_{}", column + 1) } else { words };
        let mut name = base.clone();
        while names.contains(&name) {
            let count = seen.entry(base.clone()).or_insert(1);
            *count += 1;
            name = format!("{base}_{count}");
        }
        names.push(name);
    }
    names
}

fn kind(rows: &[Vec<Cell>], column: usize) -> Kind {
    let mut kinds = rows.iter().filter_map(|row| row.get(column).and_then(Cell::kind));
    let Some(first) = kinds.next() else { return Kind::Empty };
    if kinds.all(|kind| kind == first) { first } else { Kind::Mixed }
}

/// Rows that a workflow gives, as cells.
pub(crate) struct Given {
    /// None for lists without names.
    pub(crate) header: Option<Vec<String>>,
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Given {
    /// Objects become columns by their keys, in the order in which they come up, or as `columns` says; lists stay as they are.
    pub(crate) fn of(rows: Vec<Value>, columns: Option<Vec<String>>, max_columns: usize) -> Result<Self, String> {
        let mut header = columns.unwrap_or_default();
        let chosen = !header.is_empty();
        let objects = rows.iter().filter_map(Value::as_object);
        for key in objects.flat_map(Map::keys).filter(|_| !chosen) {
            if !header.contains(key) {
                if header.len() == max_columns {
                    return Err(format!("the rows have more than {max_columns} different keys"));
                }
                header.push(key.clone());
            }
        }
        let mut given = Vec::new();
        for (number, row) in (1..).zip(rows) {
            given.push(match row {
                Value::Object(mut row) => {
                    header.iter().map(|name| row.get_mut(name).map(Value::take).unwrap_or_default()).collect()
                }
                Value::Array(cells) => cells,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return Err(format!("row {number} is neither an object nor a list"));
                }
            });
        }
        Ok(Self { header: Some(header).filter(|header| !header.is_empty()), rows: given })
    }
}

/// A value as text; lists and objects as JSON.
pub(crate) fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use parlour_plugin_sdk::json;

    use super::*;

    #[test]
    fn columns_get_names_and_kinds() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let rows = vec![
            vec![text(" Name\n "), text("n"), text("n"), Cell::Empty, Cell::Empty],
            vec![text("a"), Cell::Number(1.0), Cell::Bool(true), Cell::Number(2.0)],
            vec![text("b"), Cell::Empty, text("x")],
        ];
        let table = Table::of(rows, true);
        let columns: Vec<(&str, Kind)> = table.columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        assert_eq!(
            columns,
            [("Name", Kind::Text), ("n", Kind::Number), ("n_2", Kind::Mixed), ("column_4", Kind::Number)]
        );
        assert_eq!(table.rows[1], json!({"Name": "b", "n": null, "n_2": "x", "column_4": null}));
        let table = Table::of(vec![vec![Cell::Number(1.0)], vec![text("x"), Cell::Bool(false)]], false);
        assert_eq!(table.rows, [json!([1, null]), json!(["x", false])]);
        assert_eq!(Table::of(Vec::new(), true).columns.len(), 0);
    }
}
