//! What is computed here on the server's rows: arithmetic and a few functions in SELECT and ORDER BY, conditions in HAVING.
//! Null is SQL's: nothing is equal to it, and a condition over it is neither true nor false.

use std::cmp::Ordering;

use parlour_plugin_sdk::serde_json::{Map, Number};
use parlour_plugin_sdk::{Value, json};

/// The largest number below which every whole number is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// More digits than a number has.
const MAX_PLACES: f64 = 15.0;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Constant(Value),
    /// A member of the server's row: a field, or a sum by the name that it was given.
    Member(String),
    Arithmetic(Arithmetic, Box<Expression>, Box<Expression>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    IsNull(Box<Expression>),
    Call(Function, Vec<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Absolute,
    /// To so many decimal places, none where it is not said.
    Round,
    /// The first that is not null.
    Coalesce,
    /// Null where both are equal.
    NullIf,
}

impl Comparison {
    /// The same said from the other side.
    pub(super) fn flipped(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// What is true when this is false, of values that are not null.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "abs" => Some(Self::Absolute),
            "round" => Some(Self::Round),
            "coalesce" | "ifnull" => Some(Self::Coalesce),
            "nullif" => Some(Self::NullIf),
            _ => None,
        }
    }

    pub(super) fn takes(self, arguments: usize) -> bool {
        match self {
            Self::Absolute => arguments == 1,
            Self::Round => (1..=2).contains(&arguments),
            Self::Coalesce => arguments > 0,
            Self::NullIf => arguments == 2,
        }
    }
}

impl Expression {
    pub(super) fn evaluate(&self, row: &Map<String, Value>) -> Value {
        match self {
            Self::Constant(value) => value.clone(),
            Self::Member(name) => row.get(name).cloned().unwrap_or_default(),
            Self::Arithmetic(operator, left, right) => {
                let numbers = (left.evaluate(row).as_f64(), right.evaluate(row).as_f64());
                let (Some(left), Some(right)) = numbers else { return Value::Null };
                number(match operator {
                    Arithmetic::Add => left + right,
                    Arithmetic::Subtract => left - right,
                    Arithmetic::Multiply => left * right,
                    // By zero it is no number, which is null.
                    Arithmetic::Divide => left / right,
                    Arithmetic::Remainder => left % right,
                })
            }
            Self::Compare(comparison, left, right) => {
                let ordering = compare(&left.evaluate(row), &right.evaluate(row));
                ordering.map_or(Value::Null, |ordering| comparison.holds(ordering).into())
            }
            Self::And(left, right) => match (left.truth(row), right.truth(row)) {
                (Some(false), _) | (_, Some(false)) => false.into(),
                (Some(true), Some(true)) => true.into(),
                (None, _) | (_, None) => Value::Null,
            },
            Self::Or(left, right) => match (left.truth(row), right.truth(row)) {
                (Some(true), _) | (_, Some(true)) => true.into(),
                (Some(false), Some(false)) => false.into(),
                (None, _) | (_, None) => Value::Null,
            },
            Self::Not(inner) => inner.truth(row).map_or(Value::Null, |truth| (!truth).into()),
            Self::IsNull(inner) => inner.evaluate(row).is_null().into(),
            Self::Call(function, arguments) => {
                let values: Vec<Value> = arguments.iter().map(|it| it.evaluate(row)).collect();
                call(*function, &values)
            }
        }
    }

    fn truth(&self, row: &Map<String, Value>) -> Option<bool> {
        self.evaluate(row).as_bool()
    }
}

fn call(function: Function, values: &[Value]) -> Value {
    match (function, values) {
        (Function::Absolute, [value]) => value.as_f64().map_or(Value::Null, |value| number(value.abs())),
        (Function::Round, [value, places @ ..]) => {
            let places = places.first().map_or(Some(0.0), Value::as_f64);
            let (Some(value), Some(places)) = (value.as_f64(), places) else { return Value::Null };
            let scale = 10_f64.powf(places.trunc().clamp(-MAX_PLACES, MAX_PLACES));
            number((value * scale).round() / scale)
        }
        (Function::Coalesce, values) => values.iter().find(|it| !it.is_null()).cloned().unwrap_or_default(),
        (Function::NullIf, [one, other]) if compare(one, other) != Some(Ordering::Equal) => one.clone(),
        (Function::Absolute | Function::Round | Function::NullIf, _) => Value::Null,
    }
}

/// Whole numbers without a point, and nothing for what is no number.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and exact")]
    if value.fract() == 0.0 && value.abs() < EXACT {
        return json!(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Of two values of one kind. Words are compared without case, as the server does.
pub(super) fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        (Value::String(one), Value::String(other)) => Some(one.to_lowercase().cmp(&other.to_lowercase())),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        _ => None,
    }
}
