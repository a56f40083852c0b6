//! Queries over a test's records, as the server understands them.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::filter::compare;
use crate::error::{Error, Result};
use crate::knowledge::{Entry, Rows};

const MAX_LIMIT: u64 = 1_000;
const USUAL_LIMIT: u64 = 100;
const MEMBERS: &[&str] = &["filter", "select", "group_by", "aggregate", "order_by", "offset", "limit"];

type Row = Map<String, Value>;

/// `entries` have passed the query's filter already; `known` are the fields that the knowledge base has.
pub(super) fn rows(query: &Row, entries: &[Entry], known: &[String]) -> Result<Rows> {
    if let Some(unknown) = query.keys().find(|it| !MEMBERS.contains(&it.as_str())) {
        return Err(Error::InvalidInput(format!("the query cannot be read: unknown field `{unknown}`")));
    }
    let limit = query.get("limit").map_or(Some(USUAL_LIMIT), Value::as_u64).filter(|it| (1..=MAX_LIMIT).contains(it));
    let limit = limit.ok_or_else(|| Error::InvalidInput(format!("`limit` goes from 1 to {MAX_LIMIT}")))?;
    let select = names(query, "select")?;
    let by = names(query, "group_by")?;
    let figures = query.get("aggregate").and_then(Value::as_object).cloned().unwrap_or_default();
    for name in select.iter().chain(&by) {
        check(name, known)?;
    }
    let grouped = !by.is_empty() || !figures.is_empty();
    if grouped && !select.is_empty() {
        return Err(Error::invalid_input(
            "`select` is for records, and `group_by` and `aggregate` make groups of them",
        ));
    }
    // What rows are ordered by need not be shown, so it is taken from the record.
    let mut made: Vec<(Row, Row)> = if grouped {
        groups(entries, &by, &figures, known)?.into_iter().map(|row| (row.clone(), row)).collect()
    } else {
        let shown = if select.is_empty() { known.to_vec() } else { select };
        entries.iter().map(|entry| (picked(entry, &shown), entry.fields.clone())).collect()
    };
    let mut order = Vec::new();
    for written in query.get("order_by").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = written.get("by").and_then(Value::as_str) else {
            return Err(Error::invalid_input("`order_by` is a list of {\"by\": name, \"descending\": bool}"));
        };
        if grouped {
            let shown: Vec<String> = by.iter().chain(figures.keys()).cloned().collect();
            check(name, &shown)?;
        } else {
            check(name, known)?;
        }
        order.push((name, written.get("descending").and_then(Value::as_bool).unwrap_or(false)));
    }
    made.sort_by(|(_, one), (_, other)| first_difference(&order, one, other));
    let size = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    let total = u64::try_from(made.len()).unwrap_or(u64::MAX);
    let offset = size(query.get("offset").and_then(Value::as_u64).unwrap_or(0));
    let rows = made.into_iter().map(|(row, _)| row).skip(offset).take(size(limit)).collect();
    Ok(Rows { rows, total })
}

fn names(query: &Row, member: &str) -> Result<Vec<String>> {
    let Some(written) = query.get(member) else { return Ok(Vec::new()) };
    let texts = written.as_array().map(|all| all.iter().map(|it| it.as_str().map(str::to_owned)));
    let texts: Option<Vec<String>> = texts.and_then(Iterator::collect);
    texts.ok_or_else(|| Error::InvalidInput(format!("`{member}` is a list of field names")))
}

fn check(name: &str, known: &[String]) -> Result<()> {
    if known.iter().any(|it| it == name) || ["id", "document"].contains(&name) {
        return Ok(());
    }
    Err(Error::InvalidInput(format!("there is no field `{name}`; the fields are {}", known.join(", "))))
}

fn picked(entry: &Entry, names: &[String]) -> Row {
    let value = |name: &String| match name.as_str() {
        "id" => entry.id.clone().into(),
        "document" => entry.document.clone().into(),
        _ => entry.fields.get(name).cloned().unwrap_or_default(),
    };
    names.iter().map(|name| (name.clone(), value(name))).collect()
}

fn groups(entries: &[Entry], by: &[String], figures: &Row, known: &[String]) -> Result<Vec<Row>> {
    let mut groups: Vec<(Row, Vec<&Entry>)> = Vec::new();
    if by.is_empty() {
        groups.push((Row::new(), Vec::new()));
    }
    for entry in entries {
        let key = picked(entry, by);
        match groups.iter_mut().find(|(present, _)| folded(present) == folded(&key)) {
            Some((_, members)) => members.push(entry),
            None => groups.push((key, vec![entry])),
        }
    }
    let row = |(mut row, members): (Row, Vec<&Entry>)| {
        for (name, written) in figures {
            row.insert(name.clone(), figure(written, &members, known)?);
        }
        Ok(row)
    };
    groups.into_iter().map(row).collect()
}

/// Words that a filter calls equal are one group.
fn folded(key: &Row) -> Vec<String> {
    key.values().map(|it| it.to_string().to_lowercase()).collect()
}

fn figure(written: &Value, members: &[&Entry], known: &[String]) -> Result<Value> {
    let one = written.as_object().filter(|it| it.len() == 1).and_then(|it| it.iter().next());
    let Some((function, Value::String(field))) = one else {
        return Err(Error::invalid_input("a figure is one function of one field: {\"total\": {\"sum\": \"spend\"}}"));
    };
    if function == "count" && field == "*" {
        return Ok(json!(members.len()));
    }
    check(field, known)?;
    let values: Vec<&Value> = members.iter().filter_map(|it| it.fields.get(field)).filter(|it| !it.is_null()).collect();
    let numbers = || values.iter().filter_map(|it| it.as_f64());
    let extreme = |wanted: Ordering| {
        values.iter().copied().reduce(|best, it| if compare(it, best) == Some(wanted) { it } else { best }).cloned()
    };
    Ok(match function.as_str() {
        "count" => json!(values.len()),
        "count_distinct" => {
            let mut distinct: Vec<String> = values.iter().map(|it| it.to_string().to_lowercase()).collect();
            distinct.sort();
            distinct.dedup();
            json!(distinct.len())
        }
        "sum" | "avg" if numbers().next().is_none() => Value::Null,
        "sum" => whole(numbers().sum()),
        #[expect(clippy::cast_precision_loss, reason = "a test has few records")]
        "avg" => whole(numbers().sum::<f64>() / numbers().count() as f64),
        "min" => extreme(Ordering::Less).unwrap_or_default(),
        "max" => extreme(Ordering::Greater).unwrap_or_default(),
        other => return Err(Error::InvalidInput(format!("there is no function `{other}`"))),
    })
}

/// 28, not 28.0.
fn whole(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
    if number.fract() == 0.0 && number.abs() < 9e15 { json!(number as i64) } else { json!(number) }
}

/// What has no value comes last, whichever way the others go.
fn first_difference(order: &[(&str, bool)], one: &Row, other: &Row) -> Ordering {
    for (name, descending) in order {
        let value = |row: &Row| row.get(*name).filter(|it| !it.is_null()).cloned();
        let ordering = match (value(one), value(other)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) => {
                let ordering = compare(&one, &other).unwrap_or(Ordering::Equal);
                if *descending { ordering.reverse() } else { ordering }
            }
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}
