//! Turns what nearly fits a declaration into what was plainly meant: "3" or 三 into 3, "Yes" into true, `LARGE` into the
//! choice `large`. What could mean two things is left as it is, and then does not fit.

use serde_json::{Map, Value, json};

use crate::nodes::classify_intent::words::{narrow, normalise};

const YES: [&str; 4] = ["true", "yes", "是", "是的"];
const NO: [&str; 4] = ["false", "no", "否", "不是"];

/// Most levels of lists and objects that are looked into; a form has one or two.
const MAX_DEPTH: u32 = 8;

/// The value that was meant; the given one when there is nothing to change.
pub(super) fn coerce(given: &Value, schema: &Map<String, Value>) -> Value {
    within(given, schema, MAX_DEPTH)
}

fn within(given: &Value, schema: &Map<String, Value>, depth: u32) -> Value {
    let trimmed = match given {
        Value::String(text) => Value::String(text.trim().to_owned()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => given.clone(),
    };
    if depth == 0 {
        return trimmed;
    }
    if let (Some(Value::Array(choices)), Value::String(text)) = (schema.get("enum"), &trimmed) {
        return choice(choices, text).unwrap_or(trimmed);
    }
    let text = trimmed.as_str().map(|it| it.chars().map(narrow).collect::<String>());
    let meant = match (schema.get("type").and_then(Value::as_str), &trimmed) {
        (Some("integer"), Value::Number(number)) if number.is_f64() => number.as_f64().and_then(whole).map(Value::from),
        (Some("integer"), Value::String(_)) => text.and_then(|it| whole_number(&it)).map(Value::from),
        (Some("number"), Value::String(_)) => text.and_then(|it| number(&it)),
        (Some("boolean"), Value::String(_)) => text.and_then(|it| yes_or_no(&it)).map(Value::Bool),
        (Some("string"), Value::Number(number)) => Some(Value::String(number.to_string())),
        (Some("array"), Value::Array(items)) => {
            Some(Value::Array(items.iter().map(|it| item(it, schema, depth)).collect()))
        }
        (Some("array"), Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Some(list(&trimmed, schema, depth))
        }
        (Some("object"), Value::Object(entries)) => Some(object(entries, schema, depth)),
        _ => None,
    };
    meant.unwrap_or(trimmed)
}

/// The choice that a text names, whatever its case and width.
fn choice(choices: &[Value], text: &str) -> Option<Value> {
    let written = serde_json::from_str::<Value>(text).ok();
    if let Some(same) = choices.iter().find(|it| it.as_str() == Some(text) || written.as_ref() == Some(*it)) {
        return Some(same.clone());
    }
    let normal = normalise(text);
    let mut alike = choices.iter().filter(|it| it.as_str().is_some_and(|it| normalise(it) == normal));
    let first = alike.next().filter(|_| !normal.is_empty())?;
    alike.next().is_none().then(|| first.clone())
}

fn item(value: &Value, schema: &Map<String, Value>, depth: u32) -> Value {
    match schema.get("items") {
        Some(Value::Object(items)) => within(value, items, depth - 1),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | None => {
            value.clone()
        }
    }
}

/// One value where a list is wanted: a list of one, unless it is a list written as text.
fn list(value: &Value, schema: &Map<String, Value>, depth: u32) -> Value {
    if value.as_str().is_some_and(str::is_empty) {
        return Value::Null;
    }
    let written = value.as_str().and_then(|it| serde_json::from_str::<Value>(it).ok());
    match written {
        Some(Value::Array(items)) => Value::Array(items.iter().map(|it| item(it, schema, depth)).collect()),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) | None => {
            json!([item(value, schema, depth)])
        }
    }
}

fn object(entries: &Map<String, Value>, schema: &Map<String, Value>, depth: u32) -> Value {
    let property = |name: &str| schema.get("properties")?.get(name)?.as_object();
    let entries = entries.iter().map(|(name, value)| {
        (name.clone(), property(name).map_or_else(|| value.clone(), |it| within(value, it, depth - 1)))
    });
    Value::Object(entries.collect())
}

fn yes_or_no(text: &str) -> Option<bool> {
    let text = text.to_lowercase();
    if YES.contains(&text.as_str()) {
        return Some(true);
    }
    NO.contains(&text.as_str()).then_some(false)
}

fn number(text: &str) -> Option<Value> {
    if let Some(whole) = whole_number(text) {
        return Some(json!(whole));
    }
    // Rust also reads `inf` and `1e9`; people who write them do not mean numbers.
    let plain = text.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | '-' | '+'));
    text.parse::<f64>().ok().filter(|it| plain && it.is_finite()).map(Value::from)
}

fn whole(number: f64) -> Option<i64> {
    // Beyond 2^53 not every whole number can be told from its neighbour.
    let exact = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small enough")]
    exact.then_some(number as i64)
}

/// `3`, `3.0`, `三`, `十二`, `二十`. Full-width digits must have been narrowed.
pub(in crate::nodes) fn whole_number(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number);
    }
    if text.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | '-' | '+')) {
        return text.parse::<f64>().ok().and_then(whole);
    }
    let characters: Vec<char> = text.chars().take(4).collect();
    match characters.as_slice() {
        ['十'] => Some(10),
        [one] => digit(*one),
        ['十', ones] => Some(10 + digit(*ones).filter(|it| *it > 0)?),
        [tens, '十'] => Some(10 * digit(*tens).filter(|it| *it > 0)?),
        [tens, '十', ones] => Some(10 * digit(*tens).filter(|it| *it > 0)? + digit(*ones).filter(|it| *it > 0)?),
        _ => None,
    }
}

fn digit(character: char) -> Option<i64> {
    Some(match character {
        '零' | '〇' => 0,
        '一' => 1,
        '二' | '两' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coerced(value: Value, schema: Value) -> Value {
        coerce(&value, schema.as_object().unwrap())
    }

    #[test]
    fn what_was_plainly_meant_is_taken() {
        for (given, kind, meant) in [
            (json!(" 3 "), "integer", json!(3)),
            (json!("３"), "integer", json!(3)),
            (json!("十二"), "integer", json!(12)),
            (json!(3.0), "integer", json!(3)),
            (json!(9_007_199_254_740_993_u64), "integer", json!(9_007_199_254_740_993_u64)),
            (json!("3.50"), "number", json!(3.5)),
            (json!("两"), "number", json!(2)),
            (json!("Yes"), "boolean", json!(true)),
            (json!("否"), "boolean", json!(false)),
            (json!(13_800_138_000_u64), "string", json!("13800138000")),
            (json!("a"), "array", json!(["a"])),
            (json!("[1, 2]"), "array", json!([1, 2])),
        ] {
            assert_eq!(coerced(given.clone(), json!({ "type": kind })), meant, "{given} as {kind}");
        }
        assert_eq!(
            coerced(json!("ＬＡＲＧＥ"), json!({ "type": "string", "enum": ["small", "large"] })),
            json!("large")
        );
        assert_eq!(coerced(json!("2"), json!({ "enum": [1, 2] })), json!(2));
        let nested =
            json!({ "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer" } } } });
        assert_eq!(coerced(json!([{ "n": "7", "m": "7" }]), nested), json!([{ "n": 7, "m": "7" }]));
    }

    #[test]
    fn what_could_mean_two_things_stays_as_it_is() {
        for (given, kind) in [
            (json!("3 or 4"), "integer"),
            (json!("1,000"), "number"),
            (json!("inf"), "number"),
            (json!("maybe"), "boolean"),
            (json!(1), "boolean"),
            (json!(true), "string"),
            (json!("一百"), "integer"),
            (json!(3.5), "integer"),
            (json!(["3"]), "integer"),
        ] {
            assert_eq!(coerced(given.clone(), json!({ "type": kind })), given, "{given} as {kind}");
        }
    }
}
