//! Asking a safety model, in the form that Llama Guard 3 was trained on; general models understand it too. What cannot be
//! read as an answer is an error, never a pass.

use serde_json::Value;

use crate::effect::{EffectError, Message, MessageRole};

/// Llama Guard's categories: code, name here, name in the prompt.
pub(super) const CATEGORIES: [(&str, &str, &str); 14] = [
    ("S1", "violent_crimes", "Violent Crimes"),
    ("S2", "non_violent_crimes", "Non-Violent Crimes"),
    ("S3", "sex_crimes", "Sex Crimes"),
    ("S4", "child_exploitation", "Child Exploitation"),
    ("S5", "defamation", "Defamation"),
    ("S6", "specialized_advice", "Specialized Advice"),
    ("S7", "privacy", "Privacy"),
    ("S8", "intellectual_property", "Intellectual Property"),
    ("S9", "indiscriminate_weapons", "Indiscriminate Weapons"),
    ("S10", "hate", "Hate"),
    ("S11", "self_harm", "Self-Harm"),
    ("S12", "sexual_content", "Sexual Content"),
    ("S13", "elections", "Elections"),
    ("S14", "code_interpreter_abuse", "Code Interpreter Abuse"),
];

/// Reported when a model says unsafe without a category that is known.
pub(super) const UNSAFE: (&str, &str) = ("unsafe", "unsafe");

/// Enough for the longest list of codes, and for models that answer in JSON.
pub(super) const MAX_TOKENS: u32 = 200;

/// A category by its code or its name.
pub(super) fn category(name: &str) -> Option<(&'static str, &'static str)> {
    let name = name.trim();
    CATEGORIES
        .iter()
        .find(|(code, id, title)| [code, id, title].iter().any(|it| it.eq_ignore_ascii_case(name)))
        .map(|(code, id, _)| (*code, *id))
}

pub(super) fn messages(text: &str, codes: &[&str]) -> Vec<Message> {
    let mut prompt = String::from(
        "Task: Check if there is unsafe content in 'User' messages in conversations according our safety policy with the \
         below categories.\n\n<BEGIN UNSAFE CONTENT CATEGORIES>\n\n",
    );
    for (code, _, title) in CATEGORIES.iter().filter(|(code, ..)| codes.contains(code)) {
        prompt.push_str(&format!("{code}: {title}.\n"));
    }
    // The text must not end its own part of the prompt.
    let text = text.replace("<BEGIN ", "‹BEGIN ").replace("<END ", "‹END ");
    prompt.push_str(&format!(
        "\n<END UNSAFE CONTENT CATEGORIES>\n\n<BEGIN CONVERSATION>\n\nUser: {text}\n\n<END CONVERSATION>\n\nProvide your \
         safety assessment for ONLY THE LAST User message in the above conversation:\n - First line must read 'safe' or \
         'unsafe'.\n - If unsafe, a second line must include a comma-separated list of violated categories."
    ));
    vec![Message::new(MessageRole::User, prompt)]
}

/// The categories that an answer names; none when it says that the text is safe.
pub(super) fn read(answer: &str) -> Result<Vec<(&'static str, &'static str)>, EffectError> {
    let mut lines = answer.lines().map(str::trim).filter(|it| !it.is_empty());
    let first = lines.next().unwrap_or_default().trim_end_matches(['.', '。']);
    if first.eq_ignore_ascii_case("safe") {
        return Ok(Vec::new());
    }
    if first.eq_ignore_ascii_case("unsafe") {
        return Ok(named(lines.next().unwrap_or_default().split(',')));
    }
    crate::nodes::llm::find_json(answer).as_ref().and_then(read_json).ok_or_else(|| EffectError {
        code: "model_bad_output".to_owned(),
        message: "the judge's answer is neither `safe` nor `unsafe` with categories".to_owned(),
        hint: Some("use a safety model such as Llama Guard 3, or one that follows instructions".to_owned()),
        retry_after_ms: None,
    })
}

/// `{safe: true}`, `{unsafe: true, categories}`, `{verdict: "unsafe", categories}`.
fn read_json(answer: &Value) -> Option<Vec<(&'static str, &'static str)>> {
    let flag = |key: &str| answer.get(key).and_then(Value::as_bool);
    let verdict = ["verdict", "safety", "result"].iter().find_map(|it| answer.get(it)).and_then(Value::as_str);
    let is_safe = match (flag("safe"), flag("unsafe"), verdict) {
        (Some(it), ..) => it,
        (None, Some(it), _) => !it,
        (None, None, Some(it)) if it.eq_ignore_ascii_case("safe") => true,
        (None, None, Some(it)) if it.eq_ignore_ascii_case("unsafe") => false,
        (None, None, Some(_) | None) => return None,
    };
    let list = answer.get("categories").and_then(Value::as_array);
    let names = list.into_iter().flatten().filter_map(Value::as_str);
    Some(if is_safe { Vec::new() } else { named(names) })
}

fn named<'n>(names: impl Iterator<Item = &'n str>) -> Vec<(&'static str, &'static str)> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for it in names.filter_map(category) {
        if !found.contains(&it) {
            found.push(it);
        }
    }
    if found.is_empty() { vec![UNSAFE] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_answers_are_read_and_nothing_else_is() {
        let names = |text: &str| read(text).ok().map(|it| it.iter().map(|it| it.1).collect::<Vec<_>>().join(" "));
        for (text, wanted) in [
            ("safe", ""),
            ("\n\n Safe.", ""),
            ("unsafe\nS1,S10", "violent_crimes hate"),
            ("unsafe", "unsafe"),
            ("unsafe\nS99", "unsafe"),
            (r#"{"safe": true}"#, ""),
            ("```json\n{\"verdict\": \"unsafe\", \"categories\": [\"Hate\", \"S10\"]}\n```", "hate"),
            (r#"{"unsafe": true}"#, "unsafe"),
        ] {
            assert_eq!(names(text).as_deref(), Some(wanted), "{text}");
        }
        for bad in ["", "I think it is safe", "{}", "null", r#"{"verdict": "maybe"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
