//! The scale, and levels written as values: a number, a number as text (also with full-width digits), a fraction, stars
//! or peppers, yes and no, or a word.

use parlour_plugin_sdk::{Text, Value};

use crate::words;

pub(crate) const MAX_LEVEL: u8 = 5;

/// What people call a level.
pub(crate) fn name(level: u8) -> Text {
    match level {
        0 => Text::new("not spicy", "不辣"),
        1 => Text::new("mild", "微辣"),
        2 => Text::new("medium", "中辣"),
        3 => Text::new("very spicy", "特辣"),
        4 => Text::new("extremely spicy", "爆辣"),
        _ => Text::new("the hottest", "变态辣"),
    }
}

/// The level a field's value stands for, and the value as shown to people; none when it says nothing readable.
pub(crate) fn of_value(value: &Value) -> Option<(u8, String)> {
    match value {
        Value::Number(number) => Some((of_number(number.as_f64()?)?, number.to_string())),
        // A yes-or-no column tells that there is spice, not how much: the everyday level.
        Value::Bool(spicy) => Some((if *spicy { 2 } else { 0 }, spicy.to_string())),
        Value::String(text) => Some((of_text(text)?, format!("“{}”", text.trim()))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Rounds to a level of the scale; what lies beyond an end is that end.
fn of_number(number: f64) -> Option<u8> {
    if !number.is_finite() {
        return None;
    }
    let clamped = number.round().clamp(0.0, f64::from(MAX_LEVEL));
    (0..=MAX_LEVEL).find(|level| (f64::from(*level) - clamped).abs() < 0.5)
}

/// A level written as text: `2`, `２`, `3/5`, `2级`, `Level 2`, `★★☆☆☆`, `🌶🌶`, `微辣`, `mild`, `无`.
pub(crate) fn of_text(text: &str) -> Option<u8> {
    let text = normalized(text);
    let text = text.trim();
    let marks = text.chars().filter(|mark| matches!(mark, '🌶' | '★' | '⭐')).count();
    if marks > 0 {
        return Some(u8::try_from(marks).unwrap_or(MAX_LEVEL).min(MAX_LEVEL));
    }
    if let Some(level) = leading_number(strip_label(text)) {
        return Some(level);
    }
    if matches!(text, "无" | "没有" | "否" | "不" | "none" | "no" | "nil" | "-" | "false") {
        return Some(0);
    }
    if matches!(text, "是" | "有" | "yes" | "true") {
        return Some(2);
    }
    // In a field about spice a bare degree is enough.
    match text {
        "微" | "低" | "low" | "little" => Some(1),
        "中" | "中等" | "适中" | "moderate" => Some(2),
        "高" | "重" | "特" | "high" => Some(3),
        _ => words::in_text(text).map(|(level, _)| level),
    }
}

/// `3`, `3/5`, `3 级`, `3 out of 5`, at the start of the text and followed by nothing else.
pub(crate) fn leading_number(text: &str) -> Option<u8> {
    let end = text.find(|digit: char| !digit.is_ascii_digit() && digit != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let number: f64 = digits.parse().ok()?;
    let rest = rest.trim_start();
    let scale = rest.strip_prefix('/').or_else(|| rest.strip_prefix("out of")).or_else(|| rest.strip_prefix("of"));
    if let Some(scale) = scale {
        let scale = scale.trim();
        let end = scale.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(scale.len());
        let scale: f64 = scale.get(..end)?.parse().ok()?;
        return if scale > 0.0 { of_number(number / scale * f64::from(MAX_LEVEL)) } else { None };
    }
    let rest = rest.strip_prefix(['级', '分', '星', '度', '颗', '个']).unwrap_or(rest).trim();
    if rest.is_empty() || rest.starts_with(|next: char| !next.is_alphanumeric()) { of_number(number) } else { None }
}

fn strip_label(text: &str) -> &str {
    let labels = ["spice level", "heat level", "level", "lv.", "lv", "l", "辣度", "辣级"];
    let rest = labels.iter().find_map(|label| text.strip_prefix(label)).unwrap_or(text);
    rest.trim_start_matches([' ', ':', '=', '为', '是'])
}

/// Full-width letters, digits and signs as their plain twins, and everything in small letters.
pub(crate) fn normalized(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\u{3000}' => ' ',
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
            other => other,
        })
        .flat_map(char::to_lowercase)
        .collect()
}
