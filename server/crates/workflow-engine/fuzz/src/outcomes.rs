//! Outcomes made of bytes: what fits an effect, what nearly fits, and what nobody would expect.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Number, Value, json};
use workflow_engine::{Effect, EffectError, Outcome, RequestedEffect};

use crate::cases::Case;

/// Keys and texts that something in the engine looks for.
const WORDS: [&str; 44] = [
    "text",
    "json",
    "usage",
    "input_tokens",
    "output_tokens",
    "cost",
    "model",
    "reasoning",
    "tool_calls",
    "id",
    "name",
    "arguments",
    "vectors",
    "hits",
    "status",
    "score",
    "document",
    "reason",
    "outputs",
    "ok",
    "headers",
    "body",
    "pages",
    "tables",
    "metadata",
    "option",
    "fields",
    "by",
    "approved",
    "comment",
    "timed_out",
    "hit",
    "ports",
    "output",
    "error",
    "code",
    "message",
    "intent",
    "verdict",
    "categories",
    "unsafe\nS1",
    "safe",
    "done",
    "辣",
];

const CODES: [&str; 9] = [
    "error",
    "timeout",
    "rate_limited",
    "unavailable",
    "invalid_input",
    "budget_exceeded",
    "model_not_configured",
    "embedding_unavailable",
    "",
];

/// Deeper than any value may be, and shallow enough to be dropped on this stack.
const DEEP: usize = 1500;

/// Any JSON at all.
pub fn any_json(bytes: &mut Unstructured<'_>, depth: u8) -> Result<Value> {
    let most = if depth == 0 { 9 } else { 13 };
    Ok(match bytes.int_in_range(0..=most)? {
        0 => Value::Null,
        1 => Value::Bool(bytes.arbitrary()?),
        2 => Value::from(bytes.arbitrary::<i8>()?),
        3 => Value::from(bytes.arbitrary::<i64>()?),
        4 => Value::from(bytes.arbitrary::<u64>()?),
        5 => Number::from_f64(bytes.arbitrary()?).map_or(Value::Null, Value::Number),
        6 => json!(*bytes.choose(&[f64::MAX, f64::MIN, -0.0, 1e-320, 9e15, 0.1, -1.0, 1e300])?),
        7 => Value::from(*bytes.choose(&WORDS)?),
        8 => Value::from(bytes.arbitrary::<&str>()?),
        9 => Value::from(any_text(bytes, depth)?),
        10 | 11 => {
            let mut items = Vec::new();
            for _ in 0..bytes.int_in_range(0..=4)? {
                items.push(any_json(bytes, depth - 1)?);
            }
            Value::Array(items)
        }
        _ => {
            let mut map = Map::new();
            for _ in 0..bytes.int_in_range(0..=4)? {
                let key = if bytes.ratio(7, 8)? { *bytes.choose(&WORDS)? } else { bytes.arbitrary::<&str>()? };
                map.insert(key.to_owned(), any_json(bytes, depth - 1)?);
            }
            Value::Object(map)
        }
    })
}

/// Texts that models and people write, and some that they would not.
fn any_text(bytes: &mut Unstructured<'_>, depth: u8) -> Result<String> {
    let inner = depth.saturating_sub(1);
    Ok(match bytes.int_in_range(0..=9)? {
        0 => "好的。".to_owned(),
        1 => bytes.arbitrary::<&str>()?.to_owned(),
        2 if depth > 0 => any_json(bytes, inner)?.to_string(),
        3 if depth > 0 => format!("```json\n{}\n```", any_json(bytes, inner)?),
        4 if depth > 0 => {
            format!("Thought: x\nAction: {}\nAction Input: {}", bytes.choose(&WORDS)?, any_json(bytes, inner)?)
        }
        5 => format!("思考：好\n最终答案：{}", bytes.arbitrary::<&str>()?),
        6 => "辣".repeat(bytes.int_in_range(0..=40_000)?),
        7 => "[".repeat(bytes.int_in_range(0..=4_000)?),
        8 => "{\"a\":".repeat(bytes.int_in_range(0..=4_000)?),
        _ => format!("{{{{ {} }}}} \u{0}\u{feff}\u{202e}", bytes.choose(&WORDS)?),
    })
}

fn deep(bytes: &mut Unstructured<'_>) -> Result<Value> {
    let mut value = json!(1);
    for level in 0..bytes.int_in_range(0..=DEEP)? {
        value = if level % 2 == 0 { json!([value]) } else { json!({ "text": value }) };
    }
    Ok(value)
}

/// How an effect ends, for better or worse.
pub fn any_outcome(bytes: &mut Unstructured<'_>, request: &RequestedEffect, case: &Case) -> Result<Outcome> {
    let value = match bytes.int_in_range(0..=15)? {
        0..=6 => fitting(bytes, request, case)?,
        7..=9 => {
            // Fits but for one member.
            let mut value = fitting(bytes, request, case)?;
            if let Value::Object(map) = &mut value {
                let keys: Vec<String> = map.keys().cloned().collect();
                let known = !keys.is_empty() && bytes.ratio(3, 4)?;
                let key = if known { bytes.choose(&keys)?.clone() } else { (*bytes.choose(&WORDS)?).to_owned() };
                map.insert(key, any_json(bytes, 3)?);
            }
            value
        }
        10 | 11 => any_json(bytes, 4)?,
        12 => deep(bytes)?,
        _ => {
            let code = if bytes.ratio(7, 8)? { *bytes.choose(&CODES)? } else { bytes.arbitrary::<&str>()? };
            let message = bytes.arbitrary::<&str>()?.to_owned();
            let error = EffectError { code: code.to_owned(), message, hint: None, retry_after_ms: bytes.arbitrary()? };
            return Ok(Outcome::Failed { error });
        }
    };
    Ok(Outcome::Ok { value })
}

/// What the effect's documentation promises. When the bytes have come to their end, the first choice is taken everywhere.
pub fn fitting(bytes: &mut Unstructured<'_>, request: &RequestedEffect, case: &Case) -> Result<Value> {
    if let Some(scripted) = case.scripted.get(&request.node).filter(|_| !bytes.is_empty())
        && bytes.ratio(1, 3)?
    {
        return Ok(bytes.choose(scripted)?.clone());
    }
    Ok(match &request.effect {
        Effect::Complete { schema, tools, .. } => {
            let mut value = json!({ "text": any_text(bytes, 3)?, "usage": { "input_tokens": 3, "output_tokens": 1, "cost": 0.01 }, "model": "m" });
            if bytes.arbitrary()?
                && let Some(schema) = schema
            {
                value["text"] = Value::from(by_schema(bytes, schema)?.to_string());
            }
            if !tools.is_empty() && bytes.arbitrary()? {
                let mut calls = Vec::new();
                for number in 0..bytes.int_in_range(1..=3)? {
                    let tool = bytes.choose(tools)?;
                    let arguments = by_schema(bytes, &tool.parameters)?;
                    calls.push(json!({ "id": format!("c{number}"), "name": tool.name, "arguments": arguments }));
                }
                value["tool_calls"] = Value::Array(calls);
            }
            value
        }
        Effect::Embed { texts, .. } => {
            let mut vectors = Vec::new();
            for _ in texts {
                let angle = f64::from(bytes.arbitrary::<u8>()?) / 40.0;
                vectors.push(json!([angle.cos(), angle.sin()]));
            }
            json!({ "vectors": vectors, "model": "e" })
        }
        Effect::Search { .. } => {
            json!({ "hits": [{ "id": 1, "document": "menu.csv", "text": any_text(bytes, 3)?, "score": 0.5, "price": any_json(bytes, 1)? }], "status": "ok" })
        }
        Effect::Query { .. } => {
            let row = json!({ "campaign": any_text(bytes, 3)?, "spend": any_json(bytes, 1)?, "clicks": bytes.arbitrary::<i8>()? });
            json!({ "rows": vec![row; usize::from(bytes.int_in_range(0..=3u8)?)], "total": bytes.arbitrary::<u8>()? })
        }
        Effect::CallTool { .. } => json!({ "text": any_text(bytes, 3)?, "hits": [], "dishes": any_json(bytes, 2)? }),
        Effect::RunWorkflow { .. } => {
            json!({ "outputs": { "dishes": any_json(bytes, 2)? }, "text": any_text(bytes, 3)?, "usage": { "input_tokens": 1, "output_tokens": 1 } })
        }
        Effect::Fetch(_) => {
            let status = *bytes.choose(&[200, 204, 301, 404, 429, 500, 503, 0])?;
            json!({ "status": status, "ok": status == 200, "headers": { "retry-after": any_text(bytes, 3)? }, "body": any_json(bytes, 3)? })
        }
        Effect::ParseDocument { .. } => {
            json!({ "text": any_text(bytes, 3)?, "pages": [any_text(bytes, 3)?], "tables": [[["a"]]], "metadata": {} })
        }
        Effect::AskHuman(question) => match bytes.int_in_range(0..=5)? {
            0 => json!({ "timed_out": true }),
            1 => json!({ "text": any_text(bytes, 3)?, "by": { "id": "u", "name": "王" } }),
            2 => {
                json!({ "approved": bytes.arbitrary::<bool>()?, "comment": any_text(bytes, 3)?, "by": any_json(bytes, 1)? })
            }
            3 => {
                json!({ "option": question.options.get(usize::from(bytes.arbitrary::<u8>()? % 4)).map(|it| &it.name) })
            }
            4 => json!({ "text": question.options.get(usize::from(bytes.arbitrary::<u8>()? % 4)).map(|it| &it.title) }),
            _ => json!({ "fields": by_schema(bytes, question.fields.as_ref().unwrap_or(&Value::Null))? }),
        },
        Effect::Wait { .. } | Effect::WaitUntil { .. } => Value::Null,
        Effect::Recall(_) => {
            let ports = *bytes.choose(&["done", "other", "pass", "block", "error", "none", "辣"])?;
            let hit: bool = bytes.arbitrary()?;
            json!({ "hit": hit, "ports": [ports], "output": any_json(bytes, 3)?, "usage": {} })
        }
    })
}

/// An object that mostly fits a schema.
fn by_schema(bytes: &mut Unstructured<'_>, schema: &Value) -> Result<Value> {
    let mut map = Map::new();
    for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let allowed = member.get("enum").and_then(Value::as_array).filter(|it| !it.is_empty());
        let value = match (bytes.int_in_range(0..=4)?, allowed) {
            (0, _) => continue,
            (1..=3, Some(allowed)) => bytes.choose(allowed)?.clone(),
            (1, None) => Value::from(bytes.arbitrary::<i8>()?),
            (2, None) => Value::from(*bytes.choose(&WORDS)?),
            _ => any_json(bytes, 2)?,
        };
        map.insert(name.clone(), value);
    }
    Ok(Value::Object(map))
}
