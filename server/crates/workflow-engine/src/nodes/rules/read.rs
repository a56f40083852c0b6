//! Reads a decision table out of a document or a table file, and says what is wrong with it cell by cell.

use std::collections::HashMap;

use serde_json::Value;

use super::Row;
use super::cell::{Condition, FORMS, number};
use crate::compile::NodeContext;
use crate::table::Table;
use crate::template::{Template, has_expression};
use crate::yaml::{Entry, Node, Span, Yaml};

/// Wrong cells, and rows that are out of reach, that are told of one table; more would only be the same again.
const TOLD_CELLS: usize = 20;

/// The names of a table's columns.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) when: Vec<String>,
    pub(super) then: Vec<String>,
}

/// The columns, or none after an error was reported.
pub(super) fn columns(context: &mut NodeContext<'_, '_>, rules: &Node) -> Option<Columns> {
    let when = rules.get("when")?;
    let Some(Yaml::List(then)) = rules.get("then").map(|it| &it.value) else { return None };
    let mut columns = Columns { when: Vec::new(), then: Vec::new() };
    match &when.value {
        Yaml::Map(entries) => columns.when = entries.iter().map(|it| it.key.clone()).collect(),
        Yaml::List(items) => columns.when = names(context, items, &[]),
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => return None,
    }
    columns.then = names(context, then, &columns.when);
    Some(columns)
}

/// A list's names; what there is already is an error.
fn names(context: &mut NodeContext<'_, '_>, items: &[Node], taken: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for node in items {
        let Some(name) = node.as_str() else { continue };
        if taken.iter().chain(&names).any(|it| it == name) {
            let message = format!("there is a column `{name}` already");
            context.diagnostics().error("duplicate_column", node.span, message).hint("every column needs its own name");
            continue;
        }
        names.push(name.to_owned());
    }
    names
}

/// The rows, from wherever they are. None after an error that leaves nothing to read.
pub(super) fn rows(context: &mut NodeContext<'_, '_>, rules: &Node, columns: &Columns) -> Option<Vec<Row>> {
    match (rules.get("rows").map(|it| (&it.value, it)), rules.get("table")) {
        (Some(_), Some(table)) => {
            context
                .diagnostics()
                .error("wrong_type", table.span, "a decision table has `rows` or a `table`, not both")
                .hint("take one of them out");
            None
        }
        (Some((Yaml::List(rows), _)), None) => {
            Some(rows.iter().enumerate().map(|(index, it)| of_node(context, (index + 1, it), columns)).collect())
        }
        (None, Some(table)) => of_file(context, table, columns),
        (None, None) => {
            context
                .diagnostics()
                .error("missing_key", rules.span, "a decision table needs `rows` or a `table`")
                .hint("`rows` is a list of maps; `table` is the name of a CSV file in `tables/`");
            None
        }
        (Some((Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) | Yaml::Map(_), _)), None) => None,
    }
}

fn of_node(context: &mut NodeContext<'_, '_>, (number, node): (usize, &Node), columns: &Columns) -> Row {
    for Entry { key, key_span, value: _ } in node.entries() {
        if !columns.when.iter().chain(&columns.then).any(|it| it == key) {
            let known = columns.when.iter().chain(&columns.then).map(String::as_str);
            let diagnostics = context.diagnostics();
            diagnostics.error("unknown_key", *key_span, format!("the table has no column `{key}`"));
            diagnostics.suggest(key, known, "its columns");
        }
    }
    let mut when = Vec::with_capacity(columns.when.len());
    for name in &columns.when {
        let condition = match node.get(name).map(|it| (Condition::of_node(it), it.span)) {
            None => Condition::Any,
            Some((Ok(condition), _)) => condition,
            Some((Err(problem), span)) => {
                context.diagnostics().error("invalid_cell", span, problem).hint(FORMS);
                Condition::Any
            }
        };
        when.push(condition);
    }
    let then = columns
        .then
        .iter()
        .map(|name| node.get(name).map_or(Template::Literal(Value::Null), |it| context.context.template(it)))
        .collect();
    Row { number, span: node.span, when, then }
}

fn of_file(context: &mut NodeContext<'_, '_>, node: &Node, columns: &Columns) -> Option<Vec<Row>> {
    let name = node.as_str()?;
    let catalog = context.context.catalog;
    let Some(table) = catalog.tables.get(name) else {
        let diagnostics = context.diagnostics();
        diagnostics.error("unknown_table", node.span, format!("there is no table `{name}`"));
        if catalog.tables.is_empty() {
            diagnostics.hint("there are no tables yet; a project has them in `tables/`");
        } else {
            diagnostics.suggest(name, catalog.tables.keys().map(String::as_str), "tables");
        }
        return None;
    };
    let when = places(context, (name, node.span), &columns.when, table)?;
    let then = places(context, (name, node.span), &columns.then, table)?;
    let mut wrong = Vec::new();
    let mut rows = Vec::with_capacity(table.rows.len());
    for (index, cells) in table.rows.iter().enumerate() {
        let number = index + 1;
        let cell = |place: &usize| cells.get(*place).map(String::as_str).unwrap_or_default();
        let mut row = Row { number, span: node.span, when: Vec::new(), then: Vec::new() };
        for (place, column) in when.iter().zip(&columns.when) {
            match Condition::parse(cell(place)) {
                Ok(condition) => row.when.push(condition),
                Err(problem) => wrong.push(format!("{name}, row {number}, column `{column}`: {problem}")),
            }
        }
        for (place, column) in then.iter().zip(&columns.then) {
            let text = cell(place);
            if has_expression(text) {
                wrong.push(format!("{name}, row {number}, column `{column}`: a table's cells are not evaluated"));
            }
            row.then.push(Template::Literal(typed(text)));
        }
        rows.push(row);
    }
    for message in wrong.iter().take(TOLD_CELLS) {
        context.diagnostics().error("invalid_cell", node.span, message.as_str()).hint(FORMS);
    }
    if wrong.len() > TOLD_CELLS {
        let message = format!("{name}: {} more cells are wrong", wrong.len() - TOLD_CELLS);
        context.diagnostics().error("invalid_cell", node.span, message).hint(FORMS);
    }
    Some(rows)
}

/// Where the columns stand in a file.
fn places(
    context: &mut NodeContext<'_, '_>,
    (name, span): (&str, Span),
    columns: &[String],
    table: &Table,
) -> Option<Vec<usize>> {
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        let Some(place) = table.header.iter().position(|it| it == column) else {
            let diagnostics = context.diagnostics();
            diagnostics.error("unknown_column", span, format!("the table `{name}` has no column `{column}`"));
            diagnostics.suggest(column, table.header.iter().map(String::as_str), "its columns");
            continue;
        };
        places.push(place);
    }
    (places.len() == columns.len()).then_some(places)
}

/// What a cell of text stands for: nothing, a number, true or false, JSON, else the text.
fn typed(text: &str) -> Value {
    match text {
        "" => return Value::Null,
        "true" | "TRUE" => return Value::Bool(true),
        "false" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let is_number = number(text).is_some();
    let json = || serde_json::from_str(text).ok();
    match text.chars().next() {
        Some('[' | '{' | '"') => json().unwrap_or_else(|| Value::from(text)),
        _ if is_number => json().or_else(|| number(text).map(Value::from)).unwrap_or_else(|| Value::from(text)),
        _ => Value::from(text),
    }
}

/// Says which rows can never match first.
pub(super) fn warn_unreachable(context: &mut NodeContext<'_, '_>, rows: &[Row]) {
    let mut told = 0;
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(rows.len());
    for row in rows {
        let conditions = format!("{:?}", row.when);
        if let Some(earlier) = seen.get(&conditions) {
            told += 1;
            if told > TOLD_CELLS {
                continue;
            }
            let message = format!("row {} can never match first: row {earlier} has the same conditions", row.number);
            context
                .diagnostics()
                .warning("unreachable_row", row.span, message)
                .hint("take it out, or let `hit: collect` take all rows that match");
            continue;
        }
        seen.insert(conditions, row.number);
    }
    let everything = rows.iter().find(|it| it.when.iter().all(|it| *it == Condition::Any));
    if let Some(everything) = everything
        && let Some(after) = rows.iter().find(|it| it.number == everything.number + 1)
    {
        let message =
            format!("row {} can never match first: row {} matches everything", after.number, everything.number);
        context
            .diagnostics()
            .warning("unreachable_row", after.span, message)
            .hint("put the row that matches everything last");
    }
}
