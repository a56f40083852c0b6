//! One cell of a decision table: a condition that is parsed when the workflow is compiled, and a value that it is held
//! against when the workflow runs.

use std::borrow::Cow;

use serde_json::Value;

use crate::template::has_expression;
use crate::yaml::{Node, Yaml};

/// Said with every cell that cannot be read.
pub(super) const FORMS: &str = "a cell is a value, `>= 100`, `[1..5]`, `a, b`, `not a`, `contains a`, `starts a`, or `-` for anything; quotes make anything a text";

/// Digits that a floating-point number keeps exactly; longer ones are names, such as order numbers.
const EXACT_DIGITS: usize = 15;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Any,
    Equals(Plain),
    Ordered(Order, Bound),
    Between(End, End),
    OneOf(Vec<Condition>),
    Contains(Vec<String>),
    Starts(Vec<String>),
    Not(Box<Condition>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain {
    Bool(bool),
    Number(f64),
    Text(String),
}

/// What can be less or more than something else.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Bound {
    Number(f64),
    /// `YYYY-MM-DD`, whose order is that of its text.
    Date(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// One end of a range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    order: Order,
    bound: Bound,
}

/// A value as conditions look at it; made once for all rows.
#[derive(Debug)]
pub(super) struct Fact<'v> {
    value: &'v Value,
    text: Cow<'v, str>,
    number: Option<f64>,
    truth: Option<bool>,
}

impl<'v> Fact<'v> {
    pub(super) fn new(value: &'v Value) -> Fact<'v> {
        let text = match value {
            Value::Null => Cow::Borrowed(""),
            Value::String(text) => Cow::Borrowed(text.trim()),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Cow::Owned(value.to_string()),
        };
        let (number, truth) = match value {
            Value::Number(_) | Value::String(_) => (number(&text), truth(&text)),
            Value::Bool(it) => (None, Some(*it)),
            Value::Null | Value::Array(_) | Value::Object(_) => (None, None),
        };
        Fact { value, text, number, truth }
    }

    /// Its place in the order of the bound's kind.
    fn compared(&self, bound: &Bound) -> Option<std::cmp::Ordering> {
        match bound {
            Bound::Number(than) => self.number?.partial_cmp(than),
            Bound::Date(than) => {
                // Of a moment, its day.
                let day = self.text.get(..10).filter(|it| is_date(it))?;
                let rest = self.text.get(10..).unwrap_or_default();
                (rest.is_empty() || rest.starts_with(['T', 't', ' '])).then(|| day.cmp(than))
            }
        }
    }

    fn is(&self, plain: &Plain) -> bool {
        match plain {
            Plain::Bool(it) => self.truth == Some(*it),
            Plain::Number(it) => self.number == Some(*it),
            Plain::Text(it) => !matches!(self.value, Value::Array(_) | Value::Object(_)) && *self.text == **it,
        }
    }

    fn contains(&self, part: &str) -> bool {
        match self.value {
            Value::Array(items) => items.iter().any(|it| Fact::new(it).is(&plain(part))),
            Value::String(_) | Value::Number(_) => self.text.contains(part),
            Value::Null | Value::Bool(_) | Value::Object(_) => false,
        }
    }
}

impl Condition {
    pub(super) fn holds(&self, fact: &Fact<'_>) -> bool {
        let in_order = |order: Order, bound: &Bound| fact.compared(bound).is_some_and(|it| order.allows(it));
        match self {
            Condition::Any => true,
            Condition::Equals(plain) => fact.is(plain),
            Condition::Ordered(order, bound) => in_order(*order, bound),
            Condition::Between(low, high) => in_order(low.order, &low.bound) && in_order(high.order, &high.bound),
            Condition::OneOf(choices) => choices.iter().any(|it| it.holds(fact)),
            Condition::Contains(parts) => parts.iter().any(|it| fact.contains(it)),
            Condition::Starts(parts) => parts.iter().any(|it| fact.text.starts_with(it.as_str())),
            Condition::Not(inner) => !inner.holds(fact),
        }
    }

    /// A cell of a document, which may be of any type.
    pub(super) fn of_node(node: &Node) -> Result<Condition, String> {
        match &node.value {
            Yaml::Null => Ok(Condition::Any),
            Yaml::Bool(it) => Ok(Condition::Equals(Plain::Bool(*it))),
            Yaml::Number(it) => Ok(Condition::Equals(plain(&it.to_string()))),
            Yaml::Text(text) => Condition::parse(text),
            Yaml::List(items) if items.is_empty() => Err("an empty list can never match".to_owned()),
            Yaml::List(items) => items
                .iter()
                .map(|it| match &it.value {
                    Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => Condition::of_node(it),
                    Yaml::Null | Yaml::List(_) | Yaml::Map(_) => Err(format!("a choice cannot be {}", it.kind())),
                })
                .collect::<Result<_, _>>()
                .map(Condition::OneOf),
            Yaml::Map(_) => Err("a condition cannot be a map".to_owned()),
        }
    }

    /// A cell as text.
    pub(super) fn parse(cell: &str) -> Result<Condition, String> {
        if has_expression(cell) {
            return Err(
                "conditions are fixed; only `when` itself and `then` cells of the document have expressions".into()
            );
        }
        let mut text = cell.trim();
        let mut negated = false;
        while let Some(rest) = after_word(text, "not") {
            (text, negated) = (rest, !negated);
        }
        if negated && text.is_empty() {
            return Err("`not` needs something after it".to_owned());
        }
        let condition = if matches!(text, "" | "-") { Condition::Any } else { positive(text)? };
        Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
    }
}

impl Order {
    fn allows(self, found: std::cmp::Ordering) -> bool {
        match self {
            Order::Less => found.is_lt(),
            Order::AtMost => found.is_le(),
            Order::More => found.is_gt(),
            Order::AtLeast => found.is_ge(),
        }
    }
}

fn positive(text: &str) -> Result<Condition, String> {
    if let Some(rest) = after_word(text, "contains") {
        return words(rest).map(Condition::Contains);
    }
    if let Some(rest) = after_word(text, "starts") {
        return words(after_word(rest, "with").unwrap_or(rest)).map(Condition::Starts);
    }
    let listed = after_word(text, "in");
    let text = listed.unwrap_or(text);
    let inner = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).filter(|it| !it.contains(".."));
    let mut choices = parts(inner.unwrap_or(text));
    if listed.is_some() || inner.is_some() || choices.len() > 1 {
        return choices.into_iter().map(simple).collect::<Result<_, _>>().map(Condition::OneOf);
    }
    choices.pop().map_or(Ok(Condition::Any), simple)
}

/// The texts after `contains` and `starts`.
fn words(list: &str) -> Result<Vec<String>, String> {
    parts(list)
        .into_iter()
        .map(|it| match it.is_empty() {
            true => Err("there is nothing to look for".to_owned()),
            false => Ok(unquoted(it).unwrap_or(it).to_owned()),
        })
        .collect()
}

/// What is left after a word that stands alone at the beginning.
fn after_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let start = text.get(..word.len()).filter(|it| it.eq_ignore_ascii_case(word))?;
    let rest = text.get(start.len()..)?;
    (rest.is_empty() || rest.starts_with(|it: char| it.is_whitespace() || it == '[')).then(|| rest.trim_start())
}

/// Splits at commas that stand outside of quotes and brackets.
fn parts(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut depth, mut quote) = (0, 0_usize, None);
    for (at, it) in text.char_indices() {
        match (quote, it) {
            (Some(open), _) => quote = Some(open).filter(|open| *open != it),
            (None, '"') => quote = Some('"'),
            (None, '“') => quote = Some('”'),
            (None, '(' | '[' | '（' | '［') => depth += 1,
            (None, ')' | ']' | '）' | '］') => depth = depth.saturating_sub(1),
            (None, ',' | '，') if depth == 0 => {
                found.push(text.get(start..at).unwrap_or_default().trim());
                start = at + it.len_utf8();
            }
            (None, _) => {}
        }
    }
    found.push(text.get(start..).unwrap_or_default().trim());
    found
}

/// Operators as they are written, the longer ones first.
const OPERATORS: [(&str, Operator); 14] = [
    ("!=", Operator::Differs),
    ("≠", Operator::Differs),
    ("<=", Operator::Compares(Order::AtMost)),
    ("＜＝", Operator::Compares(Order::AtMost)),
    ("≤", Operator::Compares(Order::AtMost)),
    (">=", Operator::Compares(Order::AtLeast)),
    ("＞＝", Operator::Compares(Order::AtLeast)),
    ("≥", Operator::Compares(Order::AtLeast)),
    ("<", Operator::Compares(Order::Less)),
    ("＜", Operator::Compares(Order::Less)),
    (">", Operator::Compares(Order::More)),
    ("＞", Operator::Compares(Order::More)),
    ("=", Operator::Equals),
    ("＝", Operator::Equals),
];

#[derive(Clone, Copy)]
enum Operator {
    Equals,
    Differs,
    Compares(Order),
}

/// One choice: an operator with its operand, a range, or a plain value.
fn simple(text: &str) -> Result<Condition, String> {
    if text.is_empty() {
        return Err("a choice between commas is empty".to_owned());
    }
    let operator =
        OPERATORS.iter().find_map(|(sign, it)| text.strip_prefix(sign).map(|rest| (*sign, *it, rest.trim())));
    let Some((sign, operator, operand)) = operator else { return range(text) };
    if operand.is_empty() {
        return Err(format!("`{sign}` needs a value after it"));
    }
    match operator {
        Operator::Equals => Ok(Condition::Equals(plain(operand))),
        Operator::Differs => Ok(Condition::Not(Box::new(Condition::Equals(plain(operand))))),
        Operator::Compares(order) => bound(operand)
            .map(|it| Condition::Ordered(order, it))
            .ok_or_else(|| format!("`{sign}` compares with a number or a date (YYYY-MM-DD), not with `{operand}`")),
    }
}

/// `[1..5]`, `(1..5]`, `1..5`; anything else is a plain value.
fn range(text: &str) -> Result<Condition, String> {
    let low_order = text.chars().next().and_then(|it| match it {
        '[' | '［' => Some(Order::AtLeast),
        '(' | '（' => Some(Order::More),
        _ => None,
    });
    let high_order = text.chars().next_back().and_then(|it| match it {
        ']' | '］' => Some(Order::AtMost),
        ')' | '）' => Some(Order::Less),
        _ => None,
    });
    let brackets = ['[', '［', '(', '（', ']', '］', ')', '）'];
    let Some((low, high)) = text.trim_matches(brackets).split_once("..") else { return Ok(equals(text)) };
    match (bound(low.trim()), bound(high.trim())) {
        (None, None) if low_order.is_none() => Ok(equals(text)),
        (Some(low), Some(high)) => {
            if std::mem::discriminant(&low) != std::mem::discriminant(&high) {
                return Err(format!("the ends of the range `{text}` are of different kinds"));
            }
            if low_order.is_some() != high_order.is_some() {
                return Err(format!("the range `{text}` has only one bracket"));
            }
            if low > high {
                return Err(format!("the range `{text}` ends before it begins"));
            }
            Ok(Condition::Between(
                End { order: low_order.unwrap_or(Order::AtLeast), bound: low },
                End { order: high_order.unwrap_or(Order::AtMost), bound: high },
            ))
        }
        (Some(_) | None, Some(_) | None) => {
            Err(format!("the range `{text}` needs two numbers or two dates (YYYY-MM-DD)"))
        }
    }
}

fn equals(text: &str) -> Condition {
    Condition::Equals(plain(text))
}

fn plain(text: &str) -> Plain {
    if let Some(inside) = unquoted(text) {
        return Plain::Text(inside.to_owned());
    }
    match (truth(text), number(text)) {
        (Some(it), _) => Plain::Bool(it),
        (None, Some(it)) => Plain::Number(it),
        (None, None) => Plain::Text(text.to_owned()),
    }
}

fn unquoted(text: &str) -> Option<&str> {
    [('"', '"'), ('“', '”')].into_iter().find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "TRUE" | "True" | "是" => Some(true),
        "false" | "FALSE" | "False" | "否" => Some(false),
        _ => None,
    }
}

fn bound(text: &str) -> Option<Bound> {
    if is_date(text) {
        return Some(Bound::Date(text.to_owned()));
    }
    number(text).map(Bound::Number)
}

/// A decimal number, also in full-width digits. Digits with a zero in front, and more than a number can keep, are names.
pub(super) fn number(text: &str) -> Option<f64> {
    if text.len() > 64 {
        return None;
    }
    let narrow: String = text
        .chars()
        .map(|it| match u32::from(it) {
            code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(it),
            _ => it,
        })
        .collect();
    let digits = narrow.strip_prefix(['-', '+']).unwrap_or(&narrow);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let is_name = whole.len() > 1 && whole.starts_with('0') || whole.len() + fraction.len() > EXACT_DIGITS + 1;
    if !all_digits(whole) || !all_digits(fraction) || is_name {
        return None;
    }
    narrow.parse().ok()
}

/// `YYYY-MM-DD`
fn is_date(text: &str) -> bool {
    let part = |from: usize, until: usize| {
        text.get(from..until)
            .filter(|it| it.bytes().all(|it| it.is_ascii_digit()))
            .and_then(|it| it.parse::<u32>().ok())
    };
    let month = part(5, 7).is_some_and(|it| (1..=12).contains(&it));
    let day = part(8, 10).is_some_and(|it| (1..=31).contains(&it));
    let dashes = text.as_bytes().get(4) == Some(&b'-') && text.as_bytes().get(7) == Some(&b'-');
    text.len() == 10 && dashes && month && day && part(0, 4).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(cell: &str, value: &Value) -> bool {
        Condition::parse(cell).unwrap().holds(&Fact::new(value))
    }

    #[test]
    fn every_form_says_yes_and_no() {
        let cases = [
            ("", json!(null), json!(null)),
            ("gold", json!(" gold "), json!("Gold")),
            ("100", json!("100.0"), json!(101)),
            ("007", json!("007"), json!(7)),
            ("是", json!(true), json!("否")),
            ("= 5", json!(5), json!(6)),
            ("!= 5", json!("五"), json!(5.0)),
            (">= 100", json!(100), json!(99.9)),
            ("≥１００", json!(100), json!("abc")),
            ("< 5", json!("4"), json!(null)),
            ("＞ 5", json!(6), json!(5)),
            ("<= 2026-10-01", json!("2026-10-01T23:00:00+08:00"), json!("2026-10-02")),
            ("[1..5]", json!(5), json!(5.1)),
            ("(1..5)", json!(2), json!(1)),
            ("1..5", json!(1), json!(0)),
            ("[2026-10-01..2026-10-07]", json!("2026-10-07"), json!("2026-10-08")),
            ("gold，silver", json!("silver"), json!("bronze")),
            ("in [1, 3, > 10]", json!(11), json!(2)),
            ("not gold, silver", json!("bronze"), json!("gold")),
            ("not not gold", json!("gold"), json!("silver")),
            ("contains 辣", json!("麻辣"), json!("清淡")),
            ("contains a, b", json!(["b"]), json!(["ab"])),
            ("starts 138, 139", json!("13900001111"), json!("13700001111")),
            ("\"a, b\"", json!("a, b"), json!("a")),
            ("\"\"", json!(null), json!(" x ")),
            ("etc..", json!("etc.."), json!("etc")),
            ("12345678901234567890", json!("12345678901234567890"), json!("12345678901234567891")),
        ];
        for (cell, yes, no) in cases {
            assert!(holds(cell, &yes), "`{cell}` must hold for {yes}");
            assert!(cell.is_empty() || !holds(cell, &no), "`{cell}` must not hold for {no}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in [
            ">= much",
            "<",
            "not ",
            "a,,b",
            "[5..1]",
            "[1..]",
            "1..x",
            "[1..5",
            "[1..2026-10-01]",
            "contains",
            "{{ x }}",
            "in [a, ]",
        ] {
            assert!(Condition::parse(bad).is_err(), "{bad}");
        }
    }
}
