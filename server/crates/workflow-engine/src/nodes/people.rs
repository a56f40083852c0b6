//! What questions to people have in common: reading what comes back, with suspicion, because anybody may have written it.

use serde_json::{Map, Value, json};

use crate::effect::EffectError;

/// Bytes of one answer: ten thousand Chinese characters and more. A longer one is a document, which is uploaded instead.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// Characters of a name that are kept.
const MAX_NAME: usize = 200;

/// What came back for a question.
#[derive(Debug)]
pub(super) enum Reply {
    /// Nobody answered in time.
    TimedOut,
    /// Longer than an answer may be.
    TooLong,
    Said(Said),
}

/// An answer of a person. Whatever does not have the right type counts as not said.
#[derive(Debug)]
pub(super) struct Said {
    /// Without spaces at its ends; empty when there is none.
    pub(super) text: String,
    pub(super) option: Option<String>,
    pub(super) fields: Option<Map<String, Value>>,
    /// `{id, name}`, or null.
    pub(super) by: Value,
}

/// Reads the answer to a question.
pub(super) fn reply(value: &Value) -> Result<Reply, EffectError> {
    let answer = object(value)?;
    if timed_out(answer) {
        return Ok(Reply::TimedOut);
    }
    let text = match answer.get("text") {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => String::new(),
    };
    let fields = answer.get("fields").and_then(Value::as_object);
    let bytes = text.len() + fields.map_or(0, |it| json!(it).to_string().len());
    if bytes > MAX_ANSWER_BYTES {
        return Ok(Reply::TooLong);
    }
    Ok(Reply::Said(Said {
        text,
        option: answer.get("option").and_then(Value::as_str).map(|it| it.chars().take(MAX_NAME).collect()),
        fields: fields.cloned(),
        by: person(answer.get("by")),
    }))
}

/// What came back for an approval.
#[derive(Debug)]
pub(super) enum Verdict {
    TimedOut,
    Given { approved: bool, comment: String, by: Value },
}

/// Reads a verdict. Nothing is guessed: an approval that is not plainly one is an error.
pub(super) fn verdict(value: &Value) -> Result<Verdict, EffectError> {
    let answer = object(value)?;
    if timed_out(answer) {
        return Ok(Verdict::TimedOut);
    }
    let Some(approved) = answer.get("approved").and_then(Value::as_bool) else {
        return Err(invalid_answer(
            "the answer does not say whether it approves",
            "it needs `approved: true` or `false`",
        ));
    };
    let comment = answer.get("comment").and_then(Value::as_str).unwrap_or_default().trim();
    let end = comment.floor_char_boundary(MAX_ANSWER_BYTES);
    let comment = comment.get(..end).unwrap_or_default().to_owned();
    Ok(Verdict::Given { approved, comment, by: person(answer.get("by")) })
}

/// JSON Schema of who answered.
pub(super) fn by_schema() -> Value {
    let text = json!({ "type": ["string", "null"] });
    json!({ "type": ["object", "null"], "properties": { "id": text, "name": text }, "additionalProperties": false })
}

fn object(value: &Value) -> Result<&Map<String, Value>, EffectError> {
    value
        .as_object()
        .ok_or_else(|| invalid_answer("the answer is not an object", "it needs `text`, `option` or `fields`"))
}

fn timed_out(answer: &Map<String, Value>) -> bool {
    answer.get("timed_out") == Some(&Value::Bool(true))
}

fn person(by: Option<&Value>) -> Value {
    let part = |it: Option<&Value>| {
        it.and_then(Value::as_str).map(|it| it.chars().take(MAX_NAME).collect::<String>()).filter(|it| !it.is_empty())
    };
    let (id, name) = match by {
        Some(Value::Object(of)) => (part(of.get("id")), part(of.get("name"))),
        Some(Value::String(_)) => (part(by), None),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => (None, None),
    };
    if id.is_none() && name.is_none() { Value::Null } else { json!({ "id": id, "name": name }) }
}

fn invalid_answer(message: &str, hint: &str) -> EffectError {
    EffectError {
        code: "invalid_answer".to_owned(),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
        retry_after_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_wrong_type_was_not_said() {
        let Ok(Reply::Said(said)) = reply(&json!({ "text": ["x"], "option": 7, "fields": "no", "by": 5 })) else {
            panic!("not an answer")
        };
        assert_eq!((said.text.as_str(), said.option, said.fields, said.by), ("", None, None, Value::Null));
        assert!(matches!(reply(&json!({ "timed_out": "yes", "text": "x" })), Ok(Reply::Said(_))));
        assert!(matches!(reply(&json!({ "text": "长".repeat(400_000) })), Ok(Reply::TooLong)));
        for wrong in [json!(null), json!([]), json!("text"), json!(7)] {
            assert_eq!(reply(&wrong).unwrap_err().code, "invalid_answer");
        }
    }

    #[test]
    fn a_verdict_is_not_guessed_and_a_comment_has_an_end() {
        for wrong in [json!({}), json!({ "approved": "true" }), json!({ "approved": 1 }), json!(true)] {
            assert_eq!(verdict(&wrong).unwrap_err().code, "invalid_answer", "{wrong}");
        }
        let long = json!({ "approved": false, "comment": "长".repeat(400_000), "by": { "id": "u1" } });
        let Ok(Verdict::Given { approved, comment, by }) = verdict(&long) else { panic!("not a verdict") };
        assert!(!approved && comment.len() <= MAX_ANSWER_BYTES && comment.chars().all(|it| it == '长'));
        assert_eq!(by, json!({ "id": "u1", "name": null }));
    }
}
