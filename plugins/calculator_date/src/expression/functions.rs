//! The functions that expressions may call.

use num_traits::ToPrimitive as _;
use parlour_plugin_sdk::Result;

use crate::number::{Number, wrong};

pub(super) const FUNCTIONS: &[&str] = &[
    "abs", "acos", "asin", "atan", "average", "avg", "cbrt", "ceil", "cos", "exp", "floor", "ln", "log", "log10",
    "log2", "max", "median", "min", "mod", "pow", "round", "sign", "sin", "sqrt", "sum", "tan", "trunc",
];

pub(super) fn call(name: &str, arguments: &[Number]) -> Result<Number> {
    let lower = name.to_lowercase();
    match (lower.as_str(), arguments) {
        ("abs", [number]) => Ok(number.absolute()),
        ("sign", [number]) => Ok(Number::exactly(num_traits::Signed::signum(&number.value))),
        ("floor", [number]) => Ok(number.floor()),
        ("ceil", [number]) => Ok(number.ceiling()),
        ("trunc", [number]) => Ok(number.truncated()),
        ("round", [number]) => Ok(number.rounded(0)),
        ("round", [number, places]) => {
            let whole = places.value.is_integer().then(|| places.value.to_i32()).flatten();
            match whole.filter(|places| places.unsigned_abs() <= 1_000) {
                Some(places) => Ok(number.rounded(places)),
                None => wrong("`round` takes a number and a whole number of decimal places"),
            }
        }
        ("sqrt", [number]) => number.square_root(),
        ("cbrt", [number]) => number.by_float(f64::cbrt),
        ("pow", [base, exponent]) => base.power(exponent),
        ("mod", [number, divisor]) => number.modulo(divisor),
        ("exp", [number]) => number.by_float(f64::exp),
        ("ln", [number]) => positive(number)?.by_float(f64::ln),
        ("log" | "log10", [number]) => positive(number)?.by_float(f64::log10),
        ("log2", [number]) => positive(number)?.by_float(f64::log2),
        ("log", [number, base]) => {
            let base = positive(base)?.to_float();
            positive(number)?.by_float(|number| number.log(base))
        }
        ("sin", [number]) => number.by_float(f64::sin),
        ("cos", [number]) => number.by_float(f64::cos),
        ("tan", [number]) => number.by_float(f64::tan),
        ("asin", [number]) => number.by_float(f64::asin),
        ("acos", [number]) => number.by_float(f64::acos),
        ("atan", [number]) => number.by_float(f64::atan),
        ("min" | "max" | "sum" | "avg" | "average" | "median", [first, others @ ..]) => many(&lower, first, others),
        (known, _) if FUNCTIONS.contains(&known) => {
            wrong(format!("`{name}` does not take {} arguments", arguments.len()))
        }
        _ => wrong(format!("there is no function `{name}`; the functions are {}", FUNCTIONS.join(", "))),
    }
}

fn positive(number: &Number) -> Result<&Number> {
    if num_traits::Signed::is_positive(&number.value) {
        Ok(number)
    } else {
        wrong("a logarithm is that of a positive number")
    }
}

fn many(name: &str, first: &Number, others: &[Number]) -> Result<Number> {
    let better = |one: &Number, another: &Number| {
        if name == "min" { another.value < one.value } else { another.value > one.value }
    };
    match name {
        "min" | "max" => {
            let best = others.iter().fold(first, |best, number| if better(best, number) { number } else { best });
            Ok(best.clone())
        }
        "median" => {
            let mut numbers: Vec<&Number> = std::iter::once(first).chain(others).collect();
            numbers.sort_by(|one, other| one.value.cmp(&other.value));
            let middle = numbers.get((numbers.len() - 1) / 2..=numbers.len() / 2).unwrap_or_default();
            match middle {
                [one, other] => one.add(other)?.divide(&Number::from(2)),
                _ => Ok(middle.first().copied().unwrap_or(first).clone()),
            }
        }
        _ => {
            let sum = others.iter().try_fold(first.clone(), |sum, number| sum.add(number))?;
            if name == "sum" {
                return Ok(sum);
            }
            sum.divide(&Number::from(i64::try_from(others.len() + 1).unwrap_or(i64::MAX)))
        }
    }
}
