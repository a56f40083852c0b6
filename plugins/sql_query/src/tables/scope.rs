//! What the names and the values in a statement stand for, and how it is said that something has no place over a knowledge base.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has a hundred forms, and what is not named is refused"
)]

use parlour_plugin_sdk::serde_json::{Map, Number};
use parlour_plugin_sdk::{Error, Result, Value};
use sqlparser::ast::{Expr, Function as Called, UnaryOperator, Value as Literal};

/// What the names and the values in a statement stand for.
pub(super) struct Scope<'a> {
    pub(super) parameters: &'a Map<String, Value>,
    /// The base's name and its alias.
    pub(super) tables: Vec<&'a str>,
}

impl Scope<'_> {
    /// The column that an expression is, if it is one.
    pub(super) fn column(&self, expr: &Expr) -> Result<Option<String>> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(name) => Ok(Some(name.value.clone())),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [table, name] if self.tables.contains(&table.value.as_str()) => Ok(Some(name.value.clone())),
                _ => Err(Error::InvalidInput(format!(
                    "`{expr}` is of no table here; FROM names `{}`",
                    self.tables.join("`, `")
                ))),
            },
            _ => Ok(None),
        }
    }

    /// The value that an expression is, if it is one.
    pub(super) fn constant(&self, expr: &Expr) -> Result<Option<Value>> {
        match self.constant_or_list(expr)? {
            Some(Value::Array(_)) => {
                Err(Error::InvalidInput(format!("`{expr}` is a list, which goes after IN: `IN ({expr})`")))
            }
            other => Ok(other),
        }
    }

    pub(super) fn constant_or_list(&self, expr: &Expr) -> Result<Option<Value>> {
        match expr {
            Expr::Nested(inner) => self.constant_or_list(inner),
            Expr::Value(literal) => self.literal(&literal.value).map(Some),
            // `DATE '2026-10-01'`: the server reads the text by the column's type.
            Expr::TypedString(typed) => self.literal(&typed.value.value).map(Some),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match self.constant_or_list(expr)? {
                Some(Value::Number(number)) => Ok(Some(negative(&number))),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn literal(&self, literal: &Literal) -> Result<Value> {
        match literal {
            Literal::Number(digits, _) => {
                let digits = digits.replace('_', "");
                let whole = digits.parse::<i64>().ok().map(Number::from);
                let number = whole.or_else(|| Number::from_f64(digits.parse().ok()?));
                number.map(Value::Number).ok_or_else(|| Error::InvalidInput(format!("`{digits}` is no number")))
            }
            Literal::SingleQuotedString(text) => Ok(text.as_str().into()),
            Literal::Boolean(truth) => Ok((*truth).into()),
            Literal::Null => Ok(Value::Null),
            Literal::Placeholder(name) => {
                let name = name.strip_prefix(':').unwrap_or(name);
                Ok(self.parameters.get(name).cloned().unwrap_or_default())
            }
            other => {
                Err(refused(&format!("`{other}`"), "values are texts in single quotes, numbers, TRUE, FALSE and NULL"))
            }
        }
    }
}

fn negative(number: &Number) -> Value {
    match number.as_i64().and_then(i64::checked_neg) {
        Some(whole) => whole.into(),
        None => number.as_f64().map_or(Value::Null, |it| (-it).into()),
    }
}

pub(super) fn not_supported(what: &Expr, hint: &str) -> Error {
    let what = match what {
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => "a subquery".to_owned(),
        Expr::Function(Called { over: Some(_), name, .. }) => format!("the window function `{name}`"),
        other => format!("`{other}`"),
    };
    refused(&what, hint)
}

pub(super) fn refused(what: &str, hint: &str) -> Error {
    Error::InvalidInput(format!("{what} is not supported over knowledge bases; {hint}"))
}
