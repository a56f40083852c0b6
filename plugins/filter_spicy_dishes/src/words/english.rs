//! English: every word for heat is judged by the words around it within its clause.

use super::{Mention, Strength};
use crate::level;

/// What denies the word that follows.
const NEGATORS: &[&str] =
    &["not", "no", "non", "never", "without", "isnt", "arent", "wasnt", "zero", "nothing", "hardly", "neither", "nor"];
/// Between a negator and its word these leave the denial whole; anything else breaks it ("no nuts and spicy").
const BETWEEN: &[&str] = &[
    "at", "all", "any", "the", "a", "bit", "even", "added", "or", "of", "remotely", "hot", "spicy", "chili", "chilli",
    "extra",
];
/// Between a negator and its word these make "not" into "a little": not too spicy.
const SOFTENERS: &[&str] = &[
    "too",
    "very",
    "so",
    "that",
    "overly",
    "particularly",
    "especially",
    "really",
    "terribly",
    "super",
    "extremely",
    "as",
];
const STRONG: &[(&str, u8)] = &[
    ("very", 3),
    ("extra", 3),
    ("super", 3),
    ("really", 3),
    ("quite", 3),
    ("seriously", 3),
    ("so", 3),
    ("double", 3),
    ("extremely", 4),
    ("insanely", 4),
    ("blazing", 4),
    ("ultra", 4),
    ("crazy", 4),
    ("hellishly", 5),
];
const WEAK: &[&str] = &[
    "slightly", "lightly", "mildly", "gently", "little", "bit", "touch", "somewhat", "less", "hint", "mild", "subtly",
    "barely", "low",
];
/// "Hot" as in temperature: what follows, and what goes before.
const HOT_THINGS: &[&str] = &[
    "pot",
    "pots",
    "dog",
    "dogs",
    "chocolate",
    "cocoa",
    "tea",
    "coffee",
    "milk",
    "water",
    "drink",
    "drinks",
    "beverage",
    "beverages",
    "toddy",
    "cake",
    "cakes",
    "cross",
    "plate",
    "stone",
    "bread",
    "bun",
    "buns",
    "meal",
    "food",
    "dish",
    "dishes",
    "sandwich",
    "brew",
    "latte",
    "cider",
    "wine",
    "oven",
    "pan",
    "wok",
    "oil",
    "grill",
    "towel",
    "broth",
    "off",
    "from",
    "out",
    "fresh",
    "crispy",
    "buttered",
    "fudge",
    "smoked",
    "cereal",
    "lunch",
    "soy",
    "lemon",
    "spring",
];
const SERVED: &[&str] = &[
    "served", "serve", "serving", "piping", "steaming", "eaten", "eat", "enjoy", "fresh", "keep", "kept", "sizzling",
    "warm", "while", "still", "freshly", "drink", "red",
];
/// What a drink is when it is not hot.
const COLD: &[&str] = &["cold", "iced", "chilled", "warm", "cool"];
/// "Medium" and "mild" about something other than spice.
const MEDIUM_THINGS: &[&str] = &[
    "rare", "well", "done", "size", "sized", "heat", "roast", "bowl", "portion", "grain", "dry", "bodied", "body",
    "fire", "cup", "steak", "pizza",
];
const MILD_THINGS: &[&str] = &["cheese", "cheddar", "roast", "weather", "climate", "soap"];
/// Dishes and ingredients that are spicy though no word says so.
const KNOWN: &[(&str, u8)] = &[
    ("jalapeno", 2),
    ("jalapenos", 2),
    ("jalapeño", 2),
    ("jalapeños", 2),
    ("habanero", 4),
    ("habaneros", 4),
    ("sriracha", 2),
    ("cayenne", 2),
    ("mapo", 2),
    ("vindaloo", 3),
    ("kimchi", 1),
    ("gochujang", 2),
    ("harissa", 2),
];

struct Word<'text> {
    text: &'text str,
    /// Byte of the first letter.
    at: usize,
    clause: usize,
}

pub(super) fn mentions(text: &str) -> Vec<Mention> {
    let words = words(text);
    let mut found: Vec<Mention> = (0..words.len()).filter_map(|place| judge(text, &words, place)).collect();
    found.extend(scales(text));
    found
}

/// Words of letters and digits with their clause; an apostrophe stays inside (`isn't` → `isnt` is compared without it).
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut clause, mut start) = (0, None);
    for (at, character) in text.char_indices().chain([(text.len(), '\n')]) {
        let inside =
            (character.is_alphanumeric() && !is_han(character)) || (matches!(character, '\'' | '’') && start.is_some());
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push(Word { text: text.get(from..at).unwrap_or_default(), at: from, clause });
                start = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        if !inside && !matches!(character, ' ' | '-' | '\'' | '’' | '&' | '"' | '“' | '”') {
            clause += 1;
        }
    }
    words
}

fn is_han(character: char) -> bool {
    ('\u{2e80}'..='\u{9fff}').contains(&character)
}

/// What the word at this place says about spice.
fn judge(text: &str, words: &[Word<'_>], place: usize) -> Option<Mention> {
    let word = words.get(place)?;
    let near = |offset: isize| -> Option<&Word<'_>> {
        let other = words.get(place.checked_add_signed(offset)?)?;
        (other.clause == word.clause).then_some(other)
    };
    let next = near(1).map(|next| next.text);
    let previous = near(-1).map(|previous| previous.text);
    let base = match word.text {
        "spicy" | "fiery" | "piquant" => Base::General,
        "chili" | "chilli" | "chile" | "chilies" | "chillies" | "chilis" | "chiles" | "spice"
            if word.text != "spice" || next == Some("free") =>
        {
            Base::General
        }
        "hot" if next.is_some_and(|next| HOT_THINGS.contains(&next)) => return None,
        "hot" if previous.is_some_and(|previous| SERVED.contains(&previous)) => return None,
        // "Hot or cold", "iced or hot": a drink.
        "hot" if next == Some("or") && near(2).is_some_and(|other| COLD.contains(&other.text)) => return None,
        "hot" if previous == Some("or") && near(-2).is_some_and(|other| COLD.contains(&other.text)) => return None,
        "hot" => Base::General,
        "mild" if next.is_some_and(|next| MILD_THINGS.contains(&next)) => return None,
        "mild" if next == Some("spicy") => return None,
        "mild" => Base::Degree(1),
        "medium" if next.is_some_and(|next| MEDIUM_THINGS.contains(&next)) => return None,
        "medium" => Base::Degree(2),
        other => return known(text, words, place, other),
    };
    if offered(words, place) {
        return None;
    }
    let (strength, level, first) = weighed(words, place, base);
    let last = if next == Some("free") { place + 1 } else { place };
    let level = if next == Some("free") { 0 } else { level };
    let strength = if next == Some("free") { Strength::Degree } else { strength };
    Some(Mention { strength, at: characters_before(text, words, first), level, word: span(text, words, first, last) })
}

#[derive(Clone, Copy)]
enum Base {
    General,
    Degree(u8),
}

/// Strength and level after the words before it, and the place of the first word that counted.
fn weighed(words: &[Word<'_>], place: usize, base: Base) -> (Strength, u8, usize) {
    let clause = words.get(place).map(|word| word.clause);
    let (mut first, mut level, mut degree) = match base {
        Base::General => (place, 2, false),
        Base::Degree(level) => (place, level, true),
    };
    let mut softened = false;
    for back in (0..place).rev().take(5) {
        let Some(word) = words.get(back).filter(|word| Some(word.clause) == clause) else { break };
        let plain: String = word.text.chars().filter(|letter| letter.is_alphanumeric()).collect();
        let after = words.get(back + 1).map(|next| next.text);
        if NEGATORS.contains(&plain.as_str()) {
            if matches!(after, Some("only" | "just" | "merely")) {
                break;
            }
            // "hardly spicy" still is, a little.
            let level = if softened || plain == "hardly" { 1 } else { 0 };
            return (Strength::Degree, level, back);
        }
        if plain == "free" && after == Some("of") {
            return (Strength::Degree, 0, back);
        }
        if let Some((_, strong)) = STRONG.iter().find(|(strong, _)| *strong == plain) {
            softened = softened || SOFTENERS.contains(&plain.as_str());
            if matches!(base, Base::General) && !degree {
                (first, level, degree) = (back, *strong, true);
            }
        } else if WEAK.contains(&plain.as_str()) {
            if !degree {
                (first, level, degree) = (back, 1, true);
            }
        } else if plain == "moderately" || plain == "medium" {
            if !degree {
                (first, level, degree) = (back, 2, true);
            }
        } else if SOFTENERS.contains(&plain.as_str()) {
            softened = true;
        } else if !BETWEEN.contains(&plain.as_str()) {
            break;
        }
    }
    (if degree { Strength::Degree } else { Strength::General }, level, first)
}

/// "Can be made spicy", "spicy on request", "optional chilli": an offer, not a fact.
fn offered(words: &[Word<'_>], place: usize) -> bool {
    let clause = words.get(place).map(|word| word.clause);
    let same = |word: &&Word<'_>| Some(word.clause) == clause;
    let before = words
        .iter()
        .take(place)
        .rev()
        .take(5)
        .take_while(same)
        .any(|word| matches!(word.text, "optional" | "optionally" | "can" | "available" | "choose" | "request"));
    let after = words
        .iter()
        .skip(place + 1)
        .take(4)
        .take_while(same)
        .any(|word| matches!(word.text, "request" | "optional" | "option" | "available"));
    before || after || is_company(words, place)
}

/// "Goes well with chilli chicken": what goes well with something spicy is not spicy itself.
fn is_company(words: &[Word<'_>], place: usize) -> bool {
    let clause = words.get(place).map(|word| word.clause);
    let before = words.iter().take(place).rev().take(5).take_while(|word| Some(word.clause) == clause);
    let before: Vec<&str> = before.map(|word| word.text).collect();
    let with = before.iter().position(|word| *word == "with");
    with.is_some_and(|with| {
        before.iter().skip(with).any(|word| matches!(*word, "goes" | "go" | "well" | "pairs" | "pair" | "perfect"))
    })
}

fn known(text: &str, words: &[Word<'_>], place: usize, word: &str) -> Option<Mention> {
    let by_name = KNOWN.iter().find(|(known, _)| *known == word).map(|(_, level)| (*level, place));
    // Some names are two words.
    let previous = place.checked_sub(1).and_then(|before| words.get(before)).map(|before| before.text);
    let (level, first) = match by_name {
        Some(found) => found,
        None if word == "pao" && previous == Some("kung") => (1, place.saturating_sub(1)),
        None if matches!(word, "pepper" | "peppers") && previous == Some("ghost") => (4, place.saturating_sub(1)),
        None => return None,
    };
    if first.checked_sub(1).and_then(|before| words.get(before)).is_some_and(|before| NEGATORS.contains(&before.text)) {
        return None;
    }
    Some(Mention {
        strength: Strength::Known,
        at: characters_before(text, words, first),
        level,
        word: span(text, words, first, place),
    })
}

/// `spice level: 3`, `heat 2/5`, `spiciness 4`.
fn scales(text: &str) -> Vec<Mention> {
    let labels = ["spice level", "spicy level", "heat level", "spiciness", "spice_level", "heat"];
    let mentions = labels.iter().filter_map(|label| {
        let byte = text.find(label)?;
        let rest = text.get(byte + label.len()..)?.trim_start_matches([' ', ':', '=', '(']);
        let level = level::leading_number(rest)?;
        let shown: String = rest.chars().take_while(|next| next.is_ascii_digit() || "/.".contains(*next)).collect();
        let at = text.get(..byte)?.chars().count();
        Some(Mention { strength: Strength::Degree, at, level, word: format!("{label} {shown}") })
    });
    mentions.collect()
}

fn characters_before(text: &str, words: &[Word<'_>], place: usize) -> usize {
    words.get(place).and_then(|word| text.get(..word.at)).map_or(0, |before| before.chars().count())
}

/// The text from one word to another.
fn span(text: &str, words: &[Word<'_>], first: usize, last: usize) -> String {
    let start = words.get(first).map_or(0, |word| word.at);
    let end = words.get(last).map_or(start, |word| word.at + word.text.len());
    text.get(start..end).unwrap_or_default().to_owned()
}
