//! Takes the JSON out of an answer that was asked for JSON. A model that is only asked wraps it in a code fence, or says
//! "Sure!" first. What is no JSON at all stays as it is, for the caller to repair.

use serde_json::Value;

pub(crate) fn extracted(text: &str) -> String {
    let trimmed = text.trim();
    if is_json(trimmed) {
        return trimmed.to_owned();
    }
    fenced(trimmed)
        .or_else(|| between(trimmed, '{', '}'))
        .or_else(|| between(trimmed, '[', ']'))
        .map_or_else(|| text.to_owned(), str::to_owned)
}

fn fenced(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("```")?;
    let (inside, _) = after.split_once("```")?;
    let inside = inside.strip_prefix("json").or_else(|| inside.strip_prefix("JSON")).unwrap_or(inside).trim();
    is_json(inside).then_some(inside)
}

fn between(text: &str, open: char, close: char) -> Option<&str> {
    let inside = text.get(text.find(open)?..=text.rfind(close)?)?;
    is_json(inside).then_some(inside)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::extracted;

    #[test]
    fn json_is_found_inside_what_models_put_around_it() {
        for (answer, expected) in [
            (" {\"a\":1}\n", "{\"a\":1}"),
            ("```json\n{\"a\":1}\n```", "{\"a\":1}"),
            ("```\n[1]\n```\nDone.", "[1]"),
            ("好的：{\"意图\":\"推荐\"}。", "{\"意图\":\"推荐\"}"),
            ("Sure! [1, 2]", "[1, 2]"),
            ("\"word\"", "\"word\""),
            ("no json } here {", "no json } here {"),
            ("```json\n{\"a\":", "```json\n{\"a\":"),
        ] {
            assert_eq!(extracted(answer), expected, "{answer}");
        }
    }
}
