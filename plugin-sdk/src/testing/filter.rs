//! The typed filter, as the server understands it: every member of the object must hold; `any`, `all` and `not` combine.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Whether a record's fields pass. `known` are the fields that the knowledge base has.
pub(super) fn passes(filter: &Value, fields: &Map<String, Value>, known: &BTreeSet<String>) -> Result<bool> {
    let Value::Object(members) = filter else {
        return Err(Error::InvalidInput("a filter is an object".to_owned()));
    };
    let mut holds = true;
    for (name, condition) in members {
        holds &= match name.as_str() {
            "any" => parts(condition)?
                .iter()
                .try_fold(false, |any, part| Ok::<_, Error>(passes(part, fields, known)? || any))?,
            "all" => parts(condition)?
                .iter()
                .try_fold(true, |all, part| Ok::<_, Error>(passes(part, fields, known)? && all))?,
            "not" => !passes(condition, fields, known)?,
            field if known.contains(field) => matches(fields.get(field).unwrap_or(&Value::Null), condition)?,
            field => {
                let known = known.iter().cloned().collect::<Vec<_>>().join(", ");
                return Err(Error::InvalidInput(format!("there is no field `{field}`; the fields are {known}")));
            }
        };
    }
    Ok(holds)
}

fn parts(condition: &Value) -> Result<&Vec<Value>> {
    condition.as_array().ok_or_else(|| Error::InvalidInput("`any` and `all` take a list of filters".to_owned()))
}

fn matches(value: &Value, condition: &Value) -> Result<bool> {
    let Value::Object(operators) = condition else { return Ok(equal(value, condition)) };
    let mut holds = true;
    for (operator, operand) in operators {
        let order = || compare(value, operand);
        holds &= match operator.as_str() {
            "eq" => equal(value, operand),
            "ne" => !equal(value, operand),
            "in" => operand.as_array().is_some_and(|items| items.iter().any(|item| equal(value, item))),
            "gt" => order() == Some(Ordering::Greater),
            "gte" => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
            "lt" => order() == Some(Ordering::Less),
            "lte" => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
            "contains" => contains(value, operand),
            "exists" => value.is_null() != operand.as_bool().unwrap_or(true),
            other => return Err(Error::InvalidInput(format!("there is no operator `{other}`"))),
        };
    }
    Ok(holds)
}

/// A list is equal to a value when it has it.
fn equal(value: &Value, operand: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| equal(item, operand)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            value == operand || compare(value, operand) == Some(Ordering::Equal)
        }
    }
}

pub(super) fn compare(value: &Value, operand: &Value) -> Option<Ordering> {
    match (value.as_f64(), operand.as_f64()) {
        (Some(value), Some(operand)) => value.partial_cmp(&operand),
        (None, None) => Some(value.as_str()?.cmp(operand.as_str()?)),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

fn contains(value: &Value, operand: &Value) -> bool {
    match (value, operand) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(items), wanted) => items.contains(wanted),
        _ => false,
    }
}
