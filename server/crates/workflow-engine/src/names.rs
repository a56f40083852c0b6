//! Which names are allowed, and which name was probably meant.

/// Longest id of a node, an input or an intent; leaves room for prefixes within 64 characters.
const MAX_ID: usize = 63;

/// Names that expressions give a meaning of their own.
pub(crate) const RESERVED: [&str; 10] =
    ["inputs", "state", "chat", "user", "run", "env", "secrets", "item", "index", "loop"];

/// Longest list of choices that a hint prints in full.
const SHORT_LIST: usize = 24;

/// `[a-z][a-z0-9_]{0,62}`
pub(crate) fn is_id(name: &str) -> bool {
    name.len() <= MAX_ID
        && name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
}

pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The known name that is closest to a wrong one, when it is close enough to be meant.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong_lower = wrong.to_lowercase();
    let length = wrong.chars().count();
    known
        .into_iter()
        .filter(|it| *it != wrong)
        .map(|it| (strsim::damerau_levenshtein(&wrong_lower, &it.to_lowercase()), it))
        // A third of the letters may differ; a short name must be nearly right.
        .filter(|(distance, it)| *distance <= (length.max(it.chars().count()) / 3).max(1))
        .min_by_key(|(distance, it)| (*distance, *it))
        .map(|(_, it)| it)
}

/// `did you mean `x`?`, else the choices if they are few.
pub(crate) fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>, what: &str) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(wrong, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    match known.len() {
        0 => None,
        count if count <= SHORT_LIST => {
            let list: Vec<String> = known.iter().map(|it| format!("`{it}`")).collect();
            Some(format!("{what}: {}", list.join(", ")))
        }
        count => Some(format!("there are {count} {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_lower_case_words() {
        for good in ["a", "taste", "node_2", &"a".repeat(63)] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "A", "2a", "_a", "a-b", "菜", &"a".repeat(64)] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_a_different_word_is_not() {
        assert_eq!(nearest("hit", ["hits", "text"]), Some("hits"));
        assert_eq!(nearest("anwser", ["answer", "branch"]), Some("answer"));
        assert_eq!(nearest("menu", ["taste", "reply"]), None);
    }
}
