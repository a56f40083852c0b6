//! Words that must not be said: found whatever their case, width, or invisible characters, and also when the characters of
//! a Chinese word are set apart by spaces or marks.

use std::collections::BTreeMap;

use super::normal::{Normal, is_ideograph};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boundaries {
    /// Anywhere, also inside of other words.
    Anywhere,
    /// Only as whole words, where words are set apart.
    WholeWords,
}

/// Words by their first character.
#[derive(Debug)]
pub(super) struct DenyList {
    words: BTreeMap<char, Vec<Vec<char>>>,
    boundaries: Boundaries,
}

/// Marks that people put between the characters of a word so that it is not found; at most this many in a row.
const MOST_MARKS: usize = 3;

impl DenyList {
    pub(super) fn new<'w>(words: impl IntoIterator<Item = &'w str>, boundaries: Boundaries) -> DenyList {
        let mut list = DenyList { words: BTreeMap::new(), boundaries };
        for word in words {
            let characters = Normal::new(word.trim()).characters;
            let Some(first) = characters.first() else { continue };
            list.words.entry(*first).or_default().push(characters);
        }
        for words in list.words.values_mut() {
            // The longest word at a place is the one that is meant.
            words.sort_by_key(|it| std::cmp::Reverse(it.len()));
            words.dedup();
        }
        list
    }

    /// Where words stand, as indexes of normalised characters, with the word.
    pub(super) fn find(&self, text: &Normal) -> Vec<(usize, usize, String)> {
        let mut found = Vec::new();
        let mut index = 0;
        while let Some(first) = text.get(index) {
            let candidates = self.words.get(&first).map(Vec::as_slice).unwrap_or_default();
            let hit = candidates.iter().find_map(|word| self.at(text, index, word).map(|end| (end, word)));
            match hit {
                Some((end, word)) => {
                    found.push((index, end, word.iter().collect()));
                    index = end;
                }
                None => index += 1,
            }
        }
        found
    }

    /// The end of a word that stands at a place.
    fn at(&self, text: &Normal, start: usize, word: &[char]) -> Option<usize> {
        let mut index = start;
        let mut last = None;
        for wanted in word {
            if last.is_some_and(is_ideograph) && is_ideograph(*wanted) {
                let after = text.skip(index, is_mark);
                index = if after - index <= MOST_MARKS { after } else { index };
            }
            if text.get(index) != Some(*wanted) {
                return None;
            }
            last = Some(*wanted);
            index += 1;
        }
        if self.boundaries == Boundaries::WholeWords {
            let goes_on = |a: Option<char>, b: Option<char>| a.is_some_and(is_letter) && b.is_some_and(is_letter);
            if goes_on(text.before(start), word.first().copied()) || goes_on(last, text.get(index)) {
                return None;
            }
        }
        Some(index)
    }
}

fn is_mark(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '-' | '_' | '.' | '*' | '·' | '|' | '/' | '~' | '+' | '#' | '。' | '、')
}

/// Letters and digits of scripts that set words apart.
fn is_letter(character: char) -> bool {
    character.is_alphanumeric() && !is_ideograph(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str], boundaries: Boundaries, text: &str) -> Vec<(usize, usize)> {
        let normal = Normal::new(text);
        let list = DenyList::new(words.iter().copied(), boundaries);
        list.find(&normal).into_iter().map(|(from, until, _)| normal.place(from, until)).collect()
    }

    #[test]
    fn tricks_do_not_hide_a_word() {
        for text in ["内部价格", "内 部 价 格", "内*部-价·格", "内\u{200B}部价格"] {
            assert_eq!(found(&["内部价格"], Boundaries::Anywhere, text), [(0, text.chars().count())], "{text}");
        }
        assert_eq!(found(&["secret"], Boundaries::Anywhere, "the ＳＥＣＲＥＴs"), [(4, 10)]);
        assert!(found(&["内部价格"], Boundaries::Anywhere, "内部的价格").is_empty());
    }

    #[test]
    fn whole_words_are_whole() {
        assert!(found(&["ass"], Boundaries::WholeWords, "a classic assembly").is_empty());
        assert_eq!(found(&["ass", "价"], Boundaries::WholeWords, "ass, 价格"), [(0, 3), (5, 6)]);
    }
}
