//! Where sentences end, in Chinese and in Latin scripts, and where a text is cut that has no ends of sentences.

/// Words that a full stop follows without ending anything.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "nos", "vs", "fig", "figs", "eq", "eqs", "vol", "pp", "p", "jr", "sr",
    "inc", "ltd", "co", "corp", "dept", "est", "approx", "cf", "al", "ed", "eds", "sec", "ch", "art", "tel", "ext",
    "e.g", "i.e", "a.m", "p.m",
];

/// The text in sentences; together they are the whole text. What closes a sentence stays with it: quotes, brackets, and
/// the space behind.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, it)) = characters.next() {
        let ends = match it {
            '。' | '！' | '？' | '；' | '…' | '!' | '?' | '｡' | '\n' => true,
            '.' => ends_sentence(text.get(start..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
            _ => false,
        };
        if !ends {
            continue;
        }
        let mut end = at + it.len_utf8();
        while let Some((next_at, next)) = characters.next_if(|(_, next)| is_end(*next) || is_closing(*next)) {
            end = next_at + next.len_utf8();
        }
        // `a!b` and `x?y=1` are no ends; after a Chinese sign nothing needs to follow.
        let is_narrow = matches!(it, '!' | '?');
        if is_narrow && characters.peek().is_some_and(|(_, next)| next.is_ascii() && !next.is_whitespace()) {
            continue;
        }
        while let Some((next_at, next)) = characters.next_if(|(_, next)| next.is_whitespace()) {
            end = next_at + next.len_utf8();
        }
        all.extend(text.get(start..end));
        start = end;
    }
    all.extend(text.get(start..).filter(|it| !it.is_empty()));
    all
}

fn is_end(it: char) -> bool {
    matches!(it, '。' | '！' | '？' | '…' | '!' | '?' | '.')
}

fn is_closing(it: char) -> bool {
    matches!(it, '”' | '’' | '」' | '』' | '）' | '】' | '》' | '〉' | '"' | '\'' | ')' | ']' | '»' | '*' | '_' | '`')
}

/// Whether the full stop between the two ends a sentence: not in `3.14`, `2. Press`, `e.g. this`, `J. Smith`, `v1.2`.
fn ends_sentence(before: &str, after: &str) -> bool {
    let behind = after.trim_start_matches(|it| is_closing(it) || it == '.');
    let Some(next) = behind.chars().next() else { return true };
    if !next.is_whitespace() {
        return false;
    }
    let word =
        before.rsplit(|it: char| it.is_whitespace() || matches!(it, '(' | '（' | '“' | '"')).next().unwrap_or_default();
    let is_first = before.trim() == word;
    if is_first && !word.is_empty() && word.len() <= 4 && word.bytes().all(|it| it.is_ascii_alphanumeric()) {
        return false;
    }
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    if is_initial || ABBREVIATIONS.contains(&word.to_ascii_lowercase().as_str()) {
        return false;
    }
    // `etc. and`, `approx. ten`: a new sentence does not begin with a small letter.
    !behind.trim_start().chars().next().is_some_and(char::is_lowercase)
}

/// Where a text is best cut, at or before the byte `most`: behind a comma or a space in its last half, else before a
/// character that begins something. At least one character is taken.
pub(crate) fn cut_before(text: &str, most: usize) -> usize {
    let mut end = most.min(text.len());
    while end > 0 && !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = text.get(..end).unwrap_or_default();
    let good = head
        .char_indices()
        .rev()
        .take_while(|(at, _)| *at > end / 2)
        .find(|(_, it)| it.is_whitespace() || matches!(it, '，' | '、' | ',' | ';' | '：' | ':' | '|' | '。'))
        .map(|(at, it)| at + it.len_utf8());
    if let Some(good) = good.filter(|it| *it > 0) {
        return good;
    }
    // A letter is not parted from its accents.
    while end > 0 && text.get(end..).and_then(|it| it.chars().next()).is_some_and(continues) {
        end = text.get(..end).and_then(|it| it.char_indices().next_back()).map_or(0, |(at, _)| at);
    }
    if end > 0 { end } else { text.chars().next().map_or(0, char::len_utf8) }
}

fn continues(it: char) -> bool {
    unicode_normalization::char::is_combining_mark(it) || matches!(it, '\u{200D}' | '\u{FE0F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        let all = sentences(text);
        assert_eq!(all.concat(), text, "nothing is lost");
        all.into_iter().map(|it| it.trim().to_owned()).collect()
    }

    #[test]
    fn chinese_sentences_keep_their_quotes() {
        assert_eq!(
            split("他说：“可以退货。”然后走了！真的吗？？……好；行"),
            ["他说：“可以退货。”", "然后走了！", "真的吗？？……", "好；", "行"]
        );
        assert_eq!(split("（见第三章。）下一句"), ["（见第三章。）", "下一句"]);
        assert_eq!(split("准备材料；2. 提交申请。3. 等待。"), ["准备材料；", "2. 提交申请。", "3. 等待。"]);
    }

    #[test]
    fn full_stops_that_end_nothing() {
        assert_eq!(
            split("Pi is 3.14 today. See e.g. Fig. 2 for v1.2.3 of it."),
            ["Pi is 3.14 today.", "See e.g. Fig. 2 for v1.2.3 of it."]
        );
        assert_eq!(split("2. Press the key. Then wait!"), ["2. Press the key.", "Then wait!"]);
        assert_eq!(
            split("J. Smith wrote “it is so.” Nobody did (at all). Yes"),
            ["J. Smith wrote “it is so.”", "Nobody did (at all).", "Yes"]
        );
        assert_eq!(
            split("Open https://a.b/c?d=1 now. In 2020. After"),
            ["Open https://a.b/c?d=1 now.", "In 2020.", "After"]
        );
        assert_eq!(split("apples, pears etc. and so on."), ["apples, pears etc. and so on."]);
    }

    #[test]
    fn long_texts_are_cut_at_good_places() {
        let text = "alpha beta, gamma";
        assert_eq!(text.get(..cut_before(text, 13)), Some("alpha beta, "));
        assert_eq!(cut_before("麻婆豆腐", 7), 6);
        assert_eq!(cut_before("麻", 1), 3);
        assert_eq!(cut_before("ae\u{301}", 2), 1);
    }
}
