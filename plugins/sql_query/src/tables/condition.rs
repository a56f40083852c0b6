//! WHERE as the server's typed filter.
//!
//! SQL's conditions have three outcomes, the filter's have two: to it, a record without a value is different from every value.
//! So a condition is translated twice over, into what makes it true and what makes it false, and NOT changes from one to the
//! other. A record without the value passes neither.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has a hundred forms, and what is not named is refused"
)]

use parlour_plugin_sdk::serde_json::{Map, json};
use parlour_plugin_sdk::{Error, Result, Value};
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::expression::{Comparison, Expression};
use super::scope::{Scope, not_supported};

/// The filter that passes the records of which a condition is `truth`.
pub(super) fn filter(scope: &Scope<'_>, condition: &Expr, truth: bool) -> Result<Value> {
    match condition {
        Expr::Nested(inner) => filter(scope, inner, truth),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => filter(scope, expr, !truth),
        Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
            let mut parts = Vec::new();
            flatten(condition, op, &mut parts);
            let parts: Vec<Value> = parts.into_iter().map(|it| filter(scope, it, truth)).collect::<Result<_>>()?;
            let all = (*op == BinaryOperator::And) == truth;
            Ok(json!({ (if all { "all" } else { "any" }): parts }))
        }
        Expr::BinaryOp { left, op, right } => match comparison(op) {
            Some(comparison) => compared(scope, left, comparison, right, truth),
            None => Err(not_supported(condition, "in WHERE a column is compared with a value")),
        },
        Expr::IsNull(inner) => exists(scope, inner, !truth),
        Expr::IsNotNull(inner) => exists(scope, inner, truth),
        Expr::IsTrue(inner) => is(scope, inner, true, truth),
        Expr::IsNotTrue(inner) => is(scope, inner, true, !truth),
        Expr::IsFalse(inner) => is(scope, inner, false, truth),
        Expr::IsNotFalse(inner) => is(scope, inner, false, !truth),
        Expr::InList { expr, list, negated } => listed(scope, expr, list, truth != *negated),
        Expr::Between { expr, negated, low, high } => {
            let truth = truth != *negated;
            let low = compared(scope, expr, Comparison::GreaterOrEqual, low, truth)?;
            let high = compared(scope, expr, Comparison::LessOrEqual, high, truth)?;
            Ok(json!({ (if truth { "all" } else { "any" }): [low, high] }))
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: None }
        | Expr::ILike { negated, any: false, expr, pattern, escape_char: None } => {
            like(scope, expr, pattern, truth != *negated)
        }
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            let column = column(scope, condition)?;
            Ok(json!({ column: { "eq": truth } }))
        }
        _ => match scope.constant(condition)? {
            Some(value) => Ok(constant(value.as_bool() == Some(truth))),
            None => Err(not_supported(
                condition,
                "WHERE takes AND, OR, NOT, = <> < <= > >=, IN, BETWEEN, LIKE '%part%' and IS NULL",
            )),
        },
    }
}

/// Chains are as deep in the grammar as they are long, and a filter may be nested a few times only.
fn flatten<'e>(condition: &'e Expr, chained: &BinaryOperator, into: &mut Vec<&'e Expr>) {
    match condition {
        Expr::BinaryOp { left, op, right } if op == chained => {
            flatten(left, chained, into);
            flatten(right, chained, into);
        }
        other => into.push(other),
    }
}

pub(super) fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    match operator {
        BinaryOperator::Eq => Some(Comparison::Equal),
        BinaryOperator::NotEq => Some(Comparison::NotEqual),
        BinaryOperator::Lt => Some(Comparison::Less),
        BinaryOperator::LtEq => Some(Comparison::LessOrEqual),
        BinaryOperator::Gt => Some(Comparison::Greater),
        BinaryOperator::GtEq => Some(Comparison::GreaterOrEqual),
        _ => None,
    }
}

fn compared(scope: &Scope<'_>, left: &Expr, comparison: Comparison, right: &Expr, truth: bool) -> Result<Value> {
    let (column, comparison, value) = match (scope.constant(left)?, scope.constant(right)?) {
        (Some(left), Some(right)) => {
            let whole = Expression::Compare(
                comparison,
                Box::new(Expression::Constant(left)),
                Box::new(Expression::Constant(right)),
            );
            return Ok(constant(whole.evaluate(&Map::new()) == Value::Bool(truth)));
        }
        (None, Some(value)) => (column(scope, left)?, comparison, value),
        (Some(value), None) => (column(scope, right)?, comparison.flipped(), value),
        (None, None) => {
            return Err(Error::InvalidInput(format!(
                "`{left}` and `{right}` are two columns, and a column is compared with a value only. A text stands in single \
                 quotes: double quotes are for names"
            )));
        }
    };
    if value.is_null() {
        // Nothing is equal to null, and nothing different from it.
        return Ok(constant(false));
    }
    let comparison = if truth { comparison } else { comparison.negated() };
    Ok(match comparison {
        Comparison::Equal => json!({ column: { "eq": value } }),
        Comparison::NotEqual => json!({ column: { "ne": value, "exists": true } }),
        Comparison::Less => json!({ column: { "lt": value } }),
        Comparison::LessOrEqual => json!({ column: { "lte": value } }),
        Comparison::Greater => json!({ column: { "gt": value } }),
        Comparison::GreaterOrEqual => json!({ column: { "gte": value } }),
    })
}

fn listed(scope: &Scope<'_>, expr: &Expr, list: &[Expr], truth: bool) -> Result<Value> {
    let column = column(scope, expr)?;
    let mut values = Vec::new();
    for item in list {
        match scope.constant_or_list(item)? {
            Some(Value::Array(items)) => values.extend(items),
            Some(value) => values.push(value),
            None => return Err(not_supported(item, "IN takes values")),
        }
    }
    let written = values.len();
    values.retain(|it| !it.is_null());
    if truth {
        return Ok(json!({ column: { "in": values } }));
    }
    if written > values.len() {
        // Whatever is not in the list may still be the unknown one.
        return Ok(constant(false));
    }
    if values.is_empty() {
        return Ok(constant(true));
    }
    Ok(json!({ "all": [{ &column: { "exists": true } }, { "not": { &column: { "in": values } } }] }))
}

fn like(scope: &Scope<'_>, expr: &Expr, pattern: &Expr, truth: bool) -> Result<Value> {
    let column = column(scope, expr)?;
    let text = match scope.constant(pattern)? {
        Some(Value::String(text)) => text,
        Some(Value::Null) => return Ok(constant(false)),
        Some(_) | None => return Err(not_supported(pattern, "LIKE takes a text: `LIKE '%part%'`")),
    };
    let begins = text.starts_with('%');
    let part = text.trim_start_matches('%');
    let (part, ends) = (part.trim_end_matches('%'), part.ends_with('%'));
    if part.contains(['%', '_']) || (begins != ends && !part.is_empty()) {
        return Err(Error::InvalidInput(format!(
            "LIKE '{text}' is not supported over knowledge bases; write `LIKE '%part%'`, which is whether a text has the part, or \
             `=` for the whole text"
        )));
    }
    Ok(match (part.is_empty(), begins, truth) {
        // `%` is any text.
        (true, true, true) => json!({ column: { "exists": true } }),
        (true, true, false) => constant(false),
        (_, false, true) => json!({ column: { "eq": part } }),
        (_, false, false) => json!({ column: { "ne": part, "exists": true } }),
        (false, true, true) => json!({ column: { "contains": part } }),
        (false, true, false) => {
            json!({ "all": [{ &column: { "exists": true } }, { "not": { &column: { "contains": part } } }] })
        }
    })
}

fn exists(scope: &Scope<'_>, expr: &Expr, wanted: bool) -> Result<Value> {
    if let Some(value) = scope.constant(expr)? {
        return Ok(constant(value.is_null() != wanted));
    }
    let column = column(scope, expr)?;
    Ok(json!({ column: { "exists": wanted } }))
}

/// `IS TRUE` and `IS FALSE` have two outcomes, like the filter: no value is neither.
fn is(scope: &Scope<'_>, expr: &Expr, value: bool, truth: bool) -> Result<Value> {
    let column = column(scope, expr)?;
    Ok(json!({ column: { (if truth { "eq" } else { "ne" }): value } }))
}

/// Passes everything, or nothing.
fn constant(passes: bool) -> Value {
    json!({ (if passes { "all" } else { "any" }): [] })
}

fn column(scope: &Scope<'_>, expr: &Expr) -> Result<String> {
    match expr {
        Expr::Nested(inner) => column(scope, inner),
        _ => scope.column(expr)?.ok_or_else(|| {
            not_supported(expr, "WHERE compares columns with values; compute with the result, or in HAVING with sums")
        }),
    }
}
