//! A cell's value, the same for CSV and XLSX, and what becomes of it as JSON.

use parlour_plugin_sdk::Value;
use parlour_plugin_sdk::serde_json::Number;

/// Whole numbers up to here are exact in a spreadsheet, whose numbers are floating-point.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Spreadsheets show and keep so many digits: a longer number, such as one of an identity card, is a text.
pub(crate) const MAX_DIGITS: usize = 15;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Empty,
    Text(String),
    Number(f64),
    Bool(bool),
    /// `2026-11-27` or `2026-11-27T10:15:00`.
    Date(String),
}

impl Cell {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.is_empty(),
            Self::Number(_) | Self::Bool(_) | Self::Date(_) => false,
        }
    }

    pub(crate) fn into_json(self) -> Value {
        match self {
            Self::Empty => Value::Null,
            Self::Text(text) | Self::Date(text) => text.into(),
            Self::Bool(value) => value.into(),
            Self::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT => (number as i64).into(),
            Self::Number(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        }
    }

    /// What a header cell says.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Date(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Empty => None,
            Self::Text(_) => Some(Kind::Text),
            Self::Number(_) => Some(Kind::Number),
            Self::Bool(_) => Some(Kind::Boolean),
            Self::Date(_) => Some(Kind::Date),
        }
    }
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, parlour_plugin_sdk::Serialize, parlour_plugin_sdk::JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "snake_case")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) enum Kind {
    Text,
    Number,
    Boolean,
    Date,
    /// Several of these
    Mixed,
    /// No cell has a value
    Empty,
}

/// A number as a spreadsheet would take it; none for what only looks like one: 007, +86, an identity card.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.split(['.', 'e', 'E']).next().unwrap_or_default();
    let plain = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit())
        && digits.chars().all(|it| it.is_ascii_digit() || ".eE+-".contains(it));
    let zeros = whole.len() > 1 && whole.starts_with('0');
    if !plain || zeros || digits.bytes().filter(u8::is_ascii_digit).count() > MAX_DIGITS {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_like_a_number_stays_a_text() {
        for (text, expected) in
            [("12", Some(12.0)), (" -1.5 ", Some(-1.5)), ("0", Some(0.0)), ("0.5", Some(0.5)), ("1e3", Some(1000.0))]
        {
            assert_eq!(number(text), expected, "{text}");
        }
        for text in [
            "",
            "-",
            "007",
            "+86",
            "1,234",
            "15%",
            "110101199003078888",
            "1.",
            ".5",
            "1e999",
            "inf",
            "NaN",
            "2026-11-27",
            "0x1f",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_have_no_point_in_json() {
        assert_eq!(Cell::Number(3.0).into_json().to_string(), "3");
        assert_eq!(Cell::Number(2.5).into_json().to_string(), "2.5");
        assert_eq!(Cell::Number(1e300).into_json().to_string(), "1e+300");
        assert_eq!(Cell::Number(f64::NAN).into_json(), Value::Null);
    }
}
