//! Lengths of time as authors write them: `500ms`, `30s`, `2m`, `1h`, `3d`, or a number of seconds.

use serde_json::Value;

use crate::compile::{NodeContext, duration_up_to};
use crate::effect::EffectError;
use crate::node::invalid_input;
use crate::template::has_expression;

/// Longest time that a node may wait for a person or for a moment: a year, and the day that a leap year adds. Whoever
/// waits longer has forgotten why.
const LONGEST_WAIT_MS: u64 = 366 * 24 * 60 * 60 * 1000;

/// Milliseconds of a length of time; none when it is not one.
pub(crate) fn milliseconds(value: &Value) -> Option<u64> {
    let (number, factor) = match value {
        Value::Number(number) => (number.as_f64()?, 1000.0),
        Value::String(text) => {
            let text = text.trim();
            let unit = text.trim_start_matches(|it: char| it.is_ascii_digit() || it == '.');
            let factor = match unit {
                "ms" => 1.0,
                "s" => 1000.0,
                "m" => 60_000.0,
                "h" => 3_600_000.0,
                "d" => 86_400_000.0,
                _ => return None,
            };
            (text.strip_suffix(unit)?.parse::<f64>().ok()?, factor)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let ms = (number * factor).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "finite, not negative; `as` saturates")]
    (ms.is_finite() && ms >= 0.0).then_some(ms as u64)
}

/// Checks how long a node is to wait, where it is written out; an expression is checked when it is evaluated.
pub(crate) fn check_wait(context: &mut NodeContext<'_, '_>, key: &str) {
    if let Some(node) = context.get(key).filter(|it| !it.as_str().is_some_and(has_expression)) {
        duration_up_to(context.context, node, key, LONGEST_WAIT_MS);
    }
}

/// How long a node waits, in milliseconds; none when it does not say.
pub(crate) fn wait_of(input: &Value, key: &str) -> Result<Option<u64>, EffectError> {
    let Some(value) = input.get(key).filter(|it| !it.is_null()) else { return Ok(None) };
    match milliseconds(value) {
        Some(ms) if ms <= LONGEST_WAIT_MS => Ok(Some(ms)),
        Some(_) => Err(EffectError {
            hint: Some("wait in steps, or start another run later".to_owned()),
            ..invalid_input(format!("`{key}` may be 366 days at most, it is `{value}`"))
        }),
        None => Err(EffectError {
            hint: Some("for example `30m`, `2h` or `3d`; a bare number is seconds".to_owned()),
            ..invalid_input(format!("`{key}` must be a length of time, it is `{value}`"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn units_and_fractions_are_understood_and_nothing_else_is() {
        let cases = [
            (json!("500ms"), 500),
            (json!(" 1.5h "), 5_400_000),
            (json!("3d"), 259_200_000),
            (json!(2), 2000),
            (json!(0), 0),
        ];
        for (written, ms) in cases {
            assert_eq!(milliseconds(&written), Some(ms), "{written}");
        }
        for wrong in [json!("3 days"), json!("2"), json!("h"), json!("-1s"), json!(-1), json!(null), json!(["1s"])] {
            assert_eq!(milliseconds(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_wait_has_a_bound() {
        assert_eq!(wait_of(&json!({ "for": "366d" }), "for").unwrap(), Some(LONGEST_WAIT_MS));
        assert_eq!(wait_of(&json!({ "for": null }), "for").unwrap(), None);
        for wrong in [json!({ "for": "367d" }), json!({ "for": 1e300 }), json!({ "for": "soon" })] {
            assert_eq!(wait_of(&wrong, "for").unwrap_err().code, "invalid_input");
        }
    }
}
