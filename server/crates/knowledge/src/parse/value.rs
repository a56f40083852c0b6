//! Cells into typed values, as people write them: `￥1,280.00`, `２２元`, `是`, `2026年10月3日`, `大豆、小麦`.

use jiff::civil::Date;
use serde_json::{Number, Value, json};
use unicode_normalization::UnicodeNormalization as _;

use crate::notice::{Notice, notice};
use crate::spec::FieldKind;

/// A cell of a table. Empty cells have no value.
pub(crate) fn from_cell(kind: FieldKind, cell: &str) -> Result<Option<Value>, Notice> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(None);
    }
    let value = match kind {
        FieldKind::Text | FieldKind::Keyword => Value::String(cell.to_owned()),
        FieldKind::Number => Value::Number(number(cell)?),
        FieldKind::Boolean => Value::Bool(boolean(cell)?),
        FieldKind::Date => Value::String(date(cell)?),
        FieldKind::List => {
            let list = list(cell);
            if list.is_empty() {
                return Ok(None);
            }
            json!(list)
        }
    };
    Ok(Some(value))
}

/// A value of JSON. Strings are read as cells; other types must fit.
pub(crate) fn from_json(kind: FieldKind, value: &Value) -> Result<Option<Value>, Notice> {
    match (kind, value) {
        (_, Value::Null) => Ok(None),
        (_, Value::String(it)) => from_cell(kind, it),
        (FieldKind::Number, Value::Number(_)) | (FieldKind::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        (FieldKind::Boolean, Value::Number(it)) if it.as_u64().is_some_and(|it| it < 2) => {
            Ok(Some(Value::Bool(it.as_u64() == Some(1))))
        }
        (FieldKind::Text | FieldKind::Keyword, Value::Number(it)) => Ok(Some(Value::String(it.to_string()))),
        (FieldKind::Text | FieldKind::Keyword, Value::Bool(it)) => Ok(Some(Value::String(it.to_string()))),
        (FieldKind::List, Value::Array(items)) => {
            let mut list = Vec::new();
            for item in items {
                match item {
                    Value::String(it) if it.trim().is_empty() => {}
                    Value::String(it) => list.push(it.trim().to_owned()),
                    Value::Number(it) => list.push(it.to_string()),
                    Value::Bool(it) => list.push(it.to_string()),
                    Value::Null => {}
                    Value::Array(_) | Value::Object(_) => {
                        let given = as_json(item);
                        return Err(notice!("not_in_a_list", "a list holds words and numbers, not `{given}`", given));
                    }
                }
            }
            Ok(if list.is_empty() { None } else { Some(json!(list)) })
        }
        (FieldKind::List, Value::Number(it)) => Ok(Some(json!([it.to_string()]))),
        (_, other) => {
            let (given, kind) = (as_json(other), kind.as_str());
            Err(notice!("wrong_type", "`{given}` does not fit the type {kind}", given, kind))
        }
    }
}

/// As it was written, for messages.
pub(crate) fn as_json(value: &Value) -> String {
    shortened(&value.to_string())
}

pub(crate) fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(it) => format!("the boolean {it}"),
        Value::Number(it) => format!("the number {it}"),
        Value::String(it) => format!("the text “{}”", shortened(it)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// As people read it: text as it is, lists with `、`.
pub(crate) fn readable(value: &Value) -> String {
    match value {
        Value::String(it) => it.clone(),
        Value::Array(items) => items.iter().map(readable).collect::<Vec<_>>().join("、"),
        Value::Null => String::new(),
        Value::Bool(it) => it.to_string(),
        Value::Number(it) => it.to_string(),
        Value::Object(_) => value.to_string(),
    }
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.chars().count() <= SHOWN { text.to_owned() } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

pub(crate) fn number(cell: &str) -> Result<Number, Notice> {
    let bad = || notice!("not_a_number", "“{cell}” is not a number", cell = shortened(cell));
    let narrow: String = cell.nfkc().map(|it| if matches!(it, '−' | '–') { '-' } else { it }).collect();
    let mut rest = narrow.trim();
    for currency in ["rmb", "cny", "usd", "hk$", "nt$", "¥", "$", "€", "£", "人民币"] {
        if let Some(after) = strip_prefix_ignoring_case(rest, currency) {
            rest = after.trim_start();
        }
    }
    let negative = rest.starts_with('-');
    rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).trim_start();
    for currency in ["¥", "$"] {
        rest = rest.strip_prefix(currency).unwrap_or(rest).trim_start();
    }
    let mut factor = 1.0;
    for (unit, times) in
        [("元", 1.0), ("块", 1.0), ("圆", 1.0), ("rmb", 1.0), ("cny", 1.0), ("%", 0.01), ("万", 1e4), ("亿", 1e8)]
    {
        if let Some(before) = rest.strip_suffix(unit) {
            rest = before.trim_end();
            factor *= times;
        }
    }
    let digits = without_thousands(rest).ok_or_else(bad)?;
    let sign = if negative { "-" } else { "" };
    if factor == 1.0
        && !digits.contains(['.', 'e', 'E'])
        && let Ok(whole) = format!("{sign}{digits}").parse::<i64>()
    {
        return Ok(whole.into());
    }
    let value: f64 = format!("{sign}{digits}").parse().map_err(|_| bad())?;
    let value = value * factor;
    // 1.2万 is 12000, not 12000.000000000002.
    let value = if factor == 1.0 { value } else { (value * 1e9).round() / 1e9 };
    if factor > 1.0 && value.fract() == 0.0 && value.abs() < 9e15 {
        return Ok((value as i64).into());
    }
    Number::from_f64(value).ok_or_else(bad)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    if head.eq_ignore_ascii_case(prefix) { text.get(prefix.len()..) } else { None }
}

/// `1,234,567.5` → `1234567.5`; commas anywhere else are not thousands, so the cell is no number.
fn without_thousands(text: &str) -> Option<String> {
    let (whole, rest) = match text.find(['.', 'e', 'E']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let only_digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let valid_rest = rest.bytes().all(|it| it.is_ascii_digit() || matches!(it, b'.' | b'e' | b'E' | b'-' | b'+'));
    if !valid_rest || (whole.is_empty() && rest.len() < 2) {
        return None;
    }
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let groups: Vec<&str> = groups.collect();
    if groups.is_empty() {
        return (whole.is_empty() || only_digits(whole)).then(|| text.to_owned());
    }
    let right = only_digits(first) && first.len() <= 3 && groups.iter().all(|it| only_digits(it) && it.len() == 3);
    right.then(|| format!("{}{rest}", whole.replace(',', "")))
}

pub(crate) fn boolean(cell: &str) -> Result<bool, Notice> {
    let key: String = cell.nfkc().flat_map(char::to_lowercase).collect();
    match key.trim() {
        "true" | "yes" | "y" | "t" | "1" | "on" | "是" | "有" | "对" | "真" | "✓" | "✔" | "√" => Ok(true),
        "false" | "no" | "n" | "f" | "0" | "off" | "否" | "无" | "没有" | "不是" | "错" | "假" | "✗" | "✘" | "×" => {
            Ok(false)
        }
        _ => Err(notice!(
            "not_yes_or_no",
            "“{cell}” is neither yes nor no (write 是/否 or true/false)",
            cell = shortened(cell)
        )),
    }
}

/// Any usual shape into `YYYY-MM-DD`; a time behind the date is dropped.
pub(crate) fn date(cell: &str) -> Result<String, Notice> {
    let bad = || notice!("not_a_date", "“{cell}” is not a date (write 2026-10-31)", cell = shortened(cell));
    let narrow: String = cell.nfkc().collect::<String>().trim().to_lowercase();
    let words = month_name_first(&narrow);
    let narrow = words.unwrap_or(narrow);
    let numbers: Vec<(&str, Option<char>)> = digit_groups(&narrow);
    let parts: Vec<&str> = numbers.iter().map(|(it, _)| *it).collect();
    let separator = numbers.first().and_then(|(_, it)| *it);
    let read = |text: &str| text.parse::<i16>().unwrap_or(-1);
    let (year, month, day) = match parts.as_slice() {
        [all, ..] if all.len() == 8 && narrow.starts_with(all) => {
            (read(all.get(..4).unwrap_or("")), read(all.get(4..6).unwrap_or("")), read(all.get(6..).unwrap_or("")))
        }
        [year, month, day, ..] if year.len() == 4 && month.len() <= 2 && day.len() <= 2 => {
            (read(year), read(month), read(day))
        }
        [a, b, year, ..] if year.len() == 4 && a.len() <= 2 && b.len() <= 2 => {
            let (a, b) = (read(a), read(b));
            // 31.10.2026 is day first wherever points are used; with `/` only a number above 12 tells.
            match (separator, a > 12, b > 12) {
                (Some('.'), _, false) | (_, true, false) => (read(year), b, a),
                (_, false, true) => (read(year), a, b),
                (_, false, false) if a == b => (read(year), a, b),
                (_, false, false) => {
                    return Err(notice!(
                        "ambiguous_date",
                        "“{cell}” is not a date: day and month cannot be told apart (write 2026-10-31)",
                        cell = shortened(cell)
                    ));
                }
                (_, true, true) => return Err(bad()),
            }
        }
        _ => return Err(bad()),
    };
    let (Ok(month), Ok(day)) = (i8::try_from(month), i8::try_from(day)) else { return Err(bad()) };
    Date::new(year, month, day).map(|it| it.to_string()).map_err(|_| {
        notice!(
            "no_such_day",
            "“{cell}” is not a date: there is no such day (write 2026-10-31)",
            cell = shortened(cell)
        )
    })
}

/// The groups of digits with the character behind each.
fn digit_groups(text: &str) -> Vec<(&str, Option<char>)> {
    let mut groups = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(|it: char| it.is_ascii_digit()) {
        // Only what separates dates may stand between their numbers.
        let between = rest.get(..at).unwrap_or("");
        if !between
            .chars()
            .all(|it| matches!(it, '-' | '/' | '.' | '年' | '月' | '日' | '号' | ' ' | 't' | ':' | ',' | '+' | 'z'))
        {
            break;
        }
        rest = rest.get(at..).unwrap_or("");
        let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        groups.push((digits, after.chars().next()));
        rest = after;
    }
    groups
}

/// `Oct 31, 2026` and `31 October 2026` → `2026-10-31`.
fn month_name_first(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let words: Vec<&str> = text.split([' ', ',', '.', '-']).filter(|it| !it.is_empty()).collect();
    let (month_word, day, year) = match words.as_slice() {
        [a, b, c, ..] if a.starts_with(|it: char| it.is_ascii_alphabetic()) => (*a, *b, *c),
        [a, b, c, ..] if b.starts_with(|it: char| it.is_ascii_alphabetic()) => (*b, *a, *c),
        _ => return None,
    };
    let key = month_word.get(..3)?;
    let month = MONTHS.iter().position(|it| *it == key)? + 1;
    let day = day.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    Some(format!("{year}-{month}-{day}"))
}

/// Split at `、`, `,`, `;`, `|`, their full-width forms and line ends; a JSON list is taken as it is.
pub(crate) fn list(cell: &str) -> Vec<String> {
    if cell.starts_with('[')
        && let Ok(items) = serde_json::from_str::<Vec<String>>(cell)
    {
        return items.into_iter().filter(|it| !it.trim().is_empty()).collect();
    }
    cell.split(['、', ',', '，', ';', '；', '|', '｜', '\n'])
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_write_them() {
        for (cell, expected) in [
            ("22", "22"),
            ("２２．５元", "22.5"),
            ("￥1,280.00", "1280.0"),
            ("¥ 1,234,567", "1234567"),
            ("-3", "-3"),
            ("−3.5", "-3.5"),
            ("1.2万", "12000"),
            ("3亿", "300000000"),
            ("12.5%", "0.125"),
            ("RMB 88", "88"),
            ("$9.99", "9.99"),
            ("1e3", "1000.0"),
            (".5", "0.5"),
        ] {
            assert_eq!(number(cell).unwrap().to_string(), expected, "{cell}");
        }
        for cell in ["12,34", "abc", "1.234,5", "--3", "元", "1 2", "nan", "inf", "3辣", ","] {
            assert!(number(cell).is_err(), "{cell} should not be a number");
        }
    }

    #[test]
    fn dates_as_people_write_them() {
        for cell in [
            "2026-10-03",
            "2026/10/3",
            "2026.10.3",
            "20261003",
            "2026年10月3日",
            "２０２６年１０月３号",
            "2026-10-03 08:30:00",
            "2026-10-03T08:30:00+08:00",
            "Oct 3, 2026",
            "3 October 2026",
            "3.10.2026",
        ] {
            assert_eq!(date(cell).as_deref(), Ok("2026-10-03"), "{cell}");
        }
        assert_eq!(date("10/31/2026").as_deref(), Ok("2026-10-31"));
        assert!(date("10/3/2026").unwrap_err().message.contains("cannot be told apart"));
        assert!(date("2026-02-30").unwrap_err().message.contains("no such day"));
        for cell in ["yesterday", "2026", "45000", "13/13/2026", "约2026年10月3日"] {
            assert!(date(cell).is_err(), "{cell} should not be a date");
        }
    }

    #[test]
    fn booleans_and_lists() {
        assert_eq!((boolean("是"), boolean("否"), boolean(" ＹＥＳ ")), (Ok(true), Ok(false), Ok(true)));
        assert!(boolean("也许").is_err());
        assert_eq!(list("大豆、小麦，花生|虾;蟹"), ["大豆", "小麦", "花生", "虾", "蟹"]);
        assert_eq!(list(r#"["a, b","c"]"#), ["a, b", "c"]);
    }
}
