//! Values on their way into expressions and out of them: JSON and text, with bounds on depth and size. Lists of expressions
//! may be lazy, so a short one can stand for a hundred million items.

use std::fmt;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};
use serde_json::{Map, Value as Json};

use crate::effect::EffectError;

/// Lists and maps inside of one another. A stored run nests its values in a few levels more, and JSON of more than 128 is
/// not read again.
pub(crate) const MAX_DEPTH: usize = 100;
/// Bytes of the value of one expression: a long text, or more than a hundred thousand small items.
const MAX_VALUE_BYTES: usize = 16 << 20;
/// What an item counts besides its text. It takes as long as copying so many bytes, or longer.
const ITEM_BYTES: usize = 100;

/// Why an evaluation was stopped, inside of minijinja's errors.
#[derive(Clone, Debug)]
pub(super) struct Stopped(pub(super) EffectError);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Stopped {}

impl Stopped {
    pub(super) fn limit(message: impl Into<String>, hint: &str) -> Stopped {
        Stopped(stopped("expression_limit", message.into(), hint))
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Error {
        Error::new(ErrorKind::InvalidOperation, stopped.0.message.clone()).with_source(stopped)
    }
}

fn stopped(code: &str, message: String, hint: &str) -> EffectError {
    EffectError { code: code.to_owned(), message, hint: Some(hint.to_owned()), retry_after_ms: None }
}

/// JSON, or anything that becomes it, as a value that expressions can look into.
pub(crate) fn from_json<T: serde::Serialize>(value: T) -> Value {
    Value::from(minijinja::value::Serde(value))
}

/// A value as JSON. Undefined is null.
pub(crate) fn to_json(value: &Value) -> Result<Json, EffectError> {
    json(value, 0, &mut MAX_VALUE_BYTES.clone())
}

fn json(value: &Value, depth: usize, left: &mut usize) -> Result<Json, EffectError> {
    spend(left, ITEM_BYTES)?;
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Json::Null),
        ValueKind::Bool => Ok(Json::Bool(value.is_true())),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            spend(left, text.len())?;
            Ok(Json::String(text.to_owned()))
        }
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if depth >= MAX_DEPTH => Err(too_deep()),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|it| failed(&it))?;
            items.map(|it| json(&it, depth + 1, left)).collect::<Result<_, _>>().map(Json::Array)
        }
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter().map_err(|it| failed(&it))? {
                let inner = value.get_item(&key).map_err(|it| failed(&it))?;
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                spend(left, key.len())?;
                map.insert(key, json(&inner, depth + 1, left)?);
            }
            Ok(Json::Object(map))
        }
        ValueKind::Number if value.is_integer() && value.as_i64().is_some() => {
            Ok(value.as_i64().map_or(Json::Null, Json::from))
        }
        ValueKind::Number | ValueKind::Bytes | ValueKind::Plain | ValueKind::Invalid | _ => {
            serde_json::to_value(value).map_err(|it| failed(&it))
        }
    }
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), EffectError> {
    *left = left.checked_sub(bytes).ok_or_else(|| {
        let message = format!("the value of an expression grew beyond {MAX_VALUE_BYTES} bytes");
        stopped("budget_exceeded", message, "take fewer items, or only the fields that are needed")
    })?;
    Ok(())
}

fn too_deep() -> EffectError {
    let message = format!("a value has more than {MAX_DEPTH} lists and maps inside of one another");
    stopped("expression_limit", message, "hand on only the part that is needed")
}

fn failed(error: &dyn fmt::Display) -> EffectError {
    EffectError {
        code: "expression_failed".to_owned(),
        message: format!("the value cannot be written as JSON: {error}"),
        ..EffectError::default()
    }
}

/// A value as the text of an answer or a prompt: nothing as nothing, lists and maps as JSON.
pub(crate) fn to_text(value: &Value) -> Result<String, EffectError> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => String::new(),
        // As JSON and YAML write it, not as Python does.
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => to_json(value)?.to_string(),
        ValueKind::Number | ValueKind::String | ValueKind::Bytes | ValueKind::Plain | ValueKind::Invalid | _ => {
            value.to_string()
        }
    })
}

/// Refuses what comes from outside and is nested so deeply that walking over it could end the process. Dropping it walks
/// over it too, so that what is refused is taken apart.
pub(crate) fn bounded(value: Json) -> Result<Json, EffectError> {
    match check_depth(&value) {
        Ok(()) => Ok(value),
        Err(error) => {
            let mut left = vec![value];
            while let Some(it) = left.pop() {
                match it {
                    Json::Array(items) => left.extend(items),
                    Json::Object(map) => left.extend(map.into_iter().map(|it| it.1)),
                    Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
                }
            }
            Err(error)
        }
    }
}

fn check_depth(value: &Json) -> Result<(), EffectError> {
    // By hand instead of by recursion: the value may be deeper than the stack.
    let mut level: Vec<&Json> = vec![value];
    for _ in 0..=MAX_DEPTH {
        let mut next = Vec::new();
        for it in level {
            match it {
                Json::Array(items) => next.extend(items.iter().filter(|it| it.is_array() || it.is_object())),
                Json::Object(map) => next.extend(map.values().filter(|it| it.is_array() || it.is_object())),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
            }
        }
        if next.is_empty() {
            return Ok(());
        }
        level = next;
    }
    Err(too_deep())
}
