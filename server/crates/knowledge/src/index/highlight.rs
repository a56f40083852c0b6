//! Where a query's words stand in a text, for the reader of a hit. Found again in the text itself, since the index keeps
//! no places.

use crate::lexical::{Names, Pieces, Terms, code, is_chinese, normalised_with_places, terms_of_query};

/// A text has no more marks than a reader follows.
const MOST: usize = 200;

/// The words of a query, as texts are looked through for them.
pub(super) struct Marker {
    /// Latin words, numbers and codes, as stems and parts.
    words: Vec<String>,
    /// Chinese words, the longest first.
    chinese: Vec<Vec<char>>,
    /// The characters of those words, for texts that have none of them whole.
    pieces: Vec<char>,
}

impl Marker {
    pub(super) fn new(query: &str, names: &Names) -> Marker {
        let Terms { words, characters } = terms_of_query(query, Pieces::Also, names);
        let (chinese, words): (Vec<String>, Vec<String>) = words.into_iter().partition(|it| it.chars().any(is_chinese));
        let mut chinese: Vec<Vec<char>> = chinese.into_iter().map(|it| it.chars().collect()).collect();
        chinese.sort_by_key(|it| std::cmp::Reverse(it.len()));
        Marker {
            words,
            chinese,
            pieces: characters.into_iter().flat_map(|it| it.chars().collect::<Vec<_>>()).collect(),
        }
    }

    /// Ranges of characters of the text, in order and apart.
    pub(super) fn mark(&self, text: &str) -> Vec<[u32; 2]> {
        let letters = normalised_with_places(text);
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut start = 0;
        while start < letters.len() {
            let rest = letters.get(start..).unwrap_or_default();
            let chinese = rest.first().is_some_and(|(it, _)| is_chinese(*it));
            if chinese {
                let longest = self
                    .chinese
                    .iter()
                    .find(|word| word.len() <= rest.len() && rest.iter().zip(*word).all(|((it, _), own)| it == own));
                match longest {
                    Some(word) => {
                        found.push((start, start + word.len()));
                        start += word.len();
                    }
                    None => start += 1,
                }
                continue;
            }
            let length = rest.iter().take_while(|(it, _)| !it.is_whitespace() && !is_chinese(*it)).count();
            self.mark_code(rest.get(..length).unwrap_or_default(), start, &mut found);
            start += length.max(1);
        }
        if found.is_empty() {
            let pieces = letters.iter().enumerate().filter(|(_, (it, _))| self.pieces.contains(it));
            found.extend(pieces.map(|(at, _)| (at, at + 1)));
        }
        in_characters(&letters, found)
    }

    /// A run between spaces: parts of it that are words of the query, or all of it if it is a code that is.
    fn mark_code(&self, run: &[(char, u32)], start: usize, found: &mut Vec<(usize, usize)>) {
        if self.words.is_empty() {
            return;
        }
        let is_word = |part: &[(char, u32)]| {
            let mut words = Vec::new();
            let part: String = part.iter().map(|(it, _)| *it).collect();
            // The first two are the whole, with and without its joints; what follows are its parts.
            code(&part, &mut words);
            words.iter().take(2).any(|it| self.words.contains(it) && same_length(it, &part))
        };
        let inner = trimmed(run);
        let whole = run.get(inner.0..inner.1).unwrap_or_default();
        if whole.is_empty() {
            return;
        }
        if is_word(whole) {
            found.push((start + inner.0, start + inner.1));
            return;
        }
        for (from, to) in parts(whole, |it| it.is_alphanumeric()) {
            let part = whole.get(from..to).unwrap_or_default();
            if is_word(part) {
                found.push((start + inner.0 + from, start + inner.0 + to));
                continue;
            }
            for (first, last) in [parts(part, char::is_numeric), parts(part, |it| !it.is_numeric())].concat() {
                if (first, last) != (0, part.len()) && is_word(part.get(first..last).unwrap_or_default()) {
                    found.push((start + inner.0 + from + first, start + inner.0 + from + last));
                }
            }
        }
    }
}

/// A stem is a little shorter than its word; a part of a code is much shorter than the code.
fn same_length(word: &str, run: &str) -> bool {
    let letters = |it: &str| it.chars().filter(|it| it.is_alphanumeric()).count();
    let has_digits = run.chars().any(char::is_numeric);
    !has_digits || letters(word) == letters(run)
}

fn trimmed(run: &[(char, u32)]) -> (usize, usize) {
    let outer = |(it, _): &&(char, u32)| !it.is_alphanumeric();
    let before = run.iter().take_while(outer).count();
    let behind = run.iter().rev().take_while(outer).count();
    (before, run.len().saturating_sub(behind).max(before))
}

fn parts(run: &[(char, u32)], belongs: impl Fn(char) -> bool) -> Vec<(usize, usize)> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for (at, (it, _)) in run.iter().enumerate() {
        if !belongs(*it) {
            continue;
        }
        match parts.last_mut() {
            Some((_, end)) if *end == at => *end = at + 1,
            Some(_) | None => parts.push((at, at + 1)),
        }
    }
    parts
}

/// From places among the normalised letters to places among the text's own characters.
fn in_characters(letters: &[(char, u32)], mut found: Vec<(usize, usize)>) -> Vec<[u32; 2]> {
    found.sort_unstable();
    let mut marks: Vec<[u32; 2]> = Vec::new();
    for (from, to) in found {
        let (Some((_, first)), Some((_, last))) = (letters.get(from), letters.get(to.saturating_sub(1))) else {
            continue;
        };
        let (first, end) = (*first, last + 1);
        match marks.last_mut() {
            Some([_, before]) if *before >= first => *before = end.max(*before),
            Some(_) | None => marks.push([first, end]),
        }
    }
    marks.truncate(MOST);
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(query: &str, text: &str) -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        let marks = Marker::new(query, &Names::default()).mark(text);
        marks.iter().map(|[from, to]| letters[*from as usize..*to as usize].iter().collect()).collect()
    }

    #[test]
    fn words_are_marked_in_both_languages() {
        assert_eq!(marked("麻婆豆腐多少钱", "本店的麻婆豆腐和红烧豆腐"), ["麻婆豆腐", "豆腐"]);
        assert_eq!(marked("braised chickens", "Old Street Braised Chicken, and a chick."), ["Braised", "Chicken"]);
        assert_eq!(marked("x5 pro", "新款X5-Pro 发布"), ["X5", "Pro"]);
        assert_eq!(marked("x5-pro", "新款X5-Pro 发布"), ["X5-Pro"]);
        assert_eq!(marked("wifi 6", "支持（Wi-Fi 6）标准，ｗｉｆｉ6"), ["Wi-Fi", "6", "ｗｉｆｉ6"]);
        assert_eq!(marked("E102", "报错 E1021 和 e102。"), ["e102"]);
        assert_eq!(marked("鱼", "水煮鱼片"), ["鱼"]);
    }

    #[test]
    fn characters_are_marked_only_where_no_word_is() {
        assert_eq!(marked("鱼汤", "鱼头"), ["鱼"]);
        assert!(marked("你们有什么吗", "quantum").is_empty());
        assert!(marked("豆腐", "").is_empty());
        assert_eq!(marked("㎏", "５㎏ 大米"), ["㎏"], "one letter that is searched as two stays one");
    }
}
