//! Words that tell how spicy a dish is, in Chinese (`chinese.rs`) and English (`english.rs`).
//!
//! Three strengths of evidence, the stronger wins wherever it stands: a **degree** (微辣, not spicy, very hot, 辣度 3) says
//! how much; a **general** word (香辣, spicy) says only that; a **dish or ingredient known to be spicy** (麻婆, 剁椒,
//! jalapeño) says it without a word for spice. Of equal strength the first in reading order wins, names first.

mod chinese;
mod english;

use parlour_plugin_sdk::Value;
use parlour_plugin_sdk::serde_json::Map;

use crate::level::{self, MAX_LEVEL};

/// Where a dish's name is looked for.
pub(crate) const NAME_FIELDS: &[&str] =
    &["name", "title", "dish", "dish_name", "名称", "菜名", "菜品", "菜品名称", "名字"];
/// Fields whose text is not about the dish's taste.
const SKIPPED_FIELDS: &[&str] = &["id", "document", "image", "photo", "url", "link", "sku", "barcode", "spice"];

/// A word that was found in a dish.
pub(crate) struct Found {
    pub(crate) level: u8,
    pub(crate) word: String,
    pub(crate) field: String,
}

/// How sure a word makes us; smaller is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Degree,
    General,
    Known,
}

/// One word in one text, at a place counted in characters.
#[derive(Clone, Debug, PartialEq)]
struct Mention {
    strength: Strength,
    at: usize,
    level: u8,
    word: String,
}

/// The strongest word in a dish's texts.
pub(crate) fn find(dish: &Map<String, Value>) -> Option<Found> {
    let names = NAME_FIELDS.iter().filter_map(|field| dish.get_key_value(*field));
    let others = dish.iter().filter(|(field, _)| {
        !NAME_FIELDS.contains(&field.as_str()) && !SKIPPED_FIELDS.contains(&field.as_str()) && *field != "text"
    });
    // A hit's `text` repeats the fields, so it comes last.
    let texts = names.chain(others).chain(dish.get_key_value("text"));
    let mut best: Option<(Strength, Found)> = None;
    for (field, value) in texts {
        let Some(mention) = strings(value).into_iter().filter_map(strongest).min_by_key(|mention| mention.strength)
        else {
            continue;
        };
        if best.as_ref().is_none_or(|(strength, _)| mention.strength < *strength) {
            best = Some((mention.strength, Found { level: mention.level, word: mention.word, field: field.clone() }));
        }
    }
    best.map(|(_, found)| found)
}

/// The level that a text speaks of, and the word that says so.
pub(crate) fn in_text(text: &str) -> Option<(u8, String)> {
    strongest(text).map(|mention| (mention.level, mention.word))
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

fn strongest(text: &str) -> Option<Mention> {
    let text = level::normalized(text);
    let characters: Vec<char> = text.chars().collect();
    let mut mentions = chinese::mentions(&characters);
    mentions.extend(english::mentions(&text));
    mentions.extend(peppers(&characters));
    // "Mild, no chilli" means gentle, and the denial is the fact.
    let denied = mentions.iter().any(|mention| mention.strength == Strength::Degree && mention.level == 0);
    mentions.retain(|mention| !(denied && mention.word == "mild"));
    mentions.into_iter().min_by_key(|mention| (mention.strength, mention.at))
}

/// `🌶🌶` says two.
fn peppers(characters: &[char]) -> Option<Mention> {
    let at = characters.iter().position(|character| *character == '🌶')?;
    let run = characters.iter().skip(at).take_while(|character| matches!(character, '🌶' | '\u{fe0f}' | ' '));
    let count = run.filter(|character| **character == '🌶').count();
    let level = u8::try_from(count).unwrap_or(MAX_LEVEL).min(MAX_LEVEL);
    Some(Mention { strength: Strength::Degree, at, level, word: "🌶".repeat(count) })
}
