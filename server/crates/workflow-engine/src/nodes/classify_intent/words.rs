//! Deciding by words alone, for when there are neither embeddings nor a model: overlap of character pairs (Chinese) and
//! words (English) with descriptions and examples. Only a clear winner counts.

use std::collections::BTreeSet;

use super::Intent;
use super::scores::Decision;

/// Least share of the text's pieces that the best example must cover.
const LEAST_OVERLAP: f64 = 0.5;
/// How far ahead of the second intent the winner must be.
const LEAST_LEAD: f64 = 0.2;
/// A description shares many words with many texts, so it counts less than an example.
const DESCRIPTION_WEIGHT: f64 = 0.6;
/// English words that say nothing about what is wanted.
const EMPTY_WORDS: [&str; 34] = [
    "a",
    "an",
    "and",
    "any",
    "are",
    "can",
    "could",
    "do",
    "does",
    "for",
    "get",
    "have",
    "i",
    "in",
    "is",
    "it",
    "like",
    "me",
    "my",
    "of",
    "on",
    "or",
    "please",
    "something",
    "that",
    "the",
    "there",
    "to",
    "want",
    "what",
    "with",
    "would",
    "you",
    "your",
];

/// Full-width forms are the same letters and digits, as Chinese keyboards write them.
pub(in crate::nodes) fn narrow(character: char) -> char {
    match u32::from(character) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(character),
        _ => character,
    }
}

/// Lower case, without punctuation and spaces at the ends or doubled.
pub(in crate::nodes) fn normalise(text: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for character in text.chars().flat_map(char::to_lowercase) {
        let character = narrow(character).to_ascii_lowercase();
        if character.is_alphanumeric() {
            if gap && !out.is_empty() {
                out.push(' ');
            }
            gap = false;
            out.push(character);
        } else {
            gap = true;
        }
    }
    out
}

/// The pieces of a text that are compared: whole words, and pairs of characters where words are not set apart.
fn pieces(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for word in normalise(text).split(' ') {
        if word.is_ascii() {
            if !word.is_empty() && !EMPTY_WORDS.contains(&word) {
                found.insert(word.to_owned());
            }
            continue;
        }
        let characters: Vec<char> = word.chars().collect();
        if let [only] = characters.as_slice() {
            found.insert(only.to_string());
        }
        found.extend(characters.windows(2).map(|it| it.iter().collect::<String>()));
    }
    found
}

/// Dice's coefficient of two sets of pieces.
fn overlap(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let total = a.len() + b.len();
    if total == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of words")]
    let share = 2.0 * a.intersection(b).count() as f64 / total as f64;
    share
}

/// Every intent with its score, best first.
pub(super) fn candidates(intents: &[Intent], text: &str) -> Vec<(String, f64)> {
    let wanted = pieces(text);
    let mut scores: Vec<(String, f64)> = intents
        .iter()
        .map(|intent| {
            let examples = intent.examples.iter().map(|it| overlap(&wanted, &pieces(it)));
            let description =
                [&intent.title, &intent.description].map(|it| overlap(&wanted, &pieces(it)) * DESCRIPTION_WEIGHT);
            (intent.name.clone(), examples.chain(description).fold(0.0, f64::max))
        })
        .collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores
}

/// The one intent whose words stand out; none when there is no clear winner.
pub(super) fn decide(intents: &[Intent], text: &str) -> Option<Decision> {
    let scores = candidates(intents, text);
    let (name, best) = scores.first().cloned()?;
    let second = scores.get(1).map_or(0.0, |it| it.1);
    (best >= LEAST_OVERLAP && best - second >= LEAST_LEAD).then(|| Decision {
        intents: vec![name],
        confidence: best,
        scores,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intents() -> Vec<Intent> {
        let intent = |name: &str, examples: &[&str]| Intent {
            name: name.to_owned(),
            title: String::new(),
            description: String::new(),
            examples: examples.iter().map(|it| (*it).to_owned()).collect(),
        };
        vec![
            intent("spend", &["昨天的广告花费", "How much did we spend yesterday?"]),
            intent("anomalies", &["有没有异常", "Is anything unusual in the ads?"]),
        ]
    }

    #[test]
    fn case_width_and_punctuation_do_not_matter() {
        assert_eq!(normalise("  How Much，did we ＳＰＥＮＤ?! "), "how much did we spend");
        assert_eq!(normalise("有没有异常？"), normalise("有没有异常"));
    }

    #[test]
    fn a_clear_winner_is_found_in_both_languages_and_small_talk_is_not() {
        let name = |text: &str| decide(&intents(), text).map(|it| it.intents.join(","));
        assert_eq!(name("昨天广告花费"), Some("spend".into()));
        assert_eq!(name("anything unusual in my ads"), Some("anomalies".into()));
        assert_eq!(name("你好呀"), None);
        assert_eq!(name("Tell me a joke"), None);
    }
}
