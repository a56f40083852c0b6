//! SQL over a knowledge base. Filtering, grouping and sums are the server's; what it cannot do with their result, such as a
//! quotient of two sums, HAVING, or an order by either, is done here on the rows that come back.

mod compiler;
mod condition;
mod expression;
mod plan;
mod scope;

use std::cmp::Ordering;

use parlour_plugin_sdk::knowledge::{Query, Rows};
use parlour_plugin_sdk::serde_json::{Map, json};
use parlour_plugin_sdk::{Error, Result, Value};

use crate::answer::{MAX_ROWS, Table};
use crate::statement::Statement;
use expression::Expression;
use plan::{Order, Plan};

/// Most rows that are ordered or sifted here: all of them have to come over first.
const MAX_SIFTED: u64 = 10_000;

type Row = Map<String, Value>;

pub(crate) fn run(statement: &Statement, parameters: &Map<String, Value>, limit: usize) -> Result<Table> {
    let plan = Plan::of(&statement.query, parameters)?;
    let shown = plan.limit.map_or(limit, |own| own.min(limit));
    let (rows, total) = match &plan.order {
        Order::There(order) => there(&plan, order, shown)?,
        Order::Here(order) => here(&plan, order, shown)?,
    };
    let left = total.saturating_sub(u64::from(plan.offset));
    let wanted = plan.limit.map_or(left, |own| left.min(count(own)));
    let truncated = wanted > count(rows.len());
    let (columns, rows) = match &plan.columns {
        Some(columns) => {
            let shown = |row: Row| columns.iter().map(|(_, expression)| expression.evaluate(&row)).collect();
            (columns.iter().map(|(name, _)| name.clone()).collect(), rows.into_iter().map(shown).collect())
        }
        None => (
            names_of_all(&plan, rows.first())?,
            rows.into_iter().map(|row| row.into_iter().map(|(_, value)| value).collect()).collect(),
        ),
    };
    Ok(Table { columns, rows, total: Some(total), truncated })
}

/// The server orders, and gives only what is shown.
fn there(plan: &Plan, order: &[Value], shown: usize) -> Result<(Vec<Row>, u64)> {
    // It gives at least one row, and SQL may ask for none.
    let mut found = ask(plan, order, plan.offset, shown.max(1))?;
    found.rows.truncate(shown);
    Ok((found.rows, found.total))
}

/// All rows come over, and are sifted and ordered here.
fn here(plan: &Plan, order: &[(Expression, bool)], shown: usize) -> Result<(Vec<Row>, u64)> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let offset = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let found = ask(plan, &[], offset, MAX_ROWS)?;
        if found.total > MAX_SIFTED {
            return Err(Error::InvalidInput(format!(
                "{} rows would have to be ordered by an expression or sifted by HAVING, and at most {MAX_SIFTED} are; narrow \
                 WHERE, or order by columns and sums alone",
                found.total
            )));
        }
        let came = found.rows.len();
        rows.extend(found.rows);
        if came == 0 || count(rows.len()) >= found.total {
            break;
        }
    }
    if let Some(having) = &plan.having {
        rows.retain(|row| having.evaluate(row) == Value::Bool(true));
    }
    let keys = |row: &Row| order.iter().map(|(expression, _)| expression.evaluate(row)).collect::<Vec<_>>();
    let mut keyed: Vec<(Vec<Value>, Row)> = rows.into_iter().map(|row| (keys(&row), row)).collect();
    keyed.sort_by(|(one, _), (other, _)| {
        let pairs = one.iter().zip(other).zip(order);
        pairs
            .map(|((one, other), (_, descending))| ordered(one, other, *descending))
            .fold(Ordering::Equal, Ordering::then)
    });
    let total = count(keyed.len());
    let offset = usize::try_from(plan.offset).unwrap_or(usize::MAX);
    Ok((keyed.into_iter().map(|(_, row)| row).skip(offset).take(shown).collect(), total))
}

/// What has no value comes last either way, as the server has it.
fn ordered(one: &Value, other: &Value, descending: bool) -> Ordering {
    match (one.is_null(), other.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let ordering = expression::compare(one, other).unwrap_or(Ordering::Equal);
            if descending { ordering.reverse() } else { ordering }
        }
    }
}

fn ask(plan: &Plan, order: &[Value], offset: u32, limit: usize) -> Result<Rows> {
    let mut members = plan.members.clone();
    if !order.is_empty() {
        members.insert("order_by".to_owned(), order.into());
    }
    members.insert("offset".to_owned(), offset.into());
    members.insert("limit".to_owned(), limit.into());
    Query::from_json(members).run(&plan.base)
}

/// The fields of `SELECT *`. Where nothing passed, any record tells them.
fn names_of_all(plan: &Plan, first: Option<&Row>) -> Result<Vec<String>> {
    let names = |row: &Row| row.keys().cloned().collect();
    match first {
        Some(row) => Ok(names(row)),
        None => {
            let any = Query::from_json(Map::from_iter([("limit".to_owned(), json!(1))])).run(&plan.base)?;
            Ok(any.rows.first().map(names).unwrap_or_default())
        }
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
